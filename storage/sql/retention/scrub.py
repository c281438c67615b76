"""Notes that the files of a store may have traces of removed messages."""

from __future__ import annotations

from secrets import token_bytes

from storage.sql.database import Connection

_NAME = "unscrubbed"

_NOTE = """
INSERT INTO secrets (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

_LATEST = "SELECT value FROM secrets WHERE name = $1"

_DELETE_NOTE = "DELETE FROM secrets WHERE name = $1 AND value = $2"


async def note(connection: Connection) -> None:
    """Note a removal, in the transaction of the removal."""
    await connection.execute(_NOTE, _NAME, token_bytes(8))


async def latest_removal(connection: Connection) -> bytes | None:
    """Return a token of the latest removal that was not scrubbed, None if there is none."""
    rows = await connection.fetch(_LATEST, _NAME)
    return bytes(rows[0][0]) if rows else None


async def note_scrubbed(connection: Connection, latest: bytes) -> None:
    """Delete the note of a removal, unless a later removal has replaced the note."""
    await connection.execute(_DELETE_NOTE, _NAME, latest)
