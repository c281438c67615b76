"""XEP-0114: Jabber Component Protocol, version 1.6. One stream, on slixmpp, behind the gate."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from asyncio import BaseTransport, Transport
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from socket import socket
from typing import Literal, cast
from xml.etree import ElementTree

from slixmpp import ComponentXMPP
from slixmpp.basexmpp import BaseXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.core.xml import jids
from component.core.xml.preparation import prepared
from component.core.xml.stream_parser import Element, Malformed
from component.xmpp.connection.admission import is_needed
from component.xmpp.connection.fair_reader import FairReader
from component.xmpp.connection.gate import NS_COMPONENT, Gate
from component.xmpp.connection.handed_stream import HandedStream

log = logging.getLogger(__name__)

NS_PING = "urn:xmpp:ping"

#: The maximum number of bytes, beside one answer, that wait for the server to accept them. If a
#: server continues to ask but accepts less, the stream ends.
UNSENT_MAX_BYTES = 16 * 1024 * 1024

#: Seconds between two attempts to hand a stream over.
RELEASE_SECONDS = 0.02


class Stream(ComponentXMPP):
    """A component's stream; `connector` keeps it up."""

    def __init__(
        self,
        jid: str,
        secret: str,
        *,
        max_stanza_bytes: int,
        max_stanza_depth: int,
    ) -> None:
        super().__init__(jid, secret)
        self._on_copy: Callable[[str, Element, bytes], None] = _ignore
        self._is_repeated: Callable[[str, bytes], bool] = _is_new
        self._max_stanza_bytes = max_stanza_bytes
        self._max_stanza_depth = max_stanza_depth
        self._gate: Gate | None = None
        self._reader: FairReader | None = None
        self._is_reading = True
        self._is_ending = False
        self._received_at = 0.0
        self._writable = asyncio.Event()
        # Without a connection no text waits.
        self._writable.set()
        self._sending = asyncio.Lock()
        self._adopted: HandedStream | None = None
        self._is_released = False
        #: since when a stream that was handed over is not read by another process, microseconds
        self.continued_since: int | None = None
        self._expected: set[str] = set()
        self._payloads: set[tuple[str, str]] = set()
        self._answerers: list[Callable[[ElementTree.Element], bool]] = []
        #: set while the stream is open
        self.opened = asyncio.Event()
        #: the condition of the server's stream error (RFC 6120 section 4.9.3), None without one
        self.refusal: str | None = None
        #: the reason for the failure of the last attempt or the end of the last connection, or ""
        self.trouble = ""
        #: a foreign domain whose stanzas the server gives to us, "" if it does not
        self.misdirected = ""
        self.add_event_handler("stream_error", self._note_refusal)
        self.add_event_handler("session_start", lambda _: self.opened.set())
        self.add_event_handler("connection_failed", self._note_trouble)
        self.add_event_handler("disconnected", self._note_end)

    @property
    def is_up(self) -> bool:
        """Whether the handshake is done and the stream is open."""
        return self.opened.is_set()

    @property
    def is_reading(self) -> bool:
        """Return whether the stream is up and not held."""
        return self._is_reading

    @property
    def silence(self) -> float:
        """Seconds since the server last sent anything, 0 while the stream is held."""
        return self.loop.time() - self._received_at if self._is_reading else 0.0

    def listen(
        self,
        on_copy: Callable[[str, Element, bytes], None],
        is_repeated: Callable[[str, bytes], bool],
    ) -> None:
        """Call these functions of `Gate` for copies, from the next connection on."""
        self._on_copy, self._is_repeated = on_copy, is_repeated

    def hold(self, on: bool) -> None:
        """Stop reading, or continue; a full queue slows the server down in this way."""
        if self._is_ending or (self._is_released and not on):
            return
        self._is_reading = not on
        self._received_at = self.loop.time()
        if self._reader is not None:
            self._reader.hold(on)

    def read_to_the_end(self) -> None:
        """Read everything that the server still sends, even if the queue is full.

        Bytes that are not read are lost, while the program keeps all messages that it has read.
        """
        self._is_released = False
        self.hold(False)
        self._is_ending = True

    def on_message(self, ns: str, name: str, handler: Callable[[StanzaBase], None]) -> None:
        """Call `handler` with each message from a server that carries this payload.

        Messages without a handler are dropped.
        """
        self._payloads.add((ns, name))
        path = MatchXPath(f"{{{NS_COMPONENT}}}message/{{{ns}}}{name}")
        self.register_handler(Callback(ns, path, handler))

    def on_iq(self, take: Callable[[ElementTree.Element], bool]) -> None:
        """Call `take` with each IQ that is no copy. If it returns True, slixmpp does not get it.

        A query is an eighth of the work of a page if slixmpp makes a stanza of it and compares it
        with the paths of all handlers. The element has no namespace.
        """
        self._answerers.append(take)

    async def release(self, end: str, *, patience: float) -> tuple[socket, HandedStream] | None:
        """Stop reading, and return the socket and what another process needs to continue.

        The server does not notice. `end` says whose stream it is. Return None, and read on, if
        that is not possible within `patience` seconds. Afterwards `abandon` has to be called.
        """
        deadline = self.loop.time() + patience
        while self.is_up and self.loop.time() < deadline:
            self.hold(True)
            handed = self._handed(end)
            if handed is not None and self.transport is not None:
                # Two processes must not write at once.
                self._is_released = True
                descriptor = self.transport.get_extra_info("socket").fileno()
                return socket(fileno=os.dup(descriptor)), handed
            # A stanza that is too large is being skipped, or the server does not take our answers.
            self.hold(False)
            await asyncio.sleep(RELEASE_SECONDS)
        return None

    def _handed(self, end: str) -> HandedStream | None:
        gate, reader, transport = self._gate, self._reader, self.transport
        if gate is None or reader is None or transport is None or transport.is_closing():
            return None
        unfinished = gate.unfinished
        if unfinished is None or transport.get_write_buffer_size() or self.misdirected:
            return None
        return HandedStream(
            end=end,
            opening=gate.opening,
            unread=unfinished + reader.unread,
            received_until=time.time_ns() // 1000,
        )

    def abandon(self) -> None:
        """Close our descriptor of a socket that another process has, and read nothing more."""
        self._gate = self._reader = None
        self.abort()

    async def adopt(self, connected: socket, handed: HandedStream) -> None:
        """Continue a stream that another process has handed over."""
        self._adopted = handed
        self.init_plugins()
        self.disconnect_reason = None
        self._run_out_filters = asyncio.ensure_future(self.run_filters())
        try:
            await self.loop.create_connection(lambda: self, sock=connected)
        finally:
            self._adopted = None

    def start_stream_handler(self, xml: ElementTree.Element) -> None:
        """Answer the header of the server by the handshake, unless it is answered already."""
        if self._adopted is None:
            super().start_stream_handler(xml)
        else:
            BaseXMPP.start_stream_handler(self, xml)

    async def send_text(self, text: str) -> None:
        """Send stanzas as written, and return when the server has accepted them.

        Only one text at a time waits in memory for a slow server.
        """
        async with self._sending:
            self.send_at_once(text)
            await self._writable.wait()

    async def wait_carried(self) -> None:
        """Wait until the server has passed on the results that were sent, or for a second."""
        if self._reader is not None:
            await self._reader.wait_returned()

    def send_at_once(self, text: str) -> None:
        """Send stanzas, which must be few and short, before all texts that wait.

        Without a connection they are dropped: the requesters have lost their connection too.
        """
        if text and self.is_up:
            self.send_raw(text)
            if self._reader is not None:
                self._reader.note_sent(text)

    def send_raw(self, data: str | bytes) -> None:
        """Send bytes, or end the stream if too many wait for the server to accept them."""
        if self._adopted is not None or self._is_released:
            return  # The server has our header; or another process writes.
        if self.transport and self.transport.get_write_buffer_size() > UNSENT_MAX_BYTES:
            self.trouble = "the server does not take our answers"
            self.abort()
        else:
            super().send_raw(data)

    async def ask(
        self,
        type: Literal["get", "set"],
        to: str,
        payload: str,
        *,
        patience: float,
        sender: str = "",
    ) -> ElementTree.Element | None:
        """Send an IQ and return its result, None if the connection is lost before.

        `sender` is an address in our domain, if it is not the domain itself.
        Raises IqError, and IqTimeout after `patience` seconds.
        """
        if not self.is_up:
            return None
        iq = self.make_iq(itype=type, ifrom=sender or self.boundjid)
        # Unprepared: slixmpp could turn it into the address of another user.
        iq.xml.set("to", to)
        iq.append(ElementTree.fromstring(payload))  # noqa: S314 - our own
        answer = iq.send(timeout=patience)
        with self.expecting([iq["id"]]):
            try:
                # The server does not answer a request of the last connection on a new one.
                await asyncio.wait(
                    [answer, self.disconnected], return_when=asyncio.FIRST_COMPLETED
                )
                return answer.result().xml if answer.done() else None
            finally:
                answer.cancel()

    async def ping(self, to: str, *, patience: float) -> bool:
        """Return whether an entity answers a ping (XEP-0199) within `patience` seconds."""
        try:
            payload = f"<ping xmlns='{NS_PING}'/>"
            return await self.ask("get", to, payload, patience=patience) is not None
        except IqError:
            # The error of an entity without support for pings is an answer too (section 4.2).
            return True
        except IqTimeout:
            return False

    @contextmanager
    def expecting(self, ids: Collection[str]) -> Iterator[None]:
        """Deliver responses to these ids during the block; drop responses to other ids."""
        self._expected.update(ids)
        try:
            yield
        finally:
            self._expected.difference_update(ids)

    def reschedule_connection_attempt(self) -> None:
        """Override slixmpp's retries: `Connector` decides when to try again."""

    def connection_made(self, transport: BaseTransport, send_event: bool = True) -> None:
        """Begin a stream, with a gate of its own."""
        self.refusal = None
        self.trouble = ""
        self.misdirected = ""
        self._writable.set()
        self._gate = Gate(
            self._on_copy,
            self._deliver,
            max_bytes=self._max_stanza_bytes,
            max_depth=self._max_stanza_depth,
            is_repeated=self._is_repeated,
            is_needed=self._is_needed,
            answer=self._answer,
            send=self.send_at_once,
        )
        super().connection_made(transport, send_event)
        self._reader = FairReader(cast(Transport, transport), self._read)
        self.hold(not self._is_reading)
        adopted = self._adopted
        self.continued_since = None
        if adopted is not None:
            self.continued_since = adopted.received_until
            self._received_at = self.loop.time()
            self._gate.feed(adopted.opening)
            # From here on we answer again.
            self._adopted = None
            self._reader.take(adopted.unread)

    def data_received(self, data: bytes | str) -> None:
        """Pass received bytes to the reader."""
        if self._reader is not None and isinstance(data, bytes):
            self._received_at = self.loop.time()
            self._reader.take(data)

    def _read(self, data: bytes) -> None:
        """Let the gate read; end the stream if it cannot be trusted."""
        if self._gate is None:
            return
        try:
            self._gate.feed(data)
        except Malformed as error:
            self.trouble = f"the server's stream is refused: {error}"
            self._gate = None
            self.abort()

    def _answer(self, iq: ElementTree.Element) -> bool:
        """Pass an IQ on to all who listen; return whether one of them answers it."""
        # After a lost connection no request can be answered.
        return self.transport is None or any([take(iq) for take in self._answerers])

    def _deliver(self, data: bytes) -> None:
        # After a lost connection copies have to be archived, but no request can be answered.
        if self.transport is None:
            return
        try:
            super().data_received(data)
        except Exception:
            # A stanza that slixmpp cannot handle must not stop the stanzas behind it.
            log.exception("left out a stanza that slixmpp cannot handle")

    def _is_needed(self, stanza: Element) -> bool:
        """Return whether to deliver a stanza that is no copy, and note if it is not for us."""
        recipient = jids.domain(prepared(stanza.get("to")))
        if recipient and recipient != self.boundjid.domain:
            self.misdirected = recipient
        return is_needed(stanza, expected=self._expected, payloads=self._payloads)

    def pause_writing(self) -> None:
        """Note that the server accepts our bytes more slowly than we send them."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the server has accepted our bytes."""
        self._writable.set()

    def _note_refusal(self, error: object) -> None:
        self.refusal = str(error["condition"])  # type: ignore[index]

    def _note_trouble(self, trouble: object) -> None:
        self.trouble = str(trouble or "")

    def _note_end(self, reason: object) -> None:
        self.trouble = self.trouble or str(reason or "")
        self.opened.clear()
        self._writable.set()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.finish()
        self._gate = None


def _ignore(host: str, stanza: Element, raw: bytes) -> None:
    """Drop a copy, because no part listens."""


def _is_new(host: str, raw: bytes) -> bool:
    return False
