"""Accounts in our own store: who can log in, who is refused, and what is told of it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.accounts import open_accounts
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO

from component.core.accounts import scram
from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.accounts.protocol import Accounts, AccountSummary
from component.core.errors import BadRequest, Conflict, ItemNotFound, Overloaded
from component.core.hosts import Hosts
from storage.errors import Unavailable
from storage.interface import Storage
from storage.people import Account


@pytest.fixture
def accounts(storage: Storage) -> Accounts:
    return OwnAccounts(storage.accounts, Passwords(), Hosts((HOST, OTHER_HOST)))


async def verifier(storage: Storage) -> str:
    account = await storage.accounts.get(ALICE)
    assert account is not None
    return account.verifier


async def test_who_is_registered_logs_in_with_that_password_only(accounts: Accounts) -> None:
    await accounts.register(ALICE, "pencil")

    assert await accounts.authenticate(ALICE, "pencil")
    assert not await accounts.authenticate(ALICE, "pen")
    assert not await accounts.authenticate(BOB, "pencil")
    assert (await accounts.exists(ALICE), await accounts.exists(BOB)) == (True, False)


async def test_nobody_is_registered_twice(accounts: Accounts) -> None:
    await accounts.register(ALICE, "pencil")

    with pytest.raises(Conflict):
        await accounts.register(ALICE, "other")
    assert await accounts.authenticate(ALICE, "pencil")


@pytest.mark.parametrize("jid", [ROMEO, HOST, f"@{HOST}"])
async def test_only_users_of_our_hosts_are_registered(accounts: Accounts, jid: str) -> None:
    with pytest.raises(BadRequest):
        await accounts.register(jid, "pencil")


async def test_a_password_is_changed(accounts: Accounts) -> None:
    await accounts.register(ALICE, "pencil")
    await accounts.set_password(ALICE, "other")

    assert await accounts.authenticate(ALICE, "other")
    assert not await accounts.authenticate(ALICE, "pencil")


async def test_who_is_disabled_does_not_log_in_until_enabled(accounts: Accounts) -> None:
    await accounts.register(ALICE, "pencil")
    await accounts.set_enabled(ALICE, False)
    await accounts.set_password(ALICE, "other")

    assert not await accounts.authenticate(ALICE, "other")
    assert not await accounts.exists(ALICE)

    await accounts.set_enabled(ALICE, True)
    assert await accounts.authenticate(ALICE, "other")
    assert await accounts.exists(ALICE)


async def test_a_name_that_is_disabled_is_not_free(accounts: Accounts) -> None:
    await accounts.register(ALICE, "pencil")
    await accounts.set_enabled(ALICE, False)

    with pytest.raises(Conflict):
        await accounts.register(ALICE, "other")


async def test_who_is_removed_is_gone(accounts: Accounts) -> None:
    await accounts.register(ALICE, "pencil")
    await accounts.remove(ALICE)

    assert not await accounts.authenticate(ALICE, "pencil")
    assert not await accounts.exists(ALICE)
    await accounts.register(ALICE, "other")
    assert not await accounts.authenticate(ALICE, "pencil")


async def test_nothing_is_done_with_accounts_that_there_are_not(accounts: Accounts) -> None:
    for doing in (
        accounts.set_password(ALICE, "pencil"),
        accounts.set_enabled(ALICE, True),
        accounts.remove(ALICE),
    ):
        with pytest.raises(ItemNotFound):
            await doing


async def test_changes_at_the_same_time_do_not_undo_each_other(accounts: Accounts) -> None:
    await accounts.register(ALICE, "pencil")

    await asyncio.gather(accounts.set_password(ALICE, "other"), accounts.set_enabled(ALICE, False))

    assert [each.is_enabled for each in await accounts.listed(HOST, "", 10)] == [False]
    await accounts.set_enabled(ALICE, True)
    assert await accounts.authenticate(ALICE, "other")


async def test_accounts_are_listed_and_counted_by_host(
    accounts: Accounts, storage: Storage
) -> None:
    for jid in (BOB, ALICE, f"alice@{OTHER_HOST}"):
        await storage.accounts.add(Account(jid=jid, verifier="", created=NOON))
    await accounts.set_enabled(BOB, False)

    assert await accounts.listed(HOST, "", 10) == (
        AccountSummary(jid=ALICE, is_enabled=True, created=NOON),
        AccountSummary(jid=BOB, is_enabled=False, created=NOON),
    )
    assert [each.jid for each in await accounts.listed(HOST, "", 1)] == [ALICE]
    assert [each.jid for each in await accounts.listed(HOST, ALICE, 10)] == [BOB]
    assert (await accounts.count(HOST), await accounts.count(OTHER_HOST)) == (2, 1)


async def test_an_old_verifier_is_made_anew_at_the_first_login(
    accounts: Accounts, storage: Storage
) -> None:
    old = scram.make("scram-sha-1", "pencil", 4096)
    await storage.accounts.add(Account(jid=ALICE, verifier=old, created=NOON))

    assert not await accounts.authenticate(ALICE, "pen")
    assert await verifier(storage) == old
    assert await accounts.authenticate(ALICE, "pencil")
    renewed = await verifier(storage)
    assert renewed.startswith("$argon2id$")
    assert await accounts.authenticate(ALICE, "pencil")
    assert await verifier(storage) == renewed


async def test_a_wrong_password_of_nobody_costs_what_that_of_an_account_does(
    storage: Storage,
) -> None:
    worked = []

    class Counted(Passwords):
        async def matches(self, verifier: str, password: str) -> bool:
            worked.append(verifier.rsplit("$", 2)[0])
            return await super().matches(verifier, password)

    accounts = OwnAccounts(storage.accounts, Counted(), Hosts((HOST,)))
    await accounts.register(ALICE, "pencil")
    await accounts.authenticate(ALICE, "pen")
    await accounts.authenticate(BOB, "pen")
    await accounts.set_enabled(ALICE, False)
    await accounts.authenticate(ALICE, "pencil")

    assert worked == ["$argon2id$v=19$m=19456,t=2,p=1"] * 3


async def test_what_the_store_cannot_be_read_of_lets_nobody_in(
    accounts: Accounts, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    await storage.accounts.add(Account(jid=ALICE, verifier="pencil", created=NOON))

    assert not await accounts.authenticate(ALICE, "pencil")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "pencil" not in caplog.text


async def test_a_store_that_is_away_is_said_to_be() -> None:
    async with open_accounts() as opened:
        accounts = opened
    for asking in (
        accounts.authenticate(ALICE, "pencil"),
        accounts.exists(ALICE),
        accounts.register(ALICE, "pencil"),
        accounts.set_password(ALICE, "pencil"),
        accounts.remove(ALICE),
        accounts.listed(HOST, "", 1),
        accounts.count(HOST),
    ):
        with pytest.raises(Overloaded):
            await asking


async def test_a_login_waits_for_no_renewal_that_fails(
    storage: Storage, accounts: Accounts
) -> None:
    class Away:
        """A store that can be read and not be written."""

        def __getattr__(self, name: str) -> object:
            return getattr(storage.accounts, name)

        async def change(self, account: Account) -> bool:
            raise Unavailable

    old = scram.make("scram-sha-1", "pencil", 4096)
    await storage.accounts.add(Account(jid=ALICE, verifier=old, created=NOON))
    read_only = OwnAccounts(Away(), Passwords(), Hosts((HOST,)))  # type: ignore[arg-type]

    assert await read_only.authenticate(ALICE, "pencil")
