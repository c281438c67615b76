"""What a test may ask of a store beyond its interface. Each backend implements it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Probe(Protocol):
    """Looks at the rows of a store that the interface does not show."""

    async def kept(self) -> Any:
        """Return everything that the store keeps beside messages to count and to find them."""
        ...

    async def recounted(self) -> Any:
        """Return the same as `kept`, computed from messages that all have a text or a name."""
        ...

    async def dangling_links(self) -> int:
        """Return how many links belong to messages that are deleted or blanked."""
        ...

    async def has_traces(self) -> bool:
        """Return whether the files may still hold removed content."""
        ...

    def blocked(self) -> AbstractAsyncContextManager[None]:
        """Let every write wait until the end of the block."""
        ...

    async def set_read_only(self, value: bool) -> None:
        """Let every write fail from now on, or succeed again."""
        ...
