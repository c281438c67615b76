"""No value is in the text of a statement: requests with other values cause no new statements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.builders import NOON, ROMEO, entries, entry

from storage.open import open_storage
from storage.rows import (
    Account,
    AuditEntry,
    Contact,
    Cutoff,
    Filter,
    Hold,
    Kind,
    Occupant,
    OfflineStanza,
    Phrase,
    PreferencesRow,
    RoomChanges,
    Rule,
)
from storage.sql.store import SqlStorage
from storage.sqlite.engine.connection import _insert_sql
from storage.sqlite.engine.dialect import translated

KINDS = [frozenset({kind}) | {Kind.MESSAGE} for kind in Kind if kind is not Kind.BLANKED]


@pytest.fixture
async def storage() -> AsyncIterator[SqlStorage]:
    async with open_storage("sqlite::memory:") as opened:
        yield opened


async def read_and_write(storage: SqlStorage, n: int) -> None:
    """Use all of a store, with values that no other `n` has."""
    owner = f"user{n}@host{n}.example"
    peer, room = f"peer{n}@example.net", f"room{n}@rooms.example"
    rows = entries(20, owner=owner, peer=peer, text=f"word{n}", name_hashes=(n,))
    line = AuditEntry(number=0, at=n, actor=f"a{n}", action="read", subject=owner, detail=str(n))
    await storage.archive.append([*rows, line])
    await storage.archive.append([entry(f"x{n}", owner=owner)])
    await read(storage, owner, peer, n)
    await keep_records(storage, owner, peer, room, n)
    await keep_people(storage, owner, n)
    await storage.retention.usage(domain=f"host{n}.example", after=f"a{n}", limit=n)
    await storage.retention.usage(after=f"a{n}", limit=n)
    await storage.retention.blank_oldest(
        owner, peer, Cutoff(since=n, messages=18, bytes=10**6 + n), limit=n
    )
    await storage.retention.delete_oldest(
        owner, Cutoff(since=n, messages=15, bytes=10**6 + n), limit=n
    )
    await storage.retention.erase(owner, limit=100 + n)


async def read(storage: SqlStorage, owner: str, peer: str, n: int) -> None:
    archive = storage.archive
    ids = [message.id for message in (await archive.page(owner, Filter(), limit=100 + n)).messages]
    for filter in (
        Filter(),
        Filter(peer=peer),
        Filter(peer_local=f"peer{n}", kinds=KINDS[n % len(KINDS)]),
        Filter(resource=f"r{n}", since=n, until=NOON + 10**9 + n),
        Filter(phrases=(Phrase(words=(f"word{n}",)),)),
        Filter(ids=tuple(ids[n : n + 5])),
        Filter(after=ids[0], before=ids[10 + n % 5], groupchat=False),
    ):
        for backwards in (True, False):
            await archive.page(owner, filter, limit=n, backwards=backwards, counted=True)
        await archive.page(owner, filter, limit=n, index=n)
        await archive.page(owner, filter, limit=n, after=ids[n % 5], before=ids[-1])
        await archive.page_by_time(owner, filter, limit=n, newest=True, counted=True)
        await archive.count(owner, filter)
    await archive.page_after(owner, ids[n], limit=n)
    for max_bytes in (None, 10**6 + n):
        await archive.references(owner, ids[n : n + 2], limit=n, max_bytes=max_bytes)
    await archive.unfinished_retractions()
    await archive.conversations(owner, limit=n, before=ids[-1], since=ids[n])
    await archive.conversations(owner, limit=n, max_bytes=n)
    await storage.retention.blank(owner, ids[n])


async def keep_records(storage: SqlStorage, owner: str, peer: str, room: str, n: int) -> None:
    await storage.preferences.set(PreferencesRow(owner=owner, default="never", always=(peer,)))
    await storage.preferences.get(owner)
    await storage.preferences.list(after=owner, limit=n)
    await storage.rules.set(Rule(owner=owner, peer=peer, days=n))
    await storage.rules.remove(owner, peer)
    await storage.holds.set(Hold(subject=owner, reason=f"r{n}", by=f"b{n}", at=n))
    await storage.holds.remove(owner)
    await storage.audit_log.entries(limit=n, before=n)
    await storage.audit_log.entries(limit=n, subject=owner)
    members = (Occupant(room=room, jid=owner, affiliation="member", heard_at=n),)
    for keeps in (True, False):
        changes = RoomChanges(room=room, created_at=n, keep_banned=keeps, is_persistent=keeps)
        await storage.rooms.change(replace(changes, occupants=members, removed=members))
    await storage.rooms.affiliation(room, owner)
    await storage.rooms.get(room)


async def keep_people(storage: SqlStorage, owner: str, n: int) -> None:
    await storage.accounts.add(Account(jid=owner, verifier=f"v{n}", created=n))
    await storage.accounts.get(owner)
    await storage.accounts.list(f"host{n}.example", after=f"a{n}", limit=n)
    await storage.accounts.count(f"host{n}.example")
    await storage.contacts.put(owner, Contact(jid=ROMEO, name=f"n{n}"))
    await storage.contacts.roster(owner)
    await storage.contacts.remove(owner, ROMEO)
    await storage.offline.add(owner, OfflineStanza(peer=ROMEO, stanza=f"<m{n}/>", at=n))
    await storage.offline.count(owner)
    await storage.offline.pop(owner)
    await storage.accounts.remove(owner)


async def test_statements_do_not_depend_on_values(storage: SqlStorage) -> None:
    for n in (1, 2):
        await read_and_write(storage, n)
    before = translated.cache_info().misses, _insert_sql.cache_info().misses

    for n in range(3, 12):
        await read_and_write(storage, n)

    assert (
        translated.cache_info().misses,
        _insert_sql.cache_info().misses,
    ) == before
