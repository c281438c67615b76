"""A fake XMPP server that offers SASL mechanisms and gives the same answer to each attempt."""

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
    """The port of the server, and the bytes that it received."""

    port: int = 0
    received: bytearray = field(default_factory=bytearray)


@asynccontextmanager
async def fake_server(*mechanisms: str, answer: str = "") -> AsyncIterator[FakeServer]:
    """Offer mechanisms; `answer` is sent after each <auth/>."""
    offered = "".join(f"<mechanism>{name}</mechanism>" for name in mechanisms)
    features = f"<stream:features><mechanisms xmlns='{SASL}'>{offered}</mechanisms>"
    pretender, ended = FakeServer(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            pretender.received += await reader.readuntil(b"version='1.0'>")
            writer.write(f"{STREAM}{features}</stream:features>".encode())
            while data := await reader.read(2000):
                pretender.received += data
                if b"<auth" in data:
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
