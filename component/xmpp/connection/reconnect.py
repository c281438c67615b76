"""XEP-0199: XMPP Ping, version 2.0.1. Keeps the stream up, and notices a dead peer.

Connects, backs off when that fails, and drains the stream at the end.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from component.xmpp.connection.stream import Stream

log = logging.getLogger(__name__)

NS_PING = "urn:xmpp:ping"

FIRST_PAUSE_SECONDS = 0.5
HANDSHAKE_SECONDS = 10.0

#: Stream errors that no second try will mend: someone has to change a configuration.
FINAL = frozenset({"not-authorized", "host-unknown", "conflict", "invalid-namespace"})


class ServerRefused(Exception):
    """The server does not take this component."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long what may take, in seconds."""

    ping_interval: float
    ping_timeout: float
    reconnect_max: float
    drain: float


class Connector:
    """Keeps one stream up until it is told to stop."""

    def __init__(
        self, stream: Stream, address: str, port: int, ping_to: str, patience: Timeouts
    ) -> None:
        self._stream = stream
        self._address = address
        self._port = port
        self._ping_to = ping_to
        self._patience = patience
        self._was_up = False
        self._restarting: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether the handshake is done and the stream is open."""
        return self._stream.is_up

    async def run(self) -> None:
        """Stay connected for ever. Raises ServerRefused when it never was, and never will be."""
        loop = asyncio.get_running_loop()
        longest = self._patience.reconnect_max
        first = pause = min(FIRST_PAUSE_SECONDS, longest)
        while True:
            began = loop.time()
            if await self._connect():
                await self._stay()
                # A server that drops us as soon as it took us is spared like one that is gone.
                pause = first if loop.time() - began > longest else pause
                log.warning("connection to the server lost: %s", self._reason())
            else:
                log.warning(
                    "no connection to %s:%d: %s", self._address, self._port, self._reason()
                )
                if not self._was_up and self._stream.refusal in FINAL:
                    raise ServerRefused(self._explanation())
            # Spread out, so that all that lost the same server do not return at once.
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
            pause = min(pause * 2, longest)

    async def probe(self) -> None:
        """Connect once and leave again. Raises ServerRefused with the reason."""
        if not await self._connect():
            raise ServerRefused(self._explanation())
        await self.close()

    def restart(self) -> None:
        """Have the stream closed, behind what is answered now, so that `run` opens it anew."""
        if self._restarting is None or self._restarting.done():
            log.info("an operator has the connection closed and opened again")
            self._restarting = asyncio.get_running_loop().create_task(self.close())

    async def close(self) -> None:
        """End the stream, having read all that the server had sent before it heard of it."""
        if self._stream.is_connected():
            await self._stream.disconnect(wait=self._patience.drain)

    async def end(self) -> None:
        """End the stream for good: what the server had sent is read, however much waits."""
        self._stream.read_to_the_end()
        await self.close()

    async def _connect(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._stream.connect(self._address, self._port)
                await self._opened()
        if not self._stream.is_up:
            self._stream.abort()
            return False
        self._was_up = True
        log.info("connected to %s:%d as %s", self._address, self._port, self._stream.boundjid)
        return True

    async def _opened(self) -> None:
        """Return when the handshake is done, or when the connection is lost before."""
        if not self._stream.is_connected():
            return
        opened = asyncio.ensure_future(self._stream.opened.wait())
        try:
            await asyncio.wait(
                [opened, self._stream.disconnected], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            opened.cancel()

    async def _stay(self) -> None:
        """Return when the connection is lost, or when the server answers no longer."""
        interval = self._patience.ping_interval
        while self._stream.is_up:
            lost = self._stream.disconnected
            await asyncio.wait([lost], timeout=interval - self._stream.silence)
            if lost.done() or self._stream.silence < interval:
                continue
            if not await self._answers():
                log.warning("the server does not answer any more")
                self._stream.abort()
                await asyncio.wait([lost], timeout=self._patience.ping_timeout)

    async def _answers(self) -> bool:
        """Whether the server answers a ping, is heard of at all meanwhile, or is lost."""
        ping = self._stream.make_iq_get(ito=self._ping_to, ifrom=self._stream.boundjid)
        ping.xml.append(Element(f"{{{NS_PING}}}ping"))
        asked = asyncio.get_running_loop().time()
        try:
            await self._stream.ask(ping, patience=self._patience.ping_timeout)
        except IqError:
            # That is an answer too: "I do not know pings".
            return True
        except IqTimeout:
            waited = asyncio.get_running_loop().time() - asked
            return self._stream.silence < waited
        return True

    def _reason(self) -> str:
        return self._stream.refusal or self._stream.trouble or "no answer"

    def _explanation(self) -> str:
        refusal = self._stream.refusal
        where = f"{self._address}:{self._port}"
        if refusal == "not-authorized":
            return f"{where} refuses xmpp.secret: it must be the password of this host there"
        if refusal is None:
            return f"{where}: {self._reason()}; is ejabberd_service listening there?"
        return f"{where} refuses {self._stream.boundjid}: {refusal}"
