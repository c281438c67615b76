"""The audit log: who did what with an archive that is not its own, written before it is done."""

from __future__ import annotations

from component.core.errors import Overloaded
from component.core.times import now
from storage.errors import StorageError
from storage.interface import Records
from storage.rows import Deed


class Audit:
    """Writes the audit log."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def note(self, actor: str, action: str, subject: str, detail: str = "") -> None:
        """Write a line that is durable at the return. Raises Overloaded: then it is not done."""
        deed = Deed(at=now(), actor=actor, action=action, subject=subject, detail=detail)
        try:
            await self._records.log(deed)
        except StorageError as error:
            raise Overloaded from error

    async def read(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[Deed, ...]:
        """Return lines, the newest first. Raises Overloaded."""
        try:
            return await self._records.deeds(limit=limit, before=before, subject=subject)
        except StorageError as error:
            raise Overloaded from error
