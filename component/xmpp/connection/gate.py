"""The gate before slixmpp: it passes copies to the archive and needed stanzas to slixmpp.

slixmpp alone would handle stanzas before the handshake, expand entities, and end the stream at a
prefix that a user left undeclared. And most of the traffic consists of copies, for which the gate
makes no stanza objects.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from itertools import chain
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from component.core.errors import BadRequest, Refused, TooLarge, UnknownService
from component.core.xml.document_parser import read
from component.core.xml.namespaces import NS_CLIENT, standalone
from component.core.xml.stream_parser import Element, Malformed, Parser, cut
from component.xmpp.connection import copy_scanner
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.admission import refusal_xml
from component.xmpp.queries.exchange import NS_FORWARD

log = logging.getLogger(__name__)

NS_COMPONENT = "jabber:component:accept"
NS_STREAM = "http://etherx.jabber.org/streams"

#: The minimum number of seconds between two log lines about stanzas that are too large or deep.
LOG_INTERVAL_SECONDS = 1.0

#: The number of characters of a name, an id or an address in a log line.
LOGGED_MAX = 100

#: Kept are the stream, the outer stanza, <forwarded/>, the copied stanza and its payloads.
KEPT_DEPTH = 4

#: The depth of a copied stanza: the first three of these are above it.
_ABOVE = 3

#: The payload of copies that are not archived: each result of ours comes back to us as a copy.
RESULT = ("urn:xmpp:mam:2", "result")
UNWANTED = frozenset({RESULT})


#: The longest beginning of a copy that waits for the rest instead of being parsed.
HELD_MAX_BYTES = 64 * 1024

#: The payloads of messages by which ejabberd grants something. Of each sender so many of the last
#: ones are kept. Any server can send such messages, so beyond the bytes no more of them are kept:
#: our server sends its own ones when the stream opens.
GRANTS = frozenset({"delegation", "privilege"})
GRANTS_OF_SENDER_MAX = 8
GRANTS_MAX_BYTES = 4 * 1024 * 1024


class Gate:
    """Reads one stream from its first byte on."""

    def __init__(
        self,
        on_copy: Callable[[str, Element, bytes], None],
        deliver: Callable[[bytes], None],
        *,
        max_bytes: int,
        max_depth: int,
        is_repeated: Callable[[str, bytes], bool] = lambda *_: False,
        is_needed: Callable[[Element], bool] = lambda _: True,
        answer: Callable[[ElementTree.Element], bool] = lambda _: False,
        send: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_copy` is called with the sender of each copy, the copied stanza, and its bytes.

        A copy is dropped if `is_repeated`, called with its sender and the stanza's bytes, returns
        True. Each other stanza that `is_needed` is delivered: `answer` is called with IQs, and
        `deliver` with the bytes of those for which it returns False, and of all other stanzas.
        `send` is called with the answers to stanzas that are refused. `max_bytes` and `max_depth`
        are those of a stanza.
        """
        self._on_copy = on_copy
        self._deliver = deliver
        self._is_repeated = is_repeated
        self._is_needed = is_needed
        self._answer = answer
        self._send = send
        self._addresses = Addresses()
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._held_max_bytes = min(HELD_MAX_BYTES, max_bytes)
        self._parser = Parser(
            self._handle,
            level=1,
            max_bytes=max_bytes,
            max_depth=max_depth,
            keep_depth=KEPT_DEPTH,
            unwanted=UNWANTED,
            on_skipped=self._refuse_oversized,
        )
        self._held = b""  # the beginning of a copy, most likely of a result
        self._has_header = False
        self._is_open = False
        self._header = b""
        self._handshake = b""
        self._grants: dict[str, deque[bytes]] = {}  # by sender
        self._grants_bytes = 0
        self._oversized = 0  # stanzas that were too large or too deep
        self._logged_at = -LOG_INTERVAL_SECONDS

    def feed(self, data: bytes) -> None:
        """Read more bytes. Raises Malformed if the stream cannot be trusted any longer."""
        data, self._held = self._held + data, b""
        start = 0
        while start < len(data):
            is_between = self._is_between_stanzas
            if is_between:
                start = copy_scanner.behind_answers(data, start)
            end = copy_scanner.piece_end(data, start)
            piece, start = data[start:end], end
            if not is_between:
                self._parse(piece)
            elif len(piece) <= self._held_max_bytes and copy_scanner.is_unfinished(piece):
                self._held = piece
            elif piece and not self._handle_whole_copy(piece):
                self._parse(piece)

    @property
    def opening(self) -> bytes:
        """What another gate has to read before it can continue this stream."""
        grants = chain.from_iterable(self._grants.values())
        return b"".join((self._header, self._handshake, *grants))

    @property
    def unfinished(self) -> bytes | None:
        """The bytes of a stanza that has not ended, None if the gate does not keep them."""
        unfinished = self._parser.unfinished if self._is_open else None
        return None if unfinished is None else unfinished + self._held

    @property
    def _is_between_stanzas(self) -> bool:
        return self._is_open and self._parser.is_between

    def _handle_whole_copy(self, piece: bytes) -> bool:
        """Handle `piece` if it is exactly one copy. Return False if it has to be parsed.

        Bytes that `is_repeated` recognises were a whole stanza before, so they are one again.
        """
        copy = copy_scanner.whole_copy(piece)
        if copy is None:
            return False
        host, raw = copy
        if self._is_repeated(host, raw):
            return True
        if not host or len(piece) > self._max_bytes:
            return False
        stanza = read(raw, keep_depth=KEPT_DEPTH - _ABOVE, max_depth=self._max_depth - _ABOVE)
        if stanza is None or stanza.ns != NS_CLIENT or stanza.end != len(raw):
            return False
        if not stanza.child(*RESULT):
            self._archive(host, stanza, raw)
        return True

    def _archive(self, host: str, stanza: Element, raw: bytes) -> None:
        try:
            self._on_copy(host, stanza, raw)
        except Exception:
            # A stanza that cannot be handled must not stop the stanzas of other users behind it.
            log.exception("left out the copy of %s", _described(stanza, host))

    def _parse(self, data: bytes) -> None:
        self._parser.feed(data)
        self._deliver_header()
        if self._parser.is_closed:
            self._deliver(b"</stream:stream>")

    def _deliver_header(self) -> None:
        root = self._parser.root
        if self._has_header or root is None:
            return
        self._has_header = True
        if (root.ns, root.name) != (NS_STREAM, "stream"):
            raise Malformed("the server does not speak XMPP")
        attributes = "".join(f" {name}={quoteattr(v)}" for name, v in root.attributes.items())
        self._header = f"<stream:stream{attributes}>".encode()
        self._deliver(self._header)

    def _handle(self, element: Element, raw: bytes) -> None:
        """Handle one child of the stream's root."""
        self._deliver_header()
        if element.ns == NS_STREAM:
            # The stream header, which slixmpp has, declares this prefix.
            self._deliver(raw)
        elif (element.ns, element.name) == (NS_COMPONENT, "handshake"):
            self._is_open = True
            self._handshake = raw
            self._deliver(raw)
        elif not self._is_open:
            log.warning(
                "dropped %s: it came before the handshake",
                _described(element, element.get("from")),
            )
        elif element.name == "message" and (forwarded := element.child(NS_FORWARD, "forwarded")):
            # It contains one stanza (XEP-0297 section 3.1).
            stanza = next((child for child in forwarded.elements if child.ns == NS_CLIENT), None)
            if stanza is not None:
                self._archive(element.get("from"), stanza, cut(raw, element, stanza))
        elif self._is_needed(element):
            self._deliver_checked(element, raw)
        else:
            self._refuse(element, UnknownService())

    def _deliver_checked(self, element: Element, raw: bytes) -> None:
        """Deliver a stanza if slixmpp can read it: otherwise slixmpp would end the stream.

        slixmpp prepares the address that it answers, so the requester must have that address.
        """
        try:
            for name in ("from", "to"):
                self._addresses.require_same(element.get(name))
            document = standalone(raw)
            tree = ElementTree.fromstring(document)  # noqa: S314 - no DTD comes this far
        except (BadRequest, Malformed, ElementTree.ParseError) as error:
            log.warning("left out %s: %s", _described(element, element.get("from")), error)
            self._refuse(element, BadRequest("this stanza, or an address of it, is malformed"))
        else:
            if element.name == "iq" and self._answer(tree):
                return
            if element.name == "message" and any(c.name in GRANTS for c in element.elements):
                self._keep_grant(element.get("from"), raw)
            self._deliver(document)

    def _keep_grant(self, sender: str, raw: bytes) -> None:
        if self._grants_bytes + len(raw) > GRANTS_MAX_BYTES:
            return
        kept = self._grants.setdefault(sender, deque())
        kept.append(raw)
        self._grants_bytes += len(raw)
        if len(kept) > GRANTS_OF_SENDER_MAX:
            self._grants_bytes -= len(kept.popleft())

    def _refuse_oversized(self, element: Element) -> None:
        self._oversized += 1
        if time.monotonic() - self._logged_at >= LOG_INTERVAL_SECONDS:
            self._logged_at = time.monotonic()
            copied = element.child(NS_FORWARD, "forwarded")
            stanza = next(iter(copied.elements), element) if copied else element
            log.warning(
                "left out a stanza that is too large or too deep: %s%s",
                _described(stanza, element.get("from")),
                f" ({self._oversized} of them by now)" if self._oversized > 1 else "",
            )
        if self._is_open:
            self._refuse(element, TooLarge())

    def _refuse(self, element: Element, refused: Refused) -> None:
        self._send(refusal_xml(element, refused))


def _described(stanza: Element, sender: str) -> str:
    """Return a stanza's name, its id, and the sender of it or of its copy, for a log line."""
    name, id, sent_by = (text[:LOGGED_MAX] for text in (stanza.name, stanza.get("id"), sender))
    return f"{name!r} with id {id!r}, from {sent_by!r}"
