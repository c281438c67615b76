"""A message stanza as the archiving rules see it: sender, recipient, type, payloads, digest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import NamedTuple

from component.core.errors import BadRequest
from component.core.xml.document_parser import parse as parse_xml
from component.core.xml.namespaces import NS_CLIENT, standalone
from component.core.xml.stream_parser import Element, Malformed, cut
from component.core.xml.times import parse_time

NS_DELAY = "urn:xmpp:delay"
NS_STANZA_ID = "urn:xmpp:sid:0"
NS_ARCHIVED = "urn:xmpp:mam:tmp"
NS_MUC_USER = "http://jabber.org/protocol/muc#user"

GROUPCHAT = "groupchat"

ORIGIN_BYTES = 16

#: RFC 6121 section 5.2.2; any other type counts as normal.
_TYPES = frozenset({"chat", "error", GROUPCHAT, "headline", "normal"})

#: Payloads that servers add on the way, so that some copies of a message lack them.
_ADDED = frozenset(
    {
        (NS_DELAY, "delay"),
        (NS_STANZA_ID, "stanza-id"),
        (NS_ARCHIVED, "archived"),
        (NS_CLIENT, "error"),
    }
)


class Stanza(NamedTuple):
    """A message stanza; a named tuple, because each copy makes one and a dataclass is slower."""

    sender: str  #: `from`, usually a full JID
    recipient: str  #: `to`
    id: str  #: "" if it has none
    type: str  #: RFC 6121 section 5.2.2; normal if it has none or an unknown one
    #: namespace and name of each child, and of a room's <invite/> and <decline/>
    payloads: frozenset[tuple[str, str]]
    body: str | None  #: text of the first body, None if there is none
    #: each <delay/> (XEP-0203): the server or room that stored it, and when, microseconds
    delays: tuple[tuple[str, int], ...]
    digest: bytes  #: the same in all copies of one message
    raw: bytes  #: the bytes of the stanza
    element: Element  #: the same bytes, parsed

    def key(self, recipient: str) -> bytes:
        """Return the key that all copies of this message to `recipient` have in common."""
        parts = (self.sender, recipient, self.id, self.type)
        return digest_of([part.encode() for part in parts], self.digest)

    @property
    def xml(self) -> str:
        """The stanza as a document. Raises Malformed."""
        return standalone(self.raw).decode()


def read(element: Element, raw: bytes, accept: Callable[[str], str] = str) -> Stanza:
    """Return the message stanza of an element and its bytes.

    `accept` prepares the addresses; without it they stay as written.
    """
    body = element.child(NS_CLIENT, "body")
    children = element.elements
    type = element.get("type")
    return Stanza(
        sender=accept(element.get("from")),
        recipient=accept(element.get("to")),
        id=element.get("id"),
        type=type if type in _TYPES else "normal",
        payloads=_payloads(element, children, raw),
        body=None if body is None else body.text,
        delays=tuple(_delays(children)),
        digest=_digest(element, children, raw),
        raw=raw,
        element=element,
    )


def parse(text: str) -> Stanza:
    """Read one message stanza. Raises BadRequest."""
    try:
        raw = standalone(text.strip().encode())
        element = parse_xml(raw)
    except (Malformed, UnicodeEncodeError) as error:
        raise BadRequest(f"xml: {error}") from error
    if element.name != "message":
        raise BadRequest("xml: one <message/> element is expected")
    # Without an XML declaration or white space, which cannot stand inside another element.
    return read(element, raw[element.start : element.end])


def digest_of(parts: Iterable[bytes], before: bytes = b"") -> bytes:
    """Return a digest of ORIGIN_BYTES bytes of `before` and then the parts, in their order."""
    content = before + b"".join([b"%d:%b" % (len(part), part) for part in parts])
    return blake2b(content, digest_size=ORIGIN_BYTES).digest()


def _payloads(element: Element, children: list[Element], raw: bytes) -> frozenset[tuple[str, str]]:
    payloads = {(child.ns, child.name) for child in children}
    if (NS_MUC_USER, "x") in payloads:
        x = element.child(NS_MUC_USER, "x")
        # The stream's parser keeps no element below this one.
        inner = b"" if x is None else cut(raw, element, x)
        if b"invite" in inner or b"decline" in inner:
            payloads |= {
                (NS_MUC_USER, child.name) for child in parse_xml(inner, keep_depth=1).elements
            }
    return frozenset(payloads)


def _digest(element: Element, children: list[Element], raw: bytes) -> bytes:
    # Sorted: servers change the order of children while they add theirs.
    return digest_of(
        sorted(
            [
                cut(raw, element, child)
                for child in children
                if (child.ns, child.name) not in _ADDED
            ]
        )
    )


def _delays(children: list[Element]) -> list[tuple[str, int]]:
    delays = []
    for child in children:
        if child.ns == NS_DELAY and child.name == "delay":
            try:
                delays.append((child.get("from"), parse_time(child.get("stamp"))))
            except BadRequest:
                continue
    return delays
