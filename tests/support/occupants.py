"""All that a store has of rooms, which nothing but a test asks for at once."""

from __future__ import annotations

from storage.interface import Storage
from storage.open import SqliteStorage
from storage.rows import Occupant


async def occupants(storage: Storage) -> tuple[Occupant, ...]:
    """Return what is known of all users in all rooms."""
    rows = await _rows(storage, "SELECT room, jid, affiliation FROM occupants ORDER BY room, jid")
    return tuple(Occupant(room=row[0], jid=row[1], affiliation=row[2]) for row in rows)


async def made(storage: Storage) -> dict[str, int]:
    """Return when each room was created, as far as that is known."""
    rows = await _rows(storage, "SELECT jid, created_at FROM rooms WHERE created_at > 0")
    return {row[0]: row[1] for row in rows}


async def _rows(storage: Storage, sql: str) -> list[tuple[str, ...]]:
    assert isinstance(storage, SqliteStorage)
    async with storage.database.read() as connection:
        return [tuple(row) for row in await connection.fetch(sql)]
