"""Appends batches to archives, and updates counters, references, index and conversations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from storage.processes import Topic
from storage.rows import AuditEntry, Batch, Kind, NewMessage, Relation
from storage.sql.database import Connection
from storage.sql.index import Target
from storage.sql.messages import conversations, lateness, references, retractions
from storage.sql.messages import reserved as reserved_sequences
from storage.sql.messages.counter_updates import CounterDelta, count_up
from storage.sql.messages.ids import Ids
from storage.sql.messages.owners import Counters, Owners
from storage.sql.messages.reserved import Reservations, Reserved
from storage.sql.retention import erasures

#: The number of keys that one query looks for.
KEYS_AT_ONCE = 64

_PAIRS = ", ".join(f"(${2 * n + 1}, ${2 * n + 2})" for n in range(1, KEYS_AT_ONCE))

_COLUMNS = (
    "owner, sequence, at, peer, resource, type, direction, kind, nick, dedup_key, xml, stanza_id,"
    " author"
)

_INTO = f"archive ({_COLUMNS})"
# Only for a repeated dedup key: a repeated sequence is an error.
_ON_CONFLICT = "ON CONFLICT (owner, dedup_key) DO NOTHING"

_INTO_AUDIT_LOG = "audit_log (at, actor, action, subject, detail)"

# Those of many keys that an archive has: numbers of owners and keys. PostgreSQL takes the types of
# the values from the first ones.
_PRESENT = f"""
SELECT archive.owner, archive.dedup_key
FROM (VALUES (CAST($1 AS bigint), CAST($2 AS bytea)), {_PAIRS}) AS wanted
    CROSS JOIN archive /* INDEXED BY archive_dedup_key */
WHERE archive.owner = wanted.column1 AND archive.dedup_key = wanted.column2
"""  # noqa: S608 - constant words

_INSERTED = """
SELECT archive.owner, archive.sequence
FROM jsonb_to_recordset($1) AS floor (owner bigint, sequence bigint) CROSS JOIN archive
WHERE archive.owner = floor.owner AND archive.sequence > floor.sequence
"""

_TAKEN = """
SELECT archive.owner, archive.stanza_id
FROM jsonb_to_recordset($1) AS named (owner bigint, stanza_id text)
    CROSS JOIN archive /* INDEXED BY archive_stanza_id */
WHERE archive.owner = named.owner AND archive.stanza_id = named.stanza_id
"""

# Another process gets copies of the same messages. Without statistics PostgreSQL would take any
# index of the owner for a comparison with the key; the next key in order is in one index alone.
_NEXT_KEYS = """
SELECT new.jid, new.dedup_key, (
    SELECT dedup_key FROM archive
    WHERE owner = owners.number AND archive.dedup_key >= new.dedup_key
    ORDER BY archive.dedup_key LIMIT 1
)
FROM unnest(CAST($1 AS text[]), CAST($2 AS bytea[])) AS new (jid, dedup_key)
    JOIN owners ON owners.jid = new.jid
"""

_UPDATE_OWNER = """
UPDATE owners SET last_sequence = $2, latest_at = $3, reserved_at = $4 WHERE number = $1
"""


class InsertRow(NamedTuple):
    """A new message with the number of its archive and its sequence."""

    number: int
    sequence: int
    entry: NewMessage

    def values(self) -> tuple[object, ...]:
        """Return the stored values in the order of _COLUMNS."""
        number, sequence, entry = self
        # In the order of the fields of NewMessage: an attribute of a tuple takes longer.
        _, at, peer, resource, type, direction, xml, key, _, nick, kind, *_, id, author = entry
        return (
            number,
            sequence,
            at,
            peer,
            resource,
            type,
            str(direction),
            str(kind),
            nick,
            key,
            xml,
            id or None,
            author or None,
        )


class Appender:
    """Writes batches inside transactions of its caller."""

    def __init__(
        self,
        owners: Owners,
        ids: Ids,
        *,
        is_shared: bool = False,
        finds_keys_at_once: bool = False,
    ) -> None:
        """`is_shared` says whether other processes write the same messages.

        `finds_keys_at_once` says to look up all alternative keys of a batch in one statement, for
        a database that answers each statement in a process of its own.
        """
        self.reservations = Reservations()
        self._owners = owners
        self._ids = ids
        self._is_shared = is_shared
        self._finds_keys_at_once = finds_keys_at_once

    async def write(self, connection: Connection, batch: Batch) -> None:
        """Write a batch: messages in their order, and audit entries in theirs."""
        await self._append(connection, [row for row in batch if isinstance(row, NewMessage)])
        await _log(connection, [row for row in batch if isinstance(row, AuditEntry)])

    async def _append(self, connection: Connection, entries: list[NewMessage]) -> None:
        if entries and self._is_shared:
            entries = await _missing(connection, entries)
        if not entries:
            return
        counters = await self._owners.get_or_create(connection, {entry.owner for entry in entries})
        if self._finds_keys_at_once:
            entries = await _with_one_key(connection, entries)
        else:
            entries = await _without_known(connection, counters, entries)
        floors = [
            {"owner": owner.number, "sequence": owner.last_sequence} for owner in counters.values()
        ]
        # Sorted by archive, as indexes like it; within an archive the rows keep their order.
        reserved: list[Reserved] = []
        rows = []
        for entry in entries:
            owner = counters[entry.owner]
            if made := self.reservations.made_before(owner, entry.at):
                reserved.append(made)
            rows.append(InsertRow(owner.number, owner.next_sequence(), entry))
        rows.sort(key=attrgetter("number"))
        rows = await self.with_unique_ids(connection, rows)
        if await insert(connection, rows) < len(rows):
            inserted = set(map(tuple, await connection.fetch(_INSERTED, json.dumps(floors))))
            rows = [row for row in rows if row[:2] in inserted]
        await reserved_sequences.insert(connection, reserved)
        await _mark_late(connection, counters, rows)
        await self.update_derived(connection, rows)
        await connection.executemany(
            _UPDATE_OWNER,
            [
                (owner.number, owner.last_sequence, owner.latest_at, owner.reserved_at)
                for owner in counters.values()
            ],
        )
        await connection.notify(Topic.ARCHIVES, counters)

    async def with_unique_ids(
        self, connection: Connection, rows: list[InsertRow]
    ) -> list[InsertRow]:
        """Return rows without the stanza ids that other messages have, or that we could make."""
        named = [
            {"owner": row.number, "stanza_id": row.entry.stanza_id}
            for row in rows
            if row.entry.stanza_id
        ]
        if not named:
            return rows
        used = {(row[0], row[1]) for row in await connection.fetch(_TAKEN, json.dumps(named))}
        unique = []
        for row in rows:
            name = row.number, row.entry.stanza_id
            if row.entry.stanza_id and (name in used or self._ids.decode(*name) is not None):
                unique.append(row._replace(entry=row.entry._replace(stanza_id="")))
            else:
                unique.append(row)
                used.add(name)
        return unique

    async def update_derived(self, connection: Connection, rows: list[InsertRow]) -> None:
        """Update the counters, references, index and conversations for new rows."""
        deltas = [
            CounterDelta(number, sequence, e.peer, e.type == "groupchat", len(e.xml.encode()))
            for number, sequence, e in rows
        ]
        await count_up(connection, deltas)
        targets = await references.resolve(connection, rows)
        await retractions.note(
            connection,
            [
                (number, sequence, targets[number, sequence].original)
                for number, sequence, entry in rows
                if entry.relation is Relation.RETRACTION and (number, sequence) in targets
            ],
        )
        row_targets = [targets.get(row[:2]) for row in rows]
        originals = [None if target is None else target.original for target in row_targets]
        await connection.index.add(
            connection, [(*row, to) for row, to in zip(rows, originals, strict=True)]
        )
        await conversations.add(
            connection,
            [
                (number, sequence, e.peer, _read_up_to(sequence, e, target) if _is_own(e) else 0)
                for (number, sequence, e), target in zip(rows, row_targets, strict=True)
            ],
        )
        await conversations.add_to_rooms(
            connection,
            [
                (number, e.author, _read_up_to(sequence, e, target))
                for (number, sequence, e), target in zip(rows, row_targets, strict=True)
                if e.author and e.is_seen
            ],
        )


async def _missing(connection: Connection, entries: Sequence[NewMessage]) -> list[NewMessage]:
    """Return the messages that no other process has written, and whose archive is not erased."""
    written = await _written(connection, entries)
    erased_at = await erasures.times(connection, sorted({entry.owner for entry in entries}))
    return [
        entry
        for entry in entries
        if written.isdisjoint((entry.owner, key) for key in _keys(entry))
        and entry.at > erased_at.get(entry.owner, -1)
    ]


async def _written(
    connection: Connection, entries: Sequence[NewMessage]
) -> set[tuple[str, bytes]]:
    """Return those keys of some messages that their archives have, each with its owner."""
    keys = [(entry.owner, key) for entry in entries for key in _keys(entry)]
    rows = await connection.fetch_replanned(_NEXT_KEYS, *map(list, zip(*keys, strict=True)))
    return {(jid, key) for jid, key, next_key in rows if key == next_key}


async def _with_one_key(connection: Connection, entries: list[NewMessage]) -> list[NewMessage]:
    """Return the messages without those that have an alternative key in common with another one.

    The other one is in the archive, which is locked, or before them in the batch. No message that
    is returned has alternative keys.
    """
    if not (several := [entry for entry in entries if entry.alternative_keys]):
        return entries
    written = await _written(connection, several)
    missing = []
    for entry in entries:
        keys = {(entry.owner, key) for key in _keys(entry)}
        if entry.alternative_keys and not written.isdisjoint(keys):
            continue
        written.add((entry.owner, entry.dedup_key))
        missing.append(entry._replace(alternative_keys=None))
    return missing


def _keys(entry: NewMessage) -> tuple[bytes, ...]:
    """Return the keys under which the store may have a message."""
    return entry.dedup_key, *(entry.alternative_keys or ())


async def _mark_late(
    connection: Connection, counters: Mapping[str, Counters], rows: Sequence[InsertRow]
) -> None:
    """Mark the new rows that are older than a row before them."""
    lateness_by_row = [(row, counters[row.entry.owner].add_time(row.entry.at)) for row in rows]
    if late := [(*row[:2], late_by) for row, late_by in lateness_by_row if late_by]:
        await lateness.mark(connection, late)


async def _log(connection: Connection, audit_log: Sequence[AuditEntry]) -> None:
    """Insert entries into the audit log."""
    rows = [
        (
            audit_entry.at,
            audit_entry.actor,
            audit_entry.action,
            audit_entry.subject,
            audit_entry.detail,
        )
        for audit_entry in audit_log
    ]
    if rows:
        await connection.insert(_INTO_AUDIT_LOG, rows)


async def _without_known(
    connection: Connection, counters: Mapping[str, Counters], entries: list[NewMessage]
) -> list[NewMessage]:
    """Return the messages without those that their archive has under an alternative key."""
    wanted = [
        (counters[entry.owner].number, key)
        for entry in entries
        for key in entry.alternative_keys or ()
    ]
    if not wanted:
        return entries
    known: set[tuple[int, bytes]] = set()
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        some = wanted[start : start + KEYS_AT_ONCE]
        some += some[-1:] * (KEYS_AT_ONCE - len(some))
        rows = await connection.fetch(_PRESENT, *chain.from_iterable(some))
        known.update((row[0], row[1]) for row in rows)
    unknown = []
    for entry in entries:
        number, keys = counters[entry.owner].number, entry.alternative_keys or ()
        if known.isdisjoint([(number, key) for key in keys]):
            unknown.append(entry)
            # The same message may follow in this batch, too.
            known.add((number, entry.dedup_key))
    return unknown


async def insert(connection: Connection, rows: Sequence[InsertRow]) -> int:
    """Insert new rows; return the number of inserted rows."""
    return await connection.insert(_INTO, [row.values() for row in rows], on_conflict=_ON_CONFLICT)


def _is_own(entry: NewMessage) -> bool:
    """Return whether a message proves that the owner of its archive has read the conversation."""
    return entry.is_seen and not entry.author


def _read_up_to(sequence: int, entry: NewMessage, target: Target | None) -> int:
    """Return the last sequence that the owner has read, as a message proves."""
    # A marker covers the message that it names and all before it (XEP-0333), but not messages that
    # arrived before the marker did.
    return target.sequence if target and entry.kind is Kind.RECEIPT else sequence
