"""XEP-0421: Occupant identifiers for semi-anonymous MUCs, version 1.0.0.

The right of a message's author to annotate another message. In a room the occupant id identifies
the author of a message; if the message has none, the nickname does.

A store finds the other message by its name hash, which two messages may share: so the authors of
both messages have to be compared.
"""

from __future__ import annotations

from component.core.messages.references import RECEIPTS, Reference, ReferenceKind
from component.core.messages.stored import Message
from component.core.xml.stanza import GROUPCHAT


def may_annotate(annotation: Message, reference: Reference, message: Message) -> bool:
    """Return whether the author of `annotation` has the right to `reference` to `message`."""
    if reference.kind is ReferenceKind.MODERATE:
        # XEP-0425 section 5: only the room itself moderates.
        by, type = annotation.stored, message.stored.type
        return by.type == type == GROUPCHAT and not by.resource
    is_author = message.side.author in annotation.side.authors
    if reference.kind in (ReferenceKind.CORRECT, ReferenceKind.RETRACT):
        return is_author and annotation.stored.id != message.stored.id
    return not is_author or reference.kind not in RECEIPTS
