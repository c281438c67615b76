"""Sequences that are left free in archives for the missing messages of gaps.

An archive is in the order of arrival, and messages of a gap are found after others have arrived.
So the first message behind a gap leaves RESERVED sequences free. The ids of all messages stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.sql.database import Connection
from storage.sql.messages.owners import Counters

#: The maximum number of messages of one archive that are put into one gap.
RESERVED = 2**16

#: Behind this sequence no more are left free: an import tells by it whether an archive begins with
#: imported messages.
RESERVED_UNTIL = 2**30

_INTO = "reserved_sequences (owner, ends_at, next_sequence, last_sequence, latest_at)"

_EXISTS = "ON CONFLICT (owner, ends_at) DO NOTHING"

_OF_OWNER = """
SELECT ends_at, next_sequence, last_sequence, latest_at FROM reserved_sequences
WHERE owner = $1 AND ends_at >= $2 ORDER BY ends_at LIMIT 1
"""

_USE = """
UPDATE reserved_sequences SET next_sequence = $3 WHERE owner = $1 AND ends_at = $2
"""

_NOTE_TIME = """
UPDATE reserved_sequences SET latest_at = greatest(latest_at, $3)
WHERE owner = $1 AND ends_at >= $2
"""

_FREE = """
DELETE FROM reserved_sequences WHERE (owner, ends_at) IN (
    SELECT owner, ends_at FROM reserved_sequences AS reserved
    WHERE ends_at < $1 AND NOT EXISTS (
        SELECT 1 FROM gaps
        WHERE state IN ('open', 'filling') AND begins_at < reserved.ends_at
    )
    LIMIT $2
)
"""


@dataclass(slots=True)
class Reserved:
    """Free sequences of one archive."""

    owner: int
    ends_at: int  #: end of the gap, or later
    next_sequence: int
    last_sequence: int
    latest_at: int  #: latest time of a message before the free sequences


class Reservations:
    """Reserves sequences for the latest gap, if gaps are filled at all."""

    def __init__(self) -> None:
        self.is_on = False
        self.ends_at = 0  #: end of the latest gap

    def begin(self, ends_at: int) -> None:
        """Reserve sequences for a gap from now on."""
        self.is_on = True
        self.ends_at = max(self.ends_at, ends_at)

    def made_before(self, counters: Counters, at: int) -> Reserved | None:
        """Reserve sequences if a message of a time is the first one of its archive behind the gap.

        The counters go on behind the sequences that are returned.
        """
        if counters.reserved_at >= self.ends_at or at < self.ends_at:
            return None
        return reserve(counters, self.ends_at)


def reserve(counters: Counters, ends_at: int) -> Reserved | None:
    """Reserve sequences for the gap that ended at a time; None if there are no more."""
    counters.reserved_at = ends_at
    first = counters.last_sequence + 1
    last = counters.last_sequence + RESERVED
    if first <= RESERVED_UNTIL <= last:
        return None
    counters.last_sequence = last
    return Reserved(counters.number, ends_at, first, last, counters.latest_at)


async def insert(connection: Connection, reserved: Sequence[Reserved]) -> None:
    """Store new reserved sequences."""
    if reserved:
        await connection.insert(
            _INTO,
            [
                (row.owner, row.ends_at, row.next_sequence, row.last_sequence, row.latest_at)
                for row in reserved
            ],
            on_conflict=_EXISTS,
        )


async def find(connection: Connection, owner: int, ends_at: int) -> Reserved | None:
    """Return the sequences for the gap that ended at a time, None if there are none."""
    rows = await connection.fetch(_OF_OWNER, owner, ends_at)
    return Reserved(owner, *rows[0]) if rows else None


async def use(connection: Connection, reserved: Reserved) -> None:
    """Note that sequences before the next one are used, up to the latest time."""
    await connection.execute(_USE, reserved.owner, reserved.ends_at, reserved.next_sequence)
    await connection.execute(_NOTE_TIME, reserved.owner, reserved.ends_at, reserved.latest_at)


async def free(connection: Connection, *, before: int, limit: int) -> int:
    """Delete reserved sequences that no unsettled gap needs; return their number."""
    return await connection.change(_FREE, before, limit)
