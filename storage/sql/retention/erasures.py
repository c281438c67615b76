"""Notes erasures, so that no process writes a message that it received before an erasure.

Each process receives each message. The one that erases waits for its own messages; another one may
still hold some back.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import time_ns

from storage.sql.database import Connection

#: How long an erasure is noted. Messages do not wait longer while the store can be written.
REMEMBERED_MICROS = 3600 * 1_000_000

_NOTE = """
INSERT INTO erasures (owner, at) VALUES ($1, $2)
ON CONFLICT (owner) DO UPDATE SET at = excluded.at
"""

_FORGET = "DELETE FROM erasures WHERE at < $1"

# Gaps that may still be filled, and the one that begins if the connection is lost now.
_HORIZON = """
least(
    coalesce((SELECT min(begins_at) FROM gaps WHERE state IN ('open', 'filling')), $1),
    coalesce((SELECT until_at FROM received WHERE name = 'copies'), $1)
)
"""

_FORGET_ERASED = f"DELETE FROM erased WHERE at < {_HORIZON}"  # noqa: S608 - constant words

_NOTE_ERASED = """
INSERT INTO erased (digest, at) VALUES ($1, $2)
ON CONFLICT (digest) DO UPDATE SET at = excluded.at
"""

_ERASED = "SELECT at FROM erased WHERE digest = $1"

_TIMES = "SELECT owner, at FROM erasures WHERE owner = ANY($1)"


async def note(connection: Connection, owner: str) -> None:
    """Note that an archive is erased now."""
    at = time_ns() // 1000
    await connection.execute(_FORGET, at - REMEMBERED_MICROS)
    await connection.execute(_NOTE, owner, at)


async def note_for_gaps(connection: Connection, digest: bytes) -> None:
    """Note that the archive with a digest is erased now, so that no gap brings it back."""
    at = time_ns() // 1000
    await forget(connection)
    await connection.execute(_NOTE_ERASED, digest, at)


async def forget(connection: Connection) -> None:
    """Forget the erasures before all gaps that may still be filled."""
    await connection.execute(_FORGET_ERASED, time_ns() // 1000)


async def erased_at(connection: Connection, digest: bytes) -> int:
    """Return when the archive with a digest was erased, in microseconds; 0: it was not."""
    rows = await connection.fetch(_ERASED, digest)
    return int(rows[0][0]) if rows else 0


async def times(connection: Connection, owners: Sequence[str]) -> dict[str, int]:
    """Return by owner when an archive was erased in the last hour, in microseconds."""
    return {row[0]: row[1] for row in await connection.fetch(_TIMES, owners)}
