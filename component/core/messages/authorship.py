"""What the author of one message may do to another.

A store says which message is meant by marks, and those may be shared: who wrote the one message
and the other has to be compared.
"""

from __future__ import annotations

from component.core.messages.references import RECEIPTS, Reference, ReferenceKind
from component.core.messages.stored import Message
from component.core.xml.stanza import GROUPCHAT


def may_annotate(annotation: Message, reference: Reference, message: Message) -> bool:
    """Whether the author of one message may do this to the other."""
    if reference.kind is ReferenceKind.MODERATE:
        # XEP-0425 section 5: only the room itself says so.
        by, type = annotation.stored, message.stored.type
        return by.type == type == GROUPCHAT and not by.resource
    is_author = annotation.side.author == message.side.author
    if reference.kind in (ReferenceKind.CORRECT, ReferenceKind.RETRACT):
        return is_author and annotation.stored.id != message.stored.id
    return not is_author or reference.kind not in RECEIPTS
