"""What answers the archive calls of Remote Data, as a Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class ArchiveCalls(Protocol):
    """The archive calls of Remote Data; what is sent and answered is in its words.

    Each raises NotAuthorized where nobody's archive is named, BadRequest, Overloaded.
    """

    async def store(self, host: str, fields: Mapping[str, object]) -> None:
        """Store one message for one side durably; the same one again changes nothing."""
        ...

    async def read(self, host: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Return one page, with `archive`, `count` and `complete`."""
        ...

    async def count(self, host: str, parameters: Mapping[str, str]) -> int:
        """Return how many messages match."""
        ...
