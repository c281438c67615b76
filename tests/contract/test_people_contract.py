"""The contract of the stores of accounts, rosters and offline stanzas, on every backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from contract.conftest import Open
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO

from storage.errors import Rejected, Unavailable
from storage.interface import Storage
from storage.rows import Account, Contact, OfflineStanza

CAROL = f"carol@{HOST}"
ELSEWHERE = f"alice@{OTHER_HOST}"


def account(jid: str = ALICE, **fields: Any) -> Account:
    return Account(**({"jid": jid, "verifier": f"of {jid}", "created": NOON} | fields))


def offline_stanza(name: object = 1, **fields: Any) -> OfflineStanza:
    packet = f"<message><body>{name}</body></message>"
    return OfflineStanza(**({"peer": f"{BOB}/phone", "stanza": packet, "at": NOON} | fields))


CONTACT = Contact(
    jid=BOB,
    name="Bob \"ü\" 'b'",
    subscription="from",
    ask="subscribe",
    ask_message="It's me\n",
    is_approved=True,
    groups=("Friends", 'a, "b"', "ü"),
)


# Accounts


async def test_added_account_is_read_back_unchanged(storage: Storage) -> None:
    expected = account(is_enabled=False)

    assert await storage.accounts.add(expected)
    assert await storage.accounts.get(ALICE) == expected
    assert await storage.accounts.get(BOB) is None
    assert await storage.accounts.get(ELSEWHERE) is None


async def test_account_is_not_added_twice(storage: Storage) -> None:
    await storage.accounts.add(account())

    assert not await storage.accounts.add(account(verifier="another"))
    assert await storage.accounts.get(ALICE) == account()


async def test_change_of_an_account_changes_no_other(storage: Storage) -> None:
    for jid in (ALICE, BOB, ELSEWHERE):
        await storage.accounts.add(account(jid))
    changed = account(verifier="another", is_enabled=False)

    assert await storage.accounts.change(changed)
    assert await storage.accounts.get(ALICE) == changed
    assert await storage.accounts.get(BOB) == account(BOB)
    assert await storage.accounts.get(ELSEWHERE) == account(ELSEWHERE)


async def test_change_and_removal_of_an_unknown_account_return_false(storage: Storage) -> None:
    assert not await storage.accounts.change(account())
    assert not await storage.accounts.remove(ALICE)
    assert await storage.accounts.get(ALICE) is None


async def test_removal_of_an_account_removes_its_roster_and_offline_stanzas(
    storage: Storage,
) -> None:
    for jid in (ALICE, BOB):
        await storage.accounts.add(account(jid))
        await storage.contacts.put(jid, replace(CONTACT, jid=CAROL))
        await storage.offline.add(jid, offline_stanza())

    assert await storage.accounts.remove(ALICE)
    assert await storage.accounts.get(ALICE) is None
    assert await storage.contacts.roster(ALICE) == ()
    assert await storage.offline.count(ALICE) == 0
    assert await storage.accounts.get(BOB) == account(BOB)
    assert len(await storage.contacts.roster(BOB)) == 1
    assert await storage.offline.count(BOB) == 1


async def test_accounts_of_a_domain_are_listed_page_by_page(storage: Storage) -> None:
    names = ["zoe", "Ann", "bob", "émile", "ann-2", "ann"]
    for name in names:
        await storage.accounts.add(account(f"{name}@{HOST}"))
    await storage.accounts.add(account(ELSEWHERE))
    pages = [await storage.accounts.list(HOST, after="", limit=4)]
    while pages[-1]:
        after = pages[-1][-1].jid
        pages.append(await storage.accounts.list(HOST, after=after, limit=4))

    assert [len(page) for page in pages] == [4, 2, 0]
    assert [stanza for page in pages for stanza in page] == [
        account(jid) for jid in sorted(f"{name}@{HOST}" for name in names)
    ]


async def test_accounts_are_found_by_a_part_of_their_names(storage: Storage) -> None:
    for name in ("ann", "joanna", "bob", "an%n", "émile"):
        await storage.accounts.add(account(f"{name}@{HOST}"))
    domain = HOST.partition(".")[0]

    async def found(part: str, after: str = "") -> list[str]:
        accounts = await storage.accounts.list(HOST, after=after, limit=10, part=part)
        return [account.jid.partition("@")[0] for account in accounts]

    assert await found("ann") == ["ann", "joanna"]
    assert await found("ann", after=f"ann@{HOST}") == ["joanna"]
    assert await found("ann@") == ["ann"]
    assert await found("%") == ["an%n"]
    assert await found("mil") == ["émile"]
    assert await found(domain) == []


async def test_accounts_are_counted_by_domain(storage: Storage) -> None:
    for jid in (ALICE, BOB, ELSEWHERE):
        await storage.accounts.add(account(jid))
    await storage.accounts.remove(BOB)

    assert await storage.accounts.count(HOST) == 1
    assert await storage.accounts.count(OTHER_HOST) == 1
    assert await storage.accounts.count("remote.example") == 0


async def test_account_with_invalid_text_is_rejected(storage: Storage) -> None:
    with pytest.raises(Rejected):
        await storage.accounts.add(account(verifier="\ud800"))

    assert await storage.accounts.get(ALICE) is None


def test_verifier_is_not_in_the_repr() -> None:
    assert "secret" not in repr(account(verifier="secret"))


# Rosters


async def test_roster_of_a_new_owner_is_empty(storage: Storage) -> None:
    assert await storage.contacts.roster(ALICE) == ()


@pytest.mark.parametrize("expected", [CONTACT, Contact(jid=BOB)], ids=["full", "bare"])
async def test_contact_is_read_back_unchanged(storage: Storage, expected: Contact) -> None:
    await storage.contacts.put(ALICE, expected)

    assert await storage.contacts.roster(ALICE) == (expected,)


async def test_contact_replaces_only_the_contact_of_the_same_jid(storage: Storage) -> None:
    for owner in (ALICE, BOB):
        for jid in (ROMEO, CAROL, BOB):
            await storage.contacts.put(owner, Contact(jid=jid))
    await storage.contacts.put(ALICE, CONTACT)

    assert await storage.contacts.roster(ALICE) == (
        CONTACT,
        Contact(jid=CAROL),
        Contact(jid=ROMEO),
    )
    assert CONTACT not in await storage.contacts.roster(BOB)


async def test_removal_of_a_contact_removes_no_other(storage: Storage) -> None:
    for owner in (ALICE, BOB):
        for jid in (ROMEO, CAROL):
            await storage.contacts.put(owner, Contact(jid=jid))

    assert await storage.contacts.remove(ALICE, CAROL)
    assert not await storage.contacts.remove(ALICE, CAROL)
    assert await storage.contacts.roster(ALICE) == (Contact(jid=ROMEO),)
    assert len(await storage.contacts.roster(BOB)) == 2


async def test_clearing_a_roster_clears_no_other(storage: Storage) -> None:
    for owner in (ALICE, BOB):
        for jid in (ROMEO, CAROL):
            await storage.contacts.put(owner, Contact(jid=jid))
    await storage.contacts.clear(ALICE)

    assert await storage.contacts.roster(ALICE) == ()
    assert len(await storage.contacts.roster(BOB)) == 2


# Offline stanzas


async def test_offline_stanzas_are_popped_once_oldest_first(storage: Storage) -> None:
    expected = [offline_stanza(n, at=NOON + at) for n, at in enumerate([5, 3, 9, 3])]
    for stanza in expected:
        await storage.offline.add(ALICE, stanza)

    assert await storage.offline.pop(ALICE) == (expected[1], expected[3], expected[0], expected[2])
    assert await storage.offline.pop(ALICE) == ()


async def test_same_offline_stanza_is_stored_once(storage: Storage) -> None:
    different = [offline_stanza(peer=ROMEO), offline_stanza(at=NOON + 1), offline_stanza(2)]
    for stanza in (offline_stanza(), *different, offline_stanza(), *different):
        await storage.offline.add(ALICE, stanza)

    assert await storage.offline.count(ALICE) == 4
    assert set(await storage.offline.pop(ALICE)) == {offline_stanza(), *different}


async def test_pop_leaves_offline_stanzas_of_other_owners(storage: Storage) -> None:
    for owner in (ALICE, BOB):
        await storage.offline.add(owner, offline_stanza())
    await storage.offline.pop(ALICE)

    assert await storage.offline.count(ALICE) == 0
    assert await storage.offline.count(BOB) == 1


async def test_popped_offline_stanza_can_be_added_again(storage: Storage) -> None:
    for _ in range(2):
        await storage.offline.add(ALICE, offline_stanza())
        assert await storage.offline.pop(ALICE) == (offline_stanza(),)


# Reopening


async def test_accounts_rosters_and_offline_stanzas_survive_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.accounts.add(account())
        await storage.contacts.put(ALICE, CONTACT)
        await storage.offline.add(ALICE, offline_stanza())

    async with reopen() as storage:
        assert await storage.accounts.get(ALICE) == account()
        assert await storage.contacts.roster(ALICE) == (CONTACT,)
        assert await storage.offline.pop(ALICE) == (offline_stanza(),)


async def test_reads_of_a_closed_store_are_unavailable(reopen: Open) -> None:
    async with reopen() as storage:
        opened = storage
    for read in (
        opened.accounts.get(ALICE),
        opened.contacts.roster(ALICE),
        opened.offline.count(ALICE),
    ):
        with pytest.raises(Unavailable):
            await read
