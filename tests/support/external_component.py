"""A component of ejabberd that sends stanzas for a test and keeps those it receives (XEP-0114)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, XMLPullParser

from support.ports import LOOPBACK


@dataclass(eq=False)
class Component:
    """One connection of one component."""

    jid: str
    writer: asyncio.StreamWriter
    #: every stanza so far
    received: list[Element] = field(default_factory=list)

    def send(self, xml: str) -> None:
        """Send text unchanged."""
        self.writer.write(xml.encode())

    async def wait_for_privileges(self) -> None:
        """Return once a virtual host has granted privileges (XEP-0356)."""
        async with asyncio.timeout(10):
            while not self._has_privileges():  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.01)

    def _has_privileges(self) -> bool:
        return any("privilege" in child.tag for stanza in self.received for child in stanza)

    async def pinged(self, *addresses: str, seconds: float) -> set[str]:
        """Ping addresses, and return those that answered within `seconds`."""
        for address in addresses:
            self.send(
                f"<iq type='get' id='ping {address}' from='{self.jid}' to='{address}'>"
                "<ping xmlns='urn:xmpp:ping'/></iq>"
            )
        await asyncio.sleep(seconds)
        ids = {stanza.get("id") for stanza in self.received}
        return {address for address in addresses if f"ping {address}" in ids}


@asynccontextmanager
async def connected(port: int, jid: str, secret: str) -> AsyncIterator[Component]:
    """Connect a component and shake hands."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    component = Component(jid, writer)
    parser = XMLPullParser(("start", "end"))
    allowed = asyncio.Event()

    async def read() -> None:
        depth = 0
        while data := await reader.read(65536):
            parser.feed(data)
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                if (event, depth) == ("start", 1):
                    handshake = hashlib.sha1((element.get("id", "") + secret).encode())  # noqa: S324
                    component.send(f"<handshake>{handshake.hexdigest()}</handshake>")
                elif (event, depth) == ("end", 1):
                    component.received.append(element)
                    allowed.set()

    component.send(
        "<stream:stream xmlns='jabber:component:accept'"
        f" xmlns:stream='http://etherx.jabber.org/streams' to='{jid}'>"
    )
    reading = asyncio.create_task(read())
    try:
        async with asyncio.timeout(10):
            await allowed.wait()
        yield component
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        writer.close()
