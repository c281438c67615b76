"""Messages that arrived late, after a newer message, as from the offline store.

The times of all other messages rise with their sequence, so what is older or newer than some time
is one stretch of sequences, but for the late messages on the wrong side of its edge. Each late
message says on a scale how late it came. One that came at most an hour late can be on the wrong
side of an edge only if its time is within the hour before it, so an index has them at hand.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from storage.rows import Filter
from storage.sqlite.engine.protocols import Connection

#: Messages that are late by less than this many microseconds have the scale 1, 2 and so on; what
#: is beyond the last but one has the last.
SCALE = (*(64**step for step in range(1, 10)), 2**64)

#: Misplaced messages of one edge that are read one by one.
MISPLACED_MAX = 1000

#: No time is later.
LATEST = 2**63 - 1

_MARK = "UPDATE archive SET lateness = $3 WHERE owner = $1 AND sequence = $2"

_SCALES = " UNION ALL ".join(
    f"SELECT {scale} AS lateness, {width} AS width" for scale, width in enumerate(SCALE, 1)
)

_MISPLACED = f"""
FROM ({_SCALES}) AS scale CROSS JOIN archive INDEXED BY archive_late
WHERE owner = $1 AND archive.lateness > 0 AND archive.lateness = scale.lateness
    AND at BETWEEN $2 - width AND $2 - 1 AND sequence > {{first}}{{only}}
"""

# First the edge, then the misplaced ones: one statement, so of one moment.
_EDGE = f"""
WITH next AS (
    SELECT at FROM archive WHERE owner = $1 AND at >= $2 AND lateness = 0 ORDER BY at LIMIT 1
),
edge AS MATERIALIZED (
    SELECT min(sequence) AS first FROM archive
    WHERE owner = $1 AND at BETWEEN $2 AND coalesce((SELECT at FROM next), {LATEST})
)
SELECT first AS sequence FROM edge
UNION ALL SELECT * FROM (
    SELECT sequence {_MISPLACED} LIMIT {MISPLACED_MAX + 1}
)
"""  # noqa: S608 - constant words

_LAST = f"SELECT max(sequence) {_MISPLACED}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The place in an archive where messages of a time and later begin."""

    first: int | None  #: the sequence of the first of them; None: there are none
    #: Sequences of earlier ones that are behind it, rising: all of them, or more than
    #: MISPLACED_MAX.
    misplaced: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether `misplaced` is complete."""
        return len(self.misplaced) <= MISPLACED_MAX


async def mark(connection: Connection, rows: Iterable[tuple[int, int, int]]) -> None:
    """Mark rows as late: number of the owner, sequence, and by how many microseconds."""
    await connection.executemany(
        _MARK,
        [
            (number, sequence, min(bisect_left(SCALE, by + 1) + 1, len(SCALE)))
            for number, sequence, by in rows
        ],
    )


async def edge(
    connection: Connection, number: int, at: int, filter: Filter, *, since: int | None = None
) -> Edge:
    """Return where messages of a time and later begin.

    Of those that are misplaced only what is with the peer and of the type of a filter is named,
    and what is not older than `since`.
    """
    values: list[object] = [number, at]
    sql = _EDGE.format(first="(SELECT first FROM edge)", only=_only(filter, since, values))
    first, *misplaced = [row[0] for row in await connection.fetch(sql, *values)]
    return Edge(first=first, misplaced=tuple(sorted(misplaced)))


async def last_misplaced(
    connection: Connection, number: int, at: int, first: int, filter: Filter, since: int | None
) -> int:
    """Return the last misplaced sequence of an edge that is not whole, or `first`."""
    values: list[object] = [number, at, first]
    sql = _LAST.format(first="$3", only=_only(filter, since, values))
    rows = await connection.fetch(sql, *values)
    return int(rows[0][0] or first)


def _only(filter: Filter, since: int | None, values: list[object]) -> str:
    """Return further conditions for misplaced messages; add their values to `values`."""
    sql = ""
    for compared, value in (("peer =", filter.peer), ("at >=", since)):
        if value is not None:
            values.append(value)
            sql += f" AND {compared} ${len(values)}"
    if filter.groupchat is not None:
        sql += f" AND type {'=' if filter.groupchat else '<>'} 'groupchat'"
    return sql
