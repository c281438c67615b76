"""XEP-0114: Jabber Component Protocol, version 1.6. One stream, on slixmpp, behind the gate."""

from __future__ import annotations

import asyncio
import logging
from asyncio import BaseTransport, Transport
from collections.abc import Callable
from typing import cast

from slixmpp import ComponentXMPP, Iq

from component.core.xml import Element, Malformed
from component.xmpp.gate import Gate
from component.xmpp.intake import Intake

log = logging.getLogger(__name__)


class Stream(ComponentXMPP):
    """A component's stream; `component.xmpp.connection` keeps it up."""

    def __init__(
        self,
        jid: str,
        secret: str,
        *,
        on_copy: Callable[[str, Element, bytes], None],
        max_stanza_bytes: int,
        max_stanza_depth: int,
        was_here: Callable[[str, bytes], bool] = lambda *_: False,
    ) -> None:
        super().__init__(jid, secret)
        self._on_copy = on_copy
        self._was_here = was_here
        self._max_stanza_bytes = max_stanza_bytes
        self._max_stanza_depth = max_stanza_depth
        self._gate: Gate | None = None
        self._intake: Intake | None = None
        self._is_reading = True
        self._heard = 0.0
        self._writable = asyncio.Event()
        #: set while the stream is open
        self.opened = asyncio.Event()
        #: the condition with which the server ended the stream (RFC 6120 section 4.9.3)
        self.refusal: str | None = None
        #: why the last attempt or the last connection came to its end, as far as it is known
        self.trouble = ""
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
        """Whether what the server sends is read at the moment."""
        return self._is_reading

    @property
    def silence(self) -> float:
        """Seconds since the server was heard; none while it is we who do not listen."""
        return self.loop.time() - self._heard if self._is_reading else 0.0

    def hold(self, on: bool) -> None:
        """Stop reading, or go on: how a full queue slows the server down."""
        self._is_reading = not on
        self._heard = self.loop.time()
        if self._intake is not None:
            self._intake.hold(on)

    async def send_text(self, text: str) -> None:
        """Send stanzas at once, as written, and wait while the server is slow to take them."""
        # Whoever asked has lost the connection to us too, and cannot be told.
        if self.is_up:
            self.send_raw(text)
            if self._intake is not None:
                self._intake.sent(text)
            await self._writable.wait()

    async def ask(self, iq: Iq, *, patience: float) -> Iq | None:
        """Return what is answered within `patience` seconds, None where the stream is lost.

        Raises IqError, IqTimeout.
        """
        if not self.is_up:
            return None
        answer = iq.send(timeout=patience)
        try:
            # Nothing is answered on a new connection that was asked on the last one.
            await asyncio.wait([answer, self.disconnected], return_when=asyncio.FIRST_COMPLETED)
            return answer.result() if answer.done() else None
        finally:
            answer.cancel()

    def reschedule_connection_attempt(self) -> None:
        """Try once only: `Connection` says when to try again."""

    def connection_made(self, transport: BaseTransport, send_event: bool = True) -> None:
        """Begin a stream, with a gate of its own."""
        self.refusal = None
        self.trouble = ""
        self._writable.set()
        self._gate = Gate(
            self._on_copy,
            self._deliver,
            max_bytes=self._max_stanza_bytes,
            max_depth=self._max_stanza_depth,
            was_here=self._was_here,
        )
        super().connection_made(transport, send_event)
        self._intake = Intake(cast(Transport, transport), self._read)
        self.hold(not self._is_reading)

    def data_received(self, data: bytes | str) -> None:
        """Take what the server sends."""
        if self._intake is not None and isinstance(data, bytes):
            self._heard = self.loop.time()
            self._intake.take(data)

    def _read(self, data: bytes) -> None:
        """Let the gate read; end the stream when it cannot be trusted."""
        if self._gate is None:
            return
        try:
            self._gate.feed(data)
        except Malformed as error:
            self.trouble = f"the server's stream is refused: {error}"
            self._gate = None
            self.abort()

    def _deliver(self, data: bytes) -> None:
        # A connection that is lost has copies left to archive, and nobody left to answer.
        if self.transport is None:
            return
        try:
            super().data_received(data)
        except Exception:
            # What slixmpp cannot handle is one stanza, and behind it come those of others.
            log.exception("left out a stanza")

    def pause_writing(self) -> None:
        """The server takes what we send more slowly than we send it."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    def _note_refusal(self, error: object) -> None:
        self.refusal = str(error["condition"])  # type: ignore[index]

    def _note_trouble(self, trouble: object) -> None:
        self.trouble = str(trouble or "")

    def _note_end(self, reason: object) -> None:
        self.trouble = self.trouble or str(reason or "")
        self.opened.clear()
        self._writable.set()
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.finish()
        self._gate = None
