"""A server that only pretends to be one: it offers ways to log in, and always answers the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from support.ports import LOOPBACK

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
STREAM = (
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    " from='one.test' id='1' version='1.0'>"
)


@dataclass
class FakeServer:
    """Where it listens, and what was said to it."""

    port: int = 0
    received: bytearray = field(default_factory=bytearray)


@asynccontextmanager
async def fake_server(*mechanisms: str, answer: str = "") -> AsyncIterator[FakeServer]:
    """Offer mechanisms; `answer` is what is answered to each attempt at one of them."""
    offered = "".join(f"<mechanism>{name}</mechanism>" for name in mechanisms)
    features = f"<stream:features><mechanisms xmlns='{SASL}'>{offered}</mechanisms>"
    pretender, ended = FakeServer(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            pretender.received += await reader.readuntil(b"version='1.0'>")
            writer.write(f"{STREAM}{features}</stream:features>".encode())
            while heard := await reader.read(2000):
                pretender.received += heard
                if b"<auth" in heard:
                    writer.write(answer.encode())
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, LOOPBACK)
    async with server:
        pretender.port = server.sockets[0].getsockname()[1]
        yield pretender
        await ended.wait()
