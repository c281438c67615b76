"""XEP-0424: Message Retraction, version 0.4.2, and XEP-0425: Moderated Message Retraction,
version 0.3.0. What a retraction leaves of the message that it takes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from xml.sax.saxutils import escape, quoteattr

from component.core.messages import authorship
from component.core.messages.payloads import (
    NS_CORRECT,
    NS_FASTEN,
    NS_MODERATE,
    NS_OCCUPANT,
    NS_RETRACT,
    Message,
    Reference,
)
from component.core.messages.references import ReferenceKind
from component.core.xml.document_parser import parse
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import GROUPCHAT, NS_STANZA_ID
from component.core.xml.times import format_time
from storage.rows import ArchivedMessage, Kind, NewMessage, Retraction, UnfinishedRetraction, Work

#: message, retract, moderated, its occupant-id.
_MODERATOR_DEPTH = 3

_TAKING_BACK = frozenset({ReferenceKind.RETRACT, ReferenceKind.MODERATE})

#: What there is something to take back of.
_SAYING = frozenset({Kind.MESSAGE, Kind.ANNOTATION})


def with_retractions(entries: Iterable[NewMessage]) -> list[Work]:
    """Return entries as they are to be put, each followed by its retraction, if it is one.

    Both go into one batch: nobody reads a message that was taken back beside its retraction.
    """
    work: list[Work] = []
    for entry in entries:
        work.append(entry)
        taken_back = retraction(entry)
        if taken_back:
            work.append(taken_back)
    return work


def retraction(entry: NewMessage) -> Retraction | None:
    """Return what an entry takes back, None if it takes nothing back."""
    if entry.kind is not Kind.ANNOTATION:
        return None
    return _retraction(entry.owner, entry.dedup_key, _as_stored(entry))


def again(left: UnfinishedRetraction) -> Retraction | None:
    """Return what goes on with a retraction, None if what was stored takes nothing back."""
    return _retraction(left.owner, left.dedup_key, left.by)


def _retraction(owner: str, origin: bytes, by: ArchivedMessage) -> Retraction | None:
    annotation = Message.of(by)
    reference = annotation.payloads.reference
    if reference is None or reference.kind not in _TAKING_BACK or not reference.id:
        return None
    # Only the room itself tells that one of its messages was moderated (XEP-0425 section 5).
    if reference.kind is ReferenceKind.MODERATE and (by.type != GROUPCHAT or by.resource):
        return None
    return Retraction(
        owner=owner, dedup_key=origin, tombstone=partial(tombstone, annotation, reference)
    )


def tombstone(annotation: Message, reference: Reference, stored: ArchivedMessage) -> str | None:
    """Return what is left of a stored message, None where it is not to be taken back so.

    Only its author takes a message back, or the room (XEP-0424 section 5). A correction (XEP-0308)
    goes on naming what it corrected, so that nobody takes it for a message of its own.
    """
    if stored.kind not in _SAYING:
        return None
    message = Message.of(stored)
    about = message.payloads.reference
    # The retraction itself has to stay.
    if about and about.kind in _TAKING_BACK:
        return None
    if not authorship.may_annotate(annotation, reference, message):
        return None
    return _left(message, annotation, reference)


def _as_stored(entry: NewMessage) -> ArchivedMessage:
    return ArchivedMessage(
        id="",
        at=entry.at,
        peer=entry.peer,
        resource=entry.resource,
        type=entry.type,
        direction=entry.direction,
        xml=entry.xml,
        nick=entry.nick,
        kind=entry.kind,
    )


def _left(message: Message, annotation: Message, reference: Reference) -> str:
    """Return a tombstone: who, whom, the names that others call it by, and what took it back."""
    found = message.payloads
    addresses = {"type": message.stored.type, "from": found.sender, "to": found.recipient}
    names = [("stanza-id", NS_STANZA_ID, {"by": by, "id": id}) for by, id in found.stanza_ids]
    if found.origin_id:
        names.append(("origin-id", NS_STANZA_ID, {"id": found.origin_id}))
    if found.occupant_id:
        names.append(("occupant-id", NS_OCCUPANT, {"id": found.occupant_id}))
    if found.reference and found.reference.kind is ReferenceKind.CORRECT:
        names.append(("replace", NS_CORRECT, {"id": found.reference.id}))
    kept = "".join(_element(name, ns, attributes) for name, ns, attributes in names)
    when = {"id": annotation.payloads.id or "", "stamp": format_time(annotation.stored.at)}
    why = _moderated(annotation, reference) if reference.kind is ReferenceKind.MODERATE else ""
    kept += _element("retracted", NS_RETRACT, when, why)
    return _element("message", NS_CLIENT, addresses | {"id": found.id}, kept)


def _moderated(annotation: Message, reference: Reference) -> str:
    """Return who moderated a message, and the reason (XEP-0425 section 4)."""
    message = parse(annotation.stored.xml.encode(), keep_depth=_MODERATOR_DEPTH)
    around = message.child(NS_RETRACT, "retract") or message.child(NS_FASTEN, "apply-to")
    elements = around.elements if around else []
    moderated = next(child for child in elements if child.name == "moderated")
    occupant = moderated.child(NS_OCCUPANT, "occupant-id")
    who = (
        ""
        if occupant is None
        else _element("occupant-id", NS_OCCUPANT, {"id": occupant.get("id")})
    )
    reason = "" if reference.reason is None else f"<reason>{escape(reference.reason)}</reason>"
    return _element("moderated", NS_MODERATE, {"by": moderated.get("by") or None}, who) + reason


def _element(name: str, ns: str, attributes: Mapping[str, str | None], within: str = "") -> str:
    written = "".join(
        f" {key}={quoteattr(value)}" for key, value in attributes.items() if value is not None
    )
    return f"<{name} xmlns='{ns}'{written}>{within}</{name}>"
