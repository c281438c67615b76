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

_TIMES = "SELECT owner, at FROM erasures WHERE owner = ANY($1)"


async def note(connection: Connection, owner: str) -> None:
    """Note that an archive is erased now."""
    at = time_ns() // 1000
    await connection.execute(_FORGET, at - REMEMBERED_MICROS)
    await connection.execute(_NOTE, owner, at)


async def times(connection: Connection, owners: Sequence[str]) -> dict[str, int]:
    """Return by owner when an archive was erased in the last hour, in microseconds."""
    return {row[0]: row[1] for row in await connection.fetch(_TIMES, owners)}
