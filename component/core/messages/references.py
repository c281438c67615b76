"""References between messages, and the name hashes by which a store finds their targets.

Clients choose ids, which are unique in one stream only (RFC 6120 section 8.1.3). So a name hash
covers an id, the conversation, and the author of the id: messages of two authors with the same id
have different name hashes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from component.core.xml.stanza import GROUPCHAT
from storage.rows import Direction

HASH_BYTES = 8

#: The author of the ids by which occupants of a room refer to messages.
_ROOM = "room"


class ReferenceKind(StrEnum):
    """The relation of a message to the message that it names."""

    CORRECT = "correct"
    RETRACT = "retract"
    MODERATE = "moderate"
    REACT = "react"
    RECEIVED = "received"
    DISPLAYED = "displayed"
    REPLY = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The reference of a message to another one."""

    kind: ReferenceKind
    id: str  #: the id by which it names the other message
    reactions: tuple[str, ...] = ()
    by: str | None = None  #: JID of the moderator
    moderator_id: str | None = None  #: occupant id of the moderator (XEP-0421)
    reason: str | None = None  #: given by the moderator


#: Kinds that only the recipient of the named message can send.
RECEIPTS = frozenset({ReferenceKind.RECEIVED, ReferenceKind.DISPLAYED})


class Side(NamedTuple):
    """The author of a message, as far as an archive can identify one; a tuple for speed."""

    peer: str  #: bare JID of the peer, which may be a room
    resource: str  #: of the peer; in a room the nickname of the author
    type: str
    direction: Direction
    occupant_id: str | None = None  #: XEP-0421
    is_from_occupant: bool = False  #: a private message through a room (XEP-0045 section 7.5)

    @property
    def author(self) -> str:
        """A name of the author that no other author in the conversation can have."""
        if self.type == GROUPCHAT and self.occupant_id:
            return f"{_ROOM} occupant-id {self.occupant_id}"
        if self.type == GROUPCHAT:
            return self._nickname
        if self.direction is Direction.RECEIVED and self.is_from_occupant:
            return f"occupant {self.resource}"
        return self.direction

    @property
    def authors(self) -> tuple[str, ...]:
        """The names of the authors whose messages this side may correct or retract.

        The nickname is the only name of the author of a message without an occupant id, such as
        one from before an upgrade of the server. With an occupant id a message has no other name.
        """
        if self.type == GROUPCHAT and self.occupant_id:
            return self.author, self._nickname
        return (self.author,)

    @property
    def _nickname(self) -> str:
        return f"{_ROOM} occupant {self.resource}"

    def name_hashes(self, ids: Iterable[str], room_id: str | None) -> tuple[int, ...]:
        """Return the name hashes of a message of this side with these ids and this room id.

        In a room all references but corrections use the id given by the room (XEP-0308 section 4,
        XEP-0424 section 4.1, XEP-0444 section 4.1), so a forged id imitates no message.
        """
        unique, author = list(dict.fromkeys(ids)), self.author
        if self.type != GROUPCHAT and author == self.direction:
            return tuple([name_hash(self.peer, author, id) for id in unique])
        if self.type == GROUPCHAT:
            public = [name_hash(self.peer, _ROOM, id) for id in ([room_id] if room_id else unique)]
        else:
            public = [name_hash(self.peer, self.direction, id) for id in unique]
        own = (
            [] if author == self.direction else [name_hash(self.peer, author, id) for id in unique]
        )
        return tuple(dict.fromkeys(own + public))

    def target_hashes(self, kind: ReferenceKind, id: str) -> tuple[int, ...]:
        """Return the name hashes that the target of a reference from this side may have."""
        if kind is ReferenceKind.CORRECT or (
            kind is ReferenceKind.RETRACT and self.type != GROUPCHAT
        ):
            return tuple(name_hash(self.peer, author, id) for author in self.authors)
        if self.type == GROUPCHAT:
            return (name_hash(self.peer, _ROOM, id),)
        if kind in RECEIPTS:
            return tuple(
                name_hash(self.peer, direction, id)
                for direction in Direction
                if direction != self.direction
            )
        return tuple(name_hash(self.peer, direction, id) for direction in Direction)


def room_name_hash(room: str, id: str) -> int:
    """Return the name hash of a message to which a room gave an id (XEP-0359)."""
    return name_hash(room, _ROOM, id)


def name_hash(peer: str, author: str, id: str) -> int:
    """Return the name hash of a message with an id, in the conversation with a bare JID.

    The hash is a signed number of 64 bits. Two messages may share it, so callers compare the
    authors of the messages that a store finds.
    """
    name = f"{peer}\n{len(author)}\n{author}{id}".encode()
    return int.from_bytes(blake2b(name, digest_size=HASH_BYTES).digest(), "big", signed=True)
