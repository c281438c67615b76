"""Search in all conversations of a user: the direct chats and each room, the newest hit first.

Each archive is read in the order of time, so that the hits of all of them are one list, and its
place is a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from component.core.access.principals import User
from component.core.chat.directory import Directory
from component.core.chat.memberships import Memberships
from component.core.errors import Forbidden, ItemNotFound
from component.core.hosts import Hosts
from component.core.reading.hits import Hit
from component.core.reading.pages import CONTEXTS_MAX
from component.core.reading.reader import ArchiveReader
from component.core.reading.views import FOLDED_KINDS
from component.core.xml.jids import local
from storage.rows import ArchivedMessage, Filter, Page, Phrase

#: The rooms of a user that are searched, the first ones in the order of their JIDs. As many are
#: live.
ROOMS_MAX = 200

#: Hits on a page, by default and at most.
HITS_DEFAULT = 30
HITS_MAX = CONTEXTS_MAX

#: The number of messages before a hit, and behind it.
CONTEXT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatHit:
    """A hit, and the conversation that it is in."""

    jid: str  #: of the peer or the room
    is_room: bool
    name: str
    hit: Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatHits:
    """Some hits, the newest first."""

    hits: tuple[ChatHit, ...]
    next: int | None  #: the time (microseconds) before which the older ones are; None: no more


@dataclass(frozen=True, slots=True)
class _Found:
    """A row that matches, and the owner of its archive."""

    owner: str
    row: ArchivedMessage


class ChatSearch:
    """Searches for users. An archive is read no further than the hits of the others reach back."""

    def __init__(
        self,
        reader: ArchiveReader,
        hosts: Hosts,
        directory: Directory,
        memberships: Memberships | None,
    ) -> None:
        """Without `memberships` there are no rooms."""
        self._reader = reader
        self._hosts = hosts
        self._directory = directory
        self._memberships = memberships

    async def page(
        self,
        user: User,
        phrases: tuple[Phrase, ...],
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> ChatHits:
        """Return hits from before a time, in microseconds. Raises TakesTooLong, Overloaded."""
        size = min(limit or HITS_DEFAULT, HITS_MAX)
        until = None if before is None else before - 1
        names = await self._rooms(user)
        found: list[_Found] = []
        edge: int | None = None  # from before this time there are hits that are not found yet
        for owner in (user.jid, *names):
            filter = Filter(
                groupchat=owner != user.jid,
                kinds=FOLDED_KINDS,
                phrases=phrases,
                since=edge,
                until=until,
            )
            page = Page()
            # The membership may have ended a moment ago.
            with suppress(ItemNotFound, Forbidden):
                page = await self._reader.newest(user, owner, filter, size)
            found += [_Found(owner, row) for row in page.messages if self._is_shown(owner, row)]
            found.sort(key=lambda item: item.row.at, reverse=True)
            if not page.complete:
                edge = max(edge or 0, page.messages[0].at)
            if len(found) > size:
                # Messages of one microsecond stay together: the next page begins before it.
                edge = max(edge or 0, found[size - 1].row.at)
            found = [item for item in found if edge is None or item.row.at >= edge]
        return ChatHits(hits=await self._in_context(user, found, names), next=edge)

    def _is_shown(self, owner: str, row: ArchivedMessage) -> bool:
        """Return whether a message is in a conversation: private ones of occupants are not."""
        return owner == row.peer or (not self._hosts.is_room(row.peer) and local(row.peer) != "")

    async def _rooms(self, user: User) -> dict[str, str]:
        """Return the names of the rooms of a user by JID."""
        if self._memberships is None:
            return {}
        rows = await self._memberships.of_user(user)
        return {row.room: row.name or local(row.room) for row in rows[:ROOMS_MAX]}

    async def _in_context(
        self, user: User, found: Sequence[_Found], rooms: Mapping[str, str]
    ) -> tuple[ChatHit, ...]:
        hits: dict[tuple[str, str], Hit] = {}
        for owner in dict.fromkeys(item.owner for item in found):
            rows = [item.row for item in found if item.owner == owner]
            # A message may have been deleted meanwhile.
            with suppress(ItemNotFound, Forbidden):
                in_context = await self._reader.in_context(user, owner, rows, CONTEXT)
                hits |= {(owner, row.id): hit for row, hit in zip(rows, in_context, strict=True)}
        peers = {item.row.peer for item in found if item.owner == user.jid}
        names = {**await self._directory.names(tuple(peers)), **rooms}
        return tuple(
            ChatHit(jid=jid, is_room=item.owner != user.jid, name=names[jid], hit=hits[key])
            for item in found
            if (key := (item.owner, item.row.id)) in hits
            and (jid := item.row.peer if item.owner == user.jid else item.owner)
        )
