"""Imports messages of other archives: `storage.interface.Imports` over a Database.

An archive is in the order of arrival, and imported messages arrived before those of this program.
So an archive whose first message is an imported one begins with a room of IMPORT_ROOM sequences
for imported messages, and the messages that arrive here come behind the room. A later import goes
on in the room, so the ids of all messages stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage.rows import ImportedMessage, ImportOutcome
from storage.sql.database import Connection, Database
from storage.sql.messages import lateness
from storage.sql.messages.append import Appender, InsertRow, insert
from storage.sql.messages.owners import Owners

#: Number of sequences for imported messages, whole buckets of counters.
IMPORT_ROOM = 2**30

_CREATE = "INSERT INTO owners (jid) VALUES ($1) ON CONFLICT (jid) DO NOTHING"

_OWNERS = """
SELECT jid, number, last_sequence, latest_at, last_imported, imported_at FROM owners
WHERE jid = ANY($1) ORDER BY jid FOR UPDATE
"""

_UPDATE_OWNER = """
UPDATE owners SET last_sequence = $2, latest_at = $3, last_imported = $4, imported_at = $5
WHERE number = $1
"""

_NUMBERS = "SELECT jid, number FROM owners WHERE jid = ANY($1)"

_KEYS_MAX = 8

# Sorted by sequence, SQLite would walk the whole archive instead of the index.
_PRESENT = f"""
SELECT sequence FROM archive /* INDEXED BY archive_dedup_key */
WHERE owner = $1 AND dedup_key IN ({", ".join(f"${n + 2}" for n in range(_KEYS_MAX))})
"""  # noqa: S608 - constant words

_INTO_OLD_IDS = "old_ids (owner, old_id, sequence)"
_OLD_ID_EXISTS = "ON CONFLICT (owner, old_id) DO NOTHING"

# The messages behind the room that are older than an imported one. There are few: those that came
# while the other archive was still in use.
_LATE = """
SELECT sequence, at, lateness FROM archive
WHERE owner = $1 AND sequence > $2 AND +at < $3
"""

_PLACE = "SELECT place FROM imports WHERE source = $1"

_SET_PLACE = """
INSERT INTO imports (source, place) VALUES ($1, $2)
ON CONFLICT (source) DO UPDATE SET place = excluded.place
"""

_FORGET = "DELETE FROM imports WHERE source = $1"


@dataclass(slots=True)
class _Owner:
    """An archive into which messages are imported."""

    number: int
    last_sequence: int
    latest_at: int
    last_imported: int
    imported_at: int

    @property
    def has_room(self) -> bool:
        """Whether there is room before the first message that arrived here."""
        return not self.last_sequence or self.last_sequence >= IMPORT_ROOM

    @property
    def has_newer(self) -> bool:
        """Whether messages arrived here behind the room."""
        return self.last_sequence > IMPORT_ROOM

    def next_sequence(self) -> int:
        """Return the sequence of the next imported message."""
        if not self.has_room:
            self.last_sequence += 1
            self.last_imported = self.last_sequence
            return self.last_sequence
        self.last_sequence = max(self.last_sequence, IMPORT_ROOM)
        self.last_imported += 1
        if self.last_imported > IMPORT_ROOM:
            raise AssertionError("an archive has no billion messages")
        return self.last_imported

    def add_time(self, at: int, sequence: int) -> int:
        """Add the time of an imported message; return its lateness in microseconds."""
        self.latest_at = max(self.latest_at, at)
        if sequence > IMPORT_ROOM or not self.has_room:
            return self.latest_at - at
        self.imported_at = max(self.imported_at, at)
        return self.imported_at - at


class SqlImports:
    """`storage.interface.Imports` over a Database."""

    def __init__(self, database: Database, owners: Owners, appending: Appender) -> None:
        """`owners` has counters that an import changes, and `appending` writes the rows."""
        self._database = database
        self._owners = owners
        self._appending = appending

    async def add(
        self,
        messages: Sequence[ImportedMessage],
        *,
        behind: bool = False,
        source: str = "",
        place: str = "",
    ) -> tuple[ImportOutcome, ...]:
        async def write(connection: Connection) -> tuple[ImportOutcome, ...]:
            outcomes = await self._add(connection, messages, behind)
            if source:
                await connection.execute(_SET_PLACE, source, place)
            return outcomes

        try:
            return await self._database.transact(write)
        finally:
            # They have the last sequence of archives that were empty.
            self._owners.discard_counters()

    async def outcomes(
        self, messages: Sequence[ImportedMessage], *, behind: bool = False
    ) -> tuple[ImportOutcome, ...]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_OWNERS.replace("FOR UPDATE", ""), _owners_of(messages))
            owners = {row[0]: _Owner(*row[1:]) for row in rows}
            outcomes = []
            added: set[tuple[str, bytes]] = set()
            for imported in messages:
                message = imported.message
                owner = owners.get(message.owner)
                name = message.owner, message.dedup_key
                is_present = name in added or (
                    owner is not None and await _present(connection, owner.number, imported)
                )
                if is_present:
                    outcomes.append(ImportOutcome.PRESENT)
                elif owner is None or owner.has_room or behind:
                    outcomes.append(ImportOutcome.ADDED)
                    added.add(name)
                else:
                    outcomes.append(ImportOutcome.NO_ROOM)
        return tuple(outcomes)

    async def place(self, source: str) -> str | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_PLACE, source)
        return str(rows[0][0]) if rows else None

    async def forget(self, source: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(_FORGET, source)

    async def _add(
        self, connection: Connection, messages: Sequence[ImportedMessage], behind: bool
    ) -> tuple[ImportOutcome, ...]:
        owners = await _get_or_create(connection, messages)
        outcomes: list[ImportOutcome] = []
        rows: list[InsertRow] = []
        old_ids: list[tuple[int, str, int]] = []
        new: dict[tuple[int, bytes], int] = {}
        for imported in messages:
            message = imported.message
            owner = owners[message.owner]
            sequence = new.get((owner.number, message.dedup_key)) or await _present(
                connection, owner.number, imported
            )
            if sequence:
                outcomes.append(ImportOutcome.PRESENT)
            elif owner.has_room or behind:
                sequence = owner.next_sequence()
                new[owner.number, message.dedup_key] = sequence
                rows.append(InsertRow(owner.number, sequence, message))
                outcomes.append(ImportOutcome.ADDED)
            else:
                outcomes.append(ImportOutcome.NO_ROOM)
                continue
            if imported.old_id:
                old_ids.append((owner.number, imported.old_id, sequence))
        if rows:
            await self._insert(connection, owners, rows)
        await add_old_ids(connection, old_ids)
        return tuple(outcomes)

    async def _insert(
        self, connection: Connection, owners: dict[str, _Owner], rows: list[InsertRow]
    ) -> None:
        rows.sort(key=lambda row: row.number)  # within an archive the rows keep their order
        rows = await self._appending.with_unique_ids(connection, rows)
        await insert(connection, rows)
        late = [
            (row.number, row.sequence, late_by)
            for row in rows
            if (late_by := owners[row.entry.owner].add_time(row.entry.at, row.sequence))
        ]
        if late:
            await lateness.mark(connection, late)
        await self._appending.update_derived(connection, rows)
        for owner in {row.entry.owner: None for row in rows}:
            changed = owners[owner]
            if changed.has_room and changed.has_newer:
                await _mark_newer_late(connection, changed)
            await connection.execute(
                _UPDATE_OWNER,
                changed.number,
                changed.last_sequence,
                changed.latest_at,
                changed.last_imported,
                changed.imported_at,
            )


def _owners_of(messages: Iterable[ImportedMessage]) -> list[str]:
    return sorted({imported.message.owner for imported in messages})


async def _get_or_create(
    connection: Connection, messages: Sequence[ImportedMessage]
) -> dict[str, _Owner]:
    """Return the archives of messages; create those that do not exist."""
    names = _owners_of(messages)
    existing = {row[0] for row in await connection.fetch(_NUMBERS, names)}
    new = [(name,) for name in names if name not in existing]
    if new:
        await connection.executemany(_CREATE, new)
    return {row[0]: _Owner(*row[1:]) for row in await connection.fetch(_OWNERS, names)}


async def add_old_ids(connection: Connection, rows: Sequence[tuple[int, str, int]]) -> None:
    """Store old ids: number of the owner, id, sequence. An old id keeps its first meaning."""
    await connection.insert(_INTO_OLD_IDS, rows, on_conflict=_OLD_ID_EXISTS)


async def _present(connection: Connection, number: int, imported: ImportedMessage) -> int:
    """Return the sequence of a message that an archive has already, 0 if it has none."""
    keys = [imported.message.dedup_key, *imported.known_keys][:_KEYS_MAX]
    keys += keys[:1] * (_KEYS_MAX - len(keys))
    rows = await connection.fetch(_PRESENT, number, *keys)
    return min((int(row[0]) for row in rows), default=0)


async def _mark_newer_late(connection: Connection, owner: _Owner) -> None:
    """Mark the messages behind the room that are older than an imported message."""
    rows = await connection.fetch(_LATE, owner.number, IMPORT_ROOM, owner.imported_at)
    late = []
    for sequence, at, marked in rows:
        late_by = owner.imported_at - at
        if lateness.scale(late_by) > marked:
            late.append((owner.number, sequence, late_by))
    if late:
        await lateness.mark(connection, late)
