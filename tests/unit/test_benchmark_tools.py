"""What the benchmarks load servers with, and what they read of processes and files."""

import asyncio
import os
from pathlib import Path

from benchmarks.cache import evict, load, resident_bytes
from benchmarks.conversation import AWAY_EVERY, ROOM_EVERY, Conversation
from benchmarks.loading.dialogue import stanza
from benchmarks.servers.constant_page import PAGE, Component
from benchmarks.traffic import Traffic
from benchmarks.usage import Meter
from benchmarks.xmpp import Session
from support.ports import LOOPBACK
from support.stanzas import Element, parse

STREAM = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' id='1'>"
    b"<handshake/><message><privilege xmlns='urn:xmpp:privilege:1'/></message>"
)
QUERY = (
    b"<iq type='set' id='outer' from='chat.example' to='muniment.example'>"
    b"<delegation xmlns='urn:xmpp:delegation:1'><forwarded xmlns='urn:xmpp:forward:0'>"
    b"<iq xmlns='jabber:client' type='set' id='inner' from='a@chat.example/phone' "
    b"to='a@chat.example'><query xmlns='urn:xmpp:mam:2' queryid='q7'/></iq></forwarded>"
    b"</delegation></iq>"
)


def written(messages: int) -> list[Element]:
    """Return the stanzas that go with some messages of one user to another."""
    flow = Conversation(Traffic([]), Session("alice"), Session("bob"))
    text = b"".join(map(flow.stanzas, range(messages))).decode()
    return list(parse(f"<all xmlns='jabber:client'>{text}</all>"))


def test_people_write_short_long_and_encrypted_messages_that_ask_for_receipts() -> None:
    messages = [one for one in written(10) if one.get("id", "").startswith("m")]

    lengths = [len(one.findtext("{jabber:client}body", "")) for one in messages]
    encrypted = [one for one in messages if one.find("{eu.siacs.conversations.axolotl}encrypted")]
    assert len(messages) == 10
    assert sum(length > 1000 for length in lengths) == 2
    assert len(encrypted) == 4
    for name in ("{urn:xmpp:receipts}request", "{urn:xmpp:chat-markers:0}markable"):
        assert all(one.find(name) is not None for one in messages)


def test_people_write_to_who_is_away_and_to_a_room() -> None:
    to = [one.get("to") for one in written(2 * ROOM_EVERY)]

    assert to.count("away-alice@chat.example") == 2 * ROOM_EVERY // AWAY_EVERY
    assert to.count("tea@conference.chat.example") == 2


async def test_the_constant_page_answers_a_query_again_after_its_copies_came_back() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        for _ in range(2):
            writer.write(QUERY)
            page = await reader.readuntil(b"</delegation></iq>")
            answers.append(page)
            writer.write(page[page.index(b"<message") : page.index(b"<iq")])
        writer.close()

    answers: list[bytes] = []
    server = await asyncio.start_server(serve, LOOPBACK, 0, limit=2**20)
    port = server.sockets[0].getsockname()[1]
    _, component = await asyncio.get_running_loop().create_connection(
        lambda: Component("secret", stanza("owner", 1)), LOOPBACK, port
    )
    await component.ended.wait()
    server.close()

    assert len(answers) == 2
    for answer in answers:
        assert answer.count(b"<result xmlns='urn:xmpp:mam:2' queryid='q7'") == PAGE
        assert answer.count(b"to='a@chat.example/phone'") == PAGE + 1
        assert b"id='inner'" in answer


def test_files_are_in_memory_when_loaded_and_whole_when_evicted(tmp_path: Path) -> None:
    content = os.urandom(1024 * 1024)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(content)

    load(tmp_path)
    loaded = resident_bytes(tmp_path)
    evict(tmp_path)

    assert loaded == len(content)
    assert (tmp_path / "deep" / "file").read_bytes() == content


def test_a_meter_tells_memory_before_and_after_and_its_peak() -> None:
    meter = Meter({"us": os.getpid()})

    figures = meter.memory()

    assert 0 < figures["before_us"] <= figures["peak_us"]
    assert 0 < figures["pss_us"] <= figures["rss_us"]
