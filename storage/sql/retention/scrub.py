"""Scrubs removed content from the full-text index, and notes that the files may have traces."""

from __future__ import annotations

from secrets import token_bytes

from storage.sql.database import Connection, Database

_NAME = "unscrubbed"

_NOTE = """
INSERT INTO secrets (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

_LATEST = "SELECT value FROM secrets WHERE name = $1"

# With a negative number of pages, the first merge starts to merge all segments into one.
_MERGE = "INSERT INTO fulltext (fulltext, rank) VALUES ('merge', $1)"

_CHANGES = "SELECT total_changes()"

#: Number of pages of the index that one transaction merges, in 0.01 to 0.1 s.
MERGED_PAGES = 500

_DELETE_NOTE = "DELETE FROM secrets WHERE name = $1 AND value = $2"


async def note(connection: Connection) -> None:
    """Note a removal, in the transaction of the removal."""
    await connection.execute(_NOTE, _NAME, token_bytes(8))


async def change_count(connection: Connection) -> int:
    """Return the number of rows that a connection has changed since it was opened."""
    return int((await connection.fetch(_CHANGES))[0][0])


async def latest_removal(connection: Connection) -> bytes | None:
    """Return a token of the latest removal that was not scrubbed, None if there is none."""
    rows = await connection.fetch(_LATEST, _NAME)
    return bytes(rows[0][0]) if rows else None


async def note_scrubbed(connection: Connection, latest: bytes) -> None:
    """Delete the note of a removal, unless a later removal has replaced the note."""
    await connection.execute(_DELETE_NOTE, _NAME, latest)


async def merge_index(database: Database) -> None:
    """Merge all segments of the index into one, without the words of removed messages.

    FTS5 never changes a segment: a later segment marks its entries as deleted. The merge takes
    small steps, and other transactions write messages between them.
    """
    pages = -MERGED_PAGES
    while True:
        async with database.write() as connection:
            before = await change_count(connection)
            await connection.execute(_MERGE, pages)
            after = await change_count(connection)
        # After fewer than two changes there is nothing left to merge (sqlite.org/fts5.html).
        if after - before < 2:
            return
        pages = MERGED_PAGES
