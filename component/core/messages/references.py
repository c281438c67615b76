"""Marks: by which a store finds the message that another one names, without keeping names.

Ids are made up by clients, and unique in one stream only (RFC 6120 section 8.1.3). So a mark
stands for an id together with the conversation and with whoever gave it: nobody's message is taken
for that of another of the same id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from component.core.xml.stanza import GROUPCHAT
from storage.rows import Direction

HASH_BYTES = 8

#: Who gives a name in a room that its occupants refer to each other by.
_ROOM = "room"


class ReferenceKind(StrEnum):
    """What one message does to another."""

    CORRECT = "correct"
    RETRACT = "retract"
    MODERATE = "moderate"
    REACT = "react"
    RECEIVED = "received"
    DISPLAYED = "displayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How a message is about another one."""

    kind: ReferenceKind
    id: str  #: the id by which it names the other message
    reactions: tuple[str, ...] = ()
    by: str | None = None  #: JID of the moderator
    moderator_id: str | None = None  #: occupant id of the moderator (XEP-0421)
    reason: str | None = None  #: given by the moderator


#: What only the other side of a conversation says of a message.
RECEIPTS = frozenset({ReferenceKind.RECEIVED, ReferenceKind.DISPLAYED})


@dataclass(frozen=True, slots=True)
class Side:
    """Who wrote a message, as far as an archive can tell."""

    peer: str  #: bare JID of the other side, or of the room
    resource: str  #: of that side: in a room the nickname of the author
    type: str
    direction: Direction
    occupant_id: str | None = None  #: XEP-0421
    is_from_occupant: bool = False  #: a private message through a room (XEP-0045 section 7.5)

    @property
    def author(self) -> str:
        """Who it is, as far as nobody else in the conversation can claim to be it."""
        if self.type == GROUPCHAT and self.occupant_id:
            return f"{_ROOM} occupant-id {self.occupant_id}"
        if self.type == GROUPCHAT:
            return f"{_ROOM} occupant {self.resource}"
        if self.direction is Direction.RECEIVED and self.is_from_occupant:
            return f"occupant {self.resource}"
        return self.direction

    def name_hashes(self, ids: Iterable[str], room_id: str | None) -> tuple[int, ...]:
        """Return the marks of a message of this side with these ids, and one that the room gave.

        In a room its own id stands for all but corrections (XEP-0308 section 4, XEP-0424 section
        4.1, XEP-0444 section 4.1), so that nobody passes for another by giving the same id.
        """
        given = list(dict.fromkeys(ids))
        if self.type == GROUPCHAT:
            others = [name_hash(self.peer, _ROOM, id) for id in ([room_id] if room_id else given)]
        else:
            others = [name_hash(self.peer, self.direction, id) for id in given]
        author = self.author
        own = (
            [] if author == self.direction else [name_hash(self.peer, author, id) for id in given]
        )
        return tuple(dict.fromkeys(own + others))

    def target_hashes(self, kind: ReferenceKind, id: str) -> tuple[int, ...]:
        """Return the marks that a message may have to which this side does something."""
        if kind is ReferenceKind.CORRECT or (
            kind is ReferenceKind.RETRACT and self.type != GROUPCHAT
        ):
            return (name_hash(self.peer, self.author, id),)
        if self.type == GROUPCHAT:
            return (name_hash(self.peer, _ROOM, id),)
        if kind in RECEIPTS:
            return tuple(
                name_hash(self.peer, one, id) for one in Direction if one != self.direction
            )
        return tuple(name_hash(self.peer, one, id) for one in Direction)


def name_hash(peer: str, author: str, id: str) -> int:
    """Return the mark of a message that was given an id, in the conversation with a bare JID.

    64 bits with a sign. Two messages may share it, so whoever looks one up has to check who wrote.
    """
    said = f"{peer}\n{len(author)}\n{author}{id}".encode()
    return int.from_bytes(blake2b(said, digest_size=HASH_BYTES).digest(), "big", signed=True)
