"""What a stored message says, read out of its XML for readers that are not XMPP clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from component.core.messages.references import ReferenceKind, Side
from component.core.xml.document_parser import parse
from component.core.xml.stanza import NS_STANZA_ID
from component.core.xml.stream_parser import Element, Malformed
from storage.rows import ArchivedMessage

NS_CORRECT = "urn:xmpp:message-correct:0"
NS_RETRACT = "urn:xmpp:message-retract:1"
NS_MODERATE = "urn:xmpp:message-moderate:1"
NS_REACTIONS = "urn:xmpp:reactions:0"
NS_RECEIPTS = "urn:xmpp:receipts"
NS_MARKERS = "urn:xmpp:chat-markers:0"
NS_OCCUPANT = "urn:xmpp:occupant-id:0"
NS_MUC_USER = "http://jabber.org/protocol/muc#user"

#: COMPAT: how messages were retracted and moderated before 2023 (XEP-0422).
NS_FASTEN = "urn:xmpp:fasten:0"
NS_RETRACT_0 = "urn:xmpp:message-retract:0"
NS_MODERATE_0 = "urn:xmpp:message-moderate:0"

#: message, apply-to, moderated, reason.
_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """That a message is about another one."""

    kind: ReferenceKind
    id: str  #: by which name it calls the other
    reactions: tuple[str, ...] = ()
    by: str | None = None  #: the moderator
    reason: str | None = None  #: of the moderator


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What a tombstone tells."""

    at: str | None  #: when, as written (XEP-0082)
    by: str | None  #: the moderator, None where it was the author
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payloads:
    """The parts of one message; None where it has none."""

    sender: str | None = None
    recipient: str | None = None
    id: str | None = None
    body: str | None = None
    subject: str | None = None
    origin_id: str | None = None  #: XEP-0359
    stanza_ids: tuple[tuple[str, str], ...] = ()  #: by whom, and which (XEP-0359)
    occupant_id: str | None = None  #: XEP-0421
    is_from_occupant: bool = False  #: a private message through a room (XEP-0045 section 7.5)
    reference: Reference | None = None
    tombstone: Tombstone | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message, and what it says."""

    stored: ArchivedMessage
    payloads: Payloads

    @classmethod
    def of(cls, stored: ArchivedMessage) -> Self:
        """Read one."""
        return cls(stored, payloads_of(stored.xml))

    @property
    def side(self) -> Side:
        """Who wrote it."""
        row, said = self.stored, self.payloads
        return Side(
            row.peer,
            row.resource,
            row.type,
            row.direction,
            said.occupant_id,
            said.is_from_occupant,
        )


def payloads_of(xml: str) -> Payloads:
    """Return the parts of a stored message. What was emptied, or cannot be read, has none."""
    try:
        message = parse(xml.encode(), keep_depth=_DEPTH)
    except (Malformed, UnicodeEncodeError):
        return Payloads()
    return Payloads(
        sender=message.get("from") or None,
        recipient=message.get("to") or None,
        id=message.get("id") or None,
        # COMPAT: ejabberd before 17 takes the namespace out of the stanzas it passes on.
        body=_text(message.child(message.ns, "body")),
        subject=_text(message.child(message.ns, "subject")),
        origin_id=_attribute(message.child(NS_STANZA_ID, "origin-id"), "id"),
        stanza_ids=tuple(
            (child.get("by"), child.get("id"))
            for child in message.elements
            if (child.ns, child.name) == (NS_STANZA_ID, "stanza-id")
        ),
        occupant_id=_attribute(message.child(NS_OCCUPANT, "occupant-id"), "id"),
        is_from_occupant=message.child(NS_MUC_USER, "x") is not None,
        reference=_reference(message),
        tombstone=_retracted(message),
    )


def _reference(message: Element) -> Reference | None:
    if replace := message.child(NS_CORRECT, "replace"):
        return Reference(kind=ReferenceKind.CORRECT, id=replace.get("id"))
    if retract := message.child(NS_RETRACT, "retract"):
        moderated = retract.child(NS_MODERATE, "moderated")
        reason = _text(retract.child(NS_RETRACT, "reason"))
        return _retraction(retract.get("id"), moderated, reason)
    if apply_to := message.child(NS_FASTEN, "apply-to"):
        moderated = apply_to.child(NS_MODERATE_0, "moderated")
        if moderated or apply_to.child(NS_RETRACT_0, "retract"):
            reason = _text(moderated.child(NS_MODERATE_0, "reason")) if moderated else None
            return _retraction(apply_to.get("id"), moderated, reason)
    if reactions := message.child(NS_REACTIONS, "reactions"):
        given = (c.text.strip() for c in reactions.elements if c.name == "reaction")
        # Each counts once (XEP-0444 section 4.1), and keeps its place.
        return Reference(
            kind=ReferenceKind.REACT,
            id=reactions.get("id"),
            reactions=tuple(dict.fromkeys(one for one in given if one)),
        )
    return _receipt(message)


def _retraction(id: str, moderated: Element | None, reason: str | None) -> Reference:
    does = ReferenceKind.RETRACT if moderated is None else ReferenceKind.MODERATE
    return Reference(kind=does, id=id, by=_attribute(moderated, "by"), reason=reason)


def _receipt(message: Element) -> Reference | None:
    for ns, name, does in (
        (NS_MARKERS, "displayed", ReferenceKind.DISPLAYED),
        (NS_MARKERS, "acknowledged", ReferenceKind.DISPLAYED),
        (NS_MARKERS, "received", ReferenceKind.RECEIVED),
        (NS_RECEIPTS, "received", ReferenceKind.RECEIVED),
    ):
        if child := message.child(ns, name):
            return Reference(kind=does, id=child.get("id"))
    return None


def _retracted(message: Element) -> Tombstone | None:
    """Read what is left of a message (XEP-0424 section 5, XEP-0425 section 4)."""
    for ns, moderate in ((NS_RETRACT, NS_MODERATE), (NS_RETRACT_0, NS_MODERATE_0)):
        moderated = message.child(moderate, "moderated")
        place = moderated or message
        retracted = place.child(ns, "retracted")
        if retracted is None:
            continue
        moderated = moderated or retracted.child(moderate, "moderated")
        reason = retracted.child(ns, "reason") or (
            moderated.child(moderate, "reason") if moderated else None
        )
        return Tombstone(
            at=retracted.get("stamp") or None,
            by=_attribute(moderated, "by"),
            reason=_text(reason),
        )
    return None


def _text(element: Element | None) -> str | None:
    return None if element is None else element.text


def _attribute(element: Element | None, name: str) -> str | None:
    return None if element is None else element.get(name) or None
