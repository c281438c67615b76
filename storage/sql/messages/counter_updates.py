"""Writes the counters of messages, with which `counts` counts without reading the archive.

Each bucket of 512 sequences has a counter for each peer, one for groupchat, and one for all other
messages. Each bucket of 32768 sequences has the same counters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from storage.sql.database import Connection

#: Numbers of sequences in a short and in a long bucket; a long bucket has IN_LONG short ones.
SHORT, LONG = 512, 32_768
IN_LONG = LONG // SHORT

#: The two series that belong to no peer: all messages but groupchat, and groupchat.
PEOPLE = ""
GROUPCHAT = "/"

_ADD_TO_OWNER = "UPDATE owners SET messages = messages + $2, bytes = bytes + $3 WHERE number = $1"

_ADD = """
INSERT INTO counters (owner, series, bucket_size, bucket, messages) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, series, bucket_size, bucket)
DO UPDATE SET messages = counters.messages + excluded.messages
"""

_DELETE_EMPTY = """
DELETE FROM counters
WHERE owner = $1 AND series = $2 AND bucket_size = $3 AND bucket = $4 AND messages = 0
"""


class CounterDelta(NamedTuple):
    """The amounts that a row of the archive adds to the counters of its owner."""

    number: int  # number of the owner
    sequence: int
    peer: str
    is_groupchat: bool
    bytes: int  # of XML


async def count_up(connection: Connection, deltas: Sequence[CounterDelta]) -> None:
    """Add new rows to the counters."""
    await _add(connection, deltas, 1)


async def count_down(connection: Connection, deltas: Sequence[CounterDelta]) -> None:
    """Subtract deleted rows from the counters."""
    changed = await _add(connection, deltas, -1)
    await connection.executemany(_DELETE_EMPTY, changed)


async def _add(
    connection: Connection, deltas: Sequence[CounterDelta], sign: int
) -> list[tuple[int, str, int, int]]:
    messages: Counter[int] = Counter()
    octets: Counter[int] = Counter()
    counters: Counter[tuple[int, str, int, int]] = Counter()
    for delta in deltas:
        octets[delta.number] += sign * delta.bytes
    # Many rows of a batch change the same counters.
    bucket_counts = Counter(
        [(n, peer, room, sequence // SHORT) for n, sequence, peer, room, _ in deltas]
    )
    for (number, peer, is_groupchat, bucket), count_in_bucket in bucket_counts.items():
        count = sign * count_in_bucket
        messages[number] += count
        counters[number, GROUPCHAT if is_groupchat else PEOPLE, SHORT, bucket] += count
        if peer not in (PEOPLE, GROUPCHAT):
            counters[number, peer, SHORT, bucket] += count
    for (number, series, _, bucket), count in list(counters.items()):
        counters[number, series, LONG, bucket // IN_LONG] += count
    await connection.executemany(_ADD_TO_OWNER, [(n, messages[n], octets[n]) for n in messages])
    await connection.executemany(_ADD, [(*key, count) for key, count in counters.items()])
    return list(counters)
