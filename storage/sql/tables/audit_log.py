"""Reads the audit log; `messages.append` writes it."""

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
