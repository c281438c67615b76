"""Who wrote a message, what others call it, and what each may do to it.

Ids are made up by clients and looked up by everybody, so a name alone proves nothing: who wrote
the one message and the other has to be compared.
"""

from __future__ import annotations

from component.core.contents import Does, Message, Reference
from component.core.references import mark
from component.core.stanza import GROUPCHAT
from storage.rows import Direction

#: A conversation, whether it is a room, whether a correction may use it, and the id itself.
Name = tuple[str, bool, bool, str]

_RECEIPTS = frozenset({Does.RECEIVED, Does.DISPLAYED})


def names(message: Message) -> tuple[Name, ...]:
    """Return what a message may be called.

    A room's own id stands for all but corrections (XEP-0308 section 4, XEP-0424 section 4.1,
    XEP-0444 section 4.1), so that nobody passes for another by giving the same id.
    """
    given, room_id = _ids(message), _room_id(message)
    others = [room_id] if room_id else given
    return (
        *(_name(message, True, id) for id in given),
        *(_name(message, False, id) for id in others),
    )


def called(annotation: Message, reference: Reference) -> Name:
    """Return what the message is called that this one is about."""
    return _name(annotation, reference.does is Does.CORRECT, reference.id)


def marks(message: Message) -> tuple[int, ...]:
    """Return the marks under which a store finds what is about a message."""
    found = (*_ids(message), _room_id(message))
    return tuple(mark(message.stored.peer, id) for id in dict.fromkeys(found) if id)


def author(message: Message) -> tuple[str, str]:
    """Return who wrote a message, as far as nobody else in the conversation can claim to be it."""
    row = message.stored
    if row.type == GROUPCHAT and message.contents.occupant_id:
        return "occupant-id", message.contents.occupant_id
    if row.type == GROUPCHAT:
        return "occupant", f"{row.peer}/{row.resource}"
    if row.direction is Direction.RECEIVED and message.contents.is_from_occupant:
        return "occupant", row.resource
    return row.direction, ""


def may(annotation: Message, reference: Reference, message: Message) -> bool:
    """Whether the author of one message may do this to the other."""
    # A client that counts its ids from 1 again does not mean what is yet to come.
    if annotation.stored.at < message.stored.at:
        return False
    is_author = author(annotation) == author(message)
    if reference.does in (Does.CORRECT, Does.RETRACT):
        return is_author and annotation.stored.id != message.stored.id
    if reference.does is Does.MODERATE:
        # XEP-0425 section 5: only the room itself says so.
        return annotation.stored.type == GROUPCHAT and not annotation.stored.resource
    return not is_author or reference.does not in _RECEIPTS


def _name(message: Message, is_for_corrections: bool, id: str) -> Name:
    row = message.stored
    return (row.peer, row.type == GROUPCHAT, is_for_corrections, id)


def _ids(message: Message) -> list[str]:
    """Return the ids that the author gave."""
    found = (message.contents.id, message.contents.origin_id)
    return [id for id in dict.fromkeys(found) if id]


def _room_id(message: Message) -> str | None:
    """Return the id that the room gave; those of others prove nothing (XEP-0359 section 5)."""
    if message.stored.type != GROUPCHAT:
        return None
    by_room = (id for by, id in message.contents.stanza_ids if by == message.stored.peer)
    return next(by_room, None) or None
