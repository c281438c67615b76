"""Views of messages: each message alone, or folded with the later messages about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from component.core.messages.references import ReferenceKind
from component.core.messages.replies import Reply
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

#: The number of messages that are parsed before other tasks may run.
_PARSED_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class ReadableMessage:
    """One message, parsed."""

    message: Message
    folded: Folded | None = None  #: in the folded view: the effect of later messages
    answered: Answered | None = None  #: of a reply (XEP-0461): the message that it answers


@dataclass(frozen=True, slots=True)
class Answered:
    """A message that another one answers."""

    reply: Reply  #: what the answer says of it
    message: ReadableMessage | None  #: as it is now, folded; None: the archive does not have it


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
        messages: list[Message] = []
        answers: list[Message] = []
        async for some in _in_turns(rows):
            messages += some
            answers += [message for message in some if message.content.reply is not None]
        views = await self._of(owner, messages, folded=folded, newest=newest)
        if not answers:
            return views
        answered = await self._answered(owner, answers)
        return tuple(
            replace(view, answered=answered.get(view.message.stored.id)) for view in views
        )

    async def _answered(self, owner: str, answers: Sequence[Message]) -> dict[str, Answered]:
        """Return the messages that some messages answer, by the ids of these."""
        hashes = {
            message.stored.id: (
                message.side.target_hashes(ReferenceKind.REPLY, message.content.reply.id)
                if message.content.reply
                else ()
            )
            for message in answers
        }
        with translated():
            named = await self._archive.named(
                owner, [name_hash for some in hashes.values() for name_hash in some]
            )
        rows = {row.id: row for row in named.values()}
        messages = list(map(Message, rows.values()))
        views = dict(zip(rows, await self._of(owner, messages, folded=True), strict=True))
        answered = {}
        for message in answers:
            row, reply = message.stored, message.content.reply
            found = [named[item] for item in hashes[row.id] if item in named]
            # Two messages may share a name hash.
            found = [one for one in found if one.peer == row.peer and one.id != row.id]
            if reply is not None:
                answered[row.id] = Answered(reply, views[found[0].id] if found else None)
        return answered

    async def _of(
        self,
        owner: str,
        messages: Sequence[Message],
        *,
        folded: bool,
        newest: str | None = None,
    ) -> tuple[ReadableMessage, ...]:
        if not folded or not messages:
            return tuple(map(ReadableMessage, messages))
        with translated():
            references = await self._references(
                owner, [one.stored.id for one in messages if one.stored.id != newest]
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
    async for messages in _in_turns(references.messages):
        folding.add(messages)
    return folding.folded(references.left_out)


async def _in_turns(rows: Sequence[ArchivedMessage]) -> AsyncIterator[list[Message]]:
    """Yield messages, some at a time, and let other tasks run in between: parsing takes long."""
    for start in range(0, len(rows), _PARSED_AT_ONCE):
        yield list(map(Message, rows[start : start + _PARSED_AT_ONCE]))
        await asyncio.sleep(0)
