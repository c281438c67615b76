"""Taking rows out of the archive, or their content, with every book kept right."""

from __future__ import annotations

from collections.abc import Sequence

from storage.rows import Removed
from storage.sqlite.engine.protocols import Connection
from storage.sqlite.messages import conversations, words
from storage.sqlite.messages.counters import CounterDelta, count_down
from storage.sqlite.retention import scrub

#: What is to be known of a row that goes, in the order of a Line.
LINE = "owner, sequence, peer, type = 'groupchat', length(CAST(xml AS BLOB))"

_DELETE = "DELETE FROM archive WHERE owner = $1 AND sequence = $2"

# Its origin stays, so that a copy that comes again does not bring it back.
_EMPTY = """
UPDATE archive SET kind = 'gone', resource = '', nick = '', xml = ''
WHERE owner = $1 AND sequence = $2
"""

#: What is left to do of a retraction is done, or is not to be done any more.
FINISHED = "DELETE FROM unfinished_retractions WHERE owner = $1 AND sequence = $2"

_LESS = "UPDATE owners SET bytes = bytes - $2 WHERE number = $1"


async def delete(connection: Connection, number: int, lines: Sequence[CounterDelta]) -> Removed:
    """Delete rows of one owner."""
    rows = [line[:2] for line in lines]
    await connection.executemany(_DELETE, rows)
    await count_down(connection, lines)
    await conversations.went(connection, {(number, line.peer) for line in lines})
    return await _forget(connection, number, lines)


async def blank(connection: Connection, number: int, lines: Sequence[CounterDelta]) -> Removed:
    """Leave nothing of rows of one owner but where they were."""
    await connection.executemany(_EMPTY, [line[:2] for line in lines])
    await connection.execute(_LESS, number, sum(line.bytes for line in lines))
    return await _forget(connection, number, lines)


async def _forget(connection: Connection, number: int, lines: Sequence[CounterDelta]) -> Removed:
    """Leave out of searches, references and what is left to do what no longer says anything."""
    if lines:
        rows = [line[:2] for line in lines]
        await words.drop(connection, rows)
        await connection.executemany(FINISHED, rows)
        await scrub.note(connection)
    return Removed(messages=len(lines), bytes=sum(line.bytes for line in lines))
