"""The pictures of the docs: written anew by `pytest --screenshots tests/browser`."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect
from support.browser import Visit, Visitor
from support.ejabberd import ROOT, Account
from support.sign_in_server import SigningIn

FOLDER = ROOT / "docs/pictures"

TALK = (
    ("alice", "Hi Bob, do you still have the plans of the town hall?"),
    ("bob", "Somewhere in the muniment room, I should think."),
    ("alice", "That is what I was afraid of."),
    ("bob", "Nothing gets lost there. It is only never found."),
    ("alice", "Then it is time for an archive that can be asked."),
    ("bob", "It answers already: https://chat.example/plans/1894"),
)


async def picture(visitor: Visitor, path: Path) -> None:
    """Write a picture of the page."""
    path.parent.mkdir(exist_ok=True)
    await visitor.page.screenshot(path=path)
    assert path.stat().st_size > 10_000


async def named(signing_in: SigningIn, account: Account, name: str) -> None:
    """Give an account a name that others see."""
    async with signing_in.user(await signing_in.sign_in(account)) as http:
        answer = await http.patch("/api/v1/chat/profile", json={"name": name})
        assert answer.status == 200, await answer.text()


async def test_pictures_show_a_conversation_on_a_desk_and_on_a_phone(
    visit: Visit, signing_in: SigningIn, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = FOLDER if request.config.getoption("--screenshots") else tmp_path / "pictures"
    alice, bob, carol = signing_in.server.accounts("alice", "bob", "carol")
    for account, name in ((alice, "Alice"), (bob, "Bob Archer"), (carol, "Carol Mills")):
        await named(signing_in, account, name)
    desk = await visit(viewport={"width": 1100, "height": 700}, color_scheme="light")
    phone = await visit(viewport={"width": 390, "height": 700}, color_scheme="dark")
    await desk.sign_in(alice)
    await phone.sign_in(bob)
    await desk.chat(carol.jid)
    await desk.say("See you at noon")
    await expect(desk.message("See you at noon").locator(".mark")).to_be_visible()
    await desk.chat(bob.jid)
    await phone.chat(alice.jid)
    for speaker, text in TALK:
        here, there = (desk, phone) if speaker == "alice" else (phone, desk)
        await here.say(text)
        await expect(here.message(text).locator(".mark")).to_be_visible()
        await expect(there.message(text)).to_be_visible()
    await desk.message("never found").focus()
    await desk.page.keyboard.press("Enter")
    await desk.page.get_by_role("menuitem", name="React with ❤️").click()
    await expect(phone.message("never found").locator(".reaction")).to_be_visible()
    await expect(desk.page.get_by_role("link", name="Bob Archer")).to_be_visible()
    await expect(desk.message(TALK[-2][1]).locator(".mark.displayed")).to_be_visible()
    await expect(desk.page.locator(".badge")).to_have_count(0)
    await desk.by_label("Message").focus()

    await picture(desk, folder / "chat.png")
    await picture(phone, folder / "chat-phone.png")
