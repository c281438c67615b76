"""The traffic that the benchmarks generate, and their measurements of processes and files."""

import asyncio
import os
from pathlib import Path

from benchmarks.cache import evict, load, resident_bytes
from benchmarks.conversation import AWAY_EVERY, ROOM_EVERY, Conversation
from benchmarks.loading import annotations, copies, muniment
from benchmarks.loading.dialogue import stanza
from benchmarks.parts.inside import open_reader
from benchmarks.servers.constant_page import PAGE, Component
from benchmarks.servers.ejabberd import HOST
from benchmarks.traffic import Traffic
from benchmarks.usage import Meter
from benchmarks.xmpp import Session
from support.ports import LOOPBACK
from support.stanzas import Element, parse

from component.core.access.principals import User
from component.core.reading.pages import PageQuery
from storage.open import open_read_only
from storage.rows import Filter, Kind, Phrase
from storage.sql.moving.verification import faults

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


def stanzas_of(messages: int) -> list[Element]:
    """Return the stanzas that accompany some messages of one user to another."""
    flow = Conversation(Traffic([]), Session("alice"), Session("bob"))
    text = b"".join(map(flow.stanzas, range(messages))).decode()
    return list(parse(f"<all xmlns='jabber:client'>{text}</all>"))


def test_conversation_has_short_long_and_encrypted_messages_with_receipts() -> None:
    messages = [element for element in stanzas_of(10) if element.get("id", "").startswith("m")]

    lengths = [len(element.findtext("{jabber:client}body", "")) for element in messages]
    encrypted = [
        element
        for element in messages
        if element.find("{eu.siacs.conversations.axolotl}encrypted")
    ]
    assert len(messages) == 10
    assert sum(length > 1000 for length in lengths) == 2
    assert len(encrypted) == 4
    for name in ("{urn:xmpp:receipts}request", "{urn:xmpp:chat-markers:0}markable"):
        assert all(element.find(name) is not None for element in messages)


def test_conversation_has_messages_to_an_offline_user_and_to_a_room() -> None:
    to = [element.get("to") for element in stanzas_of(2 * ROOM_EVERY)]

    assert to.count("away-alice@chat.example") == 2 * ROOM_EVERY // AWAY_EVERY
    assert to.count("tea@conference.chat.example") == 2


async def test_constant_page_is_sent_again_after_its_copies_returned() -> None:
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


def test_loaded_files_are_in_memory_and_evicted_files_unchanged(tmp_path: Path) -> None:
    content = os.urandom(1024 * 1024)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(content)

    load(tmp_path)
    loaded = resident_bytes(tmp_path)
    evict(tmp_path)

    assert loaded == len(content)
    assert (tmp_path / "deep" / "file").read_bytes() == content


async def test_copied_archives_are_as_the_store_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "muniment.db"
    await copies.fill(path, 12, 40)
    await copies.fill(path, 20, 40)  # goes on behind the twelfth

    async with open_read_only(f"sqlite:{path}") as (storage, side):
        async with side.database.read() as connection:
            found = await faults(connection, side.tables)
        jid = f"{copies.owner(19)}@{HOST}"
        word = Filter(phrases=(Phrase(words=("7",)),))
        page = await storage.archive.page(jid, word, limit=5)
        usage = await storage.retention.usage(limit=100)

    assert found == []
    assert [message.xml for message in page.messages] == [stanza(copies.owner(19), 7, 40)]
    assert [(row.owner, row.messages) for row in usage] == [
        (f"{copies.owner(number)}@{HOST}", 40) for number in range(20)
    ]


async def test_annotated_messages_have_reactions_receipts_and_corrections(tmp_path: Path) -> None:
    path, archives, jid = tmp_path / "muniment.db", {"owner": 60}, f"owner@{HOST}"
    await muniment.fill(path, archives)
    await annotations.add(path, archives)

    query = PageQuery(filter=Filter(kinds=frozenset({Kind.MESSAGE})), limit=60)
    async with open_reader(path) as (_, reader):
        page = await reader.readable_page(User(jid), jid, query, folded=True)

    folded = [item.folded for item in page.items if item.folded]
    assert [bool(one.reactions) and bool(one.receipts) for one in folded] == (
        [False] * (60 - annotations.ANNOTATED) + [True] * annotations.ANNOTATED
    )
    assert [one.body for one in folded].count("corrected") == 10


def test_meter_reports_memory_before_after_and_peak() -> None:
    meter = Meter({"us": os.getpid()})

    figures = meter.memory()

    assert 0 < figures["before_us"] <= figures["peak_us"]
    assert 0 < figures["pss_us"] <= figures["rss_us"]
