"""An operator manages the accounts of a real ejabberd by keyboard, and their user notices."""

from __future__ import annotations

import re
import secrets
from typing import Literal

import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser, Locator, expect
from support.browser import Visitor, visitor
from support.ejabberd import Account
from support.operators import CHIEF
from support.sign_in_server import SigningIn

Role = Literal["button", "checkbox", "link"]


async def may_sign_in(signing_in: SigningIn, account: Account) -> bool:
    """Return whether ejabberd accepts the password of an account."""
    body = {"jid": account.jid, "password": account.password}
    async with (
        ClientSession() as http,
        http.post(f"{signing_in.url}/api/v1/tokens", json=body) as response,
    ):
        assert response.status in (201, 401), await response.text()
        return response.status == 201


async def tab_to(chief: Visitor, target: Locator) -> None:
    """Press Tab until an element has the focus."""
    await target.wait_for()
    # Each account in the list has two links.
    for _ in range(500):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await chief.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {target}")


async def press(chief: Visitor, role: Role, name: str, key: str = "Enter") -> None:
    """Press a key on the element with a role and a name."""
    await tab_to(chief, chief.page.get_by_role(role, name=name, exact=True))
    await chief.page.keyboard.press(key)


async def enter(chief: Visitor, *fields: tuple[str, str]) -> None:
    """Type into fields by keyboard, and send their form by Enter in the last of them."""
    for label, text in fields:
        await tab_to(chief, chief.by_label(label))
        await chief.page.keyboard.type(text)
    await chief.page.keyboard.press("Enter")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no scripts"])
async def test_operator_creates_changes_disables_and_deletes_an_account_by_keyboard(
    browser: Browser, signing_in: SigningIn, has_scripts: bool
) -> None:
    server = signing_in.server
    ann = Account(f"ann-{secrets.token_hex(3)}", server.ejabberd.hosts[0], "first word")
    changed = Account(ann.user, ann.host, "second word")
    url = server.muniment.url
    async with visitor(browser, url, java_script_enabled=has_scripts) as chief:
        page = chief.page
        done = page.get_by_role("status")
        await chief.open("operators/accounts")
        await enter(chief, ("Secret of an operator", str(CHIEF.secret)))
        await expect(page.get_by_role("heading", level=1)).to_have_text("Accounts")

        await enter(
            chief,
            ("Name, such as alice", ann.user),
            ("Password", ann.password),
            ("Password again", ann.password),
        )
        await expect(done).to_contain_text("The account is created")
        await expect(page).to_have_title(re.compile(ann.jid))
        assert await may_sign_in(signing_in, ann)

        await enter(
            chief, ("New password", changed.password), ("New password again", changed.password)
        )
        await expect(done).to_contain_text("The account has a new password")
        assert await may_sign_in(signing_in, changed)
        assert not await may_sign_in(signing_in, ann)

        await press(chief, "checkbox", f"{ann.jid} may not sign in any more", "Space")
        await press(chief, "button", "Disable the account")
        await expect(done).to_contain_text("The account is disabled")
        assert not await may_sign_in(signing_in, changed)

        await press(chief, "button", "Enable the account")
        await expect(done).to_contain_text("The account is enabled")
        assert await may_sign_in(signing_in, changed)

        await chief.open("operators/accounts")
        await enter(chief, ("Part of the name of an account", ann.user[2:]))
        await press(chief, "link", ann.jid)
        await press(chief, "link", "See what is deleted with the account, and delete it")
        await expect(page.get_by_role("main")).to_contain_text("This deletes the account and")
        await enter(chief, (f"To confirm, type {ann.jid}", ann.jid))
        await expect(done).to_contain_text("The account is deleted, with its archive.")
        assert not await may_sign_in(signing_in, changed)
        await chief.open(f"operators/audit?subject={ann.jid}")
        actions = ("add-user", "set-password", "disable-user", "enable-user", "preview")
        # The entry of the preview names the deletion, too.
        for action, count in (*((action, 1) for action in actions), ("delete-user", 2)):
            cell = page.get_by_role("cell", name=action, exact=True)
            await expect(cell).to_have_count(count)
        assert chief.unexpected == []
