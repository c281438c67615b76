"""A TCP proxy whose connections a test cuts, holds up and slows down."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from typing import Self

from support.ports import LOOPBACK

#: Bytes that are passed on at a time: a slow connection passes one such piece for each delay.
PIECE = 16_384


class Proxy:
    """Takes connections on a port, and passes them on to another one, for `async with`."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.delay = 0.0  #: seconds for each piece
        self.keeps_answers = False  #: whether nothing is passed back
        self.connections = 0  #: that were taken so far
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, limit=PIECE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut all connections, as a reset does; what is on its way is lost."""
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()

    def hold(self) -> None:
        """Pass nothing on from now on, and close nothing, as a broken line does."""
        self._open.clear()

    def release(self) -> None:
        """Pass everything on again."""
        self._open.set()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections += 1
        try:
            there = await asyncio.open_connection(LOOPBACK, self._target, limit=PIECE)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there[1]}
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(self._pass_on(source, sink, is_answer=sink is writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: StreamReader, sink: StreamWriter, *, is_answer: bool) -> None:
        try:
            with suppress(ConnectionError):
                while data := await source.read(PIECE):
                    await self._open.wait()
                    await asyncio.sleep(self.delay)
                    if is_answer and self.keeps_answers:
                        continue
                    sink.write(data)
                    await sink.drain()
        finally:
            self._writers.discard(sink)
            sink.close()
