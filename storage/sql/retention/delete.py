"""Deletes and blanks rows of archives, and updates counters, conversations and the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.rows import Removed
from storage.sql.database import Connection
from storage.sql.messages import conversations
from storage.sql.messages.counter_updates import CounterDelta, count_down
from storage.sql.retention import scrub

#: Columns of a row to be removed, in the order of CounterDelta.
DELTA_COLUMNS = "owner, sequence, peer, type = 'groupchat', octet_length(xml)"

_DELETE = "DELETE FROM archive WHERE owner = $1 AND sequence = $2"

_DELETE_OLD_IDS = "DELETE FROM old_ids WHERE owner = $1 AND sequence = ANY($2)"

# The dedup key stays, so that a repeated copy does not restore the message.
_BLANK = """
UPDATE archive SET kind = 'blanked', resource = '', nick = '', author = NULL, xml = ''
WHERE owner = $1 AND sequence = $2
"""

#: Deletes the note of an unfinished retraction.
FINISH_RETRACTION = "DELETE FROM unfinished_retractions WHERE owner = $1 AND sequence = $2"

_SUBTRACT_BYTES = "UPDATE owners SET bytes = bytes - $2 WHERE number = $1"


async def delete(connection: Connection, number: int, deltas: Sequence[CounterDelta]) -> Removed:
    """Delete rows of one owner."""
    rows = [delta[:2] for delta in deltas]
    await connection.executemany(_DELETE, rows)
    sequences = [delta.sequence for delta in deltas]
    old_ids = await connection.change(_DELETE_OLD_IDS, number, sequences) if deltas else 0
    await count_down(connection, deltas)
    await conversations.update_newest(connection, {(number, delta.peer) for delta in deltas})
    removed = await _delete_traces(connection, number, deltas)
    return replace(removed, old_ids=old_ids)


async def blank(connection: Connection, number: int, deltas: Sequence[CounterDelta]) -> Removed:
    """Blank rows of one owner: keep id, time and peer, remove the content."""
    await connection.executemany(_BLANK, [delta[:2] for delta in deltas])
    await connection.execute(_SUBTRACT_BYTES, number, sum(delta.bytes for delta in deltas))
    return await _delete_traces(connection, number, deltas)


async def _delete_traces(
    connection: Connection, number: int, deltas: Sequence[CounterDelta]
) -> Removed:
    """Delete the index rows and the unfinished retractions of deleted or blanked rows."""
    if deltas:
        rows = [delta[:2] for delta in deltas]
        await connection.index.delete(connection, rows)
        await connection.executemany(FINISH_RETRACTION, rows)
        await scrub.note(connection)
    return Removed(messages=len(deltas), bytes=sum(delta.bytes for delta in deltas))
