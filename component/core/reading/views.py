"""Views of messages: each message alone, or folded with the later messages about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from component.core.messages.stored import Message
from component.core.reading.folding import Folded, Folding
from component.core.store_errors import translated
from storage.interface import Archive
from storage.rows import ArchivedMessage, Kind, References

#: The kinds of messages on a folded page; other kinds appear as parts of these.
FOLDED_KINDS = frozenset({Kind.MESSAGE, Kind.TOMBSTONE})

#: Maximum number of messages that are folded into one message, and into all messages of a page, of
#: which each has its share. The maximum holds for corrections and retractions, and again for
#: reactions, receipts and markers.
ABOUT_MESSAGE_MAX = 1000
ABOUT_PAGE_MAX = 10_000

#: Maximum number of bytes of XML that are folded into all messages of a page; each has its share.
ABOUT_PAGE_BYTES_MAX = 8 * 1024 * 1024

#: The number of messages that are parsed before other tasks may run: some milliseconds of work.
_PARSED_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class ReadableMessage:
    """One message, parsed."""

    message: Message
    folded: Folded | None = None  #: in the folded view: the effect of later messages


class Views:
    """Makes readable messages from rows."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def of(
        self,
        owner: str,
        rows: Sequence[ArchivedMessage],
        *,
        folded: bool,
        newest: str | None = None,
    ) -> tuple[ReadableMessage, ...]:
        """Return the readable messages of rows of one archive. Raises Overloaded.

        `newest` is the id of a message behind which there is no other yet, so that no message can
        be about it.
        """
        messages = [message async for some in _parsed(rows) for message in some]
        if not folded or not messages:
            return tuple(map(ReadableMessage, messages))
        with translated():
            references = await self._references(
                owner, [row.id for row in rows if row.id != newest]
            )
        return tuple(
            [
                ReadableMessage(
                    message,
                    await _folded(owner, message, references.get(message.stored.id, References())),
                )
                for message in messages
            ]
        )

    async def _references(self, owner: str, ids: Sequence[str]) -> dict[str, References]:
        """Return the messages about some messages of one archive, by the ids of these."""
        if not ids:
            return {}
        return await self._archive.references(
            owner,
            ids,
            limit=min(ABOUT_MESSAGE_MAX, ABOUT_PAGE_MAX // len(ids)),
            max_bytes=ABOUT_PAGE_BYTES_MAX // len(ids),
        )


async def _folded(owner: str, message: Message, references: References) -> Folded:
    folding = Folding(owner, message)
    async for messages in _parsed(references.messages):
        folding.add(messages)
    return folding.folded(references.left_out)


async def _parsed(rows: Sequence[ArchivedMessage]) -> AsyncIterator[list[Message]]:
    """Yield parsed rows, some at a time, and let other tasks run in between."""
    for start in range(0, len(rows), _PARSED_AT_ONCE):
        yield [Message.of(row) for row in rows[start : start + _PARSED_AT_ONCE]]
        await asyncio.sleep(0)
