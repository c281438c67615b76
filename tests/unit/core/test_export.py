"""An export has every message that was in the archive at its start, in order."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import pytest
from support.builders import (
    ALICE,
    BOB,
    NOON,
    ROOM,
    SECOND,
    delete_all_but,
    entries,
    entry,
    everything,
    message,
)
from support.stanzas import CLIENT

from component.core.archiving.writer import Writer
from component.core.errors import Conflict, Overloaded
from component.core.reading.export import PAGE, Export
from component.core.reading.follow import Followers
from component.core.retention.erasure import Erasure
from component.core.retention.holds import Holds
from storage.rows import ANY, Cutoff, Direction, Hold, PreferencesRow
from storage.sql.store import SqlStorage

PIE = "{urn:xmpp:pie:0}"
MAM = "{urn:xmpp:mam:2}"


@pytest.fixture
def export(storage: SqlStorage, writer: Writer) -> Export:
    return Export(storage, writer, Followers())


async def lines(export: Export) -> list[dict[str, Any]]:
    written = b"".join([part async for part in export.json_lines(ALICE)])
    return [json.loads(line) for line in written.decode().splitlines()]


async def portable(export: Export, owner: str = ALICE) -> ElementTree.Element:
    written = b"".join([part async for part in export.portable(owner)])
    return read(written.decode())


def read(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - our own


async def test_json_line_has_every_field_of_a_message(storage: SqlStorage, export: Export) -> None:
    await storage.archive.append([entry(1, xml="<message>Grüße\n</message>")])
    sent = entry(2, at=NOON + SECOND, direction=Direction.SENT, resource="", type="normal")
    await storage.archive.append([sent])
    ids = [m.id for m in (await everything(storage.archive)).messages]

    assert await lines(export) == [
        {
            "id": ids[0],
            "time": "2026-01-01T12:00:00.000000Z",
            "from": f"{BOB}/phone",
            "to": ALICE,
            "direction": "recv",
            "type": "chat",
            "kind": "message",
            "xml": "<message>Grüße\n</message>",
        },
        {
            "id": ids[1],
            "time": "2026-01-01T12:00:01.000000Z",
            "from": ALICE,
            "to": BOB,
            "direction": "send",
            "type": "normal",
            "kind": "message",
            "xml": sent.xml,
        },
    ]


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 2 * PAGE])
async def test_every_message_is_exported_once(
    storage: SqlStorage, export: Export, count: int
) -> None:
    await storage.archive.append(entries(count))

    assert [line["xml"] for line in await lines(export)] == [e.xml for e in entries(count)]


async def test_message_received_during_the_export_is_left_out(
    storage: SqlStorage, export: Export
) -> None:
    await storage.archive.append(entries(PAGE + 10))
    parts = export.json_lines(ALICE)
    first = await anext(parts)
    await storage.archive.append([entry(f"new {n}") for n in range(PAGE)])
    following = b"".join([part async for part in parts])

    assert (first + following).count(b"\n") == PAGE + 10


async def test_deletion_during_the_export_repeats_nothing(
    storage: SqlStorage, export: Export
) -> None:
    await storage.archive.append(entries(3 * PAGE))
    parts = export.json_lines(ALICE)
    first = await anext(parts)
    await storage.retention.delete_oldest(ALICE, Cutoff(messages=PAGE), limit=10_000)
    following = b"".join([part async for part in parts])

    exported = [json.loads(line)["xml"] for line in (first + following).splitlines()]
    texts = [e.xml for e in entries(3 * PAGE)]
    assert exported == texts[:PAGE] + texts[2 * PAGE :]


async def test_erasure_during_the_export_is_a_conflict(
    storage: SqlStorage, export: Export
) -> None:
    await storage.archive.append(entries(PAGE + 1))
    parts = export.json_lines(ALICE)
    first = await anext(parts)
    await storage.retention.erase(ALICE, limit=10_000)
    await storage.archive.append([entry("new")])

    assert first.count(b"\n") == PAGE
    with pytest.raises(Conflict):
        await anext(parts)


class ErasedMeanwhile:
    """An archive that is erased, and has a new owner, right after its ends were read."""

    def __init__(self, storage: SqlStorage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage.archive, name)

    async def first_and_last(self, owner: str) -> Any:
        ends = await self._storage.archive.first_and_last(owner)
        await self._storage.retention.erase(owner, limit=10_000)
        await self._storage.archive.append([entry(f"new {n}") for n in range(3)])
        return ends


async def test_erasure_before_the_first_page_is_a_conflict(
    storage: SqlStorage, writer: Writer
) -> None:
    await storage.archive.append(entries(3))
    erased = cast(SqlStorage, SimpleNamespace(archive=ErasedMeanwhile(storage)))

    with pytest.raises(Conflict):
        await lines(Export(erased, writer, Followers()))


@pytest.mark.parametrize("is_held", [False, True], ids=["goes on", "stopped by a hold"])
async def test_erasure_in_progress_is_a_conflict(
    storage: SqlStorage, writer: Writer, is_held: bool
) -> None:
    """An export that ended normally would hide the missing messages."""
    followers, holds = Followers(), Holds(storage.holds)
    erasure = Erasure(storage.retention, writer, holds, followers=followers, batch=PAGE)
    await storage.archive.append(entries(4 * PAGE))
    parts = Export(storage, writer, followers).json_lines(ALICE)
    await anext(parts)
    erase_task = asyncio.create_task(erasure.erase(ALICE, wait_seconds=10.0))
    while await storage.archive.count(ALICE, ANY) == 4 * PAGE:
        pass
    if is_held:
        await holds.set(Hold(subject=ALICE, reason="r", by="me", at=1))
        with pytest.raises(Conflict, match="hold"):
            await erase_task

    with pytest.raises(Conflict, match="erased"):
        await anext(parts)
    await asyncio.gather(erase_task, return_exceptions=True)


async def test_deleted_message_does_not_end_the_export(
    storage: SqlStorage, export: Export
) -> None:
    rows = entries(2 * PAGE)
    await storage.archive.append(rows)
    parts = export.json_lines(ALICE)
    first = await anext(parts)
    await delete_all_but(storage, PAGE)
    following = b"".join([part async for part in parts])

    assert [json.loads(line)["xml"] for line in (first + following).splitlines()] == [
        row.xml for row in rows
    ]


async def test_portable_export_has_every_message_unchanged(
    storage: SqlStorage, export: Export
) -> None:
    texts = [message("&lt;&amp;"), message("Grüße")]
    await storage.archive.append([entry(n, xml=text) for n, text in enumerate(texts)])

    root = await portable(export)

    results = root.findall(f"{PIE}host/{PIE}user/{{urn:xmpp:pie:0#mam}}archive/{MAM}result")
    ids = [m.id for m in (await everything(storage.archive)).messages]
    assert [result.get("id") for result in results] == ids
    [forwarded] = results[1]
    assert forwarded.tag == "{urn:xmpp:forward:0}forwarded"
    delay, stanza = forwarded
    assert delay.get("stamp") == "2026-01-01T12:00:00.000000Z"
    assert ElementTree.tostring(stanza) == ElementTree.tostring(read(texts[1]))


async def test_portable_export_adds_the_namespace_of_clients(
    storage: SqlStorage, export: Export
) -> None:
    texts = ["<message id='a>b'><body>hi</body></message>", message("hi")]
    await storage.archive.append([entry(n, xml=text) for n, text in enumerate(texts)])

    path = f".//{{urn:xmpp:forward:0}}forwarded/{CLIENT}message/{CLIENT}body"
    assert [body.text for body in (await portable(export)).iterfind(path)] == ["hi", "hi"]
    assert [line["xml"] for line in await lines(export)] == texts


async def test_portable_export_names_host_and_user(export: Export) -> None:
    root = await portable(export, "o'brien&co@exämple.org")

    assert root.tag == f"{PIE}server-data"
    [host] = root
    [user] = host
    assert (host.get("jid"), user.get("name")) == ("exämple.org", "o'brien&co")


async def test_portable_export_has_the_preferences(storage: SqlStorage, export: Export) -> None:
    await storage.preferences.set(
        PreferencesRow(owner=ALICE, default="roster", always=("a&b@x",), never=(BOB, ROOM))
    )
    await storage.preferences.set(PreferencesRow(owner=BOB, default="never"))

    root = await portable(export)

    [prefs] = root.findall(f"{PIE}host/{PIE}user/{MAM}prefs")
    assert prefs.get("default") == "roster"
    assert [jid.text for jid in prefs.findall(f"{MAM}always/{MAM}jid")] == ["a&b@x"]
    assert [jid.text for jid in prefs.findall(f"{MAM}never/{MAM}jid")] == [BOB, ROOM]


async def test_portable_export_leaves_out_blanked_messages(
    storage: SqlStorage, export: Export
) -> None:
    await storage.archive.append([entry(1, xml=message("one")), entry(2, xml=message("two"))])
    first = (await everything(storage.archive)).messages[0]
    await storage.retention.blank(ALICE, first.id)

    assert len((await portable(export)).findall(f".//{MAM}result")) == 1
    assert [line["kind"] for line in await lines(export)] == ["blanked", "message"]


async def test_failing_store_is_overloaded(storage: SqlStorage, export: Export) -> None:
    await storage.close()

    for parts in (export.json_lines(ALICE), export.portable(ALICE)):
        with pytest.raises(Overloaded):
            await anext(parts)
