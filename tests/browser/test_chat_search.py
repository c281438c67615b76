"""Search on the page: in all conversations, with marks, context, and a jump to the place."""

from __future__ import annotations

from playwright.async_api import expect
from support.browser import Visit
from support.sign_in_server import SigningIn

#: Whether the panel with the hits covers the messages.
COVERS = """() => {
    const panel = document.querySelector(".search").getBoundingClientRect();
    return document.querySelector(".timeline").getBoundingClientRect().right > panel.left + 1;
}"""

WIDTH = "() => document.querySelector('.timeline').clientWidth"


async def test_search_in_all_conversations_jumps_to_the_place_of_a_hit(
    visit: Visit, signing_in: SigningIn
) -> None:
    ann, ben, cid = signing_in.server.accounts("ann", "ben", "cid")
    visitor = await visit()
    page = visitor.page
    await page.set_viewport_size({"width": 1280, "height": 720})
    await visitor.sign_in(ann)
    await visitor.make_room("Orchard")
    for text in ("a first word", "apples in the orchard", "a last word"):
        await visitor.say(text)
    await expect(page.locator("li.pending")).to_have_count(0)
    await visitor.chat(ben.jid)
    await visitor.say("apples for Ben")
    await expect(page.locator("li.pending")).to_have_count(0)
    await visitor.chat(cid.jid)

    await page.get_by_role("button", name="Search all conversations").click()
    await page.get_by_role("searchbox").fill("apples")
    hits = page.get_by_role("list", name="Results").get_by_role("button")
    await expect(hits).to_have_count(2)
    await expect(hits.first).to_contain_text("You: apples for Ben")
    await expect(hits.last).to_contain_text("Orchard")
    await expect(hits.last.locator(".context")).to_have_text(
        ["You: a first word", "You: a last word"]
    )
    await expect(hits.last.locator("mark")).to_have_text("apples")

    await hits.last.click()
    await expect(page.get_by_role("heading", name="Orchard")).to_be_visible()
    await expect(visitor.message("apples in the orchard").locator("mark")).to_have_text("apples")
    await expect(hits.first).to_be_visible()
    assert not await page.evaluate(COVERS)

    # At each width the messages have room enough, or the panel covers them.
    for width in (1000, 1100, 1200):
        await page.set_viewport_size({"width": width, "height": 720})
        assert await page.evaluate(COVERS) or await page.evaluate(WIDTH) >= 340, width
    assert await visitor.violations() == []
    await page.get_by_role("button", name="Close the search").click()
    await expect(page.get_by_role("searchbox")).to_be_hidden()


async def test_search_without_a_conversation_is_one_in_all(
    visit: Visit, signing_in: SigningIn
) -> None:
    ann, ben = signing_in.server.accounts("ann", "ben")
    visitor = await visit(viewport={"width": 360, "height": 720})
    page = visitor.page
    await visitor.sign_in(ann)
    await visitor.chat(ben.jid)
    await visitor.say("pears for Ben")
    await expect(page.locator("li.pending")).to_have_count(0)
    await page.get_by_role("button", name="Back to the conversations").click()
    await expect(page.locator("#conversation[data-jid]")).to_have_count(0)
    await page.keyboard.press("/")
    await expect(page.get_by_text("In all conversations")).to_be_hidden()
    await page.keyboard.type("pears")
    await page.get_by_role("list", name="Results").get_by_role("button").click()

    await expect(visitor.message("pears").locator("mark")).to_have_text("pears")
    await expect(page.get_by_role("searchbox")).to_be_hidden()
