"""The probe of the store in PostgreSQL."""

from __future__ import annotations

from storage.sql.database import Row
from support.sqlite_probe import SqlProbe

_INDEXED = """
SELECT owner, sequence FROM fulltext
UNION SELECT owner, sequence FROM names
UNION SELECT owner, sequence FROM links
"""

_LINKS = """
SELECT count(*) FROM (
    SELECT owner, sequence FROM names UNION ALL SELECT owner, sequence FROM links
) AS linked LEFT JOIN archive USING (owner, sequence)
WHERE kind IS NULL OR kind = 'blanked'
"""


class PostgresProbe(SqlProbe):
    """`support.probe.Probe`."""

    async def indexed(self) -> list[Row]:
        return await self.fetch(_INDEXED)

    async def dangling_links(self) -> int:
        return int((await self.fetch(_LINKS))[0][0])

    async def set_read_only(self, value: bool) -> None:
        writer = await self.database._open_writer()
        await writer.execute(f"SET default_transaction_read_only = {'on' if value else 'off'}")
