"""The spill file: rows are read back unchanged, or counted as damaged."""

from __future__ import annotations

import os
from pathlib import Path
from zlib import crc32

import pytest
from support.builders import ALICE, entries, entry

from storage.errors import StorageError, Unavailable
from storage.rows import Direction, Kind, NewMessage, Relation
from storage.spill import Spill

EVERYTHING = NewMessage(
    owner=ALICE,
    at=1,
    peer="räume@example.org",
    resource="",
    type="groupchat",
    direction=Direction.SENT,
    xml='<m>\r\n\u2028\x85 \U0001f984 "quoted"</m>',
    dedup_key=bytes(range(16)),
    alternative_keys=(b"\x00" * 16, b"\n" * 16),
    nick="ny",
    kind=Kind.ANNOTATION,
    text="words",
    name_hashes=(-1, 2**63 - 1),
    refers_to=(-(2**63), 3),
    relation=Relation.CORRECTION,
    is_seen=True,
)


@pytest.fixture
def spill(tmp_path: Path) -> Spill:
    return Spill(tmp_path / "archive.db-spill", reserve=4096)


def test_rows_are_read_as_written(spill: Spill) -> None:
    work = (EVERYTHING, *entries(2))
    spill.write(work)

    spilled = spill.read()

    assert (spilled.messages, spilled.damaged) == (work, 0)
    assert [type(spilled.messages[0].direction), type(spilled.messages[0].kind)] == [
        Direction,
        Kind,
    ]


def test_missing_file_has_no_rows(spill: Spill) -> None:
    spill.remove()

    assert spill.read().messages == ()


def test_files_are_readable_by_their_owner_only(spill: Spill) -> None:
    umask = os.umask(0)
    try:
        spill.reserve_space()
        spill.write([entry(1)])
        spill.reserve_space()
    finally:
        os.umask(umask)
    files = sorted(spill.path.parent.iterdir())

    assert [file.name for file in files] == ["archive.db-spill", "archive.db-spill-reserve"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@pytest.mark.parametrize("place", [30, 200, -2])
def test_damaged_row_is_left_out_counted_and_kept_aside(spill: Spill, place: int) -> None:
    spill.write(entries(3))
    content = bytearray(spill.path.read_bytes())
    content[place] ^= 0x20
    spill.path.write_bytes(content)

    spilled = spill.read()
    spill.copy_damaged()
    spill.remove()

    assert (len(spilled.messages), spilled.damaged) == (2, 1)
    assert set(spilled.messages) < set(entries(3))
    assert [file.name for file in spill.path.parent.iterdir()] == ["archive.db-spill-damaged"]


def test_truncated_file_gives_its_whole_rows(spill: Spill) -> None:
    spill.write(entries(3))
    spill.path.write_bytes(spill.path.read_bytes()[:-20])

    spilled = spill.read()

    assert (spilled.messages, spilled.damaged) == (tuple(entries(2)), 1)


@pytest.mark.parametrize(
    "row",
    [
        b'{"entry":{"owner":"alice@example.org","colour":"red"}}',
        b'{"entry":["alice@example.org"]}',
        b"alice",
        b"1",
    ],
)
def test_row_of_another_version_is_left_out_and_counted(spill: Spill, row: bytes) -> None:
    spill.write([entry(1)])
    with spill.path.open("ab") as file:
        file.write(b"%d %08x %s\n" % (len(row), crc32(row), row))

    spilled = spill.read()

    assert (spilled.messages, spilled.damaged) == ((entry(1),), 1)


def test_file_of_another_format_is_refused(spill: Spill) -> None:
    spill.path.write_text("something else")

    with pytest.raises(StorageError, match="rename or remove it"):
        spill.read()


def test_failed_write_is_unavailable_and_leaves_no_file(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "archive.db-spill")
    spill.path.mkdir()

    with pytest.raises(Unavailable, match="archive"):
        spill.write([entry(1)])
    assert [file.name for file in tmp_path.iterdir()] == ["archive.db-spill"]


def test_reserved_space_is_freed_by_a_write(spill: Spill) -> None:
    spill.reserve_space()
    [reserve] = spill.path.parent.iterdir()

    assert reserve.stat().st_blocks * 512 >= 4096
    spill.write([entry(1)])
    assert not reserve.exists()
