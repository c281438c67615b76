"""XEP-0424: Message Retraction, version 0.4.2, and XEP-0425: Moderated Message Retraction,
version 0.3.0. The tombstone that a retraction leaves of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from component.core.messages import authorship
from component.core.messages.payloads import NS_CORRECT, NS_MODERATE, NS_OCCUPANT, NS_RETRACT
from component.core.messages.references import Reference, ReferenceKind
from component.core.messages.stored import Message
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import GROUPCHAT, NS_STANZA_ID
from component.core.xml.times import format_time
from storage.rows import (
    ArchivedMessage,
    Kind,
    RetractionOutcome,
    Tombstone,
    UnfinishedRetraction,
)

_RETRACTING = frozenset({ReferenceKind.RETRACT, ReferenceKind.MODERATE})

#: Kinds of messages that can be retracted.
_WITH_CONTENT = frozenset({Kind.MESSAGE, Kind.ANNOTATION})


def outcome(retraction: UnfinishedRetraction, *, is_held: bool = False) -> RetractionOutcome:
    """Return the changes that a retraction makes in the store.

    If the author of the retraction may not retract the message, its corrections stay as well.
    Under a legal hold (`is_held`) the retraction changes nothing, now or after the release.
    """
    annotation = Message(retraction.message)
    reference = _reference(annotation)
    if reference is None or is_held:
        return RetractionOutcome(number=retraction.number)
    tombstones = []
    if retraction.target is not None:
        xml = tombstone(annotation, reference, retraction.target)
        if xml is None:
            return RetractionOutcome(number=retraction.number)
        tombstones.append(Tombstone(id=retraction.target.id, xml=xml, kind=Kind.TOMBSTONE))
    for correction in retraction.corrections:
        xml = tombstone(annotation, reference, correction)
        if xml is not None:
            tombstones.append(Tombstone(id=correction.id, xml=xml, kind=Kind.ANNOTATION))
    return RetractionOutcome(
        number=retraction.number,
        tombstones=tuple(tombstones),
        settled=tuple(correction.id for correction in retraction.corrections),
        is_done=retraction.is_last,
    )


def _reference(annotation: Message) -> Reference | None:
    """Return the reference of a retraction, None if a message retracts nothing."""
    reference, stored = annotation.payloads.reference, annotation.stored
    if stored.kind is not Kind.ANNOTATION:
        return None
    if reference is None or reference.kind not in _RETRACTING or not reference.id:
        return None
    # Only the room itself moderates its messages (XEP-0425 section 5).
    if reference.kind is ReferenceKind.MODERATE and (stored.type != GROUPCHAT or stored.resource):
        return None
    return reference


def tombstone(annotation: Message, reference: Reference, stored: ArchivedMessage) -> str | None:
    """Return the XML of the tombstone of a stored message, None if it may not be retracted.

    Only the author of a message, or the room, may retract it (XEP-0424 section 5). The tombstone
    of a correction (XEP-0308) names the corrected message, so that clients do not show it as a
    separate message.
    """
    if stored.kind not in _WITH_CONTENT:
        return None
    message = Message(stored)
    about = message.payloads.reference
    # A retraction does not retract itself.
    if about and about.kind in _RETRACTING:
        return None
    if not authorship.may_annotate(annotation, reference, message):
        return None
    return _xml(message, annotation, reference)


def _xml(message: Message, annotation: Message, reference: Reference) -> str:
    """Return a tombstone: addresses, the ids that other messages refer to, and the retraction."""
    content, payloads = message.content, message.payloads
    addresses = {"type": message.stored.type, "from": content.sender, "to": content.recipient}
    names = [("stanza-id", NS_STANZA_ID, {"by": by, "id": id}) for by, id in payloads.stanza_ids]
    if payloads.origin_id:
        names.append(("origin-id", NS_STANZA_ID, {"id": payloads.origin_id}))
    if payloads.occupant_id:
        names.append(("occupant-id", NS_OCCUPANT, {"id": payloads.occupant_id}))
    if payloads.reference and payloads.reference.kind is ReferenceKind.CORRECT:
        names.append(("replace", NS_CORRECT, {"id": payloads.reference.id}))
    within = "".join(_element(name, ns, attributes) for name, ns, attributes in names)
    attributes = {"id": annotation.content.id or "", "stamp": format_time(annotation.stored.at)}
    moderated = _moderated(reference) if reference.kind is ReferenceKind.MODERATE else ""
    within += _element("retracted", NS_RETRACT, attributes, moderated)
    return _element("message", NS_CLIENT, addresses | {"id": content.id}, within)


def _moderated(reference: Reference) -> str:
    """Return the elements that name the moderator and the reason (XEP-0425 section 4)."""
    occupant = (
        ""
        if reference.moderator_id is None
        else _element("occupant-id", NS_OCCUPANT, {"id": reference.moderator_id})
    )
    reason = "" if reference.reason is None else f"<reason>{escape(reference.reason)}</reason>"
    return _element("moderated", NS_MODERATE, {"by": reference.by}, occupant) + reason


def _element(name: str, ns: str, attributes: Mapping[str, str | None], within: str = "") -> str:
    quoted = "".join(
        f" {key}={quoteattr(value)}" for key, value in attributes.items() if value is not None
    )
    return f"<{name} xmlns='{ns}'{quoted}>{within}</{name}>"
