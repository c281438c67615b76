"""The configured source of accounts, and its throttle."""

from __future__ import annotations

import pytest

from component.clients.ejabberd_accounts import EjabberdAccounts
from component.config import load
from component.core.accounts.protocol import Authenticator
from component.core.accounts.throttle import BURST
from component.core.errors import NotAllowed, Overloaded
from component.handlers.functions import Handlers
from component.wiring import account_sources
from storage.interface import Storage

ANN = "ann@chat.example"
REQUIRED = {
    "MUNIMENT_XMPP__JID": "muniment.example",
    "MUNIMENT_XMPP__HOSTS": "chat.example",
    "MUNIMENT_XMPP__SECRET": "one",
    "MUNIMENT_HTTP__SECRET": "two",
}
STORE = {"MUNIMENT_ACCOUNTS__SOURCE": "store"}


async def guess_all(authenticator: Authenticator) -> None:
    for guess in range(10 * BURST):
        assert not await authenticator.authenticate(ANN, f"guess {guess}")


async def test_default_source_is_refused_with_the_option_to_set(
    storage: Storage,
) -> None:
    async with account_sources.accounts(load(None, REQUIRED), storage, Handlers()) as accounts:
        refusal = r"live in ejabberd .*set accounts\.api_url"
        for call in (
            accounts.authenticator.authenticate(ANN, "pencil"),
            accounts.authenticator.exists(ANN),
        ):
            with pytest.raises(NotAllowed, match=refusal):
                await call
        with pytest.raises(NotAllowed, match=refusal):
            _ = accounts.admin
    assert await storage.accounts.count("chat.example") == 0


async def test_password_is_stored_in_the_configured_format(storage: Storage) -> None:
    config = load(None, REQUIRED | STORE | {"MUNIMENT_ACCOUNTS__PASSWORD_FORMAT": "scram-sha-512"})
    async with account_sources.accounts(config, storage, Handlers()) as accounts:
        await accounts.admin.register(ANN, "pencil")
        assert await accounts.authenticator.authenticate(ANN, "pencil")

    account = await storage.accounts.get(ANN)
    assert account is not None
    assert account.verifier.startswith("SCRAM-SHA-512$")


async def test_configured_accounts_are_throttled(storage: Storage) -> None:
    config = load(None, REQUIRED | STORE | {"MUNIMENT_ACCOUNTS__PASSWORD_FORMAT": "scram-sha-1"})
    async with account_sources.accounts(config, storage, Handlers()) as accounts:
        await accounts.admin.register(ANN, "pencil")
        with pytest.raises(Overloaded):
            await guess_all(accounts.authenticator)


async def test_login_address_selects_logins_at_ejabberd(storage: Storage) -> None:
    config = load(None, REQUIRED | {"MUNIMENT_ACCOUNTS__LOGIN_ADDRESS": "::1"})
    async with account_sources.accounts(config, storage, Handlers()) as accounts:
        with pytest.raises(NotAllowed, match="logging in"):
            await accounts.authenticator.exists(ANN)
        with pytest.raises(NotAllowed, match=r"logging in .*set accounts\.api_url"):
            _ = accounts.admin


async def test_api_url_is_preferred_to_login_address(storage: Storage) -> None:
    config = load(
        None,
        REQUIRED
        | {
            "MUNIMENT_ACCOUNTS__LOGIN_ADDRESS": "::1",
            "MUNIMENT_ACCOUNTS__API_URL": "http://127.0.0.1:5280/api",
        },
    )
    async with account_sources.accounts(config, storage, Handlers()) as accounts:
        assert isinstance(accounts.admin, EjabberdAccounts)
