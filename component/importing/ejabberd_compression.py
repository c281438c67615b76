"""Reads stanzas that ejabberd has compressed (`compress_xml` of mod_mam).

ejabberd replaces the names of frequent elements, attributes and values by single bytes. The table
is in its module `xml_compress`, and has been the same from 23.01 to 26.07. The numbers follow the
order of the table: an element has the next number, then each of its frequent texts; inside an
element, each frequent value of an attribute has the next number from 3 on, then the attribute with
any other value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

_CLIENT = "jabber:client"
_AXOLOTL = "eu.siacs.conversations.axolotl"
_MARKERS = "urn:xmpp:chat-markers:0"
_STATES = "http://jabber.org/protocol/chatstates"
_MUC_USER = "http://jabber.org/protocol/muc#user"
_EVENT = "http://jabber.org/protocol/pubsub#event"
_ADDRESS = "http://jabber.org/protocol/address"

_OMEMO = (
    "I sent you an OMEMO encrypted message but your client doesn\u2019t seem to support that."
    " Find more information on https://conversations.im/omemo"
)

#: Stand for the owner of the archive and the peer, and for texts that begin with them.
_OWNER, _PEER, _OWNER_AND, _PEER_AND = "\0owner", "\0peer", "\0owner+", "\0peer+"

_Attributes = tuple[tuple[str, tuple[str, ...]], ...]

_TABLE: tuple[tuple[str, str, _Attributes, tuple[str, ...]], ...] = (
    (_AXOLOTL, "key", (("prekey", ("true",)), ("rid", ())), ()),
    (
        _CLIENT,
        "message",
        (
            ("from", (_PEER, _OWNER_AND)),
            ("id", ()),
            ("to", (_OWNER, _PEER, _OWNER_AND)),
            ("type", ("chat", "groupchat", "normal")),
            ("xml:lang", ("en",)),
        ),
        (),
    ),
    ("urn:xmpp:hints", "store", (), ()),
    (_CLIENT, "body", (), (_OMEMO,)),
    ("urn:xmpp:sid:0", "origin-id", (("id", ()),), ()),
    (_MARKERS, "markable", (), ()),
    (_AXOLOTL, "encrypted", (), ()),
    (_AXOLOTL, "header", (("sid", ()),), ()),
    (_AXOLOTL, "iv", (), ()),
    (_AXOLOTL, "payload", (), ()),
    ("urn:xmpp:eme:0", "encryption", (("name", ("OMEMO",)), ("namespace", (_AXOLOTL,))), ()),
    ("urn:xmpp:delay", "delay", (("from", (_OWNER,)), ("stamp", ())), ()),
    (_ADDRESS, "address", (("jid", (_OWNER_AND,)), ("type", ("ofrom",))), ()),
    (_ADDRESS, "addresses", (), ()),
    (_MARKERS, "displayed", (("id", ()), ("sender", (_OWNER_AND, _PEER_AND))), ()),
    ("urn:xmpp:mam:tmp", "archived", (("by", ()), ("id", ())), ()),
    ("urn:xmpp:sid:0", "stanza-id", (("by", ()), ("id", ())), ()),
    ("urn:xmpp:receipts", "request", (), ()),
    (_MARKERS, "received", (("id", ()),), ()),
    ("urn:xmpp:receipts", "received", (("id", ()),), ()),
    (_STATES, "active", (), ()),
    (_MUC_USER, "invite", (("from", (_OWNER_AND,)),), ()),
    (_MUC_USER, "reason", (), ()),
    (_MUC_USER, "x", (), ()),
    ("jabber:x:conference", "x", (("jid", (_PEER,)),), ()),
    (_CLIENT, "subject", (), ()),
    (_CLIENT, "thread", (), ()),
    (_EVENT, "event", (), ()),
    (_EVENT, "item", (("id", ()),), ()),
    (_EVENT, "items", (("node", ("urn:xmpp:mucsub:nodes:messages",)),), ()),
    ("p1:push:custom", "x", (("key", ()), ("value", ())), ()),
    ("p1:pushed", "x", (), ()),
    ("urn:xmpp:message-correct:0", "replace", (("id", ()),), ()),
    (_STATES, "composing", (), ()),
)

#: The first byte of a compressed stanza. XML begins with "<".
MARK = "\x01"

_TEXT, _ELEMENT, _OTHER_NAMESPACE, _END = 1, 2, 3, 4
_ATTRIBUTE, _CHILDREN = 1, 2
_FIRST = 5

#: Deeper elements are refused: no client sends them.
_DEPTH_MAX = 500


class NotCompressed(ValueError):
    """The bytes are not what ejabberd writes."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """An element that has a number."""

    ns: str
    name: str
    #: the attribute of each number, and its value; None: the value follows
    attributes: dict[int, tuple[str, str | None]]
    texts: dict[int, str]


def _shapes() -> dict[int, _Shape]:
    shapes: dict[int, _Shape] = {}
    number = _FIRST
    for ns, name, attributes, texts in _TABLE:
        by_number: dict[int, tuple[str, str | None]] = {}
        next_attribute = 3
        for attribute, values in attributes:
            for value in (*values, None):
                by_number[next_attribute] = attribute, value
                next_attribute += 1
        first_text = number + 1
        shapes[number] = _Shape(ns, name, by_number, dict(enumerate(texts, first_text)))
        number = first_text + len(texts)
    return shapes


_SHAPES = _shapes()


def decompress(data: bytes, owner: str, peer: str) -> str:
    """Return the XML of a compressed stanza, in the archive of an owner (bare JID).

    `peer` is the JID in the row. Raises NotCompressed.
    """
    reader = _Reader(data, owner, peer)
    try:
        xml = "".join(reader.stanza())
    except (IndexError, UnicodeDecodeError, KeyError) as error:
        raise NotCompressed("it is cut off, or has an unknown number") from error
    if reader.place != len(data):
        raise NotCompressed("there is something behind it")
    return xml


class _Reader:
    """Reads one stanza."""

    def __init__(self, data: bytes, owner: str, peer: str) -> None:
        self._data = data
        self.place = 1
        self._values = {_OWNER: owner, _PEER: peer}
        self._prefixes = {_OWNER_AND: owner, _PEER_AND: peer}

    def stanza(self) -> Iterator[str]:
        """Yield the pieces of the XML."""
        # The root always declares its namespace.
        yield from self._element(self._byte(), "", _CLIENT, 0)

    def _byte(self) -> int:
        byte = self._data[self.place]
        self.place += 1
        return byte

    def _string(self) -> str:
        first = self._byte()
        size = first & 63
        if first & 64:
            second = self._byte()
            size |= (second & 63) << 6
            if second & 64:
                size |= self._byte() << 12
        text = self._data[self.place : self.place + size]
        if len(text) < size:
            raise IndexError
        self.place += size
        return text.decode()

    def _element(self, code: int, outer: str, parent: str, depth: int) -> Iterator[str]:
        """Yield an element inside the declared namespace `outer`, of which the parent has one."""
        if depth > _DEPTH_MAX:
            raise NotCompressed("it is nested too deep")
        if code == _ELEMENT:
            shape = _Shape(parent, self._string(), {}, {})
        elif code == _OTHER_NAMESPACE:
            ns = self._string()
            shape = _Shape(ns, self._string(), {}, {})
        else:
            shape = _SHAPES[code]
        name = shape.name
        declaration = "" if shape.ns == outer else f" xmlns={quoteattr(shape.ns)}"
        yield f"<{name}{declaration}"
        while (number := self._byte()) != _CHILDREN:
            if number == _ATTRIBUTE:
                attribute, value = self._string(), self._string()
            else:
                attribute, fixed = shape.attributes[number]
                value = self._value(fixed)
            yield f" {attribute}={quoteattr(value)}"
        yield ">"
        while (number := self._byte()) != _END:
            if number == _TEXT:
                yield escape(self._string())
            elif number in shape.texts:
                yield escape(shape.texts[number])
            else:
                yield from self._element(number, shape.ns, shape.ns, depth + 1)
        yield f"</{name}>"

    def _value(self, fixed: str | None) -> str:
        if fixed is None:
            return self._string()
        if fixed in self._prefixes:
            return self._prefixes[fixed] + self._string()
        return self._values.get(fixed, fixed)
