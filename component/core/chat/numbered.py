"""Conversations by their numbers, for APIs that know no JIDs: a page costs what is on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from component.core.access.principals import User
from component.core.archiving.writer import Queue
from component.core.chat.identifiers import Identifiers
from component.core.chat.memberships import Memberships
from component.core.hosts import Hosts
from component.core.xml.jids import local
from component.core.xml.stanza import GROUPCHAT
from storage.rows import Identifier, Membership

#: New conversations of a user that are numbered at once.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedConversation:
    """A conversation of a user, with its identifier."""

    identifier: Identifier
    jid: str  #: of the peer or the room
    is_room: bool
    name: str = ""  #: of the room; "" of a direct chat
    created_at: int = 0  #: of the room, microseconds; 0: unknown, or a direct chat


@dataclass(frozen=True, slots=True)
class NumberedPage:
    """Conversations of a user in the order of their numbers."""

    conversations: tuple[NumberedConversation, ...]
    count: int  #: of all conversations of the user


class NumberedConversations:
    """Lists the rooms of users, and their direct chats that have messages. Raises Overloaded."""

    def __init__(
        self,
        identifiers: Identifiers,
        queue: Queue,
        hosts: Hosts,
        memberships: Memberships | None,
    ) -> None:
        """Without `memberships` there are no rooms."""
        self._identifiers = identifiers
        self._queue = queue
        self._hosts = hosts
        self._memberships = memberships

    async def page(
        self, user: User, *, offset: int, limit: int, from_end: bool = False
    ) -> NumberedPage:
        """Return the conversations behind the first `offset` ones, or before the last ones."""
        rooms = await self._rooms(user)
        await self._queue.wait_readable(user.jid)
        await self._number_new(user)
        if from_end:
            none = await self._identifiers.page(user.jid, rooms.keys(), offset=0, limit=0)
            end = max(0, none.count - offset)
            offset, limit = max(0, end - limit), min(limit, end)
        page = await self._identifiers.page(user.jid, rooms.keys(), offset=offset, limit=limit)
        return NumberedPage(
            tuple(
                NumberedConversation(
                    identifier=identifier,
                    jid=jid,
                    is_room=jid in rooms,
                    name=rooms[jid].name if jid in rooms else "",
                    created_at=rooms[jid].created_at if jid in rooms else 0,
                )
                for jid, identifier in page.conversations
            ),
            page.count,
        )

    async def room(self, user: User, jid: str) -> NumberedConversation:
        """Return a room, of which the user is a member."""
        membership = (await self._rooms(user)).get(jid)
        return NumberedConversation(
            identifier=(await self._identifiers.of_rooms([jid]))[jid],
            jid=jid,
            is_room=True,
            name="" if membership is None else membership.name,
            created_at=0 if membership is None else membership.created_at,
        )

    async def _rooms(self, user: User) -> Mapping[str, Membership]:
        """Return the memberships of a user by room."""
        rows = () if self._memberships is None else await self._memberships.of_user(user)
        return {row.room: row for row in rows}

    async def _number_new(self, user: User) -> None:
        """Number the direct chats of a user that have begun since the last page."""
        while peers := await self._identifiers.unlisted(user.jid, limit=_AT_ONCE):
            chats = [peer for peer, type in peers.items() if self._is_direct(peer, type)]
            await self._identifiers.list_chats(user.jid, peers.keys(), chats)

    def _is_direct(self, peer: str, type: str) -> bool:
        return not self._hosts.is_room(peer) and type != GROUPCHAT and local(peer) != ""
