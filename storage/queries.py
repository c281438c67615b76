"""Reading an archive: which rows a filter means, in SQL that finds them by an index."""

from __future__ import annotations

from storage.database import Connection, Row
from storage.rows import Filter

#: What a page reads of a row, in this order.
_COLUMNS = "sequence, at, peer, resource, type, direction, nick, xml"

#: More than any sequence: nothing is as late as was asked for.
_BEYOND = 2**63 - 1

_FIRST = """
WITH edge AS (
    SELECT min(at) AS at, (SELECT skew FROM owners WHERE number = $1) AS skew
    FROM archive WHERE owner = $1 AND at >= $2
)
SELECT min(sequence) FROM archive
WHERE owner = $1 AND at BETWEEN (SELECT at FROM edge) AND (SELECT at + skew FROM edge)
"""

_LAST = """
WITH edge AS (
    SELECT max(at) AS at, (SELECT skew FROM owners WHERE number = $1) AS skew
    FROM archive WHERE owner = $1 AND at <= $2
)
SELECT max(sequence) FROM archive
WHERE owner = $1 AND at BETWEEN (SELECT at - skew FROM edge) AND (SELECT at FROM edge)
"""


class Where:
    """A WHERE clause made of constant words and numbered values."""

    def __init__(self, number: int, wanted: Filter) -> None:
        self.values: list[object] = []
        self._words: list[str] = []
        self.add("owner = {}", number)
        if wanted.peer is not None:
            self.add("peer = {}", wanted.peer)
        if wanted.resource is not None:
            self.add("resource = {}", wanted.resource)
        if wanted.peer_local is not None:
            # Every domain: "A" is the character after "@".
            self.add("peer >= {}", f"{wanted.peer_local}@")
            self.add("peer < {}", f"{wanted.peer_local}A")
        if wanted.since is not None:
            self.add("at >= {}", wanted.since)
        if wanted.until is not None:
            self.add("at <= {}", wanted.until)
        if wanted.groupchat is not None:
            self.add(f"type {'=' if wanted.groupchat else '<>'} {{}}", "groupchat")

    def add(self, condition: str, value: object) -> None:
        """Add a condition with `{}` where its value goes."""
        self.values.append(value)
        self._words.append(condition.format(f"${len(self.values)}"))

    def __str__(self) -> str:
        return " AND ".join(self._words)


async def by_arrival(
    connection: Connection, where: Where, *, backwards: bool, limit: int
) -> list[Row]:
    """Return the oldest (or newest) rows in the order of their arrival."""
    return await connection.fetch(
        f"SELECT {_COLUMNS} FROM archive WHERE {where}"  # noqa: S608 - constant words
        f" ORDER BY sequence {'DESC' if backwards else 'ASC'} LIMIT {limit:d}",
        *where.values,
    )


async def by_time(
    connection: Connection, where: Where, newest: bool, limit: int | None
) -> list[Row]:
    """Return the oldest (or newest) rows in the order of their time."""
    way = "DESC" if newest else "ASC"
    bound = "" if limit is None else f" LIMIT {limit:d}"
    return await connection.fetch(
        f"SELECT {_COLUMNS} FROM archive WHERE {where}"  # noqa: S608 - constant words
        f" ORDER BY at {way}, sequence {way}{bound}",
        *where.values,
    )


async def narrow(connection: Connection, where: Where, number: int, wanted: Filter) -> None:
    """Bound the sequences of a page by the times that are wanted.

    Times rise with the sequence but for late ones, and none was ever later than `skew`. So the
    first sequence that can match lies within `skew` of the first time that matches, and the same
    from the other end; both are found in the index of times. Skew and times are of one moment,
    for a message that comes in between may be later than any before it.
    """
    if wanted.since is not None:
        rows = await connection.fetch(_FIRST, number, wanted.since)
        where.add("sequence >= {}", _BEYOND if rows[0][0] is None else rows[0][0])
    if wanted.until is not None:
        rows = await connection.fetch(_LAST, number, wanted.until)
        where.add("sequence <= {}", rows[0][0] or 0)


async def count(connection: Connection, where: Where) -> int:
    """Return how many rows match."""
    rows = await connection.fetch(
        f"SELECT count(*) FROM archive WHERE {where}",  # noqa: S608 - constant words
        *where.values,
    )
    return int(rows[0][0])
