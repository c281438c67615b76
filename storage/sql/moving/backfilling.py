"""Stores the missing messages of gaps: `storage.interface.BackfillStore` over a Database.

The messages of one archive are added in the order of their times. They get the sequences that were
reserved for the gap, so no message that arrived here changes its id or its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage.processes import Topic
from storage.rows import FillOutcome, ImportedMessage, LaterRetraction
from storage.sql.database import Connection, Database
from storage.sql.messages import lateness, reserved, retractions
from storage.sql.messages.append import Appender, InsertRow, insert
from storage.sql.messages.ids import Ids
from storage.sql.messages.owners import Counters, Owners
from storage.sql.messages.reserved import Reserved
from storage.sql.messages.selection import find_sequences
from storage.sql.moving.importing import add_old_ids
from storage.sql.retention import erasures

_UPDATE_OWNER = """
UPDATE owners SET last_sequence = $2, latest_at = $3, reserved_at = $4 WHERE number = $1
"""

# The messages behind reserved sequences that are older than an added one: those with a time of the
# gap, and those that were late before.
_LATE = """
SELECT sequence, at, lateness FROM archive
WHERE owner = $1 AND at >= $3 AND at < $4 AND sequence > $2
UNION ALL
SELECT sequence, at, lateness FROM archive /* INDEXED BY archive_late */
WHERE owner = $1 AND lateness > 0 AND at < $3 AND sequence > $2
"""

_KEYS_MAX = 8

# Messages with the same keys, and whether they have only old ids other than this one.
_ALIKE = f"""
SELECT sequence, dedup_key,
    EXISTS (
        SELECT 1 FROM old_ids
        WHERE old_ids.owner = archive.owner AND old_ids.sequence = archive.sequence
    ) AND NOT EXISTS (
        SELECT 1 FROM old_ids
        WHERE old_ids.owner = archive.owner AND old_ids.sequence = archive.sequence
            AND old_id = $2
    )
FROM archive /* INDEXED BY archive_dedup_key */
WHERE owner = $1 AND dedup_key IN ({", ".join(f"${n + 3}" for n in range(_KEYS_MAX))})
ORDER BY sequence
"""  # noqa: S608 - constant words

_IS_NOTED = "SELECT 1 FROM unfinished_retractions WHERE owner = $1 AND sequence = $2"


class SqlBackfill:
    """`storage.interface.BackfillStore` over a Database."""

    def __init__(self, database: Database, ids: Ids, owners: Owners, appending: Appender) -> None:
        """`owners` has the counters of archives, and `appending` writes the rows."""
        self._database = database
        self._ids = ids
        self._owners = owners
        self._appending = appending

    def reserve(self, ends_at: int) -> None:
        self._appending.reservations.begin(ends_at)

    async def add(
        self, messages: Sequence[ImportedMessage], *, ends_at: int
    ) -> tuple[FillOutcome, ...]:
        try:
            return await self._database.transact(
                lambda connection: self._add(connection, messages, ends_at)
            )
        except BaseException:
            self._owners.discard_counters()
            raise

    async def retract(self, owner: str, retractions_by_id: Sequence[LaterRetraction]) -> int:
        noted = 0
        async with self._database.write() as connection:
            number = await self._owners.find(connection, owner)
            ids = [retraction.id for retraction in retractions_by_id]
            places = await find_sequences(connection, self._ids, number, ids)
            resolved = await connection.index.targets(connection, number, places.values())
            for retraction in retractions_by_id:
                sequence = places.get(retraction.id, 0)
                if not sequence or sequence in resolved:
                    continue
                names = [(number, name) for name in retraction.refers_to]
                last = await connection.index.last_named(connection, names)
                targets = [target.original for target in last.values()]
                target = max((place for place in targets if place < sequence), default=0)
                if target and not await connection.fetch(_IS_NOTED, number, sequence):
                    await retractions.note(connection, [(number, sequence, target)])
                    noted += 1
        return noted

    async def tidy(self, *, before: int, limit: int) -> bool:
        async with self._database.write() as connection:
            await erasures.forget(connection)
            return await reserved.free(connection, before=before, limit=limit) < limit

    async def _add(
        self, connection: Connection, messages: Sequence[ImportedMessage], ends_at: int
    ) -> tuple[FillOutcome, ...]:
        names = {imported.message.owner for imported in messages}
        erased_at = {
            name: await erasures.erased_at(connection, self._ids.digest(name)) for name in names
        }
        counters = await self._owners.get_or_create(
            connection, {m.message.owner for m in messages if m.message.at > erased_at[m[0].owner]}
        )
        outcomes: list[FillOutcome] = []
        old_ids: list[tuple[int, str, int]] = []
        rows: list[InsertRow] = []
        new: dict[tuple[int, bytes], int] = {}
        named: dict[tuple[int, int], str] = {}
        places = {
            owner.number: await _place(connection, owner, ends_at) for owner in counters.values()
        }
        for imported in messages:
            message = imported.message
            if message.at <= erased_at[message.owner]:
                outcomes.append(FillOutcome.ERASED)
                continue
            owner = counters[message.owner]
            place = places[owner.number]
            found, own_key = await self._find(connection, owner.number, imported, new, named)
            if (sequence := found) is not None:
                outcomes.append(FillOutcome.PRESENT)
            elif place is None or place.next_sequence > place.last_sequence:
                outcomes.append(FillOutcome.NO_PLACE)
                continue
            else:
                sequence = new[owner.number, own_key] = place.next_sequence
                place.next_sequence += 1
                rows.append(InsertRow(owner.number, sequence, message._replace(dedup_key=own_key)))
                outcomes.append(FillOutcome.ADDED)
            named.setdefault((owner.number, sequence), imported.old_id)
            if imported.old_id:
                old_ids.append((owner.number, imported.old_id, sequence))
        if rows:
            await self._insert(connection, counters, places, rows)
        await add_old_ids(connection, old_ids)
        return tuple(outcomes)

    async def _find(
        self,
        connection: Connection,
        number: int,
        imported: ImportedMessage,
        new: Mapping[tuple[int, bytes], int],
        named: Mapping[tuple[int, int], str],
    ) -> tuple[int | None, bytes]:
        """Return the sequence of a message, None if it is not stored, and the key to store it.

        `new` has the sequences of messages that are about to be stored, and `named` the old ids
        that are about to be noted.
        """
        if name := imported.message.stanza_id:
            # A room names each message once, however a server writes the rest of it.
            by_name = await find_sequences(connection, self._ids, number, [name])
            if name in by_name:
                return by_name[name], imported.message.dedup_key
        key = imported.message.dedup_key
        keys = [key, *imported.known_keys][:_KEYS_MAX]
        own_key = imported.known_keys[0] if imported.known_keys else key
        padded = keys + keys[:1] * (_KEYS_MAX - len(keys))
        rows = await connection.fetch(_ALIKE, number, imported.old_id, *padded)
        alike = [(int(row[0]), bytes(row[1]), bool(row[2])) for row in rows]
        alike += [(new[number, known], known, False) for known in keys if (number, known) in new]
        for sequence, stored_key, is_other in alike:
            other_name = named.get((number, sequence), imported.old_id)
            if stored_key == own_key or not (is_other or other_name != imported.old_id):
                return sequence, key
        is_taken = any(stored_key == key for _, stored_key, _ in alike)
        return None, own_key if is_taken else key

    async def _insert(
        self,
        connection: Connection,
        counters: Mapping[str, Counters],
        places: Mapping[int, Reserved | None],
        rows: list[InsertRow],
    ) -> None:
        rows.sort(key=lambda row: row.number)  # within an archive the rows keep their order
        rows = await self._appending.with_unique_ids(connection, rows)
        await insert(connection, rows)
        await _mark_late(connection, places, rows)
        await self._appending.update_derived(connection, rows)
        changed = {row.entry.owner: places[row.number] for row in rows}
        for name, place in changed.items():
            owner = counters[name]
            if place is not None:
                await reserved.use(connection, place)
                owner.latest_at = max(owner.latest_at, place.latest_at)
        for owner in counters.values():
            await connection.execute(
                _UPDATE_OWNER,
                owner.number,
                owner.last_sequence,
                owner.latest_at,
                owner.reserved_at,
            )
        await connection.notify(Topic.ARCHIVES, changed)


async def _place(connection: Connection, owner: Counters, ends_at: int) -> Reserved | None:
    """Return the sequences for a gap; reserve them if no message has arrived behind the gap."""
    if owner.reserved_at >= ends_at:
        return await reserved.find(connection, owner.number, ends_at)
    made = reserved.reserve(owner, ends_at)
    if made is not None:
        await reserved.insert(connection, [made])
        await connection.execute(
            _UPDATE_OWNER, owner.number, owner.last_sequence, owner.latest_at, owner.reserved_at
        )
    return made


async def _mark_late(
    connection: Connection, places: Mapping[int, Reserved | None], rows: Sequence[InsertRow]
) -> None:
    """Mark the new rows, and those behind them, that are older than a row before them."""
    late: list[tuple[int, int, int]] = []
    before: dict[int, int] = {}
    for number, sequence, entry in rows:
        place = places[number]
        if place is None:
            continue
        before.setdefault(number, place.latest_at)
        place.latest_at = max(place.latest_at, entry.at)
        if late_by := place.latest_at - entry.at:
            late.append((number, sequence, late_by))
    for number, earlier in before.items():
        place = places[number]
        if place is None or place.latest_at <= earlier:
            continue
        behind = await connection.fetch(
            _LATE, number, place.last_sequence, earlier, place.latest_at
        )
        for sequence, at, marked in behind:
            late_by = place.latest_at - at
            if lateness.scale(late_by) > marked:
                late.append((number, sequence, late_by))
    if late:
        await lateness.mark(connection, late)
