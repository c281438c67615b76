"""Keep the stream up: connect, back off after failures, detect a dead server, and close.

A server counts as dead if it sends nothing for a while and does not answer XEP-0199: XMPP Ping,
version 2.0.1.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from socket import socket

from component.xmpp.connection.addresses import of_host_for_iq
from component.xmpp.connection.handed_stream import HandedStream
from component.xmpp.connection.stream import Stream

log = logging.getLogger(__name__)


#: Stream errors that no second attempt resolves: an administrator has to change a configuration.
FINAL = frozenset({"not-authorized", "host-unknown", "conflict", "invalid-namespace"})


class ServerRefused(Exception):
    """The server does not accept this component, or cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """All in seconds."""

    ping_interval: float  #: of silence before the server is pinged
    ping_timeout: float  #: until the server counts as dead
    reconnect_max: float  #: the longest pause between two attempts to connect
    drain: float  #: for the server to close the stream after we closed it
    handshake: float = 10.0  #: for the connection and the handshake together
    first_pause: float = 0.5  #: between the first two attempts to connect


class Connector:
    """Keeps one stream up."""

    def __init__(
        self, stream: Stream, address: str, port: int, ping_to: str, timeouts: Timeouts
    ) -> None:
        """`ping_to` is a virtual host of the server."""
        self._stream = stream
        self._address = address
        self._port = port
        self._ping_to = ping_to
        self.timeouts = timeouts
        self._was_up = False
        self._restarting: asyncio.Task[None] | None = None
        self._is_restarted = False

    @property
    def _first_pause(self) -> float:
        """Seconds between the first two attempts to connect."""
        return min(self.timeouts.first_pause, self.timeouts.reconnect_max)

    @property
    def is_up(self) -> bool:
        """Whether the handshake is done and the stream is open."""
        return self._stream.is_up

    async def run(self, handed: tuple[socket, HandedStream] | None = None) -> None:
        """Stay connected for ever, first on a stream that another process has handed over.

        Raises ServerRefused if no attempt has succeeded yet and the server's error is FINAL.
        """
        loop = asyncio.get_running_loop()
        pause = self._first_pause
        while True:
            started = loop.time()
            is_up = await (self.connect() if handed is None else self._continue(*handed))
            handed = None
            if is_up:
                await self.wait_lost()
                # The pause also grows if the server accepts the connection and soon closes it.
                # It does not grow if an operator restarts the connection.
                if self._is_restarted or loop.time() - started > self.timeouts.reconnect_max:
                    pause = self._first_pause
                self._is_restarted = False
                log.warning("connection to the server lost: %s", self.reason)
            else:
                log.warning("no connection to %s:%d: %s", self._address, self._port, self.reason)
                if not self._was_up and self._stream.refusal in FINAL:
                    raise ServerRefused(self._explanation())
            # A random pause, so that not all programs that lost this server return at once.
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
            pause = min(pause * 2, self.timeouts.reconnect_max)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect and log in; close the stream after the block. Raises ServerRefused."""
        if not await self.connect():
            raise ServerRefused(self._explanation())
        try:
            yield
        finally:
            await self.close()

    async def probe(self) -> None:
        """Connect, log in, and close the stream again. Raises ServerRefused with the reason."""
        async with self.connected():
            return

    def restart(self) -> None:
        """Close the stream after the answer that is being sent; `run` opens it again."""
        if self._restarting is None or self._restarting.done():
            log.info("an operator restarts the connection to the server")
            self._is_restarted = True
            self._restarting = asyncio.get_running_loop().create_task(self.close())

    async def close(self) -> None:
        """Close the stream; continue reading until the server closes it, for `drain` seconds."""
        if self._stream.is_connected():
            await self._stream.disconnect(wait=self.timeouts.drain)

    async def end(self) -> None:
        """Close the stream for good, and read all that the server still sends, even while held."""
        self._stream.read_to_the_end()
        await self.close()

    async def connect(self) -> bool:
        """Try once to connect and to log in; return whether that succeeded."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeouts.handshake):
                await self._stream.connect(self._address, self._port)
                await self._opened()
        if not self._stream.is_up:
            self._stream.abort()
            return False
        self._was_up = True
        log.info("connected to %s:%d as %s", self._address, self._port, self._stream.boundjid)
        return True

    async def _continue(self, connected: socket, handed: HandedStream) -> bool:
        """Continue a stream of another process; return whether it is open.

        If that process had another domain or server, connect instead.
        """
        if handed.end != self._end:
            log.warning("the connection that was handed over is that of %s", handed.end)
            connected.close()
            return await self.connect()
        await self._stream.adopt(connected, handed)
        self._was_up = self._was_up or self._stream.is_up
        log.info("took the connection to %s:%d over", self._address, self._port)
        return self._stream.is_up

    def pause(self) -> None:
        """Read nothing more; answers can still be sent."""
        self._stream.hold(True)

    async def release(self, *, patience: float) -> tuple[socket, HandedStream] | None:
        """Return the stream for another process, None if it cannot be handed over."""
        return await self._stream.release(self._end, patience=patience)

    @property
    def _end(self) -> str:
        return f"{self._stream.boundjid} at {self._address}:{self._port}"

    def abandon(self) -> None:
        """Leave a stream to the process that has it now."""
        self._stream.abandon()

    async def _opened(self) -> None:
        """Return when the handshake is done or the connection is lost."""
        if not self._stream.is_connected():
            return
        opened = asyncio.ensure_future(self._stream.opened.wait())
        try:
            await asyncio.wait(
                [opened, self._stream.disconnected], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            opened.cancel()

    async def wait_lost(self) -> None:
        """Return when the connection is lost, or the server does not answer any more."""
        interval = self.timeouts.ping_interval
        while self._stream.is_up:
            lost = self._stream.disconnected
            await asyncio.wait([lost], timeout=interval - self._stream.silence)
            if lost.done() or self._stream.silence < interval:
                continue
            if not await self._is_answering() and not lost.done():
                log.warning("the server does not answer any more")
                self._stream.abort()
                await asyncio.wait([lost], timeout=self.timeouts.ping_timeout)

    async def _is_answering(self) -> bool:
        """Return whether the server answers a ping or sends anything else meanwhile."""
        sent = asyncio.get_running_loop().time()
        host = of_host_for_iq(self._ping_to)
        if await self._stream.ping(host, patience=self.timeouts.ping_timeout):
            return True
        return self._stream.silence < asyncio.get_running_loop().time() - sent

    @property
    def reason(self) -> str:
        """Why there is no connection."""
        return self._stream.refusal or self._stream.trouble or "no answer"

    def _explanation(self) -> str:
        refusal = self._stream.refusal
        place = f"{self._address}:{self._port}"
        if refusal == "not-authorized":
            return f"{place} refuses xmpp.secret: it must be the password of this host there"
        if refusal is None:
            return f"{place}: {self.reason}; is ejabberd_service listening there?"
        return f"{place} refuses {self._stream.boundjid}: {refusal}"
