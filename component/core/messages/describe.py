"""Describe a new message: its kind, its words, its ids, and the message that it refers to."""

from __future__ import annotations

import re
from typing import NamedTuple

from component.core.messages.fulltext import fold
from component.core.messages.payloads import (
    ANNOTATING,
    BODY,
    OPTIONAL,
    PURPOSES,
    REFERENCES,
    REPLIES,
    SHOW_SEEN,
    Purpose,
    occupant_id_of,
)
from component.core.messages.references import ReferenceKind, Side
from component.core.messages.replies import reply_of
from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import GROUPCHAT, NS_MUC_USER, NS_STANZA_ID, Stanza
from storage.rows import Direction, Kind, Relation

_TEXTS = ("body", "subject")

_NAMES = frozenset(PURPOSES)

_RELATIONS: dict[ReferenceKind | None, Relation] = {
    ReferenceKind.CORRECT: Relation.CORRECTION,
    ReferenceKind.RETRACT: Relation.RETRACTION,
}


#: Ids of rooms that can be ids in archives, where they stand in XML, in URLs and in lines of text.
_PUBLIC_ID = re.compile(r"[A-Za-z0-9._~-]{8,128}")


class Description(NamedTuple):
    """The values of a stanza that the archive indexes; a tuple for speed, as a stanza is."""

    kind: Kind
    text: str  #: folded words
    ids: tuple[str, ...]  #: given by its author
    room_id: str | None  #: given by the room that sends it
    reference_kind: ReferenceKind | None  #: the relation to the message that it refers to
    reference_id: str | None  #: the id of that message
    shows_seen: bool  #: its author has seen the conversation
    occupant_id: str | None
    is_from_occupant: bool

    @property
    def public_id(self) -> str:
        """The id that the room gave, and so the id of the message in the room's archive, or ""."""
        return self.room_id if self.room_id and _PUBLIC_ID.fullmatch(self.room_id) else ""

    @property
    def relation(self) -> Relation:
        """The relation of the message to the one that it refers to."""
        return _RELATIONS.get(self.reference_kind, Relation.OTHER)

    def name_hashes(
        self, peer: str, resource: str, type: str, direction: Direction
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the name hashes of a message in an archive, and those of its target."""
        side = Side(peer, resource, type, direction, self.occupant_id, self.is_from_occupant)
        # No message refers to one that only annotates another, except to a correction.
        is_named = self.kind is Kind.MESSAGE or self.reference_kind is ReferenceKind.CORRECT
        names = side.name_hashes(self.ids, self.room_id) if is_named else ()
        return names, side.target_hashes(
            self.reference_kind, self.reference_id
        ) if self.reference_kind and self.reference_id else ()


def describe(stanza: Stanza) -> Description:
    """Return the description of a stanza that is to be archived."""
    payloads = stanza.payloads
    purposes = {PURPOSES[name] for name in payloads & _NAMES}
    kind = _kind(stanza, purposes)
    # The body beside an encrypted payload, a retraction or a reaction is a fallback for clients
    # that do not know the payload (XEP-0428): the user did not write it.
    is_text = BODY in payloads and (kind is Kind.MESSAGE or Purpose.CORRECTION in purposes)
    is_open = Purpose.ENCRYPTED not in purposes and (is_text or kind is Kind.MESSAGE)
    reference_kind, reference_id = _reference(stanza)
    return Description(
        kind=kind,
        text=_text(stanza) if is_open else "",
        ids=_ids(stanza),
        room_id=room_id(stanza) or None if stanza.type == GROUPCHAT else None,
        reference_kind=reference_kind,
        reference_id=reference_id or None,
        shows_seen=is_text or not payloads.isdisjoint(SHOW_SEEN),
        occupant_id=occupant_id_of(stanza.element) if stanza.type == GROUPCHAT else None,
        is_from_occupant=(NS_MUC_USER, "x") in payloads,
    )


def room_id(stanza: Stanza) -> str:
    """Return the id that a room gave to a message that it sends (XEP-0359), "" without one.

    ejabberd's rooms add their id last, and leave ids in place that the author forged.
    """
    room = jids.bare(stanza.sender)
    for child in reversed(stanza.element.elements):
        if child.name == "stanza-id" and child.ns == NS_STANZA_ID and child.get("by") == room:
            return child.get("id")
    return ""


def _kind(stanza: Stanza, purposes: set[Purpose]) -> Kind:
    if not purposes.isdisjoint(ANNOTATING):
        return Kind.ANNOTATION
    if purposes and purposes <= OPTIONAL and BODY not in stanza.payloads:
        return Kind.RECEIPT
    return Kind.MESSAGE


def _text(stanza: Stanza) -> str:
    elements = stanza.element.elements
    texts = [c.text for c in elements if c.name in _TEXTS and c.ns == NS_CLIENT]
    if not stanza.payloads.isdisjoint(REPLIES):
        texts = _texts_of_reply(stanza)
    return fold(" ".join(texts))


def _texts_of_reply(stanza: Stanza) -> list[str]:
    """Return the texts of a reply without what it quotes, so that a search finds its own words."""
    # The parser of the stream keeps nothing below the children of a message.
    message = parse(stanza.xml.encode(), keep_depth=2)
    texts = [(c.name, c.text) for c in message.elements if c.name in _TEXTS and c.ns == message.ns]
    body = next((text for name, text in texts if name == "body"), None)
    own = reply_of(message, body)[1] or ""
    return [own if (name, text) == ("body", body) else text for name, text in texts]


def _ids(stanza: Stanza) -> tuple[str, ...]:
    origin = stanza.element.child(NS_STANZA_ID, "origin-id")
    ids = (stanza.id, "" if origin is None else origin.get("id"))
    return tuple(dict.fromkeys(id for id in ids if id))


def _reference(stanza: Stanza) -> tuple[ReferenceKind | None, str]:
    if stanza.payloads.isdisjoint(REFERENCES):
        return None, ""
    for (ns, name), kind in REFERENCES.items():
        element = stanza.element.child(ns, name)
        if element is not None:
            return kind, element.get("id")
    return None, ""
