"""Scrubs removed content from the full-text index."""

from __future__ import annotations

from storage.sql.database import Connection, Database

# With a negative number of pages, the first merge starts to merge all segments into one.
_MERGE = "INSERT INTO fulltext (fulltext, rank) VALUES ('merge', $1)"

_CHANGES = "SELECT total_changes()"

#: Number of pages of the index that one transaction merges, in 0.01 to 0.1 s.
MERGED_PAGES = 500


async def merge_index(database: Database) -> None:
    """Merge all segments of the index into one, without the words of removed messages.

    FTS5 never changes a segment: a later segment marks its entries as deleted. The merge takes
    small steps, and other transactions write messages between them.
    """
    pages = -MERGED_PAGES
    while True:
        async with database.write() as connection:
            before = await _change_count(connection)
            await connection.execute(_MERGE, pages)
            after = await _change_count(connection)
        # After fewer than two changes there is nothing left to merge (sqlite.org/fts5.html).
        if after - before < 2:
            return
        pages = MERGED_PAGES


async def _change_count(connection: Connection) -> int:
    """Return the number of rows that a connection has changed since it was opened."""
    return int((await connection.fetch(_CHANGES))[0][0])
