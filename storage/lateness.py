"""Messages that came late: behind one that is newer, as from the offline store.

The times of all other messages rise with their sequence, so what is older or newer than some time
is one stretch of sequences, but for the late messages on the wrong side of its edge. Each late
message says on a scale how late it came. One that came at most an hour late can be on the wrong
side of an edge only if its time is within the hour before it, so an index has them at hand.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from storage.database import Connection
from storage.rows import Filter

#: Messages that are late by less than this many microseconds have the scale 1, 2 and so on; what
#: is beyond the last but one has the last.
SCALE = (*(64**step for step in range(1, 10)), 2**64)

#: Misplaced messages of one edge that are read one by one.
MISPLACED_MAX = 1000

#: No time is later.
LATEST = 2**63 - 1

_MARK = "UPDATE archive SET late = $3 WHERE owner = $1 AND sequence = $2"

_SCALES = " UNION ALL ".join(
    f"SELECT {scale} AS late, {width} AS width" for scale, width in enumerate(SCALE, 1)
)

# First the edge, its time NULL, then the misplaced ones: one statement, so of one moment.
_EDGE = f"""
WITH next AS (
    SELECT at FROM archive WHERE owner = $1 AND at >= $2 AND late = 0 ORDER BY at LIMIT 1
),
edge AS MATERIALIZED (
    SELECT min(sequence) AS first FROM archive
    WHERE owner = $1 AND at BETWEEN $2 AND coalesce((SELECT at FROM next), {LATEST})
)
SELECT first AS sequence, NULL AS at FROM edge
UNION ALL SELECT sequence, at FROM (
    SELECT sequence, at FROM ({_SCALES}) AS scale CROSS JOIN archive INDEXED BY archive_late
    WHERE owner = $1 AND archive.late > 0 AND archive.late = scale.late
        AND at BETWEEN $2 - width AND $2 - 1
        AND sequence > (SELECT first FROM edge){{only}}
    ORDER BY sequence DESC LIMIT {MISPLACED_MAX + 1}
)
"""  # noqa: S608 - constant words


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Where messages of a time and later begin."""

    first: int | None  #: the sequence of the first of them; None: there are none
    #: (sequence, time) of earlier ones that are behind it, of those that are asked for. Where
    #: there are more than MISPLACED_MAX, the last of them.
    misplaced: tuple[tuple[int, int], ...]

    @property
    def is_whole(self) -> bool:
        """Whether all that are misplaced are known."""
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


async def edge(connection: Connection, number: int, at: int, wanted: Filter) -> Edge:
    """Return where messages of a time and later begin.

    Of those that are misplaced only what is with the peer and of the type of a filter is named.
    """
    values: list[object] = [number, at]
    only = ""
    if wanted.peer is not None:
        only += " AND peer = $3"
        values.append(wanted.peer)
    if wanted.groupchat is not None:
        only += f" AND type {'=' if wanted.groupchat else '<>'} 'groupchat'"
    (first, _), *misplaced = await connection.fetch(_EDGE.format(only=only), *values)
    return Edge(first=first, misplaced=tuple((row[0], row[1]) for row in reversed(misplaced)))
