"""The account that floods the servers, in a process of its own, so that it delays no other client.

Run as `python -m benchmarks.flooder`, with a line of JSON on standard input. Then each line is a
command: `on` begins, `off` ends and waits for all answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Protocol, Self

import uvloop
from support.ejabberd import ROOT
from support.ports import LOOPBACK

from benchmarks.floods import (
    CONNECTIONS,
    FLOODER,
    HTTP_STREAMS,
    PEER,
    SESSIONS,
    XMPP,
    requests,
    stanzas,
)
from benchmarks.raw_http import HttpConnection, status
from benchmarks.xmpp import Session, Unexpected, login

#: Seconds for which the answers are awaited after a flood.
DRAIN_SECONDS = 10.0

#: Another machine floods: its clients take no CPU time that others need.
NICENESS = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to flood, and where."""

    flood: str
    c2s_port: int
    http_port: int
    token: str


class Flooder:
    """The process, as the benchmark sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, target: Target) -> Self:
        """Start, and return when all connections are open."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.flooder"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
        )
        flooder = cls(process)
        flooder._write(json.dumps(asdict(target)))
        await flooder._line()
        return flooder

    async def begin(self) -> None:
        """Begin the flood."""
        self._write("on")
        await self._line()

    async def end(self) -> dict[str, int]:
        """End the flood; return how many answers there were of each kind since its beginning."""
        self._write("off")
        counts: dict[str, int] = json.loads(await self._line())
        return counts

    async def stop(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._process.wait()
                return
        self._process.kill()
        await self._process.wait()

    def _write(self, line: str) -> None:
        if self._process.stdin is None:
            raise Unexpected("the flooder has no input")
        self._process.stdin.write(f"{line}\n".encode())

    async def _line(self) -> bytes:
        if self._process.stdout is None:
            raise Unexpected("the flooder has no output")
        line = await self._process.stdout.readline()
        if not line:
            raise Unexpected("the flooder has ended")
        return line


class Flood(Protocol):
    """The flood of one connection."""

    answers: Counter[str]

    def begin(self) -> None:
        """Send from now on."""
        ...

    async def end(self) -> None:
        """Send nothing more, and wait for the answers."""
        ...


class XmppFlood:
    """Pieces with one IQ each; the next one follows each answer.

    It ends for good if the server closes the session.
    """

    def __init__(self, session: Session, pieces: Iterator[bytes], under_way: int) -> None:
        self.answers: Counter[str] = Counter()
        self._session = session
        self._pieces = pieces
        self._at_once = under_way
        self._under_way = 0
        self._is_on = False
        self._all_answered = asyncio.Event()
        self._rest = b""
        session.on_data = self._received

    def begin(self) -> None:
        self._is_on = True
        self._all_answered.clear()
        for _ in range(self._at_once):
            self._send()

    async def end(self) -> None:
        self._is_on = False
        if self._under_way > 0 and not self._session.is_closed:
            await self._all_answered.wait()

    def _send(self) -> None:
        if self._session.is_closed:
            return
        self._under_way += 1
        self._session.send(next(self._pieces))

    def _received(self, data: bytes) -> None:
        data = self._rest + data
        answered = data.count(b"<iq ")
        # The begin of an IQ may be in two pieces.
        self._rest = data[-3:]
        self.answers["result"] += answered
        self.answers["bytes"] += len(data)
        self._under_way -= answered
        for _ in range(answered if self._is_on else 0):
            self._send()
        if self._under_way <= 0:
            self._all_answered.set()


class HttpFlood:
    """Requests on one connection, which is made again when the server has closed it."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.answers: Counter[str] = Counter()
        self._port = port
        self._requests = requests
        self._connection: HttpConnection | None = None
        self._is_on = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._is_on = True
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        self._is_on = False
        if self._task is not None:
            # Requests that wait would go on for seconds.
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _run(self) -> None:
        while self._is_on:
            try:
                if self._connection is None:
                    self._connection = await HttpConnection.open(self._port)
                answer = await self._connection.ask(next(self._requests))
                self.answers[str(status(answer))] += 1
            except (OSError, Unexpected, TimeoutError):
                self.answers["lost"] += 1
                self._connection = None


class StreamFlood(HttpFlood):
    """Streams that are opened, and closed as soon as they begin."""

    async def _run(self) -> None:
        while self._is_on:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
                try:
                    writer.write(next(self._requests))
                    head = await reader.read(4096)
                    self.answers[str(status(head)) if len(head) > 12 else "lost"] += 1
                finally:
                    writer.transport.abort()


async def _floods(target: Target) -> Sequence[Flood]:
    if target.flood in XMPP:
        peer = await login(target.c2s_port, PEER)
        peer.on_data = lambda _: None
        sessions = [await login(target.c2s_port, FLOODER, f"f{n}") for n in range(SESSIONS)]
        return [XmppFlood(session, *stanzas(target.flood, session)) for session in sessions]
    peer = await login(target.c2s_port, PEER)
    peer.on_data = lambda _: None
    kind = StreamFlood if target.flood == HTTP_STREAMS else HttpFlood
    sent = requests(target.flood, target.token)
    return [kind(target.http_port, sent) for _ in range(CONNECTIONS)]


async def main() -> None:
    """Obey the commands on standard input."""
    os.nice(NICENESS)
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    floods = await _floods(Target(**json.loads(await commands.readline())))
    print("ready", flush=True)
    while command := (await commands.readline()).strip():
        if command == b"on":
            for flood in floods:
                flood.begin()
            print("on", flush=True)
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*(flood.end() for flood in floods))
        total: Counter[str] = Counter()
        for flood in floods:
            total += flood.answers
            flood.answers.clear()
        print(json.dumps(total), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
