"""Texts of people who mean harm stay texts."""

from __future__ import annotations

from xml.sax.saxutils import escape

from playwright.async_api import expect
from support.browser import Visit
from support.sign_in_server import SigningIn

HTML = "<img src=x onerror=\"document.title='lost'\"><b>bold</b><script>alert(1)</script>"
BIDI = "invoice\u202egpj.exe and https://bank.example/\u202emoc.live"
LINKS = (
    "javascript:alert(1) data:text/html,x vbscript:x file:///etc/passwd http://a.example/%3Cb%3E"
)
LONG = "x" * 60_000
LINES = "y\n" * 2_000


async def test_hostile_texts_are_shown_as_texts(visit: Visit, signing_in: SigningIn) -> None:
    ann, eve = signing_in.server.accounts("ann", "eve")
    async with signing_in.server.client(eve, "<b>phone</b>") as client:
        await client.be_available()
        for text in (HTML, BIDI, LINKS, LONG, LINES):
            client.send(
                f"<message to='{ann.jid}' type='chat'><body>{escape(text)}</body>"
                "<subject>&lt;script&gt;</subject></message>"
            )
        await client.settled()
    visitor = await visit()
    await visitor.sign_in(ann)
    await visitor.chat(eve.jid)
    texts = visitor.page.locator("li.row .text")
    await expect(texts).to_have_count(5)

    assert await texts.nth(0).text_content() == HTML
    assert await visitor.page.locator("li.row :is(img, b, script)").count() == 0
    assert await texts.nth(1).text_content() == BIDI
    # The direction of a text changes nothing beside it, and its address ends before the trick.
    assert await texts.nth(1).evaluate("e => getComputedStyle(e).unicodeBidi") == "isolate"
    assert await texts.nth(1).locator("bdi > a").get_attribute("href") == "https://bank.example/"
    (link,) = await texts.nth(2).locator("a").all()
    assert await link.get_attribute("href") == "http://a.example/%3Cb%3E"
    assert "noopener" in (await link.get_attribute("rel") or "")

    more = texts.nth(3).get_by_role("button", name="Show all 60,000 characters")
    assert len(await texts.nth(3).text_content() or "") < 2_100
    await more.click()
    await expect(texts.nth(3)).to_have_text(LONG)
    wide = await visitor.page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert not wide
    assert "lost" not in await visitor.page.title()


async def test_names_and_addresses_of_strangers_are_texts(
    visit: Visit, signing_in: SigningIn
) -> None:
    (ann,) = signing_in.server.accounts("ann")
    visitor = await visit()
    visitor.expect_problem("40[0-9]")
    await visitor.sign_in(ann)
    for jid in ("%3Cimg%20src=x%3E@one.test", "a%E0%A4%A", "..%2F..%2F@one.test", "%22%3E@x"):
        await visitor.page.evaluate("to => { location.hash = to; }", f"#/chat/{jid}")
    await visitor.page.keyboard.press("Control+k")
    await visitor.page.get_by_role("combobox").fill("<img src=x>@one.test")
    await visitor.page.keyboard.press("Escape")

    assert await visitor.page.locator("img").count() == 0
