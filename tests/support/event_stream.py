"""A client of Server-Sent Events that is as strict as a browser, and returns all events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse, ClientSession

SECONDS = 30.0


class Events:
    """One stream."""

    def __init__(self, answer: ClientResponse, names: Collection[str]) -> None:
        """`names` are those that an event may have."""
        self.answer = answer
        self._names = names
        self.last_id = ""  #: the Last-Event-ID that a browser would send at its reconnect
        self.retry: int | None = None
        self.comments = 0

    async def next(self) -> dict[str, Any]:
        """Return the data of the next event. Raises EOFError when the stream has ended."""
        async with asyncio.timeout(SECONDS):
            while True:
                data = await self.block()
                if data:
                    return json.loads(data)  # type: ignore[no-any-return]

    async def take(self, count: int) -> list[str]:
        """Return the texts of the messages in the next events."""
        return [(await self.next())["body"] for _ in range(count)]

    async def block(self) -> str:
        """Return the data of the next block, "" without data. Raises EOFError."""
        data: list[str] = []
        while line := (await self._line()):
            name, _, value = line.partition(":")
            match name:
                case "":
                    self.comments += 1
                case "id":
                    self.last_id = value.strip()
                case "retry":
                    self.retry = int(value)
                case "event":
                    assert value.strip() in self._names
                case "data":
                    data.append(value.strip())
                case _:
                    raise AssertionError(line)
        return "\n".join(data)

    async def _line(self) -> str:
        line = await self.answer.content.readline()
        if not line:
            raise EOFError
        return line.decode().rstrip("\n")


@asynccontextmanager
async def stream(
    http: ClientSession,
    url: str,
    *,
    last_id: str = "",
    query: Mapping[str, str] | None = None,
    names: Collection[str] = ("message",),
) -> AsyncIterator[Events]:
    """Follow a stream while the context is open, which begins when the stream has begun."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with http.get(url, params=query, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        events = Events(answer, names)
        assert await events.block() == ""
        yield events
