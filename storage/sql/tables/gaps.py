"""Gaps of all archives, and until when copies of stanzas were received."""

from __future__ import annotations

from storage.rows import SEVERAL, UNSETTLED, Gap, GapProgress, GapState
from storage.sql.database import Connection, Database

_LIST = """
SELECT number, begins_at, ends_at, reason, filled_at, state, filled, place, failure FROM gaps
ORDER BY begins_at, number
"""

_ADD = """
INSERT INTO gaps (number, begins_at, ends_at, reason, filled_at, state)
SELECT coalesce(max(number), 0) + 1, CAST($1 AS bigint), CAST($2 AS bigint), CAST($3 AS text),
    CAST($4 AS bigint), CAST($5 AS text)
FROM gaps
"""

_JOIN = """
UPDATE gaps SET begins_at = $1, ends_at = $2, reason = $3, filled_at = $4, state = $6,
    filled = $7, place = '', failure = $8
WHERE number = $5
"""

_REMOVE = "DELETE FROM gaps WHERE number = $1"

_FILL = "UPDATE gaps SET filled_at = $1, state = 'filled', failure = '' WHERE number = $2"

_CLAIM = """
UPDATE gaps SET filler = $2, filler_at = $3
WHERE number = $1 AND state IN ('open', 'filling') AND (filler = $2 OR filler_at < $4)
"""

_NOTE_PROGRESS = """
UPDATE gaps SET state = coalesce($2, state), filled = filled + $3, place = coalesce($4, place),
    failure = coalesce($5, failure),
    filled_at = CASE WHEN CAST($2 AS text) = 'filled' THEN CAST($6 AS bigint) ELSE filled_at END
WHERE number = $1 AND state IN ('open', 'filling', 'unverified')
"""

_RECEIVED = "SELECT until_at FROM received WHERE name = 'copies'"

_NOTE_RECEIVED = """
INSERT INTO received (name, until_at) VALUES ('copies', $1)
ON CONFLICT (name) DO UPDATE SET until_at = greatest(received.until_at, excluded.until_at)
"""


class SqlGaps:
    """`storage.interface.GapsStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def received_until(self) -> int:
        async with self._database.read() as connection:
            rows = await connection.fetch(_RECEIVED)
        return int(rows[0][0]) if rows else 0

    async def note_received(self, until: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(_NOTE_RECEIVED, until)

    async def list(self) -> tuple[Gap, ...]:
        async with self._database.read() as connection:
            return await _list(connection)

    async def add(self, gap: Gap, *, limit: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                _ADD, gap.begins_at, gap.ends_at, gap.reason, gap.filled_at, gap.state
            )
            await connection.execute(_NOTE_RECEIVED, gap.ends_at)
            gaps = await _list(connection)
            if len(gaps) > limit:
                await _join(connection, *gaps[:2])

    async def fill(self, number: int, *, at: int) -> bool:
        async with self._database.write() as connection:
            return await connection.change(_FILL, at, number) > 0

    async def claim(self, number: int, filler: str, *, at: int, idle_since: int) -> bool:
        async with self._database.write() as connection:
            return await connection.change(_CLAIM, number, filler, at, idle_since) > 0

    async def note_progress(self, number: int, progress: GapProgress, *, at: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                _NOTE_PROGRESS,
                number,
                progress.state,
                progress.added,
                progress.place,
                progress.failure,
                at,
            )


async def _list(connection: Connection) -> tuple[Gap, ...]:
    return tuple(
        Gap(
            number=row[0],
            begins_at=row[1],
            ends_at=row[2],
            reason=row[3],
            filled_at=row[4],
            state=GapState(row[5]),
            filled=row[6],
            place=row[7],
            failure=row[8],
        )
        for row in await connection.fetch(_LIST)
    )


async def _join(connection: Connection, first: Gap, second: Gap) -> None:
    """Replace two gaps by one that spans both, and is filled if both are."""
    is_filled = first.filled_at and second.filled_at
    ends = [gap.ends_at for gap in (first, second) if gap.ends_at is not None]
    await connection.execute(_REMOVE, first.number)
    await connection.execute(
        _JOIN,
        first.begins_at,
        max(ends),
        first.reason if first.reason == second.reason else SEVERAL,
        max(first.filled_at, second.filled_at) if is_filled else 0,
        second.number,
        _joined_state(first, second),
        first.filled + second.filled,
        second.failure or first.failure,
    )


def _joined_state(first: Gap, second: Gap) -> GapState:
    """Return the state of the gap that spans both: that of the one that has to wait longest."""
    states = {first.state, second.state}
    if states & UNSETTLED:
        return GapState.OPEN
    if states == {GapState.FILLED}:
        return GapState.FILLED
    if GapState.MISSING in states:
        return GapState.MISSING
    if states <= {GapState.FILLED, GapState.UNVERIFIED}:
        return GapState.UNVERIFIED
    return GapState.UNFILLABLE if states == {GapState.UNFILLABLE} else GapState.PARTIAL
