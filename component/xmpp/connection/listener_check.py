"""Whether ejabberd_service listens for components, found out without logging in (XEP-0114)."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from xml.sax.saxutils import quoteattr

from component.core.xml.stream_parser import Element, Malformed, Parser
from component.xmpp.connection.reconnect import ServerRefused

NS_STREAM = "http://etherx.jabber.org/streams"
NS_STREAM_ERROR = "urn:ietf:params:xml:ns:xmpp-streams"

TIMEOUT_SECONDS = 10.0

#: More than any server says before the handshake.
MAX_BYTES = 16_384

#: A stream error has children (RFC 6120 section 4.9.2).
DEPTH = 3


async def listens(address: str, port: int, jid: str) -> None:
    """Return if a server answers a component's stream header there.

    The stream is closed before the handshake (XEP-0114 section 3), so the server never counts it
    as a connection of the component; nor does it say yet whether it knows the name and the secret.
    Raises ServerRefused with the reason.
    """
    where = f"{address}:{port}"
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            said = await _ask(address, port, jid)
    except TimeoutError as error:
        raise ServerRefused(f"{where}: no answer in time") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "no connection"
        raise ServerRefused(f"{where}: {reason}; is ejabberd_service listening there?") from error
    condition = _refusal(said)
    if condition is not None:
        raise ServerRefused(f"{where} refuses {jid}: {condition}")


async def _ask(address: str, port: int, jid: str) -> bytes:
    """Return all that the server says to a stream that is opened and closed at once."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(
            f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='{NS_STREAM}' "
            f"to={quoteattr(jid)}></stream:stream>".encode()
        )
        said = bytearray()
        while len(said) < MAX_BYTES and (data := await reader.read(4096)):
            said += data
        return bytes(said)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _refusal(said: bytes) -> str | None:
    """Return the condition of the stream error that a server sent, None where it sent none."""
    found: list[Element] = []
    parser = Parser(
        lambda element, _: found.append(element),
        level=1,
        max_bytes=MAX_BYTES,
        max_depth=DEPTH,
        keep_depth=DEPTH,
    )
    try:
        parser.feed(said)
    except Malformed:
        return "what listens there does not speak XMPP"
    if not said:
        return "the connection was closed without a word"
    for element in found:
        if element.name == "error":
            names = (child.name for child in element.elements if child.ns == NS_STREAM_ERROR)
            return next((name for name in names if name != "text"), "unknown error")
    return None
