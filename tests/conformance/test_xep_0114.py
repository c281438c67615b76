"""XEP-0114: Jabber Component Protocol, version 1.6, on the side of the component."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.wire import (
    ALICE,
    COMPONENT,
    HANDSHAKE,
    HEADER,
    NS_COMPONENT,
    NS_DISCO,
    NS_STREAM,
    PATIENCE,
    SECRET,
    Peer,
    Wire,
    chat,
    copy_of,
    open_wire,
    query,
)

from component.xmpp.connection.connector import ServerRefused


@pytest.fixture
async def arriving(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component whose connection is accepted, and which has received nothing yet."""
    async with open_wire(tmp_path, connected=False, patience=replace(PATIENCE, drain=0.1)) as wire:
        wire.start()
        wire.peer = await wire.server.accept()
        yield wire


async def handshake(peer: Peer, header: str = HEADER) -> str | None:
    """Return the handshake that the component sends after the header of the server."""
    await peer.meet(header)
    element = await peer.next()
    assert element.tag == f"{{{NS_COMPONENT}}}handshake"
    return element.text


async def test_stream_header_is_addressed_to_the_component_name(arriving: Wire) -> None:
    """3: "In the 'jabber:component:accept' namespace, the value of the 'to' address is the
    component name, not the server name"."""
    await arriving.peer.meet()

    assert arriving.peer.header is not None
    assert (arriving.peer.header.tag, arriving.peer.header.get("to")) == (
        f"{{{NS_STREAM}}}stream",
        COMPONENT,
    )


async def test_handshake_follows_the_header_of_the_server(arriving: Wire) -> None:
    """3: "After receiving the stream header reply from the server, the component MUST send a
    <handshake/> element with appropriate contents"."""
    assert await handshake(arriving.peer)


async def test_handshake_is_the_sha1_of_stream_id_and_secret(arriving: Wire) -> None:
    """3: "Hash the concatenated string according to the SHA1 algorithm, i.e., SHA1( concat (sid,
    password))"."""
    text = await handshake(arriving.peer, HEADER.replace("3BF96D32", "17"))

    assert text == hashlib.sha1(f"17{SECRET}".encode()).hexdigest()  # noqa: S324


async def test_handshake_is_lower_case_hexadecimal(arriving: Wire) -> None:
    """3: "Ensure that the hash output is in hexadecimal format [...]. Convert the hash output to
    all lowercase characters"."""
    text = await handshake(arriving.peer) or ""

    assert (len(text), set(text) <= set("0123456789abcdef")) == (40, True)


async def test_non_ascii_secret_is_hashed_as_utf_8(tmp_path: Path) -> None:
    """3: "any non-ASCII characters MUST be encoded according to the encoding of XML streams
    [...], i.e., UTF-8"."""
    secret = "\u0441\u0435\u0437\u0430\u043c \U0001f511"
    async with open_wire(tmp_path, connected=False, secret=secret) as wire:
        wire.start()
        wire.peer = await wire.server.accept()
        await wire.peer.welcome(secret)  # fails unless the hash is right


async def test_secret_is_never_sent(arriving: Wire) -> None:
    """3 (paraphrase): the handshake contains only the hash of the credentials."""
    await handshake(arriving.peer)

    assert SECRET.encode() not in arriving.peer.received


@pytest.mark.parametrize("condition", ["conflict", "host-unknown", "invalid-namespace"])
async def test_unserviced_component_name_is_reported(arriving: Wire, condition: str) -> None:
    """3: "If the server will not service the component name [...] it MUST return a stream
    error"."""
    await arriving.peer.meet()
    await arriving.peer.refuse(condition)

    with pytest.raises(ServerRefused, match=condition):
        await arriving.link


async def test_invalid_credentials_are_reported(arriving: Wire) -> None:
    """3: "If the credentials supplied by the initiator are not valid, the receiver MUST close the
    stream [...] and SHOULD return a <not-authorized/> stream error"."""
    await handshake(arriving.peer)
    await arriving.peer.refuse("not-authorized")

    with pytest.raises(ServerRefused, match="secret"):
        await arriving.link


async def test_nothing_is_sent_before_the_handshake_is_acknowledged(arriving: Wire) -> None:
    """3: "Once authenticated, the component can send stanzas through the server"."""
    await handshake(arriving.peer)
    await arriving.stream.send_text("<message to='example.org' from='archive.example.org'/>")
    arriving.peer.send(HANDSHAKE)

    await arriving.nothing_comes()


async def test_nothing_is_received_before_the_handshake_is_acknowledged(arriving: Wire) -> None:
    """3: "Once authenticated, the component can [...] receive stanzas from the server"."""
    await handshake(arriving.peer)
    arriving.peer.send(copy_of(chat("early")) + HANDSHAKE)

    assert await arriving.bodies(ALICE) == []


async def test_every_stanza_has_both_addresses(wire: Wire) -> None:
    """3: "All stanzas sent to the server MUST possess a 'from' attribute and a 'to' attribute"."""
    wire.say("hello")
    history, refused = await wire.history(), await wire.delegated(query(max="x"))
    direct = await wire.direct(query())
    unknown = await wire.direct("<x xmlns='urn:x'/>", type="get")
    info = await wire.direct(f"<query xmlns='{NS_DISCO}'/>", type="get")
    sent = [
        *history.wrapped,
        *direct.wrapped,
        *(reply.outer for reply in (history, refused, direct, unknown, info)),
    ]

    assert all(stanza.get("from") and stanza.get("to") for stanza in sent)


async def test_every_stanza_comes_from_the_name_of_the_component(wire: Wire) -> None:
    """3: "The domain identifier portion of the JID contained in the 'from' attribute MUST match
    the hostname of the component"."""
    wire.say("hello")
    history = await wire.history()
    elsewhere = await wire.direct(query(), to=f"someone@{COMPONENT}/x")
    sent = [*history.wrapped, history.outer, *elsewhere.wrapped, elsewhere.outer]

    senders = {stanza.get("from") or "" for stanza in sent}
    domains = {sender.partition("/")[0].rpartition("@")[2] for sender in senders}
    assert domains == {COMPONENT}


async def test_stream_is_closed_before_the_connection(wire: Wire) -> None:
    """RFC 6120 section 4.4 (paraphrase): a party closes the stream by a closing tag, and waits for
    the closing tag of the other party."""
    assert wire.link is not None
    wire.link.cancel()
    await asyncio.gather(wire.link, return_exceptions=True)
    closing = asyncio.create_task(wire.connection.close())
    await wire.peer.stream_closed()

    assert not closing.done()
    wire.peer.send("</stream:stream>")
    await closing
