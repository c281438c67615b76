"""Notes unfinished retractions, returns them to core, and carries out the outcomes.

The store finds the message that a retraction means. Core decides whether the author may retract
it, and builds the tombstone. So the store carries out a retraction in a second transaction, and
notes the retraction as unfinished until then.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.rows import (
    TOMBSTONES_MAX,
    UNFINISHED_MAX,
    RetractionOutcome,
    Tombstone,
    UnfinishedRetraction,
)
from storage.sql.database import Connection
from storage.sql.messages import references
from storage.sql.messages.ids import Ids
from storage.sql.messages.selection import find_sequences
from storage.sql.messages.statements import COLUMNS, archived_messages
from storage.sql.retention import scrub
from storage.sql.retention.delete import FINISH_RETRACTION
from storage.sql.tables.holds import is_held

_NOTE = "INSERT INTO unfinished_retractions (owner, sequence, target) VALUES ($1, $2, $3)"

_UNFINISHED = f"""
SELECT unfinished_retractions.number, jid, owner, target, {COLUMNS}
FROM unfinished_retractions
JOIN owners ON owners.number = owner
JOIN archive USING (owner, sequence)
WHERE unfinished_retractions.number > $1
ORDER BY unfinished_retractions.number LIMIT {UNFINISHED_MAX}
"""  # noqa: S608 - constant words

_TARGET = f"""
SELECT {COLUMNS} FROM archive
WHERE owner = $1 AND sequence = $2 AND kind NOT IN ('tombstone', 'blanked')
"""  # noqa: S608 - constant words

_NOTED = """
SELECT noted.owner, noted.sequence, target, jid, peer
FROM unfinished_retractions AS noted
JOIN owners ON owners.number = noted.owner
LEFT JOIN archive ON archive.owner = noted.owner AND archive.sequence = target
WHERE noted.number = $1
"""

_WITH_CONTENT = """
SELECT sequence FROM archive
WHERE owner = $1 AND sequence = ANY($2)
    AND kind NOT IN ('tombstone', 'blanked')
"""

_BYTES = """
UPDATE owners SET bytes = bytes + $3 - (
    SELECT octet_length(xml) FROM archive WHERE owner = $1 AND sequence = $2
)
WHERE number = $1
"""

_REPLACE = "UPDATE archive SET xml = $3, kind = $4 WHERE owner = $1 AND sequence = $2"


async def note(connection: Connection, rows: Sequence[tuple[int, int, int]]) -> None:
    """Note retractions as unfinished: number of the owner, sequence, sequence of the target."""
    if rows:
        await connection.executemany(_NOTE, rows)


async def unfinished(
    connection: Connection, ids: Ids, after: int
) -> tuple[UnfinishedRetraction, ...]:
    """Return unfinished retractions, as `storage.interface.Archive` says."""
    offered: list[UnfinishedRetraction] = []
    corrections_left = TOMBSTONES_MAX
    for number, owner, owner_number, target, *row in await connection.fetch(_UNFINISHED, after):
        sequence = int(row[0])
        targets = await connection.fetch(_TARGET, owner_number, target)
        rows = await references.corrections(
            connection, owner_number, target, before=sequence, limit=corrections_left + 1
        )
        corrections = archived_messages(ids, owner_number, rows[:corrections_left])
        corrections_left -= len(corrections)
        offered.append(
            UnfinishedRetraction(
                number=number,
                owner=owner,
                message=archived_messages(ids, owner_number, [row])[0],
                target=next(iter(archived_messages(ids, owner_number, targets)), None),
                corrections=corrections,
                is_last=len(rows) == len(corrections),
            )
        )
    return tuple(offered)


async def apply(
    connection: Connection, ids: Ids, outcome: RetractionOutcome
) -> tuple[str, str, str] | None:
    """Carry out the outcome of one retraction.

    Returns owner, peer and id of the retracted message if any message was replaced.
    """
    rows = await connection.fetch(_NOTED, outcome.number)
    if not rows:
        return None
    owner, sequence, target, jid, peer = rows[0]
    # Another process may have set a hold since core decided about the retraction.
    tombstones = () if await is_held(connection, jid) else outcome.tombstones
    is_replaced = await _replace(connection, ids, owner, target, tombstones)
    settled = await find_sequences(connection, ids, owner, outcome.settled)
    await connection.index.settle(connection, owner, target, list(settled.values()))
    if outcome.is_done:
        await connection.execute(FINISH_RETRACTION, owner, sequence)
    return (jid, peer or "", ids.encode(owner, [target])[0]) if is_replaced else None


async def _replace(
    connection: Connection, ids: Ids, owner: int, target: int, tombstones: Sequence[Tombstone]
) -> bool:
    """Replace the target and its corrections, except those that another retraction replaced.

    Returns whether any message was replaced.
    """
    places = await find_sequences(
        connection, ids, owner, [tombstone.id for tombstone in tombstones]
    )
    by_sequence = {
        places[tombstone.id]: tombstone for tombstone in tombstones if tombstone.id in places
    }
    rows = await connection.fetch(_WITH_CONTENT, owner, list(by_sequence))
    with_content = [row[0] for row in rows]
    unsettled = await connection.index.unsettled(connection, owner, target, with_content)
    replaced = [
        (row[0], by_sequence[row[0]]) for row in rows if row[0] == target or row[0] in unsettled
    ]
    if not replaced:
        return False
    await connection.executemany(
        _BYTES,
        [(owner, sequence, len(tombstone.xml.encode())) for sequence, tombstone in replaced],
    )
    await connection.executemany(
        _REPLACE,
        [(owner, sequence, tombstone.xml, tombstone.kind) for sequence, tombstone in replaced],
    )
    await connection.index.delete_words(connection, owner, [sequence for sequence, _ in replaced])
    await scrub.note(connection)
    return True
