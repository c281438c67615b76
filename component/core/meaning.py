"""What a stanza means to its readers: what it says, what it is called, and what it is about.

Of corrections (XEP-0308), retractions (XEP-0424), reactions (XEP-0444), receipts (XEP-0184) and
markers (XEP-0333), read as they pass by.
"""

from __future__ import annotations

from typing import NamedTuple

from component.core import jids
from component.core.contents import (
    NS_CORRECT,
    NS_FASTEN,
    NS_MARKERS,
    NS_REACTIONS,
    NS_RECEIPTS,
    NS_RETRACT,
)
from component.core.policy import BODY, MARKERS, MEANINGFUL, RECEIPT
from component.core.references import mark
from component.core.search import fold
from component.core.stanza import GROUPCHAT, NS_CLIENT, NS_STANZA_ID, Stanza
from storage.rows import Kind

_TEXTS = ("body", "subject")

_MEANINGFUL = frozenset(MEANINGFUL)
_ANNOTATIONS = frozenset({"correction", "retraction", "moderation", "reaction"})

#: Elements that name the message which they are about.
_REFERENCES = frozenset(
    {
        (NS_CORRECT, "replace"),
        (NS_RETRACT, "retract"),
        (NS_FASTEN, "apply-to"),
        (NS_REACTIONS, "reactions"),
        (NS_RECEIPTS, "received"),
        (NS_MARKERS, "received"),
        (NS_MARKERS, "displayed"),
        (NS_MARKERS, "acknowledged"),
    }
)
_SEEN = frozenset({(NS_MARKERS, "displayed"), (NS_MARKERS, "acknowledged")})


class Meaning(NamedTuple):
    """What a stanza means; a tuple, as a stanza is."""

    kind: Kind
    text: str  #: folded words
    names: tuple[str, ...]  #: by which other messages may refer to it
    about: str | None  #: the name of the message that it refers to
    is_seeing: bool  #: whoever sent it has read the conversation

    def marks(self, peer: str) -> tuple[int, ...]:
        """Return the marks of the names in the conversation with a bare JID."""
        return tuple([mark(peer, name) for name in self.names])

    def mark_about(self, peer: str) -> int | None:
        """Return the mark of the message that it refers to in that conversation."""
        return None if self.about is None else mark(peer, self.about)


def meaning_of(stanza: Stanza) -> Meaning:
    """Return what a stanza that is worth keeping means."""
    payloads = stanza.payloads
    reasons = {MEANINGFUL[one] for one in payloads & _MEANINGFUL}
    kind = _kind(stanza, reasons)
    # The body of what is encrypted, of a retraction and of a reaction is for clients that know no
    # better (XEP-0428): nobody wrote it.
    is_text = BODY in payloads and (kind is Kind.MESSAGE or "correction" in reasons)
    is_open = "encrypted" not in reasons and (is_text or kind is Kind.MESSAGE)
    return Meaning(
        kind=kind,
        text=_text(stanza) if is_open else "",
        names=_names(stanza),
        about=_about(stanza),
        is_seeing=is_text or "encrypted" in reasons or not payloads.isdisjoint(_SEEN),
    )


def room_name(stanza: Stanza) -> str:
    """Return what a room calls a message that it sends (XEP-0359), "" where it has no name."""
    room = jids.bare(stanza.sender)
    for child in stanza.element.elements:
        if child.name == "stanza-id" and child.ns == NS_STANZA_ID and child.get("by") == room:
            return child.get("id")
    return ""


def _kind(stanza: Stanza, reasons: set[str]) -> Kind:
    if not reasons.isdisjoint(_ANNOTATIONS):
        return Kind.ANNOTATION
    if reasons or BODY in stanza.payloads:
        return Kind.MESSAGE
    if RECEIPT in stanza.payloads or not stanza.payloads.isdisjoint(MARKERS):
        return Kind.RECEIPT
    return Kind.MESSAGE


def _text(stanza: Stanza) -> str:
    elements = stanza.element.elements
    return fold(" ".join([c.text for c in elements if c.name in _TEXTS and c.ns == NS_CLIENT]))


def _names(stanza: Stanza) -> tuple[str, ...]:
    origin = stanza.element.child(NS_STANZA_ID, "origin-id")
    given = [stanza.id, "" if origin is None else origin.get("id")]
    if stanza.type == GROUPCHAT:
        given.append(room_name(stanza))
    return tuple(dict.fromkeys(name for name in given if name))


def _about(stanza: Stanza) -> str | None:
    if stanza.payloads.isdisjoint(_REFERENCES):
        return None
    found = (c.get("id") for c in stanza.element.elements if (c.ns, c.name) in _REFERENCES)
    return next((id for id in found if id), None)
