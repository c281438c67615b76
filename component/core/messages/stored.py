"""Stored messages, parsed for readers that are not XMPP clients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from component.core.messages.content import Content, content_of, is_literal, plain_content
from component.core.messages.payloads import (
    NS_MODERATE,
    NS_MODERATE_0,
    NS_RECEIPTS,
    NS_RETRACT,
    NS_RETRACT_0,
    attribute_of,
    occupant_id_of,
    reference_of,
    text_of,
)
from component.core.messages.references import Reference, Side
from component.core.xml.document_parser import parse
from component.core.xml.stanza import NS_MUC_USER, NS_STANZA_ID
from component.core.xml.stream_parser import Element, Malformed
from storage.rows import ArchivedMessage

#: The beginning of the namespaces of all payloads but that of rooms.
_NS_OF_PAYLOADS = "urn:xmpp:"

_ORIGIN_ID = (NS_STANZA_ID, "origin-id")
_STANZA_ID = (NS_STANZA_ID, "stanza-id")

#: The elements that a tombstone begins with.
_TOMBSTONES = {
    (NS_RETRACT, "retracted"),
    (NS_RETRACT_0, "retracted"),
    (NS_MODERATE, "moderated"),
    (NS_MODERATE_0, "moderated"),
}

#: The depth of the deepest element that is read: message, apply-to, moderated, reason.
_KEEP_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """The content of a tombstone."""

    at: str | None  #: time of the retraction, as written (XEP-0082)
    by: str | None  #: JID of the moderator, None: the author retracted it
    reason: str | None


class Payloads(NamedTuple):
    """The payloads of one message; None if the message lacks one. A tuple for speed."""

    origin_id: str | None = None  #: XEP-0359
    stanza_ids: tuple[tuple[str, str], ...] = ()  #: `by` and `id` of each (XEP-0359)
    occupant_id: str | None = None  #: XEP-0421
    is_from_occupant: bool = False  #: a private message through a room (XEP-0045 section 7.5)
    reference: Reference | None = None
    asks_receipt: bool = False  #: XEP-0184
    tombstone: Tombstone | None = None


_NO_PAYLOADS = Payloads()


@dataclass(frozen=True)
class Message:
    """A stored message, which is parsed as far as it is needed, and once.

    A blanked message has no content and no payloads, nor has a malformed one that needs a parser.
    """

    stored: ArchivedMessage

    @cached_property
    def content(self) -> Content:
        """The parts that are shown."""
        content = plain_content(self.stored.xml)
        if content is not None:
            return content
        return Content() if self._element is None else content_of(self._element)

    @cached_property
    def payloads(self) -> Payloads:
        """What it has beside its content."""
        xml = self.stored.xml
        has_none = _NS_OF_PAYLOADS not in xml and NS_MUC_USER not in xml and is_literal(xml)
        return _NO_PAYLOADS if has_none or self._element is None else payloads_of(self._element)

    @cached_property
    def side(self) -> Side:
        """The author of the message."""
        row, payloads = self.stored, self.payloads
        return Side(
            row.peer,
            row.resource,
            row.type,
            row.direction,
            payloads.occupant_id,
            payloads.is_from_occupant,
        )

    @cached_property
    def _element(self) -> Element | None:
        try:
            return parse(self.stored.xml.encode(), keep_depth=_KEEP_DEPTH)
        except (Malformed, UnicodeEncodeError):
            return None


def payloads_of(message: Element) -> Payloads:
    """Return the payloads of a message that was parsed, three levels deep."""
    children = message.elements
    first = {(child.ns, child.name): child for child in reversed(children)}
    return Payloads(
        origin_id=attribute_of(first.get(_ORIGIN_ID), "id"),
        stanza_ids=tuple(
            [
                (child.get("by"), child.get("id"))
                for child in children
                if (child.ns, child.name) == _STANZA_ID
            ]
        ),
        occupant_id=occupant_id_of(message),
        is_from_occupant=(NS_MUC_USER, "x") in first,
        reference=reference_of(message),
        asks_receipt=(NS_RECEIPTS, "request") in first,
        tombstone=None if _TOMBSTONES.isdisjoint(first) else _tombstone(message),
    )


def _tombstone(message: Element) -> Tombstone | None:
    """Read the tombstone of a retracted message (XEP-0424 section 5, XEP-0425 section 4)."""
    for ns, moderate in (
        (NS_RETRACT, NS_MODERATE),
        (NS_RETRACT_0, NS_MODERATE_0),
    ):
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
            by=attribute_of(moderated, "by"),
            reason=text_of(reason),
        )
    return None
