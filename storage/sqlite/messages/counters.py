"""How many messages an archive has, and how many up to a place, without reading all of it.

Of every stretch of 512 sequences it is written down how many messages are with each peer, how
many are of people and how many are groupchat, and the same of every 64 such stretches. Only what
is left at an edge is counted by rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from storage.rows import Filter
from storage.sqlite.engine.protocols import Connection

#: How many sequences a stretch has; a long one is made of so many short ones.
SHORT, LONG = 512, 32_768
_IN_LONG = LONG // SHORT

#: Scopes beside the peers: all that is no groupchat, and all that is.
PEOPLE = ""
GROUPCHAT = "/"

_KEPT = "UPDATE owners SET messages = messages + $2, bytes = bytes + $3 WHERE number = $1"

_TALLY = """
INSERT INTO counters (owner, series, bucket_size, bucket, messages) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, series, bucket_size, bucket)
DO UPDATE SET messages = messages + excluded.messages
"""

_NO_TALLY = """
DELETE FROM counters
WHERE owner = $1 AND series = $2 AND bucket_size = $3 AND bucket = $4 AND messages = 0
"""

_ALL = f"""
(SELECT coalesce(sum(messages), 0) FROM counters
 WHERE owner = $1 AND series IN ({{one}}, {{other}}) AND bucket_size = {LONG})
"""  # noqa: S608 - constant words

_BEFORE = f"""
(SELECT coalesce(sum(messages), 0) FROM counters
 WHERE owner = $1 AND series IN ({{one}}, {{other}})
   AND bucket_size = {LONG} AND bucket < {{place}} / {LONG})
+ (SELECT coalesce(sum(messages), 0) FROM counters
   WHERE owner = $1 AND series IN ({{one}}, {{other}})
     AND bucket_size = {SHORT} AND bucket < {{place}} / {SHORT}
     AND bucket >= {{place}} / {LONG} * {_IN_LONG})
+ (SELECT count(*) FROM archive
   WHERE owner = $1 AND sequence >= {{place}} / {SHORT} * {SHORT} AND sequence < {{place}}
     AND {{is_in}})
"""  # noqa: S608 - constant words

_THROUGH = "SELECT {before} FROM json_each($4) AS place ORDER BY place.key"

_BUCKET_OF = f"""
WITH buckets AS (
    SELECT bucket, sum(messages) AS messages FROM counters
    WHERE owner = $1 AND series IN ($2, $3) AND bucket_size = {SHORT} GROUP BY bucket
), running AS (
    SELECT bucket, messages, sum(messages) OVER (ORDER BY bucket) AS total FROM buckets
)
SELECT bucket * {SHORT}, total - messages FROM running
WHERE total >= $4 ORDER BY bucket LIMIT 1
"""  # noqa: S608 - constant words

_IS_IN = {
    (PEOPLE, GROUPCHAT): "true",
    (PEOPLE, PEOPLE): "type <> 'groupchat'",
    (GROUPCHAT, GROUPCHAT): "type = 'groupchat'",
}

#: Two scopes; one that stands alone comes twice.
Scopes = tuple[str, str]


class CounterDelta(NamedTuple):
    """What a row of the archive adds to the books."""

    number: int  # of its owner
    sequence: int
    peer: str
    is_groupchat: bool
    bytes: int  # of XML


def scopes(wanted: Filter) -> Scopes | None:
    """Return the scopes that hold just what a filter means, times and ids aside."""
    if wanted.peer_local is not None or wanted.resource is not None:
        return None
    if wanted.ids is not None or wanted.kinds is not None or wanted.phrases is not None:
        return None
    if wanted.peer is None:
        people = GROUPCHAT if wanted.groupchat else PEOPLE
        return (people, GROUPCHAT if wanted.groupchat is None else people)
    if wanted.groupchat is not None or wanted.peer in (PEOPLE, GROUPCHAT):
        return None
    return (wanted.peer, wanted.peer)


async def count_up(connection: Connection, lines: Sequence[CounterDelta]) -> None:
    """Count rows that came."""
    await _count(connection, lines, 1)


async def count_down(connection: Connection, lines: Sequence[CounterDelta]) -> None:
    """Count rows that went away."""
    tallied = await _count(connection, lines, -1)
    await connection.executemany(_NO_TALLY, tallied)


async def _count(
    connection: Connection, lines: Sequence[CounterDelta], by: int
) -> list[tuple[int, str, int, int]]:
    kept: Counter[int] = Counter()
    octets: Counter[int] = Counter()
    tallies: Counter[tuple[int, str, int, int]] = Counter()
    for line in lines:
        octets[line.number] += by * line.bytes
    # Many lines of a batch are alike.
    alike = Counter([(n, peer, room, sequence // SHORT) for n, sequence, peer, room, _ in lines])
    for (number, peer, is_groupchat, block), times in alike.items():
        count = by * times
        kept[number] += count
        tallies[number, GROUPCHAT if is_groupchat else PEOPLE, SHORT, block] += count
        if peer not in (PEOPLE, GROUPCHAT):
            tallies[number, peer, SHORT, block] += count
    for (number, scope, _, block), count in list(tallies.items()):
        tallies[number, scope, LONG, block // _IN_LONG] += count
    await connection.executemany(_KEPT, [(n, kept[n], octets[n]) for n in kept])
    await connection.executemany(_TALLY, [(*key, count) for key, count in tallies.items()])
    return list(tallies)


def all_sql(one: str, other: str) -> str:
    """Write how many rows of two scopes there are; $1 is the number of the owner."""
    return _ALL.format(one=one, other=other)


def before_sql(place: str, of: Scopes, one: str, other: str) -> str:
    """Write how many of them there are before a place. `one` and `other` stand for the scopes."""
    is_in = _IS_IN.get(of, f"peer = {one}")
    return _BEFORE.format(place=place, one=one, other=other, is_in=is_in)


async def through(
    connection: Connection, number: int, of: Scopes, places: Sequence[int]
) -> list[int]:
    """Return for each sequence how many rows there are up to it, itself included."""
    sql = _THROUGH.format(before=before_sql("(place.value + 1)", of, "$2", "$3"))
    rows = await connection.fetch(sql, number, *of, json.dumps(places))
    return [int(row[0]) for row in rows]


async def place_of(
    connection: Connection, number: int, of: Scopes, rank: int
) -> tuple[int, int] | None:
    """Return where the row of a rank (the first has 1) is: behind how many rows from a sequence.

    None: there are not as many rows.
    """
    rows = await connection.fetch(_BUCKET_OF, number, *of, rank)
    return (rows[0][0], rank - rows[0][1] - 1) if rows else None
