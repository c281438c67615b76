"""Finds the edge of a time in an archive, with messages that arrived late, after a newer message.

A message from the offline store is late, for example. The times of all other messages rise with
their sequence. So the messages before a time are one range of sequences, and those after it
another, except for late messages on the wrong side of the edge between them: the misplaced
messages. Each late message has a lateness on a scale. A message that is at most an hour late can
be misplaced only at edges in the hour after its time, so an index finds the misplaced messages of
an edge.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from storage.rows import Filter
from storage.sql.database import Connection

#: Upper limits of the lateness values 1, 2 and so on, in microseconds, exclusive.
SCALE = (*(64**step for step in range(1, 10)), 2**62)

#: Maximum number of misplaced messages of one edge that are read one by one.
MISPLACED_MAX = 1000

#: The latest time that a store can hold.
LATEST = 2**63 - 1

#: No message is older than this time, from which the largest width can be subtracted.
EARLIEST = -(2**62)

_MARK = "UPDATE archive SET lateness = $3 WHERE owner = $1 AND sequence = $2"

_SCALES = " UNION ALL ".join(
    f"SELECT {scale} AS lateness, {width} AS width" for scale, width in enumerate(SCALE, 1)
)

_MISPLACED = f"""
FROM ({_SCALES}) AS scale CROSS JOIN archive /* INDEXED BY archive_late */
WHERE owner = $1 AND archive.lateness > 0 AND archive.lateness = scale.lateness
    AND at BETWEEN $2 - width AND $2 - 1 AND sequence > {{first}}{{only}}
"""

# First the edge, then its misplaced messages, in one statement and so from the same state. The
# minimum is that of an expression, because PostgreSQL would look for the minimum of the column in
# the order of the sequences, through all older messages.
_EDGE = f"""
WITH next AS (
    SELECT at FROM archive WHERE owner = $1 AND at >= $2 AND lateness = 0 ORDER BY at LIMIT 1
),
edge AS MATERIALIZED (
    SELECT min(sequence + 0) AS first FROM archive
    WHERE owner = $1 AND at BETWEEN $2 AND coalesce((SELECT at FROM next), {LATEST})
)
SELECT first AS sequence FROM edge
UNION ALL SELECT * FROM (
    SELECT sequence {_MISPLACED} LIMIT {MISPLACED_MAX + 1}
) AS misplaced
"""  # noqa: S608 - constant words

_LAST = f"SELECT max(sequence + 0) {_MISPLACED}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The place in an archive where the messages of a time and later begin."""

    first: int | None  #: sequence of the first of these messages; None: there are none
    #: rising sequences of older messages after `first`: all, or MISPLACED_MAX + 1 of them
    misplaced: tuple[int, ...]

    @property
    def is_complete(self) -> bool:
        """Whether `misplaced` has all misplaced messages."""
        return len(self.misplaced) <= MISPLACED_MAX


async def mark(connection: Connection, rows: Iterable[tuple[int, int, int]]) -> None:
    """Mark rows as late: number of the owner, sequence, lateness in microseconds."""
    await connection.executemany(
        _MARK,
        [(number, sequence, scale(late_by)) for number, sequence, late_by in rows],
    )


def scale(late_by: int) -> int:
    """Return the lateness of a message on the scale, for its lateness in microseconds."""
    return min(bisect_left(SCALE, late_by + 1) + 1, len(SCALE))


async def edge(
    connection: Connection, number: int, at: int, filter: Filter, *, since: int | None = None
) -> Edge:
    """Return the edge of a time.

    `misplaced` has only messages that match the peer and the type of the filter, and that are not
    older than `since`.
    """
    values: list[object] = [number, max(at, EARLIEST)]
    sql = _EDGE.format(first="(SELECT first FROM edge)", only=_conditions(filter, since, values))
    first, *misplaced = [row[0] for row in await connection.fetch(sql, *values)]
    return Edge(first=first, misplaced=tuple(sorted(misplaced)))


async def last_misplaced(
    connection: Connection, number: int, at: int, first: int, filter: Filter, since: int | None
) -> int:
    """Return the last misplaced sequence of an edge that is not complete, or `first`."""
    values: list[object] = [number, max(at, EARLIEST), first]
    sql = _LAST.format(first="$3", only=_conditions(filter, since, values))
    rows = await connection.fetch(sql, *values)
    return int(rows[0][0] or first)


def _conditions(filter: Filter, since: int | None, values: list[object]) -> str:
    """Return SQL conditions for misplaced messages; append their values to `values`."""
    sql = ""
    for compared, value in (("peer =", filter.peer), ("at >=", since)):
        if value is not None:
            values.append(value)
            sql += f" AND {compared} ${len(values)}"
    if filter.groupchat is not None:
        sql += f" AND type {'=' if filter.groupchat else '<>'} 'groupchat'"
    return sql
