"""The payloads of messages that Muniment interprets: one table, in the order of precedence.

The archiving policy, the description of a new message and the parser of stored messages look for
the elements in it. A new XEP needs a new entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from component.core.messages.references import Reference, ReferenceKind
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import NS_MUC_USER
from component.core.xml.stream_parser import Element

NS_CORRECT = "urn:xmpp:message-correct:0"
NS_RETRACT = "urn:xmpp:message-retract:1"
NS_MODERATE = "urn:xmpp:message-moderate:1"
NS_REACTIONS = "urn:xmpp:reactions:0"
NS_OCCUPANT = "urn:xmpp:occupant-id:0"
NS_RECEIPTS = "urn:xmpp:receipts"
NS_MARKERS = "urn:xmpp:chat-markers:0"
NS_REPLY = "urn:xmpp:reply:0"
_NS_JINGLE_MESSAGE = "urn:xmpp:jingle-message:0"

#: The longest occupant id, in characters (XEP-0421 section 4.1).
OCCUPANT_ID_MAX = 128

#: COMPAT: the payloads of retractions and moderations before 2023 (XEP-0422).
NS_FASTEN = "urn:xmpp:fasten:0"
NS_RETRACT_0 = "urn:xmpp:message-retract:0"
NS_MODERATE_0 = "urn:xmpp:message-moderate:0"

#: Namespace and local name of an element.
Name = tuple[str, str]

BODY: Name = (NS_CLIENT, "body")


class Purpose(StrEnum):
    """Why a payload is worth archiving without a body; the value is the reason of the policy."""

    ENCRYPTED = "encrypted"
    CORRECTION = "correction"
    RETRACTION = "retraction"
    MODERATION = "moderation"
    REACTION = "reaction"
    INVITATION = "invitation"
    CALL = "call"
    RECEIPT = "receipt"
    MARKER = "marker"


#: Purposes of which an operator may switch off the archiving.
OPTIONAL = frozenset({Purpose.RECEIPT, Purpose.MARKER})

#: Purposes of messages that only change how another message is shown.
ANNOTATING = frozenset(
    {Purpose.CORRECTION, Purpose.RETRACTION, Purpose.MODERATION, Purpose.REACTION}
)

Reader = Callable[[Element, ReferenceKind], Reference | None]


def _by_id(element: Element, kind: ReferenceKind) -> Reference:
    return Reference(kind=kind, id=element.get("id"))


def _reactions(element: Element, kind: ReferenceKind) -> Reference:
    texts = (child.text.strip() for child in element.elements if child.name == "reaction")
    # Each reaction counts once (XEP-0444 section 4.1), and keeps its place.
    reactions = tuple(dict.fromkeys(text for text in texts if text))
    return Reference(kind=kind, id=element.get("id"), reactions=reactions)


def _retraction(element: Element, kind: ReferenceKind) -> Reference:
    moderated = element.child(NS_MODERATE, "moderated")
    reason = text_of(element.child(NS_RETRACT, "reason"))
    return _retracted(element.get("id"), kind, moderated, reason)


def _fastened(element: Element, kind: ReferenceKind) -> Reference | None:
    """Read `apply-to`: it retracts a message only if it contains `moderated` or `retract`."""
    moderated = element.child(NS_MODERATE_0, "moderated")
    if moderated is None and element.child(NS_RETRACT_0, "retract") is None:
        return None
    reason = text_of(moderated.child(NS_MODERATE_0, "reason")) if moderated else None
    return _retracted(element.get("id"), kind, moderated, reason)


def _retracted(
    id: str, kind: ReferenceKind, moderated: Element | None, reason: str | None
) -> Reference:
    if moderated is None:
        return Reference(kind=kind, id=id, reason=reason)
    occupant = moderated.child(NS_OCCUPANT, "occupant-id")
    return Reference(
        kind=ReferenceKind.MODERATE,
        id=id,
        by=attribute_of(moderated, "by"),
        moderator_id=None if occupant is None else occupant.get("id"),
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class Payload:
    """A child element of messages, and its meaning if it has one here."""

    ns: str
    name: str
    xep: str
    #: why a message with it is archived even without a body; None: it is not
    purpose: Purpose | None = None
    #: the relation to the message that the payload names; None: it names none. The description of
    #: a new message does not read inside the payload, so a moderation counts as a retraction.
    reference: ReferenceKind | None = None
    #: whether its author has seen the conversation
    shows_seen: bool = False
    #: whether it marks an answer, whose text may quote the message that it answers
    is_reply: bool = False
    #: reads the reference in a stored message
    read: Reader = _by_id


PAYLOADS = (
    Payload("urn:xmpp:eme:0", "encryption", "XEP-0380", Purpose.ENCRYPTED, shows_seen=True),
    Payload("urn:xmpp:omemo:2", "encrypted", "XEP-0384", Purpose.ENCRYPTED, shows_seen=True),
    Payload(
        "eu.siacs.conversations.axolotl",
        "encrypted",
        "XEP-0384",
        Purpose.ENCRYPTED,
        shows_seen=True,
    ),
    Payload("urn:xmpp:openpgp:0", "openpgp", "XEP-0373", Purpose.ENCRYPTED, shows_seen=True),
    Payload("jabber:x:encrypted", "x", "XEP-0027", Purpose.ENCRYPTED, shows_seen=True),
    Payload(NS_CORRECT, "replace", "XEP-0308", Purpose.CORRECTION, ReferenceKind.CORRECT),
    Payload(
        NS_RETRACT,
        "retract",
        "XEP-0424",
        Purpose.RETRACTION,
        ReferenceKind.RETRACT,
        read=_retraction,
    ),
    Payload(NS_MODERATE, "moderate", "XEP-0425", Purpose.MODERATION),
    Payload(
        NS_FASTEN,
        "apply-to",
        "XEP-0422",
        Purpose.RETRACTION,
        ReferenceKind.RETRACT,
        read=_fastened,
    ),
    Payload(
        NS_REACTIONS,
        "reactions",
        "XEP-0444",
        Purpose.REACTION,
        ReferenceKind.REACT,
        read=_reactions,
    ),
    Payload(NS_REPLY, "reply", "XEP-0461", is_reply=True),
    Payload("jabber:x:conference", "x", "XEP-0249", Purpose.INVITATION),
    Payload(NS_MUC_USER, "invite", "XEP-0045", Purpose.INVITATION),
    Payload(NS_MUC_USER, "decline", "XEP-0045", Purpose.INVITATION),
    Payload(_NS_JINGLE_MESSAGE, "propose", "XEP-0353", Purpose.CALL),
    Payload(_NS_JINGLE_MESSAGE, "accept", "XEP-0353", Purpose.CALL),
    Payload(_NS_JINGLE_MESSAGE, "proceed", "XEP-0353", Purpose.CALL),
    Payload(_NS_JINGLE_MESSAGE, "reject", "XEP-0353", Purpose.CALL),
    Payload(_NS_JINGLE_MESSAGE, "retract", "XEP-0353", Purpose.CALL),
    Payload(_NS_JINGLE_MESSAGE, "finish", "XEP-0353", Purpose.CALL),
    Payload(
        NS_MARKERS,
        "displayed",
        "XEP-0333",
        Purpose.MARKER,
        ReferenceKind.DISPLAYED,
        shows_seen=True,
    ),
    Payload(
        NS_MARKERS,
        "acknowledged",
        "XEP-0333",
        Purpose.MARKER,
        ReferenceKind.DISPLAYED,
        shows_seen=True,
    ),
    Payload(NS_MARKERS, "received", "XEP-0333", Purpose.MARKER, ReferenceKind.RECEIVED),
    Payload(NS_RECEIPTS, "received", "XEP-0184", Purpose.RECEIPT, ReferenceKind.RECEIVED),
)

#: The purposes of payloads by name, in the order of the table.
PURPOSES: dict[Name, Purpose] = {
    (payload.ns, payload.name): payload.purpose for payload in PAYLOADS if payload.purpose
}

#: The relations of payloads to the message that they name, in the order of the table.
REFERENCES: dict[Name, ReferenceKind] = {
    (payload.ns, payload.name): payload.reference for payload in PAYLOADS if payload.reference
}

#: Payloads whose author has seen the conversation.
SHOW_SEEN: frozenset[Name] = frozenset((p.ns, p.name) for p in PAYLOADS if p.shows_seen)

#: Payloads of answers.
REPLIES: frozenset[Name] = frozenset((p.ns, p.name) for p in PAYLOADS if p.is_reply)


def reference_of(message: Element) -> Reference | None:
    """Return the reference of a message to another one, None if it has none."""
    if REFERENCES.keys().isdisjoint([(child.ns, child.name) for child in message.elements]):
        return None
    for payload in PAYLOADS:
        if payload.reference is None:
            continue
        element = message.child(payload.ns, payload.name)
        if element is None:
            continue
        reference = payload.read(element, payload.reference)
        if reference is not None:
            return reference
    return None


def occupant_id_of(message: Element) -> str | None:
    """Return the occupant id that a room gave to the author of a message, None if it gave none.

    A room replaces an id that the author wrote (XEP-0421 section 4). The last one counts, because
    a room that only adds its own adds it behind the payloads of the author.
    """
    for child in reversed(message.elements):
        if (child.ns, child.name) == (NS_OCCUPANT, "occupant-id"):
            id = child.get("id")
            return id if 0 < len(id) <= OCCUPANT_ID_MAX else None
    return None


def text_of(element: Element | None) -> str | None:
    """Return the text of an element, None without an element."""
    return None if element is None else element.text


def attribute_of(element: Element | None, name: str) -> str | None:
    """Return an attribute, None if it is empty, or without an element."""
    return None if element is None else element.get(name) or None
