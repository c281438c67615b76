"""What stands before slixmpp: copies go to the archive, the rest goes on, the bad stays out.

slixmpp alone would handle stanzas before the handshake, expand entities, and end the stream at a
prefix that some user never declared. And copies are most of the traffic: no stanza object is ever
made of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from component.core.errors import BadRequest, TooLarge, UnknownService
from component.core.xml.document_parser import read
from component.core.xml.namespaces import NS_CLIENT, standalone
from component.core.xml.stream_parser import Element, Malformed, Parser, cut
from component.xmpp.connection import copy_scanner
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.admission import answer
from component.xmpp.queries.exchange import NS_FORWARD

log = logging.getLogger(__name__)

NS_COMPONENT = "jabber:component:accept"
NS_STREAM = "http://etherx.jabber.org/streams"

#: So long after telling of one stanza that was left out nothing is told of others.
TOLD_SECONDS = 1.0

#: What of a name or an id is told in the log, in characters.
TOLD_MAX = 100

#: stream, outer stanza, forwarded, copied stanza, its payloads
KEPT_DEPTH = 4

#: the first three of these are around a copied stanza
_ABOVE = 3

#: Payloads of copied stanzas that are no news: each result of ours comes back to us as a copy.
RESULT = ("urn:xmpp:mam:2", "result")
UNWANTED = frozenset({RESULT})


class Gate:
    """Reads one stream from its first byte on."""

    def __init__(
        self,
        on_copy: Callable[[str, Element, bytes], None],
        deliver: Callable[[bytes], None],
        *,
        max_bytes: int,
        max_depth: int,
        was_here: Callable[[str, bytes], bool] = lambda *_: False,
        is_needed: Callable[[Element], bool] = lambda _: True,
        send: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_copy` hears who forwards a stanza, and the stanza; `deliver` gets what `is_needed`.

        Of a forwarded stanza that `was_here` knows, by who forwards it and its bytes, nobody hears
        again. What is left out is answered by `send` where it has to be.
        """
        self._on_copy = on_copy
        self._deliver = deliver
        self._was_here = was_here
        self._is_needed = is_needed
        self._send = send
        self._addresses = Addresses()
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._parser = Parser(
            self._stanza,
            level=1,
            max_bytes=max_bytes,
            max_depth=max_depth,
            keep_depth=KEPT_DEPTH,
            unwanted=UNWANTED,
            on_skipped=self._too_much,
        )
        self._has_header = False
        self._is_open = False
        self._left_out = 0
        self._told = -TOLD_SECONDS

    def feed(self, data: bytes) -> None:
        """Read on. Raises Malformed when the stream cannot be trusted any longer."""
        for piece in copy_scanner.pieces(data):
            if not (self._is_between and self._take_whole(piece)):
                self._read(piece)

    @property
    def _is_between(self) -> bool:
        """Whether the stream is open and the next byte is not within a stanza."""
        return self._is_open and self._parser.is_between

    def _take_whole(self, piece: bytes) -> bool:
        """Do with a piece what is to be done if it is one whole copy, unless it has to be parsed.

        What `was_here` was a whole stanza in a copy before, so it is one again and no part of one.
        """
        copy = copy_scanner.whole_copy(piece)
        if copy is None:
            return False
        host, raw = copy
        if copy_scanner.is_result(raw) or self._was_here(host, raw):
            return True
        if not host or len(piece) > self._max_bytes:
            return False
        stanza = read(raw, keep_depth=KEPT_DEPTH - _ABOVE, max_depth=self._max_depth - _ABOVE)
        if stanza is None or stanza.ns != NS_CLIENT or stanza.end != len(raw):
            return False
        if not stanza.child(*RESULT):
            self._hear(host, stanza, raw)
        return True

    def _hear(self, host: str, stanza: Element, raw: bytes) -> None:
        try:
            self._on_copy(host, stanza, raw)
        except Exception:
            # What cannot be handled is one stanza, and behind it come those of others.
            log.exception("left out a copy")

    def _read(self, data: bytes) -> None:
        self._parser.feed(data)
        self._header()
        if self._parser.is_closed:
            self._deliver(b"</stream:stream>")

    def _header(self) -> None:
        root = self._parser.root
        if self._has_header or root is None:
            return
        self._has_header = True
        if (root.ns, root.name) != (NS_STREAM, "stream"):
            raise Malformed("the server does not speak XMPP")
        attributes = "".join(f" {name}={quoteattr(v)}" for name, v in root.attributes.items())
        self._deliver(f"<stream:stream{attributes}>".encode())

    def _stanza(self, element: Element, raw: bytes) -> None:
        self._header()
        if element.ns == NS_STREAM:
            # Its prefix is declared in the header.
            self._deliver(raw)
        elif (element.ns, element.name) == (NS_COMPONENT, "handshake"):
            self._is_open = True
            self._deliver(raw)
        elif not self._is_open:
            log.warning("dropped a stanza that came before the handshake")
        elif element.name == "message" and (copied := element.child(NS_FORWARD, "forwarded")):
            # It holds one (XEP-0297 section 3.1).
            stanza = next((one for one in copied.elements if one.ns == NS_CLIENT), None)
            if stanza is not None:
                self._hear(element.get("from"), stanza, cut(raw, element, stanza))
        elif self._is_needed(element):
            self._hand_on(element, raw)
        else:
            self._send(answer(element, UnknownService()))

    def _too_much(self, element: Element) -> None:
        self._left_out += 1
        if time.monotonic() - self._told >= TOLD_SECONDS:
            self._told = time.monotonic()
            log.warning(
                "left out a stanza that is too large or too deep: %s%s",
                _named(element),
                f" ({self._left_out} of them by now)" if self._left_out > 1 else "",
            )
        if self._is_open:
            self._send(answer(element, TooLarge()))

    def _hand_on(self, element: Element, raw: bytes) -> None:
        """Give slixmpp what it can read: anything else would end its stream, late and loudly.

        It answers an address as it prepares it, so that has to be the one that asked.
        """
        try:
            for name in ("from", "to"):
                self._addresses.require_clear(element.get(name))
            whole = standalone(raw)
            ElementTree.fromstring(whole)  # noqa: S314 - the same parser, on what has no DTD
        except (BadRequest, Malformed, ElementTree.ParseError) as error:
            log.warning("left out a stanza: %s", error)
            self._send(
                answer(element, BadRequest("this stanza, or an address of it, is malformed"))
            )
        else:
            self._deliver(whole)


def _named(element: Element) -> str:
    """Return which stanza an element is, or the one it is a copy of, and who sent the copy."""
    copied = element.child(NS_FORWARD, "forwarded")
    stanza = next(iter(copied.elements), element) if copied else element
    told = [repr(each.get(name)[:TOLD_MAX]) for each, name in ((stanza, "id"), (element, "from"))]
    return f"{stanza.name[:TOLD_MAX]!r} with id {told[0]}, from {told[1]}"
