"""Reads the audit log, and deletes old calls of ejabberd's API; `messages.append` writes it."""

from __future__ import annotations

from storage.rows import AuditEntry
from storage.sql.database import Database

_ENTRIES = """
SELECT number, at, actor, action, subject, detail FROM audit_log
WHERE number < $1 ORDER BY number DESC LIMIT $2
"""

_ENTRIES_OF = """
SELECT number, at, actor, action, subject, detail FROM audit_log
WHERE number < $1 AND subject = $3 ORDER BY number DESC LIMIT $2
"""

_AFTER = "SELECT number, at FROM audit_log WHERE number > $1 ORDER BY number LIMIT $2"

_DELETE_CALLS = """
DELETE FROM audit_log
WHERE number > $1 AND number <= $2 AND action LIKE 'api %' AND action <> 'api mam_remove_archive'
"""

#: Greater than the number of every entry.
_END = 2**63 - 1


class SqlAuditLog:
    """`storage.interface.AuditLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        end = _END if before is None else before
        async with self._database.read() as connection:
            if subject is None:
                rows = await connection.fetch(_ENTRIES, end, limit)
            else:
                rows = await connection.fetch(_ENTRIES_OF, end, limit, subject)
        return tuple(
            AuditEntry(
                number=row[0],
                at=row[1],
                actor=row[2],
                action=row[3],
                subject=row[4],
                detail=row[5],
            )
            for row in rows
        )

    async def delete_oldest_calls(self, *, before: int, after: int, limit: int) -> int | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_AFTER, after, limit)
        last: int | None = None
        for number, at in rows:
            if at >= before:
                break
            last = number
        if last is None:
            return None
        async with self._database.write() as connection:
            await connection.execute(_DELETE_CALLS, after, last)
        is_over = len(rows) < limit or rows[-1][0] != last
        return None if is_over else last
