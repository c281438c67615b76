"""The running process: waits for one that takes over, and hands stream and store over."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from component.wiring.take_over import channel
from component.xmpp.connection.connector import Connector

log = logging.getLogger(__name__)

#: Seconds for a line of the other process, and for the stream to be handed over.
LINE_SECONDS, STREAM_SECONDS = 5.0, 5.0

#: Seconds that queries which are being answered may take.
QUERY_SECONDS = 2.0


class HandOver:
    """Waits for a process that takes over, and gives it what this one has."""

    def __init__(self, on_request: Callable[[], None]) -> None:
        """`on_request` is called when another process takes over, to end this one."""
        self._on_request = on_request
        self._listener: socket.socket | None = None
        self._path: Path | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._taker: socket.socket | None = None

    @property
    def is_requested(self) -> bool:
        """Whether another process takes over."""
        return self._taker is not None

    def listen(self, path: Path | None) -> None:
        """Wait for a process that takes over, except if there is no path for that.

        If it is not possible, the log says so.
        """
        if path is None:
            return
        try:
            self._listener = channel.listen(path)
        except OSError as error:
            log.warning("no other process can take over: %s: %s", path, error.strerror or error)
            return
        self._path = path
        self._accepting = asyncio.get_running_loop().create_task(self._accept(self._listener))

    async def hand_over(self, connector: Connector, idle: asyncio.Event) -> bool:
        """Hand the stream over if another process takes over; return whether it has the stream.

        `idle` is set while no query is being answered.
        """
        if self._taker is None:
            return False
        connector.pause()
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                await idle.wait()
        except TimeoutError:
            log.warning("some queries are not answered, because another process takes over")
        handed = await connector.release(patience=STREAM_SECONDS)
        if handed is None:
            log.warning("the connection to ejabberd cannot be handed over")
        try:
            await asyncio.to_thread(channel.send_stream, self._taker, handed)
        except OSError as error:
            log.error("the process that takes over does not take the connection: %s", error)
            if handed is not None:
                handed[0].close()
            return False
        if handed is None:
            return False
        handed[0].close()
        connector.abandon()
        log.info("handed the connection to ejabberd over")
        return True

    async def stop_listening(self) -> None:
        """Remove the socket, before the store is unlocked."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._listener is not None and self._path is not None:
            self._listener.close()
            self._path.unlink(missing_ok=True)

    async def finish(self) -> bool:
        """Say that the store is closed; return whether the other process goes on with it."""
        if self._taker is None:
            return True
        try:
            return await asyncio.to_thread(self._finish, self._taker)
        finally:
            self._taker.close()

    def _finish(self, taker: socket.socket) -> bool:
        try:
            taker.sendall(channel.RELEASED)
            channel.expect(taker, channel.TAKEN)
        except (OSError, channel.NotHandedOver) as error:
            log.critical("the process that takes over has failed: %s", error)
            return False
        return True

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            connection.settimeout(LINE_SECONDS)
            try:
                if not channel.is_of_own_user(connection):
                    raise channel.NotHandedOver("it belongs to another user")
                await asyncio.to_thread(channel.expect, connection, channel.ASK)
                await asyncio.to_thread(connection.sendall, channel.ACCEPTED)
            except (OSError, channel.NotHandedOver) as error:
                log.warning("a process cannot take over: %s", error)
                connection.close()
                continue
            log.info("another process takes over")
            self._taker = connection
            self._on_request()
            return
