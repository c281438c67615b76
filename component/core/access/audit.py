"""The audit log: who did what with an archive that is not its own, written before it is done."""

from __future__ import annotations

from collections.abc import Mapping

from component.core.archiving.writer import Writer
from component.core.store_errors import translated
from component.core.xml.times import format_time, now
from storage.interface import AuditLog
from storage.rows import AuditEntry, Filter


class Audit:
    """Writes the audit log."""

    def __init__(self, audit_log: AuditLog, writer: Writer) -> None:
        self._audit_log = audit_log
        self._writer = writer

    async def record(self, actor: str, action: str, subject: str, detail: str = "") -> None:
        """Write a line that is durable at the return, in one commit with all that waits.

        Raises BadRequest, Overloaded: then it is not to be done.
        """
        audit_entry = AuditEntry(
            at=now(), actor=actor, action=action, subject=subject, detail=detail
        )
        await self._writer.record(audit_entry)

    async def read(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        """Return lines, the newest first. Raises BadRequest, Overloaded."""
        with translated():
            return await self._audit_log.entries(limit=limit, before=before, subject=subject)


def describe_filter(wanted: Filter, *, after: str | None = None, before: str | None = None) -> str:
    """Return which messages are read, without what was searched for.

    `after` and `before` are places in the archive that a page is bounded by, beside the filter.
    """
    return describe_fields(
        {
            "with": "/".join(part for part in (wanted.peer, wanted.resource) if part is not None),
            "from": "" if wanted.since is None else format_time(wanted.since),
            "until": "" if wanted.until is None else format_time(wanted.until),
            "groupchat": "" if wanted.groupchat is None else str(wanted.groupchat).lower(),
            "kinds": " ".join(sorted(wanted.kinds or ())),
            "ids": " ".join(wanted.ids or ()),
            "after": " ".join(id for id in (wanted.after, after) if id),
            "before": " ".join(id for id in (wanted.before, before) if id),
        }
    )


def describe_fields(said: Mapping[str, str | None]) -> str:
    """Return what was asked for, by name, as one line of the audit log has it."""
    return ", ".join(f"{name} {value}" for name, value in said.items() if value) or "all"
