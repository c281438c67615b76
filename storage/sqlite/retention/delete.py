"""Taking rows out of the archive, or their content, with every book kept right."""

from __future__ import annotations

from collections.abc import Sequence

from storage.rows import Removed
from storage.sqlite.engine.protocols import Connection
from storage.sqlite.messages import conversations, fulltext
from storage.sqlite.messages.counters import CounterDelta, count_down
from storage.sqlite.retention import scrub

#: What is to be known of a row that goes, in the order of a Line.
DELTA_COLUMNS = "owner, sequence, peer, type = 'groupchat', length(CAST(xml AS BLOB))"

_DELETE = "DELETE FROM archive WHERE owner = $1 AND sequence = $2"

# Its origin stays, so that a copy that comes again does not bring it back.
_BLANK = """
UPDATE archive SET kind = 'blanked', resource = '', nick = '', xml = ''
WHERE owner = $1 AND sequence = $2
"""

#: What is left to do of a retraction is done, or is not to be done any more.
FINISH_RETRACTION = "DELETE FROM unfinished_retractions WHERE owner = $1 AND sequence = $2"

_SUBTRACT_BYTES = "UPDATE owners SET bytes = bytes - $2 WHERE number = $1"


async def delete(connection: Connection, number: int, lines: Sequence[CounterDelta]) -> Removed:
    """Delete rows of one owner."""
    rows = [line[:2] for line in lines]
    await connection.executemany(_DELETE, rows)
    await count_down(connection, lines)
    await conversations.update_newest(connection, {(number, line.peer) for line in lines})
    return await _delete_traces(connection, number, lines)


async def blank(connection: Connection, number: int, lines: Sequence[CounterDelta]) -> Removed:
    """Leave nothing of rows of one owner but where they were."""
    await connection.executemany(_BLANK, [line[:2] for line in lines])
    await connection.execute(_SUBTRACT_BYTES, number, sum(line.bytes for line in lines))
    return await _delete_traces(connection, number, lines)


async def _delete_traces(
    connection: Connection, number: int, lines: Sequence[CounterDelta]
) -> Removed:
    """Leave out of searches, references and what is left to do what no longer says anything."""
    if lines:
        rows = [line[:2] for line in lines]
        await fulltext.delete(connection, rows)
        await connection.executemany(FINISH_RETRACTION, rows)
        await scrub.note(connection)
    return Removed(messages=len(lines), bytes=sum(line.bytes for line in lines))
