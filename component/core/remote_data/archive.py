"""The Remote Data archive: ejabberd stores its messages here and reads them back by time."""

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

#: The maximum number of microseconds by which a message may be older than one that was posted
#: before it, or newer than our clock. Servers post over many connections and repeat unanswered
#: posts for a minute, and clocks differ.
TOLERANCE = 5 * 60 * 1_000_000

#: A `before` that asks for the newest messages.
LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteQuery:
    """The parameters of a request for messages of an archive; None: the parameter is missing."""

    username: str  #: local part of the owner, or a bare JID
    type: str | None = None
    peer: str | None = None  #: local part, with any domain, or a JID
    after: str | None = None  #: time, exclusive
    before: str | None = None  #: time, exclusive, or LAST
    limit: int | None = None
    page: int | None = None  #: number of the oldest messages to skip (the index of XEP-0059)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePage:
    """One page of an archive, in the order of time."""

    username: str  #: local part of the owner, or the JID of an owner on another host
    messages: tuple[ArchivedMessage, ...]
    count: int  #: number of matching messages, on all pages
    complete: bool  #: there are no further messages in the direction of the query


class RemoteArchive:
    """Stores and reads messages for a server, which has access to a whole virtual host."""

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
        """`max_items` and `max_bytes` of XML bound every page.

        `queue` has the messages of users on their way to the writer: reads wait for them. `served`
        knows on which domains there are archives, None: on all.
        """
        self._archive = archive
        self._writer = writer
        self._jids = jids
        self._queue = queue
        self._served = served
        self._max_items = max_items
        self._max_bytes = max_bytes

    async def store(self, host: str, post: Post) -> None:
        """Store one message durably; a repeated message changes nothing.

        Preferences do not apply: the server has applied its own, and reads back all its posts.
        Raises BadRequest, Conflict, Overloaded.
        """
        message = new_message_of(post, host, self._jids)
        self._writer.check_room()
        await self._check_order(message)
        await self._writer.store([message])

    async def _check_order(self, message: NewMessage) -> None:
        """Refuse a message that is not the newest of its archive.

        The order of an archive is that of arrival, so such a message would appear as the newest.
        Raises Conflict if it is older than others, BadRequest if it is from the future.
        """
        clock = now()
        if message.at > clock + TOLERANCE:
            raise BadRequest(
                f"timestamp: {format_time(message.at)} is in the future, it is"
                f" {format_time(clock)} now: set the clock that is wrong"
            )
        if message.at >= clock - TOLERANCE:
            return
        with translated():
            newest = await self._archive.page_by_time(message.owner, ANY, limit=1, newest=True)
            if not newest.messages or message.at >= newest.messages[-1].at - TOLERANCE:
                return
            same_time = Filter(peer=message.peer, since=message.at, until=message.at)
            if await self._archive.count(message.owner, same_time):
                # Most likely this is a repeated message, which the store recognises.
                return
        raise Conflict(
            f"timestamp: the archive of {message.owner} has newer messages already (of"
            f" {format_time(newest.messages[-1].at)}): post history first, from the oldest on"
        )

    async def read(self, host: str, query: RemoteQuery) -> RemotePage:
        """Return one page, with the number of all messages that match.

        Raises BadRequest, Overloaded.
        """
        owner, filter = self._filter(host, query)
        await self._check_served(host, owner, query)
        with translated():
            await self._queue.wait_readable(owner)
            page = await self._page(owner, filter, query)
        return RemotePage(
            username=owner if domain(owner) != host else local(owner),
            messages=page.messages,
            count=page.count or 0,
            complete=page.complete,
        )

    async def count(self, host: str, query: RemoteQuery) -> int:
        """Return the number of messages that match. Raises BadRequest, Overloaded."""
        owner, filter = self._filter(host, query)
        await self._check_served(host, owner, query)
        with translated():
            await self._queue.wait_readable(owner)
            return await self._archive.count(owner, filter)

    async def _check_served(self, host: str, owner: str, query: RemoteQuery) -> None:
        """Raise BadRequest if the owner cannot have an archive. Any domain may have rooms."""
        if self._served is None or query.type == GROUPCHAT:
            return
        with naming("username"):
            if not await self._served.has(owner):
                raise BadRequest(f"{domain(owner)} is not served here, this is {host}")

    def _filter(self, host: str, query: RemoteQuery) -> tuple[str, Filter]:
        """Return the owner of the archive, and the filter. Raises BadRequest."""
        since = until = None
        if query.after is not None:
            with naming("after"):
                since = parse_time(query.after) + 1
        if query.before is not None and query.before != LAST:
            with naming("before"):
                until = parse_time(query.before) - 1
        filter = Filter(
            since=since,
            until=until,
            groupchat=None if query.type is None else query.type == GROUPCHAT,
            kinds=READABLE,
        )
        owner = owner_of(query.username, query.type, host, self._jids)
        if query.peer is None:
            return owner, filter
        peer = peer_of(query.peer, host, self._jids)
        if "@" not in query.peer:
            return owner, replace(filter, peer_local=local(peer))
        return owner, replace(filter, peer=bare(peer), resource=resource(peer) or None)

    async def _page(self, owner: str, filter: Filter, query: RemoteQuery) -> Page:
        limit = self._max_items if query.limit is None else min(query.limit, self._max_items)
        if limit and not query.page:
            newest = await self._is_backwards(owner, filter, query)
            return await self._archive.page_by_time(
                owner,
                filter,
                limit=limit,
                newest=newest,
                counted=True,
                max_bytes=self._max_bytes,
            )
        count = await self._archive.count(owner, filter)
        if count == 0 or limit == 0:
            return Page(complete=count == 0, count=count)
        page = await self._page_from(owner, filter, query.page or 0, limit)
        return replace(page, count=count)

    async def _is_backwards(self, owner: str, filter: Filter, query: RemoteQuery) -> bool:
        """Return whether a query asks for the newest messages of its range.

        ejabberd sends a position in the archive and a bound of the search in the same parameter.
        A position is the exact time of a message. So if a query has both parameters and only
        `before` is the time of a message, the client pages backwards from there.
        """
        if query.before is None or query.before == LAST or filter.since is None:
            return query.before is not None
        after, before = filter.since - 1, (filter.until or 0) + 1
        if await self._archive.count(owner, replace(filter, since=after, until=after)):
            return False
        return bool(await self._archive.count(owner, replace(filter, since=before, until=before)))

    async def _page_from(self, owner: str, filter: Filter, index: int, limit: int) -> Page:
        """Skip the `index` oldest messages, one page at a time to save memory."""
        page = await self._page_by_time(owner, filter, self._max_items)
        while index >= len(page.messages) and not page.complete:
            index -= len(page.messages)
            filter = replace(filter, since=page.messages[-1].at + 1)
            page = await self._page_by_time(owner, filter, self._max_items)
        if index >= len(page.messages):
            return Page()
        # Messages of the same microsecond stay together: the page begins with the first of them.
        at = page.messages[index].at
        skipped = sum(message.at == at for message in page.messages[:index])
        page = await self._page_by_time(owner, replace(filter, since=at), skipped + limit)
        return replace(page, messages=page.messages[skipped:])

    async def _page_by_time(self, owner: str, filter: Filter, limit: int) -> Page:
        return await self._archive.page_by_time(
            owner, filter, limit=limit, max_bytes=self._max_bytes
        )
