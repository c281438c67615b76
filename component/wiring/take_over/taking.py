"""The new process: takes the stream and the store over from the running one."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from component.wiring.service_manager import notify_main
from component.wiring.take_over import channel
from component.wiring.take_over.channel import NotHandedOver
from component.xmpp.connection.handed_stream import HandedStream

log = logging.getLogger(__name__)

#: Seconds for the running process to finish its requests, and then to close the store.
WAIT_SECONDS = 120.0

#: The number of bytes that are read at once.
PIECE = 64 * 1024


class TakeOver:
    """Takes over from the running process, if there is one."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """`max_bytes` limits what is read from the stream before the store is open."""
        self._path = path
        self._max_bytes = max_bytes
        self._stream: tuple[socket.socket, HandedStream] | None = None
        self._read = bytearray()

    async def take(self) -> None:
        """Return when the running process has released the store, or if there is none.

        From then on read what ejabberd sends. Raises NotHandedOver, OSError.
        """
        giver = await asyncio.to_thread(self._connect)
        if giver is None:
            log.info("no other process uses the store, so there is nothing to take over")
            return
        with giver:
            try:
                await self._receive(giver)
            except NotHandedOver as error:
                # It has released the store nevertheless.
                log.warning("the running process has failed, so this one goes on: %s", error)
            # If this process fails from here on, the service manager starts another one.
            notify_main()
            with suppress(OSError):
                await asyncio.to_thread(giver.sendall, channel.TAKEN)

    async def _receive(self, giver: socket.socket) -> None:
        """Return when the running process has released the store."""
        self._stream = await asyncio.to_thread(channel.receive_stream, giver)
        if self._stream is not None:
            log.info("received the connection to ejabberd, and wait for the store")
            self._stream[0].setblocking(False)
            loop = asyncio.get_running_loop()
            loop.add_reader(self._stream[0], self._read_on, self._stream[0])
        await asyncio.to_thread(channel.expect, giver, channel.RELEASED)

    def stream(self) -> tuple[socket.socket, HandedStream] | None:
        """Stop reading, and return the stream with what was read; None if there is none."""
        if self._stream is None:
            return None
        connected, handed = self._stream
        asyncio.get_running_loop().remove_reader(connected)
        return connected, replace(handed, unread=handed.unread + bytes(self._read))

    def _connect(self) -> socket.socket | None:
        """Return a connection to the running process after it has agreed, None without one."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(WAIT_SECONDS)
        try:
            with channel.short(self._path) as address:
                connection.connect(address)
            if not channel.is_of_own_user(connection):
                raise NotHandedOver(f"{self._path} belongs to another user")
            connection.sendall(channel.ASK)
            channel.expect(connection, channel.ACCEPTED)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_on(self, connected: socket.socket) -> None:
        """Read, because ejabberd closes a connection that takes nothing for 15 seconds.

        No task reads: one that is cancelled could lose what it has just read.
        """
        piece = b""
        try:
            piece = connected.recv(PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            log.warning("the connection that was handed over fails: %s", error)
        self._read += piece
        if not piece or len(self._read) >= self._max_bytes:
            # The process meets the end or the error again when it continues the stream.
            asyncio.get_running_loop().remove_reader(connected)
