"""Following an archive: every message that comes into it, once each, in the order of arrival.

A follower is told only that there is something new, and reads on from where it is. So nothing is
missed or comes twice, however slow it is, and after a restart it goes on by the id it has last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from component.core.archiving.writer import Queue
from component.core.errors import ItemNotFound
from component.core.reading.live import Followers
from component.core.reading.pages import PAGE_MAX_BYTES
from component.core.store_errors import translated
from component.core.xml.stanza import GROUPCHAT
from storage.interface import Archive
from storage.rows import ANY, ArchivedMessage, Filter, Page

#: Stands for the place before all messages, as no id does.
FROM_START = "start"

#: How many messages are read at once.
_PAGE = 100


class StreamPosition:
    """How far an archive has been followed."""

    def __init__(self, last: str) -> None:
        self.last = last  #: the id of the last message that was followed, or START


class ArchiveStream:
    """Follows archives."""

    def __init__(self, archive: Archive, queue: Queue, live: Followers) -> None:
        self._archive = archive
        self._queue = queue
        self._live = live

    async def position(self, owner: str, after: str | None) -> StreamPosition:
        """Return the place behind an id, or START; None is the end. Raises ItemNotFound."""
        if after == FROM_START:
            return StreamPosition(FROM_START)
        with translated():
            await self._queue.readable(owner)
            if after is not None:
                await self._archive.page_after(owner, after, limit=0)
                return StreamPosition(after)
            page = await self._archive.page(owner, ANY, limit=1, backwards=True)
        return StreamPosition(page.messages[0].id if page.messages else FROM_START)

    async def messages(
        self, owner: str, place: StreamPosition, wanted: Filter, *, pause: float
    ) -> AsyncGenerator[list[ArchivedMessage], None]:
        """Yield what comes behind a place and is wanted; nothing after `pause` seconds of silence.

        Of the filter only peer, resource, groupchat and kinds count. The place moves along. Ends
        when the archive is erased, for what comes next is another owner's. Raises Overloaded when
        the store cannot be read.
        """
        with self._live.follow(owner) as follower:
            while not follower.is_over:
                follower.changed.clear()
                try:
                    with translated():
                        page = await self._next(owner, place)
                except ItemNotFound:
                    return
                if follower.is_over:
                    return
                if page.messages:
                    place.last = page.messages[-1].id
                    yield [message for message in page.messages if _is_wanted(message, wanted)]
                if page.complete and not await _within(pause, follower.changed):
                    yield []

    async def _next(self, owner: str, place: StreamPosition) -> Page:
        if place.last != FROM_START:
            # Whether that message is still there or not: it may have bounced.
            return await self._archive.page_after(
                owner, place.last, limit=_PAGE, max_bytes=PAGE_MAX_BYTES
            )
        return await self._archive.page(owner, ANY, limit=_PAGE, max_bytes=PAGE_MAX_BYTES)


def _is_wanted(message: ArchivedMessage, wanted: Filter) -> bool:
    return (
        wanted.peer in (None, message.peer)
        and wanted.resource in (None, message.resource)
        and wanted.groupchat in (None, message.type == GROUPCHAT)
        and (wanted.kinds is None or message.kind in wanted.kinds)
    )


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for an event; return whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
