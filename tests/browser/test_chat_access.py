"""Everybody can use the page: without a mouse, with a screen reader, on a phone, in the dark."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect
from support.browser import THEMES, WIDTHS, Visit
from support.ejabberd import Account
from support.sign_in_server import SigningIn


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def accounts(signing_in: SigningIn) -> AsyncIterator[tuple[Account, Account]]:
    """Ann and Ben, who have talked, reacted and retracted."""
    ann, ben = signing_in.server.accounts("ann", "ben")
    for sender, recipient, texts in (
        (ben, ann, ["Hello Ann", "See https://chat.example/plans."]),
        (ann, ben, ["Hello Ben", "one\ntwo\nthree"]),
        (ben, ann, ["Are you there?"]),
    ):
        async with signing_in.user(await signing_in.sign_in(sender)) as http:
            path = f"/api/v1/archives/{sender.jid}/messages"
            for text in texts:
                answer = await http.post(path, json={"to": recipient.jid, "body": text})
                sent = await answer.json()
                assert answer.status == 201, sent
            if sender is ann:
                reaction = {"to": ben.jid, "reacts_to": sent["id"], "reactions": ["👍", "🎉"]}
                assert (await http.post(path, json=reaction)).status == 201
    yield ann, ben


@pytest.mark.parametrize("theme", THEMES)
async def test_no_state_of_the_page_violates_a_rule_of_accessibility(
    visit: Visit, accounts: tuple[Account, Account], theme: str
) -> None:
    ann, ben = accounts
    visitor = await visit(color_scheme=theme)
    page = visitor.page
    found: list[str] = []

    async def check(state: str) -> None:
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 720})
            wide = await page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
            if wide:
                found.append(f"{state}, {width}: the page is wider than the window")
            found.extend(f"{state}, {width}: {text}" for text in await visitor.violations())

    await visitor.open()
    await visitor.by_label("Address").wait_for()
    await check("sign-in")
    visitor.expect_problem("401")
    await visitor.by_label("Address").fill(ann.jid)
    await visitor.by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("The address or the password is wrong.")
    await check("refused sign-in")

    await visitor.sign_in(ann)
    await expect(page.locator(".conversation")).to_have_count(1)
    await check("conversations")
    await visitor.chat(ben.jid)
    await expect(visitor.message("Are you there?")).to_be_visible()
    await check("conversation")
    await visitor.message("one").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menu")).to_be_visible()
    await check("actions")
    await page.get_by_role("menuitem", name="Other reaction").click()
    await check("reactions")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Search messages").click()
    await page.get_by_role("searchbox").fill("hello")
    await expect(page.get_by_text("2 results")).to_be_visible()
    await check("search")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Go to a date").click()
    await check("date")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("option")).to_have_count(1)
    await check("switcher")
    await page.keyboard.press("Escape")
    await page.evaluate("() => { location.hash = '#/'; }")
    await page.get_by_role("button", name="New room").click()
    await check("new room")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Your account").click()
    await expect(visitor.by_label("Name that others see")).to_be_visible()
    await check("account")
    await page.get_by_role("button", name="Keyboard").click()
    await check("help")
    assert not found, "\n".join(found)


async def test_page_at_twice_its_size_shows_everything_and_needs_no_scrolling_aside(
    visit: Visit, accounts: tuple[Account, Account]
) -> None:
    ann, ben = accounts
    # What is left of a window of 1,280 by 900 pixels with a zoom of 200 %.
    visitor = await visit(viewport={"width": 640, "height": 450}, device_scale_factor=2)
    page = visitor.page
    await visitor.sign_in(ann)
    await visitor.chat(ben.jid)
    await visitor.message("Are you there?").scroll_into_view_if_needed()
    for part in (
        visitor.message("Are you there?"),
        visitor.by_label("Message"),
        page.get_by_role("button", name="Send", exact=True),
        page.get_by_role("button", name="Search messages"),
    ):
        await expect(part).to_be_in_viewport(ratio=1)
    assert await page.locator(".scroller").evaluate("list => list.clientHeight") > 150
    wide = await page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert not wide
    assert await visitor.violations() == []


async def test_theme_of_the_user_goes_before_that_of_the_system(
    visit: Visit, accounts: tuple[Account, Account]
) -> None:
    visitor = await visit(color_scheme="light")
    await visitor.sign_in(accounts[0])
    background = "() => getComputedStyle(document.body).backgroundColor"
    light = await visitor.page.evaluate(background)
    await visitor.page.get_by_role("button", name="Your account").click()
    await visitor.by_label("Dark").check()
    dark = await visitor.page.evaluate(background)
    await visitor.page.reload()
    await visitor.page.get_by_role("navigation").wait_for()

    assert light != dark == await visitor.page.evaluate(background)


async def test_whole_journey_needs_no_mouse(
    visit: Visit, accounts: tuple[Account, Account]
) -> None:
    ann, ben = accounts
    visitor = await visit()
    page, press = visitor.page, visitor.page.keyboard.press
    await visitor.open()
    await expect(visitor.by_label("Address")).to_be_focused()
    await page.keyboard.type(ann.user)
    await press("Tab")
    await page.keyboard.type(ann.password)
    await press("Enter")
    await page.locator(".conversation").wait_for()

    await press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await press("Escape")
    await press("Control+k")
    await expect(page.get_by_role("combobox")).to_be_focused()
    await page.keyboard.type(ben.user[:6])
    await expect(page.get_by_role("option", selected=True)).to_contain_text(ben.user)
    await press("Enter")
    await expect(visitor.by_label("Message")).to_be_focused()

    await page.keyboard.type("no mouse at all")
    await press("Enter")
    sent = visitor.message("no mouse at all")
    await expect(sent.locator(".mark")).to_be_visible()
    await press("ArrowUp")
    await expect(page.get_by_text("You are editing your message.")).to_be_visible()
    await press("Escape")
    await expect(page.get_by_text("You are editing your message.")).to_be_hidden()

    # From writing back to the messages, up and down in them, and to the actions on one.
    await press("Shift+F6")
    await expect(sent).to_be_focused()
    await press("ArrowUp")
    await expect(visitor.message("Are you there?")).to_be_focused()
    await press("ArrowDown")
    await press("Enter")
    await expect(page.get_by_role("menuitem").first).to_be_focused()
    await press("ArrowDown")
    await press("Enter")
    await expect(sent.locator(".reaction")).to_have_attribute("aria-pressed", "true")
    await expect(sent).to_be_focused()
    await press("Escape")
    await expect(visitor.by_label("Message")).to_be_focused()

    await press("Escape")
    await press("F6")
    await expect(page.locator(".conversation[aria-current]")).to_be_focused()
    await press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.type("plans")
    await expect(page.get_by_text("1 result")).to_be_visible()
    await press("ArrowDown")
    await press("Enter")
    await expect(visitor.message("plans").locator("mark")).to_have_count(0)
    await expect(visitor.message("plans")).to_be_focused()
    await expect(page.locator(":focus-visible")).to_have_count(1)


async def test_new_messages_are_announced_and_old_ones_are_not(
    visit: Visit, accounts: tuple[Account, Account]
) -> None:
    ann, ben = accounts
    visitor, other = await visit(), await visit()
    await visitor.sign_in(ann)
    await visitor.chat(ben.jid)
    region = visitor.page.locator("[aria-live=polite].hidden")
    await expect(region).to_be_empty()
    await other.sign_in(ben)
    await other.chat(ann.jid)
    await other.say("Now you hear me")

    await expect(region).to_contain_text("Now you hear me")


async def test_states_are_seen_without_the_colours_of_the_page(
    visit: Visit, accounts: tuple[Account, Account]
) -> None:
    ann, ben = accounts
    visitor, other = await visit(forced_colors="active"), await visit()
    page = visitor.page
    await other.sign_in(ben)
    await other.chat(ann.jid)
    await visitor.sign_in(ann)
    await visitor.chat(ben.jid)
    await expect(visitor.message("one").locator(".mark.displayed")).to_be_visible()
    await visitor.say("not seen yet")
    await visitor.message("one").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")

    looks = """([first, ...properties]) => {
        const style = getComputedStyle(document.querySelector(first));
        return properties.map((property) => style[property]);
    }"""
    for selector in (".bubble", ".avatar", ".conversation[aria-current]"):
        assert await page.evaluate(looks, [selector, "borderTopStyle"]) == ["solid"], selector
    assert await page.evaluate(looks, ["li.row:focus", "outlineStyle"]) == ["solid"]
    pressed = await page.evaluate(looks, [".reaction[aria-pressed=true]", "borderTopWidth"])
    assert pressed == ["2px"]
    read = await page.evaluate(looks, [".mark.displayed", "textDecorationLine"])
    assert read == ["underline"]
    assert await visitor.violations() == []
