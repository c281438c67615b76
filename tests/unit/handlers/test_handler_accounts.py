"""The operator's module says who may log in, and another source what it does not say."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.handlers import MODULE, handlers
from support.sidecar import HOSTS, PASSWORDS

from component.core.accounts.own import OwnAccounts
from component.core.errors import NotAllowed
from component.core.hosts import Hosts
from component.handlers.accounts import HandlerAccounts
from storage.open import open_storage

ANN = "ann@example.org"


@pytest.fixture
async def own() -> AsyncIterator[OwnAccounts]:
    async with open_storage("sqlite::memory:") as storage:
        yield OwnAccounts(storage.accounts, PASSWORDS, Hosts(HOSTS))


def user_authentication(username: str, password: str) -> object:
    return {"right": True, "one": 1, "text": "True", "none": None}.get(password, False)


@pytest.mark.parametrize(
    ("password", "is_right"),
    [("right", True), ("wrong", False), ("one", False), ("text", False), ("none", False)],
)
async def test_only_true_is_yes(own: OwnAccounts, password: str, is_right: bool) -> None:
    def user_exists(username: str) -> object:
        return user_authentication(username, password)

    accounts = HandlerAccounts(handlers(user_authentication, user_exists), own)

    assert await accounts.authenticate(ANN, password) is is_right
    assert await accounts.exists(ANN) is is_right


async def test_a_user_is_named_by_its_local_part_and_its_host(own: OwnAccounts) -> None:
    def user_exists(username: str, host: str) -> bool:
        return (username, host) == ("ann", "example.org")

    accounts = HandlerAccounts(handlers(user_exists), own)

    assert await accounts.exists(ANN)
    assert not await accounts.exists("ann@example.net")


async def test_what_it_has_no_function_for_is_asked_elsewhere(own: OwnAccounts) -> None:
    def user_exists(username: str) -> bool:
        return username == "bob"

    accounts = HandlerAccounts(handlers(user_exists), own)
    await accounts.register(ANN, "s3cret")

    assert await accounts.authenticate(ANN, "s3cret")
    assert (await accounts.exists(ANN), await accounts.exists("bob@example.org")) == (False, True)
    assert await accounts.count("example.org") == 1
    assert [each.jid for each in await accounts.listed("example.org", "", 10)] == [ANN]
    await accounts.set_password(ANN, "other")
    await accounts.set_enabled(ANN, False)
    await accounts.remove(ANN)
    assert await accounts.count("example.org") == 0


async def test_nothing_is_changed_where_the_module_knows_the_passwords(own: OwnAccounts) -> None:
    accounts = HandlerAccounts(handlers(user_authentication), own)

    for refused in (
        accounts.register(ANN, "s3cret"),
        accounts.set_password(ANN, "s3cret"),
        accounts.set_enabled(ANN, False),
        accounts.remove(ANN),
        accounts.listed("example.org", "", 10),
        accounts.count("example.org"),
    ):
        with pytest.raises(NotAllowed, match=MODULE):
            await refused
