"""Accounts are asked where the configuration says, and guessing is slowed wherever that is."""

from __future__ import annotations

import pytest

from component.config import load
from component.core.accounts.protocol import Authenticator
from component.core.accounts.throttle import BURST
from component.core.errors import NotAllowed, Overloaded
from component.handlers.functions import Handlers
from component.wiring import account_sources
from storage.interface import Storage

ANN = "ann@chat.example"
GIVEN = {
    "MUNIMENT_XMPP__JID": "muniment.example",
    "MUNIMENT_XMPP__HOSTS": "chat.example",
    "MUNIMENT_XMPP__SECRET": "one",
    "MUNIMENT_HTTP__SECRET": "two",
}
STORE = {"MUNIMENT_ACCOUNTS__SOURCE": "store"}


async def guess_all(authenticator: Authenticator) -> None:
    for guess in range(10 * BURST):
        assert not await authenticator.authenticate(ANN, f"guess {guess}")


async def test_accounts_of_an_ejabberd_that_is_not_asked_are_refused_with_what_to_do(
    storage: Storage,
) -> None:
    async with account_sources.accounts(load(None, GIVEN), storage, Handlers()) as accounts:
        refusal = r"live in ejabberd .*set accounts\.api_url"
        for asking in (
            accounts.authenticator.authenticate(ANN, "pencil"),
            accounts.authenticator.exists(ANN),
        ):
            with pytest.raises(NotAllowed, match=refusal):
                await asking
        with pytest.raises(NotAllowed, match=refusal):
            _ = accounts.admin
    assert await storage.accounts.count("chat.example") == 0


async def test_passwords_are_kept_in_the_format_that_is_configured(storage: Storage) -> None:
    config = load(None, GIVEN | STORE | {"MUNIMENT_ACCOUNTS__PASSWORD_FORMAT": "scram-sha-512"})
    async with account_sources.accounts(config, storage, Handlers()) as accounts:
        await accounts.admin.register(ANN, "pencil")
        assert await accounts.authenticator.authenticate(ANN, "pencil")

    kept = await storage.accounts.get(ANN)
    assert kept is not None
    assert kept.verifier.startswith("SCRAM-SHA-512$")


async def test_configured_accounts_are_throttled(storage: Storage) -> None:
    config = load(None, GIVEN | STORE | {"MUNIMENT_ACCOUNTS__PASSWORD_FORMAT": "scram-sha-1"})
    async with account_sources.accounts(config, storage, Handlers()) as accounts:
        await accounts.admin.register(ANN, "pencil")
        with pytest.raises(Overloaded):
            await guess_all(accounts.authenticator)


async def test_ejabberd_is_asked_by_logging_in_where_it_has_no_api(storage: Storage) -> None:
    config = load(None, GIVEN | {"MUNIMENT_ACCOUNTS__LOGIN_ADDRESS": "::1"})
    async with account_sources.accounts(config, storage, Handlers()) as accounts:
        with pytest.raises(NotAllowed, match="logging in"):
            await accounts.authenticator.exists(ANN)
        with pytest.raises(NotAllowed, match=r"logging in .*set accounts\.api_url"):
            _ = accounts.admin


async def test_the_api_of_ejabberd_goes_before_logging_in(storage: Storage) -> None:
    config = load(
        None,
        GIVEN
        | {
            "MUNIMENT_ACCOUNTS__LOGIN_ADDRESS": "::1",
            "MUNIMENT_ACCOUNTS__API_URL": "http://127.0.0.1:5280/api",
        },
    )
    async with account_sources.accounts(config, storage, Handlers()) as accounts:
        with pytest.raises(NotAllowed, match="ejabberdctl"):
            await accounts.admin.set_enabled(ANN, True)
