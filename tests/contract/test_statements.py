"""No value is in the text of a statement: whoever asks for others makes no other statements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.builders import NOON, ROMEO, entries, entry

from storage.open import SqlStorage, open_storage
from storage.people import Account, Contact, Waiting
from storage.rows import (
    Deed,
    Filter,
    Hold,
    Kind,
    Limits,
    Occupant,
    Phrase,
    Preferences,
    RoomChanges,
    Rule,
)
from storage.sqlite.engine.connection import _inserting, _numbered

KINDS = [frozenset({kind}) | {Kind.MESSAGE} for kind in Kind if kind is not Kind.GONE]


@pytest.fixture
async def storage() -> AsyncIterator[SqlStorage]:
    async with open_storage("sqlite::memory:") as opened:
        yield opened


async def read_and_write(storage: SqlStorage, n: int) -> None:
    """Use all of a store, with values that no other `n` has."""
    owner = f"user{n}@host{n}.example"
    peer, room = f"peer{n}@example.net", f"room{n}@rooms.example"
    rows = entries(20, owner=owner, peer=peer, text=f"word{n}", names=(n,))
    line = Deed(number=0, at=n, actor=f"a{n}", action="read", subject=owner, detail=str(n))
    await storage.archive.append([*rows, line])
    await storage.archive.append([entry(f"x{n}", owner=owner)])
    await read(storage, owner, peer, n)
    await keep_records(storage, owner, peer, room, n)
    await keep_people(storage, owner, n)
    await storage.keeping.usage(domain=f"host{n}.example", after=f"a{n}", limit=n)
    await storage.keeping.usage(after=f"a{n}", limit=n)
    await storage.keeping.cut(owner, peer, Limits(since=n, messages=18, bytes=10**6 + n), limit=n)
    await storage.keeping.shed(owner, Limits(since=n, messages=15, bytes=10**6 + n), limit=n)
    await storage.keeping.erase(owner, limit=100 + n)


async def read(storage: SqlStorage, owner: str, peer: str, n: int) -> None:
    archive = storage.archive
    ids = [one.id for one in (await archive.page(owner, Filter(), limit=100 + n)).messages]
    for wanted in (
        Filter(),
        Filter(peer=peer),
        Filter(peer_local=f"peer{n}", kinds=KINDS[n % len(KINDS)]),
        Filter(resource=f"r{n}", since=n, until=NOON + 10**9 + n),
        Filter(phrases=(Phrase(words=(f"word{n}",)),)),
        Filter(ids=tuple(ids[n : n + 5])),
        Filter(after=ids[0], before=ids[10 + n % 5], groupchat=False),
    ):
        for backwards in (True, False):
            await archive.page(owner, wanted, limit=n, backwards=backwards, counted=True)
        await archive.page(owner, wanted, limit=n, index=n)
        await archive.page(owner, wanted, limit=n, after=ids[n % 5], before=ids[-1])
        await archive.page_by_time(owner, wanted, limit=n, newest=True, counted=True)
        await archive.count(owner, wanted)
    await archive.behind(owner, ids[n], limit=n)
    for max_bytes in (None, 10**6 + n):
        await archive.about(owner, ids[n : n + 2], limit=n, max_bytes=max_bytes)
    await archive.unfinished()
    await archive.conversations(owner, limit=n, before=ids[-1], since=ids[n])
    await archive.conversations(owner, limit=n, max_bytes=n)
    await storage.keeping.cut_one(owner, ids[n])


async def keep_records(storage: SqlStorage, owner: str, peer: str, room: str, n: int) -> None:
    records = storage.records
    await records.set_preferences(Preferences(owner=owner, default="never", always=(peer,)))
    await records.preferences(owner)
    await records.all_preferences(after=owner, limit=n)
    await records.set_rule(Rule(owner=owner, peer=peer, days=n))
    await records.drop_rule(owner, peer)
    await records.set_hold(Hold(subject=owner, reason=f"r{n}", by=f"b{n}", at=n))
    await records.drop_hold(owner)
    await records.deeds(limit=n, before=n)
    await records.deeds(limit=n, subject=owner)
    others = (Occupant(room=room, jid=owner, affiliation="member", heard=n),)
    for keeps in (True, False):
        changes = RoomChanges(room=room, made=n, keeps_banned=keeps, is_persistent=keeps)
        await records.note_room(replace(changes, occupants=others, removed=others))
    await records.affiliation(room, owner)
    await records.room(room)


async def keep_people(storage: SqlStorage, owner: str, n: int) -> None:
    await storage.accounts.add(Account(jid=owner, verifier=f"v{n}", created=n))
    await storage.accounts.get(owner)
    await storage.accounts.listed(f"host{n}.example", after=f"a{n}", limit=n)
    await storage.accounts.count(f"host{n}.example")
    await storage.contacts.put(owner, Contact(jid=ROMEO, name=f"n{n}"))
    await storage.contacts.roster(owner)
    await storage.contacts.drop(owner, ROMEO)
    await storage.offline.add(owner, Waiting(peer=ROMEO, packet=f"<m{n}/>", at=n))
    await storage.offline.count(owner)
    await storage.offline.pop(owner)
    await storage.accounts.remove(owner)


async def test_other_values_are_no_other_statements(storage: SqlStorage) -> None:
    for n in (1, 2):
        await read_and_write(storage, n)
    before = _numbered.cache_info().misses, _inserting.cache_info().misses

    for n in range(3, 12):
        await read_and_write(storage, n)

    assert (_numbered.cache_info().misses, _inserting.cache_info().misses) == before
