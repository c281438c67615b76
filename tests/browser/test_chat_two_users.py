"""Two people at once: each sees what the other does, and nobody loads the page again."""

from __future__ import annotations

import re

from playwright.async_api import expect
from support.browser import Opened


async def test_message_appears_on_both_pages_at_once(
    people: tuple[Opened, Opened],
) -> None:
    ann, ben = (person.visitor for person in people)
    await ann.say("Hello Ben")
    await expect(ben.message("Hello Ben")).to_be_visible()
    await ben.say("Hello Ann")
    await expect(ann.message("Hello Ann")).to_be_visible()

    await expect(ann.message("Hello Ben")).to_have_count(1)
    await expect(ann.page.locator("li.pending")).to_have_count(0)
    await expect(ben.page.locator("li.row")).to_have_count(2)
    await expect(ben.message("Hello Ben").locator("article")).to_have_accessible_name(
        # The name of a contact is the local part of the address, without a better one.
        re.compile("^ann-")
    )


async def test_correction_reaction_and_retraction_are_seen_by_the_other(
    people: tuple[Opened, Opened],
) -> None:
    ann, ben = (person.visitor for person in people)
    await ann.say("Helo Ben")
    await expect(ann.message("Helo Ben").locator(".mark")).to_be_visible()
    # Only a message in the archive can be corrected.
    await expect(ann.page.locator("li.pending")).to_have_count(0)

    await ann.by_label("Message").press("ArrowUp")
    await ann.say("Hello dear Ben")
    await expect(ben.message("Hello dear Ben")).to_contain_text("edited")
    await expect(ben.message("Helo Ben")).to_have_count(0)

    await ben.message("Hello dear Ben").focus()
    await ben.page.keyboard.press("Enter")
    await ben.page.get_by_role("menuitem", name="React with 👍").press("Enter")
    reaction = ann.message("Hello dear Ben").get_by_role("button", name="👍 1 by")
    await expect(reaction).to_have_attribute("aria-pressed", "false")
    await expect(ben.message("Hello dear").get_by_role("button", name="👍")).to_have_attribute(
        "aria-pressed", "true"
    )

    await ben.message("Hello dear Ben").get_by_role("button", name="edited").click()
    versions = ben.page.get_by_role("dialog").locator("li .text")
    await expect(versions).to_have_text(["Helo Ben", "Hello dear Ben"])
    await ben.page.keyboard.press("Escape")

    await ann.message("Hello dear Ben").focus()
    await ann.page.keyboard.press("Enter")
    await ann.page.get_by_role("menuitem", name="Delete for everyone").click()
    await ann.page.get_by_role("button", name="Delete", exact=True).click()
    await expect(ben.page.locator("li.row")).to_contain_text("This message was deleted.")


async def test_reply_shows_the_message_that_it_answers_and_leads_to_it(
    people: tuple[Opened, Opened],
) -> None:
    ann, ben = (person.visitor for person in people)
    await ann.say("Tea or coffee?")
    await ben.message("Tea or coffee?").focus()
    await ben.page.keyboard.press("Enter")
    await ben.page.get_by_role("menuitem", name="Reply").press("Enter")
    note = ben.page.get_by_text("Replying to ann")
    await expect(note).to_contain_text("Tea or coffee?")
    await ben.say("Coffee, please")
    await expect(note).to_be_hidden()

    reply = ann.page.locator("li.row").last
    await expect(reply.locator(".text")).to_have_text("Coffee, please")
    quoted = reply.locator(".quoted")
    await expect(quoted.locator(".by")).to_have_text("You")
    await expect(quoted.locator(".excerpt")).to_have_text("Tea or coffee?")
    await quoted.click()
    await expect(ann.page.locator("li.flash")).to_contain_text("Tea or coffee?")
    assert await ann.violations() == []


async def test_unread_messages_are_counted_until_they_are_seen(
    people: tuple[Opened, Opened],
) -> None:
    ann, ben = (person.visitor for person in people)
    ann_account = people[0].own
    await ben.page.evaluate("() => { location.hash = '#/'; }")
    for number in range(3):
        await ann.say(f"Are you there? {number}")
    entry = ben.page.get_by_role("link", name=ann_account.user)
    await expect(entry).to_contain_text("3 unread")
    await expect(ben.page).to_have_title("(3) Chat")

    await ben.chat(ann_account.jid)
    await expect(ben.page.locator(".unread-line")).to_have_count(1)
    await expect(entry).not_to_contain_text("unread")
    await expect(ann.message("Are you there? 2").locator(".mark")).to_have_text("✓✓Read")
