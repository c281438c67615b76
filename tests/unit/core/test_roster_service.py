"""The roster service over rosters in our own store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from support.builders import ALICE, BOB, HOST, ROMEO
from support.rosters import FixedRosters

from component.core.errors import BadRequest, ItemNotFound, NotAllowed, Overloaded
from component.core.hosts import Hosts
from component.core.rosters.cache import RosterCache
from component.core.rosters.contacts import Change
from component.core.rosters.own import OwnRosters
from component.core.rosters.service import RosterService
from storage.interface import Contacts
from storage.open import open_storage
from storage.rows import Contact

CAROL = f"carol@{HOST}"


@dataclass
class Bench:
    """Rosters over a store in memory; only alice and bob have accounts."""

    contacts: Contacts
    rosters: OwnRosters
    lists: RosterService
    changed: list[str] = field(default_factory=list)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async def is_user(jid: str) -> bool:
        return jid in (ALICE, BOB)

    async with open_storage("sqlite::memory:") as storage:
        rosters, changed = OwnRosters(storage.contacts), list[str]()
        lists = RosterService(rosters, Hosts([HOST]), changed.append, is_user)
        yield Bench(storage.contacts, rosters, lists, changed)


async def test_roster_is_sorted_by_jid(bench: Bench) -> None:
    for jid in (ROMEO, BOB, CAROL):
        await bench.lists.change(ALICE, Change(jid=jid))

    assert [contact.jid for contact in await bench.lists.read(ALICE)] == sorted(
        [BOB, CAROL, ROMEO]
    )


async def test_change_leaves_other_fields_unchanged(bench: Bench) -> None:
    await bench.lists.change(ALICE, Change(jid=BOB, name="Bobby", groups=("Work",)))
    await bench.lists.change(ALICE, Change(jid=BOB, subscription="to"))

    assert await bench.lists.read(ALICE) == (
        Contact(jid=BOB, name="Bobby", subscription="to", groups=("Work",)),
    )


async def test_concurrent_changes_are_all_kept(bench: Bench) -> None:
    changes = [Change(jid=BOB, name="Bobby"), Change(jid=BOB, groups=("Work",))]
    await asyncio.gather(*(bench.lists.change(ALICE, change) for change in changes))

    assert await bench.lists.read(ALICE) == (Contact(jid=BOB, name="Bobby", groups=("Work",)),)


@pytest.mark.parametrize("times", [1, 2])
async def test_contact_can_be_removed_twice(bench: Bench, times: int) -> None:
    await bench.lists.change(ALICE, Change(jid=BOB))
    for _ in range(times):
        await bench.lists.remove(ALICE, BOB)

    assert await bench.lists.read(ALICE) == ()


async def test_subscription_remove_removes(bench: Bench) -> None:
    await bench.lists.change(ALICE, Change(jid=BOB))
    await bench.lists.change(ALICE, Change(jid=BOB, subscription="remove"))

    assert await bench.contacts.roster(ALICE) == ()


async def test_clearing_a_roster_leaves_those_of_others(bench: Bench) -> None:
    for owner in (ALICE, CAROL):
        await bench.lists.change(owner, Change(jid=BOB))
    await bench.lists.clear(ALICE)

    assert (await bench.lists.read(ALICE), len(await bench.lists.read(CAROL))) == ((), 1)


async def test_contact_that_only_asks_is_stored_and_not_shown(bench: Bench) -> None:
    await bench.lists.change(ALICE, Change(jid=BOB, ask="in", ask_message="It is me"))
    shown = await bench.lists.read(ALICE)
    await bench.lists.change(ALICE, Change(jid=BOB, ask="", subscription="from"))

    assert (shown, await bench.lists.read(ALICE)) == (
        (),
        (Contact(jid=BOB, subscription="from", ask_message="It is me"),),
    )


async def test_owner_cannot_be_a_contact(bench: Bench) -> None:
    with pytest.raises(NotAllowed):
        await bench.lists.change(ALICE, Change(jid=ALICE))


async def test_invalid_contact_is_not_stored(bench: Bench) -> None:
    with pytest.raises(BadRequest):
        await bench.lists.change(ALICE, Change(jid=BOB, groups=("",)))

    assert await bench.lists.read(ALICE) == ()


@pytest.mark.parametrize("owner", ["alice@elsewhere.example", HOST, f"/{HOST}"])
async def test_address_that_is_no_user_has_no_roster(bench: Bench, owner: str) -> None:
    for refused in (
        bench.lists.read(owner),
        bench.lists.find(owner),
        bench.lists.change(owner, Change(jid=BOB)),
        bench.lists.remove(owner, BOB),
        bench.lists.clear(owner),
    ):
        with pytest.raises(ItemNotFound):
            await refused

    assert bench.changed == []


async def test_empty_roster_is_found_only_with_an_account(bench: Bench) -> None:
    assert await bench.lists.find(ALICE) == ()
    with pytest.raises(ItemNotFound):
        await bench.lists.find(CAROL)


async def test_roster_with_contacts_is_found_without_an_account(bench: Bench) -> None:
    await bench.lists.change(CAROL, Change(jid=BOB))

    assert [contact.jid for contact in await bench.lists.find(CAROL)] == [BOB]


async def test_empty_roster_is_found_if_accounts_are_unknown() -> None:
    async def untold(_: str) -> bool:
        raise NotAllowed("ask elsewhere")

    rosters = FixedRosters({CAROL: frozenset()})
    lists = RosterService(rosters, Hosts([HOST]), lambda _: None, untold)  # type: ignore[arg-type]

    assert await lists.find(CAROL) == ()


async def test_each_change_calls_changed(bench: Bench) -> None:
    await bench.lists.change(ALICE, Change(jid=BOB))
    await bench.lists.remove(BOB, ALICE)
    await bench.lists.clear(CAROL)

    assert bench.changed == [ALICE, BOB, CAROL]


async def test_each_change_is_seen_by_the_cache(bench: Bench) -> None:
    memory = RosterCache(bench.rosters)
    lists = RosterService(bench.rosters, Hosts([HOST]), memory.changed)
    before = await memory.read(ALICE)
    await lists.change(ALICE, Change(jid="gateway.example/registered"))

    assert not memory.is_known(ALICE)
    assert (before, await memory.read(ALICE)) == (frozenset(), frozenset({"gateway.example"}))


async def test_roster_that_cannot_be_read_is_not_shown_as_empty() -> None:
    lists = RosterService(FixedRosters(), Hosts([HOST]), lambda _: None)  # type: ignore[arg-type]

    with pytest.raises(Overloaded, match=HOST):
        await lists.find(ALICE)


async def test_store_that_does_not_answer_is_overloaded() -> None:
    async with open_storage("sqlite::memory:") as storage:
        lists = RosterService(OwnRosters(storage.contacts), Hosts([HOST]), lambda _: None)

    for refused in (lists.read(ALICE), lists.change(ALICE, Change(jid=BOB)), lists.clear(ALICE)):
        with pytest.raises(Overloaded):
            await refused
