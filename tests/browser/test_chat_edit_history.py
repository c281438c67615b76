"""The edit history of a message: the page says that it was corrected, and shows each version."""

from __future__ import annotations

import re
from itertools import pairwise

from playwright.async_api import Locator, expect
from support.browser import Opened, Visit, Visitor
from support.sign_in_server import SigningIn

VERSIONS = ["Lunch at noon", "Lunch at one", "Lunch at two"]


async def write(author: Visitor, versions: list[str]) -> None:
    """Send a message, and correct it by keyboard until it has the last version."""
    await author.say(versions[0])
    for before, text in pairwise(versions):
        # Only a message in the archive can be corrected.
        await expect(author.message(before).locator(".mark")).to_be_visible()
        await expect(author.page.locator("li.pending")).to_have_count(0)
        field = author.by_label("Message")
        await field.press("ArrowUp")
        await expect(field).to_have_value(before)
        await author.say(text)
        await expect(author.message(text)).to_be_visible()


async def edit_history(reader: Visitor, text: str) -> Locator:
    """Open the history of edits of a message by keyboard, and return its versions."""
    await reader.message(text).focus()
    await reader.page.keyboard.press("Enter")
    await reader.page.get_by_role("menuitem", name="History of edits").press("Enter")
    return reader.page.get_by_role("dialog", name="History of edits").get_by_role("listitem")


async def test_corrected_message_says_so_and_shows_its_earlier_versions(
    people: tuple[Opened, Opened], signing_in: SigningIn
) -> None:
    ann, ben = (person.visitor for person in people)
    await write(ann, VERSIONS)

    for reader in (ann, ben):
        message = reader.message(VERSIONS[-1])
        await expect(reader.page.locator("li.row")).to_have_count(1)
        mark = message.get_by_role("button", name="edited")
        await expect(mark).to_have_attribute("title", re.compile("^Edited .+ Show its history$"))
        versions = await edit_history(reader, VERSIONS[-1])
        await expect(versions.locator(".text")).to_have_text(VERSIONS)
        await expect(versions).to_contain_text(["Sent ", "Edited ", "Edited "])
        times = await versions.locator("time").evaluate_all(
            "all => all.map(time => time.dateTime)"
        )
        assert times == sorted(times)
        assert len(times) == len(VERSIONS)
        assert await reader.violations() == []
        await reader.page.keyboard.press("Escape")
        await expect(message).to_be_focused()

    # A correction by somebody else is no version, whatever it says.
    ann_account, ben_account = people[0].own, people[1].own
    async with signing_in.user(await signing_in.sign_in(ann_account)) as http:
        path = f"/api/v1/chat/conversations/{ben_account.jid}/messages"
        async with http.get(path) as response:
            [stored] = (await response.json())["messages"]
    async with signing_in.server.client(ben_account) as phone:
        await phone.be_available()
        phone.send(
            f"<message to='{ann_account.jid}' type='chat'><body>Lunch never</body>"
            f"<replace id='{stored['message_id']}' xmlns='urn:xmpp:message-correct:0'/></message>"
        )
        phone.say(ann_account.jid, "Fine")
        await expect(ann.message("Fine")).to_be_visible()
    await ann.page.reload()
    await ann.page.locator("#conversation[data-state=ready]").wait_for()
    await expect(ann.page.locator("li.row .text")).to_have_text([VERSIONS[-1], "Fine"])
    versions = await edit_history(ann, VERSIONS[-1])
    await expect(versions.locator(".text")).to_have_text(VERSIONS)


async def test_member_of_a_room_sees_the_earlier_versions_of_a_message(
    visit: Visit, signing_in: SigningIn
) -> None:
    ann_account, ben_account = signing_in.server.accounts("ann", "ben")
    ann, ben = await visit(), await visit()
    await ann.sign_in(ann_account)
    await ben.sign_in(ben_account)
    await ann.make_room("Town hall", ben_account.user)
    await ben.page.get_by_role("link", name="Town hall").click()
    await ben.page.locator("#conversation[data-state=ready]").wait_for()
    await write(ann, VERSIONS)

    await expect(ben.message(VERSIONS[-1])).to_contain_text("edited")
    versions = await edit_history(ben, VERSIONS[-1])
    await expect(versions.locator(".text")).to_have_text(VERSIONS)
