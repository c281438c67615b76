"""Accounts in our own store: registration, logins, changes and errors."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.accounts import open_accounts
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO

from component.core.accounts import verifiers
from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.accounts.protocol import AccountSummary
from component.core.errors import BadRequest, Conflict, ItemNotFound, Overloaded
from component.core.hosts import Hosts
from storage.errors import Unavailable
from storage.interface import Storage
from storage.rows import Account


@pytest.fixture
def accounts(storage: Storage) -> OwnAccounts:
    return OwnAccounts(storage.accounts, Passwords(), Hosts((HOST, OTHER_HOST)))


async def verifier(storage: Storage) -> str:
    account = await storage.accounts.get(ALICE)
    assert account is not None
    return account.verifier


async def test_registered_user_logs_in_with_the_right_password_only(accounts: OwnAccounts) -> None:
    await accounts.register(ALICE, "pencil")

    assert await accounts.authenticate(ALICE, "pencil")
    assert not await accounts.authenticate(ALICE, "pen")
    assert not await accounts.authenticate(BOB, "pencil")
    assert (await accounts.exists(ALICE), await accounts.exists(BOB)) == (True, False)


async def test_second_registration_is_a_conflict(accounts: OwnAccounts) -> None:
    await accounts.register(ALICE, "pencil")

    with pytest.raises(Conflict):
        await accounts.register(ALICE, "other")
    assert await accounts.authenticate(ALICE, "pencil")


@pytest.mark.parametrize("jid", [ROMEO, HOST, f"@{HOST}"])
async def test_registration_on_another_host_is_refused(accounts: OwnAccounts, jid: str) -> None:
    with pytest.raises(BadRequest):
        await accounts.register(jid, "pencil")


async def test_changed_password_replaces_the_old_one(accounts: OwnAccounts) -> None:
    await accounts.register(ALICE, "pencil")
    await accounts.set_password(ALICE, "other")

    assert await accounts.authenticate(ALICE, "other")
    assert not await accounts.authenticate(ALICE, "pencil")


async def test_disabled_user_cannot_log_in_until_enabled(accounts: OwnAccounts) -> None:
    await accounts.register(ALICE, "pencil")
    await accounts.set_enabled(ALICE, False)
    await accounts.set_password(ALICE, "other")

    assert not await accounts.authenticate(ALICE, "other")
    assert not await accounts.exists(ALICE)

    await accounts.set_enabled(ALICE, True)
    assert await accounts.authenticate(ALICE, "other")
    assert await accounts.exists(ALICE)


async def test_name_of_a_disabled_account_cannot_be_registered(accounts: OwnAccounts) -> None:
    await accounts.register(ALICE, "pencil")
    await accounts.set_enabled(ALICE, False)

    with pytest.raises(Conflict):
        await accounts.register(ALICE, "other")


async def test_removed_account_does_not_exist(accounts: OwnAccounts) -> None:
    await accounts.register(ALICE, "pencil")
    await accounts.remove(ALICE)

    assert not await accounts.authenticate(ALICE, "pencil")
    assert not await accounts.exists(ALICE)
    await accounts.register(ALICE, "other")
    assert not await accounts.authenticate(ALICE, "pencil")


async def test_changes_of_unknown_accounts_are_refused(accounts: OwnAccounts) -> None:
    for doing in (
        accounts.set_password(ALICE, "pencil"),
        accounts.set_enabled(ALICE, True),
        accounts.remove(ALICE),
        accounts.get(ALICE),
    ):
        with pytest.raises(ItemNotFound):
            await doing


async def test_concurrent_changes_do_not_undo_each_other(accounts: OwnAccounts) -> None:
    await accounts.register(ALICE, "pencil")

    await asyncio.gather(accounts.set_password(ALICE, "other"), accounts.set_enabled(ALICE, False))

    assert [account.is_enabled for account in await accounts.list(HOST, "", 10)] == [False]
    await accounts.set_enabled(ALICE, True)
    assert await accounts.authenticate(ALICE, "other")


async def test_accounts_are_listed_and_counted_by_host(
    accounts: OwnAccounts, storage: Storage
) -> None:
    for jid in (BOB, ALICE, f"alice@{OTHER_HOST}"):
        await storage.accounts.add(Account(jid=jid, verifier="", created=NOON))
    await accounts.set_enabled(BOB, False)

    assert await accounts.list(HOST, "", 10) == (
        AccountSummary(jid=ALICE, is_enabled=True, created=NOON),
        AccountSummary(jid=BOB, is_enabled=False, created=NOON),
    )
    assert [account.jid for account in await accounts.list(HOST, "", 1)] == [ALICE]
    assert [account.jid for account in await accounts.list(HOST, ALICE, 10)] == [BOB]
    assert [account.jid for account in await accounts.list(HOST, "", 10, "bo")] == [BOB]
    assert await accounts.get(BOB) == AccountSummary(jid=BOB, is_enabled=False, created=NOON)
    assert (await accounts.count(HOST), await accounts.count(OTHER_HOST)) == (2, 1)


async def test_outdated_verifier_is_renewed_at_login(
    accounts: OwnAccounts, storage: Storage
) -> None:
    old = verifiers.make("scram-sha-1", "pencil", iterations=4096)
    await storage.accounts.add(Account(jid=ALICE, verifier=old, created=NOON))

    assert not await accounts.authenticate(ALICE, "pen")
    assert await verifier(storage) == old
    assert await accounts.authenticate(ALICE, "pencil")
    renewed = await verifier(storage)
    assert renewed.startswith("$argon2id$")
    assert await accounts.authenticate(ALICE, "pencil")
    assert await verifier(storage) == renewed


async def test_unknown_account_takes_as_long_as_a_wrong_password(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifiers, "hasher", verifiers.FULL_COST)
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


async def test_unreadable_verifier_refuses_login(
    accounts: OwnAccounts, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    await storage.accounts.add(Account(jid=ALICE, verifier="pencil", created=NOON))

    assert not await accounts.authenticate(ALICE, "pencil")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "pencil" not in caplog.text


async def test_unavailable_store_is_reported_as_overloaded() -> None:
    async with open_accounts() as opened:
        accounts = opened
    for asking in (
        accounts.authenticate(ALICE, "pencil"),
        accounts.exists(ALICE),
        accounts.register(ALICE, "pencil"),
        accounts.set_password(ALICE, "pencil"),
        accounts.remove(ALICE),
        accounts.list(HOST, "", 1),
        accounts.count(HOST),
    ):
        with pytest.raises(Overloaded):
            await asking


async def test_login_succeeds_if_the_renewal_of_its_verifier_fails(
    storage: Storage, accounts: OwnAccounts
) -> None:
    class Away:
        """A store that can be read and not be written."""

        def __getattr__(self, name: str) -> object:
            return getattr(storage.accounts, name)

        async def change(self, account: Account) -> bool:
            raise Unavailable

    old = verifiers.make("scram-sha-1", "pencil", iterations=4096)
    await storage.accounts.add(Account(jid=ALICE, verifier=old, created=NOON))
    read_only = OwnAccounts(Away(), Passwords(), Hosts((HOST,)))  # type: ignore[arg-type]

    assert await read_only.authenticate(ALICE, "pencil")
