"""Accounts of the operator's module, with the configured source for missing functions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.accounts import source_of
from support.handlers import MODULE, handlers
from support.http_services import HOSTS, PASSWORDS

from component.core.accounts.own import OwnAccounts
from component.core.accounts.protocol import AccountSource
from component.core.errors import NotAllowed
from component.core.hosts import Hosts
from component.handlers.accounts import with_handlers
from storage.open import open_storage

ANN = "ann@example.org"


@pytest.fixture
async def own() -> AsyncIterator[AccountSource]:
    async with open_storage("sqlite::memory:") as storage:
        yield source_of(OwnAccounts(storage.accounts, PASSWORDS, Hosts(HOSTS)))


def user_authentication(username: str, password: str) -> object:
    return {"right": True, "one": 1, "text": "True", "none": None}.get(password, False)


@pytest.mark.parametrize(
    ("password", "is_right"),
    [("right", True), ("wrong", False), ("one", False), ("text", False), ("none", False)],
)
async def test_only_the_value_true_authenticates(
    own: AccountSource, password: str, is_right: bool
) -> None:
    def user_exists(username: str) -> object:
        return user_authentication(username, password)

    accounts = with_handlers(handlers(user_authentication, user_exists), own)

    assert await accounts.authenticator.authenticate(ANN, password) is is_right
    assert await accounts.authenticator.exists(ANN) is is_right


async def test_function_receives_local_part_and_host(own: AccountSource) -> None:
    def user_exists(username: str, host: str) -> bool:
        return (username, host) == ("ann", "example.org")

    accounts = with_handlers(handlers(user_exists), own)

    assert await accounts.authenticator.exists(ANN)
    assert not await accounts.authenticator.exists("ann@example.net")


async def test_missing_function_falls_back_to_the_source(own: AccountSource) -> None:
    def user_exists(username: str) -> bool:
        return username == "bob"

    accounts = with_handlers(handlers(user_exists), own)
    await accounts.admin.register(ANN, "s3cret")

    assert await accounts.authenticator.authenticate(ANN, "s3cret")
    assert not await accounts.authenticator.exists(ANN)
    assert await accounts.authenticator.exists("bob@example.org")
    assert await accounts.admin.count("example.org") == 1
    assert [account.jid for account in await accounts.admin.list("example.org", "", 10)] == [ANN]
    await accounts.admin.set_password(ANN, "other")
    await accounts.admin.set_enabled(ANN, False)
    await accounts.admin.remove(ANN)
    assert await accounts.admin.count("example.org") == 0


async def test_accounts_of_the_module_cannot_be_administered(own: AccountSource) -> None:
    accounts = with_handlers(handlers(user_authentication), own)

    with pytest.raises(NotAllowed, match=MODULE):
        _ = accounts.admin
