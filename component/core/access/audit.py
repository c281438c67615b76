"""The audit log: an entry for each action of an operator or the server, written before it.

Calls of ejabberd's API have entries too. Some run while theirs are written.
"""

from __future__ import annotations

from collections.abc import Mapping

from component.core.archiving.writer import Writer
from component.core.store_errors import translated
from component.core.xml.times import format_time, now
from storage.interface import AuditLog
from storage.rows import AuditEntry, Filter


class Audit:
    """Writes and reads the audit log."""

    def __init__(self, audit_log: AuditLog, writer: Writer) -> None:
        self._audit_log = audit_log
        self._writer = writer

    async def record(self, actor: str, action: str, subject: str, detail: str = "") -> None:
        """Write an entry, which is durable at the return.

        The entry shares a commit with everything that waits for the writer. Raises BadRequest,
        Overloaded; the action must not be done then.
        """
        audit_entry = AuditEntry(
            at=now(), actor=actor, action=action, subject=subject, detail=detail
        )
        await self._writer.record(audit_entry)

    async def read(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        """Return entries, the newest first. Raises BadRequest, Overloaded."""
        with translated():
            return await self._audit_log.entries(limit=limit, before=before, subject=subject)


def describe_filter(filter: Filter, *, after: str | None = None, before: str | None = None) -> str:
    """Return a filter as one line of the audit log, without the words of a search.

    `after` and `before` are the ids that bound a page, beside the filter.
    """
    return describe_fields(
        {
            "with": "/".join(part for part in (filter.peer, filter.resource) if part is not None),
            "from": "" if filter.since is None else format_time(filter.since),
            "until": "" if filter.until is None else format_time(filter.until),
            "groupchat": "" if filter.groupchat is None else str(filter.groupchat).lower(),
            "kinds": " ".join(sorted(filter.kinds or ())),
            "ids": " ".join(filter.ids or ()),
            "after": " ".join(id for id in (filter.after, after) if id),
            "before": " ".join(id for id in (filter.before, before) if id),
        }
    )


def describe_fields(fields: Mapping[str, str | None]) -> str:
    """Return named values as one line of the audit log, without the empty ones."""
    return ", ".join(f"{name} {value}" for name, value in fields.items() if value) or "all"
