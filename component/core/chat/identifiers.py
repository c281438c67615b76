"""Identifiers: numbers and URIs of users, rooms and direct chats, for APIs that know no JIDs.

Each is made when it is asked for first, and stays the same. It reveals nothing, and opens nothing:
who may see a room or a chat is decided by its JID.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from component.core.store_errors import translated
from storage.interface import IdentifiersStore
from storage.rows import Identifier, IdentifierKind

#: The greatest number that the store can hold.
NUMBER_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class DirectChat:
    """A direct chat of two users, bare JIDs in their order."""

    first: str
    second: str

    @classmethod
    def of(cls, user: str, peer: str) -> DirectChat:
        """Return the chat of two users, in whatever order they are given."""
        return cls(*sorted((user, peer)))

    def other(self, jid: str) -> str | None:
        """Return the other user, None if a user has no part in it."""
        if jid not in (self.first, self.second):
            return None
        return self.second if jid == self.first else self.first


@dataclass(frozen=True, slots=True)
class ConversationNumbers:
    """Conversations of a user in the order of their numbers."""

    #: each with the bare JID of the peer or of the room
    conversations: tuple[tuple[str, Identifier], ...]
    count: int  #: of all conversations of the user


class Identifiers:
    """Translates JIDs into identifiers and back. Every method raises Overloaded."""

    def __init__(self, store: IdentifiersStore) -> None:
        self._store = store

    async def of_users(self, jids: Collection[str]) -> Mapping[str, Identifier]:
        """Return the identifiers of users by bare JID."""
        return await self._of(IdentifierKind.USER, jids)

    async def of_rooms(self, rooms: Collection[str]) -> Mapping[str, Identifier]:
        """Return the identifiers of rooms by bare JID."""
        return await self._of(IdentifierKind.ROOM, rooms)

    async def of_direct(self, chat: DirectChat) -> Identifier:
        """Return the identifier of a direct chat."""
        key = _key(chat)
        return (await self._of(IdentifierKind.DIRECT, [key]))[key]

    async def of_chats_with(self, jid: str, peers: Collection[str]) -> Mapping[str, Identifier]:
        """Return the identifiers of the direct chats of a user, by peer."""
        keys = {peer: _key(DirectChat.of(jid, peer)) for peer in peers}
        found = await self._of(IdentifierKind.DIRECT, list(keys.values()))
        return {peer: found[key] for peer, key in keys.items()}

    async def users(self, numbers: Collection[int]) -> Mapping[int, str]:
        """Return the bare JIDs of the users with some numbers; unknown ones are not in it."""
        identifiers = await self._with_numbers(IdentifierKind.USER, numbers)
        return {number: identifier.key for number, identifier in identifiers.items()}

    async def conversation(self, number: int) -> str | DirectChat | None:
        """Return the room or the direct chat with a number, None: there is none."""
        for kind in (IdentifierKind.ROOM, IdentifierKind.DIRECT):
            identifiers = await self._with_numbers(kind, [number])
            if number in identifiers:
                return _conversation(identifiers[number])
        return None

    async def with_uri(self, uri: str) -> str | DirectChat | None:
        """Return the room or the direct chat with a URI, None: there is none."""
        with translated():
            identifier = await self._store.with_uri(uri)
        if identifier is None or identifier.kind is IdentifierKind.USER:
            return None
        return _conversation(identifier)

    async def unlisted(self, jid: str, *, limit: int) -> Mapping[str, str]:
        """Return peers of a user whose conversations `page` does not have yet.

        Each has the type of the newest message.
        """
        with translated():
            return await self._store.unlisted(jid, limit=limit)

    async def list_chats(self, jid: str, peers: Collection[str], direct: Collection[str]) -> None:
        """Let `page` have the conversations of a user with `direct`, and not those with `peers`
        that are not among them.
        """
        identifiers = await self.of_chats_with(jid, direct)
        with translated():
            await self._store.list_chats(jid, {peer: identifiers.get(peer) for peer in peers})

    async def page(
        self, jid: str, rooms: Collection[str], *, offset: int, limit: int
    ) -> ConversationNumbers:
        """Return listed chats of a user and some rooms, behind the first `offset` ones."""
        await self.of_rooms(rooms)
        with translated():
            page = await self._store.page(jid, rooms, offset=offset, limit=limit)
        return ConversationNumbers(
            tuple((_other(identifier, jid), identifier) for identifier in page.identifiers),
            page.count,
        )

    async def _of(self, kind: IdentifierKind, keys: Collection[str]) -> Mapping[str, Identifier]:
        with translated():
            return await self._store.of(kind, keys)

    async def _with_numbers(
        self, kind: IdentifierKind, numbers: Collection[int]
    ) -> Mapping[int, Identifier]:
        valid = [number for number in numbers if 0 < number <= NUMBER_MAX]
        with translated():
            return await self._store.with_numbers(kind, valid) if valid else {}


def _key(chat: DirectChat) -> str:
    return f"{chat.first} {chat.second}"


def _other(identifier: Identifier, jid: str) -> str:
    """Return the room of an identifier, or the peer of a user."""
    conversation = _conversation(identifier)
    if isinstance(conversation, str):
        return conversation
    return conversation.second if jid == conversation.first else conversation.first


def _conversation(identifier: Identifier) -> str | DirectChat:
    if identifier.kind is IdentifierKind.ROOM:
        return identifier.key
    return DirectChat(*identifier.key.split(" "))
