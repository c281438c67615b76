"""Rooms on the page: who makes one, who joins by a link, and what members see live."""

from __future__ import annotations

from playwright.async_api import expect
from support.browser import Opened, Visit
from support.sign_in_server import SigningIn


async def test_room_is_made_joined_by_a_link_renamed_and_left(
    visit: Visit, signing_in: SigningIn
) -> None:
    ann_account, ben_account, cat_account = signing_in.server.accounts("ann", "ben", "cat")
    ann, ben, cat = await visit(), await visit(), await visit()
    await ben.sign_in(ben_account)
    await ann.sign_in(ann_account)
    await ann.make_room("Town hall", ben_account.user)
    await expect(ann.page.get_by_role("heading", name="Town hall")).to_be_visible()

    # The room appears with its member, who was looking at something else.
    await ben.page.get_by_role("link", name="Town hall").click()
    await ben.page.locator("#conversation[data-state=ready]").wait_for()
    await ann.say("Welcome to the room")
    await expect(ben.message("Welcome to the room")).to_be_visible()
    await ben.say("Thank you")
    await expect(ann.message("Thank you")).to_be_visible()
    await expect(ann.message("Thank you").locator(".author")).to_contain_text(ben_account.user)
    await expect(ann.page.locator("li.own")).to_have_count(1)
    await expect(ann.page.locator("li.pending")).to_have_count(0)

    await ben.message("Welcome to the room").focus()
    await ben.page.keyboard.press("Enter")
    await ben.page.get_by_role("menuitem", name="React with 👍").click()
    await expect(ann.message("Welcome").locator(".reaction")).to_have_text("👍 1")

    details = "Members and settings of the room"
    await ann.page.get_by_role("button", name=details).click()
    await expect(ann.page.get_by_role("heading", name="2 members")).to_be_visible()
    await ann.page.set_viewport_size({"width": 360, "height": 720})
    room = ann.page.get_by_role("dialog")
    assert await room.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    await ann.page.set_viewport_size({"width": 1280, "height": 720})
    await ann.page.get_by_role("button", name="Link to join").click()
    link = await ann.page.get_by_role("textbox", name="Link to join").input_value()
    await ann.page.keyboard.press("Escape")
    await cat.sign_in(cat_account)
    await cat.page.goto(link)
    await cat.page.locator("#conversation[data-state=ready]").wait_for()
    await expect(cat.message("Thank you")).to_be_visible()
    await cat.say("Here I am")
    await expect(ann.message("Here I am")).to_be_visible()

    await ann.page.get_by_role("dialog").get_by_label("Name").fill("City hall")
    await ann.page.get_by_role("button", name="Rename").click()
    await expect(ben.page.get_by_role("link", name="City hall")).to_be_visible()
    await ann.page.keyboard.press("Escape")

    await cat.page.get_by_role("button", name=details).click()
    await cat.page.get_by_role("button", name="Leave the room").click()
    await cat.page.get_by_role("button", name="Leave", exact=True).click()
    await expect(cat.page.get_by_text("No conversations yet")).to_be_visible()


async def test_member_who_is_removed_while_looking_at_a_room_is_told_and_reads_what_was_said(
    visit: Visit, signing_in: SigningIn
) -> None:
    ann_account, ben_account = signing_in.server.accounts("ann", "ben")
    ann, ben = await visit(), await visit()
    await ben.sign_in(ben_account)
    await ann.sign_in(ann_account)
    await ann.make_room("Town hall", ben_account.user)
    await ben.page.get_by_role("link", name="Town hall").click()
    await ben.page.locator("#conversation[data-state=ready]").wait_for()
    await ann.say("Before")
    await expect(ben.message("Before")).to_be_visible()

    # A request may be under way when he is removed.
    ben.expect_problem("404")
    await ann.page.get_by_role("button", name="Members and settings of the room").click()
    await ann.page.get_by_role("button", name=f"Remove {ben_account.jid}").click()
    await expect(
        ben.page.get_by_text("You are not a member of this room any more")
    ).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await ann.say("Behind")
    await expect(ann.message("Behind").locator(".mark")).to_be_visible()

    await expect(ben.message("Before")).to_be_visible()
    await expect(ben.message("Behind")).to_have_count(0)
    await expect(ben.page.get_by_role("link", name="Town hall")).to_have_count(0)


async def test_typing_is_shown_until_the_message_comes(people: tuple[Opened, Opened]) -> None:
    ann, ben = (person.visitor for person in people)
    await ann.by_label("Message").press_sequentially("I am wri")
    await expect(ben.page.get_by_text("is typing…")).to_be_visible()
    await ann.by_label("Message").press("Enter")
    await expect(ben.message("I am wri")).to_be_visible()
    await expect(ben.page.get_by_text("is typing…")).to_be_hidden()
