"""Check without a login that ejabberd_service listens for components (XEP-0114)."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from xml.sax.saxutils import quoteattr

from component.core.xml.stream_parser import Element, Malformed, Parser
from component.xmpp.connection.connector import ServerRefused

NS_STREAM = "http://etherx.jabber.org/streams"
NS_STREAM_ERROR = "urn:ietf:params:xml:ns:xmpp-streams"

TIMEOUT_SECONDS = 10.0

#: The maximum number of bytes to read: no server sends more before the handshake.
MAX_BYTES = 16_384

#: The depth of a stream error with its children (RFC 6120 section 4.9.2).
DEPTH = 3


async def check_listener(address: str, port: int, jid: str) -> None:
    """Raise ServerRefused if a server does not answer a component's stream header.

    The stream is closed before the handshake (XEP-0114 section 3). So for the server it is never a
    connection of the component, and the check does not show whether name and secret are right.
    """
    place = f"{address}:{port}"
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            received = await _exchange(address, port, jid)
    except TimeoutError as error:
        raise ServerRefused(f"{place}: no answer in time") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "no connection"
        raise ServerRefused(f"{place}: {reason}; is ejabberd_service listening there?") from error
    problem = _problem(received)
    if problem is not None:
        raise ServerRefused(f"{place} refuses {jid}: {problem}")


async def _exchange(address: str, port: int, jid: str) -> bytes:
    """Open and close a stream at once. Return all that the server sends."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(
            f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='{NS_STREAM}' "
            f"to={quoteattr(jid)}></stream:stream>".encode()
        )
        received = bytearray()
        while len(received) < MAX_BYTES and (data := await reader.read(4096)):
            received += data
        return bytes(received)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _problem(received: bytes) -> str | None:
    """Return the condition of a stream error, or another description of a wrong answer."""
    children: list[Element] = []
    parser = Parser(
        lambda element, _: children.append(element),
        level=1,
        max_bytes=MAX_BYTES,
        max_depth=DEPTH,
        keep_depth=DEPTH,
    )
    try:
        parser.feed(received)
    except Malformed:
        return "the program that listens there does not speak XMPP"
    if not received:
        return "the connection was closed without an answer"
    for child in children:
        if child.name == "error":
            conditions = (c.name for c in child.elements if c.ns == NS_STREAM_ERROR)
            return next((name for name in conditions if name != "text"), "unknown error")
    return None
