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
class Pretender:
    """Where it listens, and what was said to it."""

    port: int = 0
    said: bytearray = field(default_factory=bytearray)


@asynccontextmanager
async def pretending(*mechanisms: str, answer: str = "") -> AsyncIterator[Pretender]:
    """Offer mechanisms; `answer` is what is answered to each attempt at one of them."""
    offered = "".join(f"<mechanism>{name}</mechanism>" for name in mechanisms)
    features = f"<stream:features><mechanisms xmlns='{SASL}'>{offered}</mechanisms>"
    pretender, ended = Pretender(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            pretender.said += await reader.readuntil(b"version='1.0'>")
            writer.write(f"{STREAM}{features}</stream:features>".encode())
            while heard := await reader.read(2000):
                pretender.said += heard
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
