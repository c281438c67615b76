"""The Remote Data archive: ejabberd keeps its messages here and reads them back by time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from component.core.access.served import ServedArchives
from component.core.archiving.writer import Queue, Writer
from component.core.errors import BadRequest, Conflict
from component.core.reading.pages import PAGE_MAX_BYTES
from component.core.remote_data.posts import (
    GROUPCHAT,
    Post,
    naming,
    new_message_of,
    owner_of,
    peer_of,
)
from component.core.store_errors import translated
from component.core.xml.jids import Jids, bare, domain, local, resource
from component.core.xml.times import format_time, now, parse_time
from storage.interface import Archive
from storage.rows import ANY, READABLE, ArchivedMessage, Filter, NewMessage, Page

#: By how much a message may be older than one that was posted before it, or newer than our clock,
#: in microseconds. Servers post over many connections, and try again for a minute what was not
#: answered; and clocks differ.
TOLERANCE = 5 * 60 * 1_000_000

#: As a `before`, it asks for the newest messages.
LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteQuery:
    """Which messages of an archive are wanted; None where the caller said nothing."""

    username: str  #: local part of the owner, or a bare JID
    type: str | None = None
    peer: str | None = None  #: local part, whatever the domain, or a JID
    after: str | None = None  #: time, exclusive
    before: str | None = None  #: time, exclusive, or LAST
    limit: int | None = None
    page: int | None = None  #: how many of the oldest are to be skipped (the index of XEP-0059)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePage:
    """One page of an archive, in the order of time."""

    username: str  #: as this virtual host calls the owner
    messages: tuple[ArchivedMessage, ...]
    count: int  #: how many messages match, on this page or not
    complete: bool  #: nothing more in the direction that was asked for


class RemoteArchive:
    """Stores and reads messages for callers which speak for a whole virtual host."""

    def __init__(
        self,
        archive: Archive,
        writer: Writer,
        jids: Jids,
        *,
        queue: Queue,
        served: ServedArchives | None = None,
        max_items: int,
        max_bytes: int = PAGE_MAX_BYTES,
    ) -> None:
        """`max_items` and `max_bytes` of XML bound a page, whatever the caller asks for.

        `queue` has what comes from users on its way to the writer: whoever reads waits for it.
        `served` knows on which domains there are archives, None: on all.
        """
        self._archive = archive
        self._writer = writer
        self._jids = jids
        self._queue = queue
        self._served = served
        self._max_items = max_items
        self._max_bytes = max_bytes

    async def store(self, host: str, post: Post) -> None:
        """Store one message durably; the same one again changes nothing.

        Preferences are not asked: the server has judged by its own, and reads back what it posted.
        Raises BadRequest, Conflict, Overloaded.
        """
        entry = new_message_of(post, host, self._jids)
        self._writer.check_room()
        await self._check_order(entry)
        await self._writer.store([entry])

    async def _check_order(self, entry: NewMessage) -> None:
        """Refuse a message that is not the newest of its archive by its time too.

        The order of an archive is arrival, so it would be shown as the newest all the same. Raises
        Conflict for one that is older than others, BadRequest for one of a time to come.
        """
        clock = now()
        if entry.at > clock + TOLERANCE:
            raise BadRequest(
                f"timestamp: {format_time(entry.at)} is in the future, it is"
                f" {format_time(clock)} now: set the clock that is wrong"
            )
        if entry.at >= clock - TOLERANCE:
            return
        with translated():
            newest = await self._archive.page_by_time(entry.owner, ANY, limit=1, newest=True)
            if not newest.messages or entry.at >= newest.messages[-1].at - TOLERANCE:
                return
            there = Filter(peer=entry.peer, since=entry.at, until=entry.at)
            if await self._archive.count(entry.owner, there):
                # Most likely posted again, which the store knows for sure.
                return
        raise Conflict(
            f"timestamp: the archive of {entry.owner} has newer messages already (of"
            f" {format_time(newest.messages[-1].at)}): post history first, from the oldest on"
        )

    async def read(self, host: str, query: RemoteQuery) -> RemotePage:
        """Return one page, and how many messages match in all."""
        owner, wanted = self._filter(host, query)
        await self._check_served(host, owner, query)
        with translated():
            await self._queue.readable(owner)
            page = await self._page(owner, wanted, query)
        return RemotePage(
            username=owner if domain(owner) != host else local(owner),
            messages=page.messages,
            count=page.count or 0,
            complete=page.complete,
        )

    async def count(self, host: str, query: RemoteQuery) -> int:
        """Return how many messages match."""
        owner, wanted = self._filter(host, query)
        await self._check_served(host, owner, query)
        with translated():
            await self._queue.readable(owner)
            return await self._archive.count(owner, wanted)

    async def _check_served(self, host: str, owner: str, query: RemoteQuery) -> None:
        """Return if there can be such an archive: rooms may be anywhere. Raises BadRequest."""
        if self._served is None or query.type == GROUPCHAT:
            return
        with naming("username"):
            if not await self._served.has(owner):
                raise BadRequest(f"{domain(owner)} is not served here, this is {host}")

    def _filter(self, host: str, query: RemoteQuery) -> tuple[str, Filter]:
        """Return the owner, and what is wanted of its archive."""
        since = until = None
        if query.after is not None:
            with naming("after"):
                since = parse_time(query.after) + 1
        if query.before is not None and query.before != LAST:
            with naming("before"):
                until = parse_time(query.before) - 1
        wanted = Filter(
            since=since,
            until=until,
            groupchat=None if query.type is None else query.type == GROUPCHAT,
            kinds=READABLE,
        )
        owner = owner_of(query.username, query.type, host, self._jids)
        if query.peer is None:
            return owner, wanted
        peer = peer_of(query.peer, host, self._jids)
        if "@" not in query.peer:
            return owner, replace(wanted, peer_local=local(peer))
        return owner, replace(wanted, peer=bare(peer), resource=resource(peer) or None)

    async def _page(self, owner: str, wanted: Filter, query: RemoteQuery) -> Page:
        limit = self._max_items if query.limit is None else min(query.limit, self._max_items)
        if limit and not query.page:
            newest = await self._is_backwards(owner, wanted, query)
            return await self._archive.page_by_time(
                owner,
                wanted,
                limit=limit,
                newest=newest,
                counted=True,
                max_bytes=self._max_bytes,
            )
        count = await self._archive.count(owner, wanted)
        if count == 0 or limit == 0:
            return Page(complete=count == 0, count=count)
        page = await self._page_from(owner, wanted, query.page or 0, limit)
        return replace(page, count=count)

    async def _is_backwards(self, owner: str, wanted: Filter, query: RemoteQuery) -> bool:
        """Tell whether the newest messages of the range are wanted.

        ejabberd sends a place in the archive and a bound of the search in the same parameter, and
        does not say which it is. A place is the very time of a message, so where there are both
        parameters and only `before` names a message, that is where the client pages back from.
        """
        if query.before is None or query.before == LAST or wanted.since is None:
            return query.before is not None
        after, before = wanted.since - 1, (wanted.until or 0) + 1
        if await self._archive.count(owner, replace(wanted, since=after, until=after)):
            return False
        return bool(await self._archive.count(owner, replace(wanted, since=before, until=before)))

    async def _page_from(self, owner: str, wanted: Filter, index: int, limit: int) -> Page:
        """Skip the `index` oldest messages, a page at a time to spare the memory."""
        page = await self._step(owner, wanted, self._max_items)
        while index >= len(page.messages) and not page.complete:
            index -= len(page.messages)
            wanted = replace(wanted, since=page.messages[-1].at + 1)
            page = await self._step(owner, wanted, self._max_items)
        if index >= len(page.messages):
            return Page()
        # Those of one microsecond are never parted: it begins with the first of them.
        at = page.messages[index].at
        skipped = sum(message.at == at for message in page.messages[:index])
        page = await self._step(owner, replace(wanted, since=at), skipped + limit)
        return replace(page, messages=page.messages[skipped:])

    async def _step(self, owner: str, wanted: Filter, limit: int) -> Page:
        return await self._archive.page_by_time(
            owner, wanted, limit=limit, max_bytes=self._max_bytes
        )
