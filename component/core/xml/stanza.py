"""A message stanza as the rules see it: who, whom, what kind, and a digest of what it says."""

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

#: RFC 6121 section 5.2.2; all others count as normal.
_TYPES = frozenset({"chat", "error", GROUPCHAT, "headline", "normal"})

#: What servers add on the way: the same message has it in one copy and not in the other.
_ADDED = frozenset(
    {
        (NS_DELAY, "delay"),
        (NS_STANZA_ID, "stanza-id"),
        (NS_ARCHIVED, "archived"),
        (NS_CLIENT, "error"),
    }
)


class Stanza(NamedTuple):
    """One message stanza; a tuple, because one is made of each copy that is read."""

    sender: str  #: from: a full JID mostly
    recipient: str  #: to
    id: str  #: "" when it has none
    type: str  #: RFC 6121 section 5.2.2; normal when it has none, or one that is not there
    #: namespace and name of each child, and of what a room invites with
    payloads: frozenset[tuple[str, str]]
    body: str | None  #: text of the first body, None without one
    #: when the server of that domain took it into its keeping (XEP-0203), by domain, microseconds
    delays: tuple[tuple[str, int], ...]
    digest: bytes  #: the same for all copies of what the sender wrote
    raw: bytes  #: the whole stanza
    element: Element  #: the same, read

    def key(self, recipient: str) -> bytes:
        """Return what all copies of this message to that recipient have in common."""
        what = (self.sender, recipient, self.id, self.type)
        return digest_of([part.encode() for part in what], self.digest)

    @property
    def xml(self) -> str:
        """The stanza as a document of its own. Raises Malformed."""
        return standalone(self.raw).decode()


def read(element: Element, raw: bytes, accept: Callable[[str], str] = str) -> Stanza:
    """Return the message stanza that an element of these bytes is.

    `accept` prepares its addresses; without it they are as written.
    """
    body = element.child(NS_CLIENT, "body")
    children = element.elements
    kind = element.get("type")
    return Stanza(
        sender=accept(element.get("from")),
        recipient=accept(element.get("to")),
        id=element.get("id"),
        type=kind if kind in _TYPES else "normal",
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
    # Without what may stand before it in a document, and not inside another.
    return read(element, raw[element.start : element.end])


def digest_of(parts: Iterable[bytes], before: bytes = b"") -> bytes:
    """Return ORIGIN_BYTES that stand for these parts in their order, behind what came before."""
    said = before + b"".join([b"%d:%b" % (len(part), part) for part in parts])
    return blake2b(said, digest_size=ORIGIN_BYTES).digest()


def _payloads(element: Element, children: list[Element], raw: bytes) -> frozenset[tuple[str, str]]:
    found = {(child.ns, child.name) for child in children}
    if (NS_MUC_USER, "x") in found:
        x = element.child(NS_MUC_USER, "x")
        # It is no deeper read than this in the stream.
        inner = b"" if x is None else cut(raw, element, x)
        if b"invite" in inner or b"decline" in inner:
            found |= {
                (NS_MUC_USER, child.name) for child in parse_xml(inner, keep_depth=1).elements
            }
    return frozenset(found)


def _digest(element: Element, children: list[Element], raw: bytes) -> bytes:
    # Sorted, because servers move children about while they add theirs.
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
