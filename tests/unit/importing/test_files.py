"""Files of JSON lines, XEP-0227 and CSV are imported, go on where they stopped, or are refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.builders import ALICE, BOB, NOON, everything

from component.core.hosts import Hosts
from component.core.importing.compare import Comparer
from component.core.importing.pipeline import Importer, ImportOptions, ImportReport
from component.core.importing.records import BadSource, Source
from component.core.reading.export import Export
from component.core.reading.follow import Followers
from component.core.xml.times import format_time
from component.importing import csv_file, json_lines, xep_0227
from component.importing.csv_file import CsvFile
from component.importing.json_lines import JsonLines
from component.importing.prosody import ProsodyFiles
from component.importing.xep_0227 import PortableFile
from component.xmpp.connection.addresses import Addresses
from storage.interface import Storage
from storage.open import open_storage
from storage.rows import Direction, Filter, Kind, PreferencesRow, Room

HOSTS = Hosts(["example.org"], ["conference.example.org"])
ROOM = "room@conference.example.org"


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    async with open_storage("sqlite::memory:") as opened:
        yield opened


def importer(storage: Storage) -> Importer:
    return Importer(storage, HOSTS, Addresses())


async def imported(
    storage: Storage, source: Source, options: ImportOptions | None = None
) -> ImportReport:
    """Import and verify."""
    options = options or ImportOptions()
    report = await importer(storage).run(source, options)
    await importer(storage).verify(source, options, report)
    return report


def line(number: int = 0, **fields: object) -> str:
    body = f"text {number}"
    attributes = f"from='{BOB}/x' to='{ALICE}' type='chat' id='m{number}'"
    xml = f"<message {attributes}><body>{body}</body></message>"
    values = {
        "id": f"old-{number}",
        "time": format_time(NOON + number * 1_000_000),
        "from": f"{BOB}/x",
        "to": ALICE,
        "direction": "recv",
        "type": "chat",
        "kind": "message",
        "xml": xml,
    }
    return json.dumps(values | fields) + "\n"


def lines(folder: Path, *texts: str) -> JsonLines:
    path = folder / "archive.jsonl"
    path.write_text("".join(texts))
    return JsonLines(path, HOSTS)


async def test_own_export_is_imported_again(storage: Storage, tmp_path: Path) -> None:
    source = lines(
        tmp_path,
        line(0),
        line(1, **{"direction": "send", "from": ALICE, "to": f"{BOB}/x"}),
        line(2, kind="tombstone"),
        line(3, to=ROOM, **{"from": f"{ROOM}/nick"}, type="groupchat").replace(
            "type='chat'", "type='groupchat'"
        ),
        line(4, kind="blanked", xml=""),
    )
    report = await imported(storage, source)

    assert (report.sum("added"), report.sum("missing"), report.sum("unreadable")) == (4, 0, 1)
    # A persistent room of this name is the same one, so its members read its archive.
    assert await storage.rooms.get(ROOM) == Room(is_persistent=True)
    [logged] = await storage.audit_log.entries(limit=5, subject=ALICE)
    assert (logged.action, logged.detail) == ("import", f"3 messages from {source.name}")
    page = await everything(storage.archive)
    assert [message.direction for message in page.messages] == [
        Direction.RECEIVED,
        Direction.RECEIVED,
        Direction.RECEIVED,
    ]
    assert [message.kind for message in page.messages] == [
        Kind.MESSAGE,
        Kind.MESSAGE,
        Kind.TOMBSTONE,
    ]
    exported = await export(storage, "json_lines")
    async with open_storage("sqlite::memory:") as other:
        path = tmp_path / "again.jsonl"
        path.write_bytes(exported)
        await imported(other, JsonLines(path, HOSTS))
        assert without_ids(await export(other, "json_lines")) == without_ids(exported)


async def export(storage: Storage, format: str, owner: str = ALICE) -> bytes:
    queue = SimpleNamespace(wait_readable=_nothing)
    exporting = Export(storage, queue, Followers())  # type: ignore[arg-type]
    pieces = [piece async for piece in getattr(exporting, format)(owner)]
    return b"".join(pieces)


async def _nothing(_: str) -> None:
    pass


def without_ids(exported: bytes) -> list[dict[str, object]]:
    return [json.loads(text) | {"id": ""} for text in exported.splitlines()]


async def test_own_file_of_xep_0227_is_imported_with_preferences(
    storage: Storage, tmp_path: Path
) -> None:
    await imported(storage, lines(tmp_path, *(line(n) for n in range(450))))
    await storage.preferences.set(PreferencesRow(owner=ALICE, default="never", always=(BOB,)))
    path = tmp_path / "alice.xml"
    path.write_bytes(await export(storage, "portable"))
    async with open_storage("sqlite::memory:") as other:
        report = await imported(other, PortableFile(path, HOSTS))

        assert (report.sum("added"), report.sum("missing"), report.preferences) == (450, 0, 1)
        before, after = await everything(storage.archive), await everything(other.archive)
        assert [(m.at, m.xml, m.peer, m.direction) for m in before.messages] == [
            (m.at, m.xml, m.peer, m.direction) for m in after.messages
        ]
        assert await other.preferences.get(ALICE) == PreferencesRow(
            owner=ALICE, default="never", always=(BOB,)
        )
        ids = [message.id for message in before.messages]
        assert (
            len((await other.archive.page(ALICE, Filter(), limit=999, after=ids[9])).messages)
            == 440
        )


FILE = """<?xml version='1.0'?>
<server-data xmlns='urn:xmpp:pie:0'><host jid='example.org'><user name='alice'>
<archive xmlns='urn:xmpp:pie:0#mam'>{}</archive></user></host></server-data>"""

RESULT = """<result xmlns='urn:xmpp:mam:2' id='r{0}'><forwarded xmlns='urn:xmpp:forward:0'>
<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T12:00:0{0}Z'/>
<message xmlns='jabber:client' from='{1}' to='{2}' id='m{0}'><body>a&gt;{0}</body></message>
</forwarded></result>"""


async def test_results_of_others_are_read_and_bad_ones_named(
    storage: Storage, tmp_path: Path
) -> None:
    path = tmp_path / "file.xml"
    results = [RESULT.format(n, BOB, ALICE) for n in range(4)]
    results[1] = results[1].replace("stamp='2026", "stamp='x2026")
    results[2] = results[2].replace("<message", "<presence").replace("</message", "</presence")
    path.write_text(FILE.format("".join(results)))

    report = await imported(storage, PortableFile(path, HOSTS))

    assert (report.sum("added"), report.sum("unreadable")) == (2, 2)
    assert [record.where for record in report.named] == ["result r1", "result r2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<other/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><server-data xmlns='urn:xmpp:pie:0'/>",
        FILE.format("")[:-20],
        "<server-data xmlns='urn:xmpp:pie:0'>" + "<a>" * 700,
        FILE.format("<a b='" + "x" * (17 * 1024 * 1024) + "'/>"),
    ],
)
async def test_hostile_file_of_xep_0227_is_refused(
    text: str, storage: Storage, tmp_path: Path
) -> None:
    path = tmp_path / "file.xml"
    path.write_text(text)

    with pytest.raises(BadSource):
        await imported(storage, PortableFile(path, HOSTS))


async def test_bad_lines_are_named_and_the_others_imported(
    storage: Storage, tmp_path: Path
) -> None:
    source = lines(
        tmp_path,
        line(0),
        "no json\n",
        "[1]\n",
        "[" * 100_000 + "\n",
        line(1, time="yesterday"),
        line(2, direction="up"),
        line(3, xml="<message"),
        line(4, xml=5),
        line(5, to="alice@elsewhere.example"),
        line(6, xml="<message type='error' from='a@b' to='c@d'/>"),
        line(7, xml="<iq/>"),
        line(8, id="x" * 2000),
        line(9),
    )

    report = await imported(storage, source)

    assert (report.sum("added"), report.sum("unreadable"), len(report.named)) == (2, 10, 10)
    assert report.owners["alice@elsewhere.example"].not_served == 1


async def test_endless_line_is_refused(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "LINE_MAX", 1000)
    with pytest.raises(BadSource, match="longer than"):
        await imported(storage, lines(tmp_path, line(0), "x" * 1001))


async def test_record_with_an_id_that_is_no_text_or_from_the_future_is_named(
    storage: Storage, tmp_path: Path
) -> None:
    source = lines(
        tmp_path,
        line(1, id="\ud800"),
        line(2, id="\0"),
        line(3, time="9999-12-31T00:00:00Z"),
        line(4, time="1969-12-31T00:00:00Z"),
        line(5),
    )
    report = await importer(storage).run(source, ImportOptions())

    assert (report.sum("added"), report.sum("unreadable")) == (1, 4)


async def test_page_of_large_lines_is_cut(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "PAGE_BYTES", 2 * len(line(1)))
    source = lines(tmp_path, *(line(n) for n in range(7)))

    pages = [page async for page in source.pages()]

    assert [len(page.records) for page in pages] == [2, 2, 2, 1]


async def test_blank_lines_do_not_end_a_file(storage: Storage, tmp_path: Path) -> None:
    report = await imported(storage, lines(tmp_path, line(1), "\n" * 500, line(2)))

    assert (report.sum("added"), report.sum("unreadable")) == (2, 0)


async def test_endless_line_of_csv_is_refused(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "_FIELD_MAX", 1000)
    path = tmp_path / "archive.csv"
    path.write_text("owner,time,peer,body\n" + "," * 2000)

    with pytest.raises(BadSource, match="a line has more"):
        await importer(storage).run(CsvFile(path, {}, HOSTS), ImportOptions())


@pytest.mark.parametrize(
    ("preferences", "words"),
    [
        ("<always><jid>" + "x" * 5000 + "</jid></always>", "too long"),
        ("<always>" + "<jid>a@b</jid>" * 10_001 + "</always>", "more than 10000"),
    ],
)
async def test_endless_preferences_are_refused(
    storage: Storage, tmp_path: Path, preferences: str, words: str
) -> None:
    path = tmp_path / "archive.xml"
    path.write_text(
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='example.org'><user name='alice'>"
        f"<prefs xmlns='urn:xmpp:mam:2' default='always'>{preferences}</prefs>"
        "</user></host></server-data>"
    )

    with pytest.raises(BadSource, match=words):
        await importer(storage).run(PortableFile(path, HOSTS), ImportOptions())


@pytest.mark.parametrize("kind", ["json", "xml", "csv"])
async def test_interrupted_import_goes_on(
    kind: str, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (json_lines, xep_0227, csv_file):
        monkeypatch.setattr(module, "PAGE", 10)
    source: Source
    if kind == "json":
        source = lines(tmp_path, *(line(n) for n in range(35)))
    elif kind == "csv":
        rows = [f"{ALICE},{NOON // 1_000_000 + n},{BOB},text {n},id{n}" for n in range(35)]
        path = tmp_path / "file.csv"
        path.write_text("\n".join(["owner,time,peer,body,id", *rows]))
        source = CsvFile(path, {}, HOSTS)
    else:
        path = tmp_path / "file.xml"
        results = [
            RESULT.format(n % 10, BOB, ALICE).replace(f"'r{n % 10}'", f"'r{n}'") for n in range(35)
        ]
        # Small pieces, so that there are pages at all.
        monkeypatch.setattr(xep_0227, "_PIECE", 300)
        path.write_text(FILE.format("".join(results)))
        source = PortableFile(path, HOSTS)

    class Interrupted(Exception):
        pass

    read = 0

    def interrupt(count: int) -> None:
        nonlocal read
        read += count
        if read >= 20:
            raise Interrupted

    with pytest.raises(Interrupted):
        await importer(storage).run(source, ImportOptions(), interrupt)
    report = await imported(storage, source)

    assert report.is_resumed
    assert (report.sum("added"), report.sum("present")) == (35 - read, 0)
    assert len((await everything(storage.archive)).messages) == 35
    again = await imported(storage, source)
    assert (again.is_resumed, again.sum("added"), again.sum("present")) == (False, 0, 35)


async def test_dry_run_changes_nothing(storage: Storage, tmp_path: Path) -> None:
    source = lines(tmp_path, line(0), line(1))

    report = await importer(storage).run(source, ImportOptions(is_dry_run=True))

    assert report.sum("added") == 2
    assert (await storage.retention.totals()).messages == 0


async def test_owners_and_times_are_chosen(storage: Storage, tmp_path: Path) -> None:
    source = lines(tmp_path, line(0), line(1), line(2, to="carol@example.org"))
    options = ImportOptions(owners=frozenset({ALICE}), since=NOON + 1)

    report = await imported(storage, source, options)

    assert {owner: numbers.added for owner, numbers in report.owners.items()} == {ALICE: 1}


async def test_verification_finds_what_is_missing_or_different(
    storage: Storage, tmp_path: Path
) -> None:
    source = lines(tmp_path, line(0), line(1), line(2))
    report = await importer(storage).run(source, ImportOptions())
    longer = lines(tmp_path, line(0), line(1), line(2), line(3))

    await importer(storage).verify(longer, ImportOptions(), report)

    assert report.owners[ALICE].missing == 1


async def test_csv_columns_are_mapped(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text(
        "who;at;with;way;message\n"
        f'{ALICE};2026-01-01T12:00:00Z;{BOB};send;"one; <two>\nthree"\n'
        f"{ALICE};1767268801.25;{BOB};;four\n"
        f"{ALICE};never;{BOB};;five\n"
        f"{ROOM};1767268802;;;six\n"
    )
    columns = {"owner": "who", "time": "at", "peer": "with", "direction": "way", "body": "message"}

    report = await imported(storage, CsvFile(path, columns, HOSTS, delimiter=";"))

    assert (report.sum("added"), report.sum("unreadable")) == (2, 2)
    page = await everything(storage.archive)
    assert [(m.direction, m.at - NOON) for m in page.messages] == [
        (Direction.SENT, 0),
        (Direction.RECEIVED, 1_250_000),
    ]
    assert "<body>one; &lt;two&gt;\nthree</body>" in page.messages[0].xml


@pytest.mark.parametrize(
    ("text", "columns", "reason"),
    [
        ("a,b\n1,2\n", {}, "no column for owner"),
        ("owner,time,peer\n", {}, "none for body"),
        ("owner,time,body\n", {"id": "x"}, "no column for id"),
        ("owner,time,body\n\xff\n", {}, "decode"),
        ("", {}, "no column"),
    ],
)
async def test_csv_without_its_columns_is_refused(
    text: str, columns: dict[str, str], reason: str, storage: Storage, tmp_path: Path
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(BadSource, match=reason):
        await imported(storage, CsvFile(path, columns, HOSTS))


async def test_folder_without_archives_of_prosody_is_refused(
    storage: Storage, tmp_path: Path
) -> None:
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(BadSource):
            await imported(storage, ProsodyFiles(folder))
    place = tmp_path / "example%2eorg" / "archive"
    place.mkdir(parents=True)
    (place / "alice.list").write_bytes(b"item(os.execute('touch /tmp/x'));")
    with pytest.raises(BadSource, match="no archive of Prosody"):
        await imported(storage, ProsodyFiles(tmp_path))


async def test_comparison_names_what_one_side_lacks(storage: Storage, tmp_path: Path) -> None:
    await imported(storage, lines(tmp_path, *(line(n) for n in range(5))))
    other = lines(tmp_path, line(1), line(2), line(2, id="other"), line(7))

    comparer = Comparer(storage, HOSTS, Addresses())
    [comparison] = [result async for result in comparer.run(other)]

    assert (comparison.here, comparison.there) == (5, 4)
    assert (comparison.missing_here, comparison.missing_there) == (2, 3)
    assert [message.id for message in comparison.named_there] == ["old-2", "old-7"]
    assert len(comparison.named_here) == 3


async def test_comparison_of_an_unsorted_source_is_refused(
    storage: Storage, tmp_path: Path
) -> None:
    source = lines(tmp_path, line(0), line(1, to="carol@example.org"), line(2))

    with pytest.raises(BadSource, match="sort it by owner"):
        _ = [result async for result in Comparer(storage, HOSTS, Addresses()).run(source)]
