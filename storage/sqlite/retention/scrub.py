"""What was taken away but may still be read in the bytes of the files."""

from __future__ import annotations

from secrets import token_bytes

from storage.sqlite.engine.protocols import Connection, Database

_NAME = "unscrubbed"

_NOTE = """
INSERT INTO secrets (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

_LATEST = "SELECT value FROM secrets WHERE name = $1"

# A first step with a negative number of pages makes all parts of the index one to be merged.
_MERGE = "INSERT INTO fulltext (fulltext, rank) VALUES ('merge', $1)"

_CHANGES = "SELECT total_changes()"

#: Pages of the index that one transaction merges: some hundredths of a second.
MERGED_PAGES = 500

_DELETE_NOTE = "DELETE FROM secrets WHERE name = $1 AND value = $2"


async def note(connection: Connection) -> None:
    """Note that something was taken away; part of the transaction that did it."""
    await connection.execute(_NOTE, _NAME, token_bytes(8))


async def change_count(connection: Connection) -> int:
    """Return how many rows a connection has changed since it was opened."""
    return int((await connection.fetch(_CHANGES))[0][0])


async def latest_removal(connection: Connection) -> bytes | None:
    """Return what stands for the latest thing that was taken away, None when there is none."""
    rows = await connection.fetch(_LATEST, _NAME)
    return bytes(rows[0][0]) if rows else None


async def note_scrubbed(connection: Connection, latest: bytes) -> None:
    """Note that all is gone up to what was `seen`; what came later is still to go."""
    await connection.execute(_DELETE_NOTE, _NAME, latest)


async def merge_index(database: Database) -> None:
    """Make one part of the whole index, where words of removed messages have no place.

    An index grows in parts, and a part is never changed: later ones say what is no longer so.
    In small steps, so that messages are written in between.
    """
    pages = -MERGED_PAGES
    while True:
        async with database.write() as connection:
            before = await change_count(connection)
            await connection.execute(_MERGE, pages)
            after = await change_count(connection)
        # Less than two changes: there is nothing left to merge.
        if after - before < 2:
            return
        pages = MERGED_PAGES
