"""The harness itself: an error or a violation of the policy on a page is seen."""

from __future__ import annotations

import asyncio

from support.browser import SECONDS, Visit


async def test_violations_of_the_policy_and_errors_of_scripts_are_seen(
    visit: Visit,
) -> None:
    ann = await visit()
    await ann.open()
    ann.expect_problem("Content Security Policy|TrustedHTML|boom")
    await ann.page.evaluate(
        """() => {
            new Image().src = "https://elsewhere.example/x.png";
            try { document.body.innerHTML = "<b>x</b>"; } catch (error) { console.error(error); }
            setTimeout(() => { throw new Error("boom"); });
        }"""
    )

    expected = {"Content Security Policy", "TrustedHTML", "boom"}
    async with asyncio.timeout(SECONDS):
        while not all(word in "\n".join(ann.problems) for word in expected):
            await ann.page.wait_for_timeout(50)
    assert await ann.page.locator("b").count() == 0
