"""What is kept beside the store comes back as it was, or is counted as damaged."""

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


def test_rows_come_back_as_they_were(spill: Spill) -> None:
    work = (EVERYTHING, *entries(2))
    spill.write(work)

    kept = spill.read()

    assert (kept.messages, kept.damaged) == (work, 0)
    assert [type(kept.messages[0].direction), type(kept.messages[0].kind)] == [Direction, Kind]


def test_where_there_is_none_nothing_is_kept(spill: Spill) -> None:
    spill.remove()

    assert spill.read().messages == ()


def test_nobody_else_may_read_it(spill: Spill) -> None:
    was = os.umask(0)
    try:
        spill.reserve_space()
        spill.write([entry(1)])
        spill.reserve_space()
    finally:
        os.umask(was)
    files = sorted(spill.path.parent.iterdir())

    assert [file.name for file in files] == ["archive.db-spill", "archive.db-spill-reserve"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@pytest.mark.parametrize("place", [30, 200, -2])
def test_a_damaged_row_is_left_out_counted_and_put_aside(spill: Spill, place: int) -> None:
    spill.write(entries(3))
    content = bytearray(spill.path.read_bytes())
    content[place] ^= 0x20
    spill.path.write_bytes(content)

    kept = spill.read()
    spill.copy_damaged()
    spill.remove()

    assert (len(kept.messages), kept.damaged) == (2, 1)
    assert set(kept.messages) < set(entries(3))
    assert [file.name for file in spill.path.parent.iterdir()] == ["archive.db-spill-damaged"]


def test_one_that_was_cut_short_gives_what_is_whole(spill: Spill) -> None:
    spill.write(entries(3))
    spill.path.write_bytes(spill.path.read_bytes()[:-20])

    kept = spill.read()

    assert (kept.messages, kept.damaged) == (tuple(entries(2)), 1)


@pytest.mark.parametrize(
    "row",
    [
        b'{"entry":{"owner":"alice@example.org","colour":"red"}}',
        b'{"entry":["alice@example.org"]}',
        b"alice",
        b"1",
    ],
)
def test_a_row_of_another_version_is_left_out_and_counted(spill: Spill, row: bytes) -> None:
    spill.write([entry(1)])
    with spill.path.open("ab") as file:
        file.write(b"%d %08x %s\n" % (len(row), crc32(row), row))

    kept = spill.read()

    assert (kept.messages, kept.damaged) == ((entry(1),), 1)


def test_a_file_of_another_kind_is_refused(spill: Spill) -> None:
    spill.path.write_text("something else")

    with pytest.raises(StorageError, match="rename or remove it"):
        spill.read()


def test_a_folder_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "archive.db-spill")
    spill.path.mkdir()

    with pytest.raises(Unavailable, match="archive"):
        spill.write([entry(1)])
    assert [file.name for file in tmp_path.iterdir()] == ["archive.db-spill"]


def test_room_is_kept_for_it(spill: Spill) -> None:
    spill.reserve_space()
    [reserve] = spill.path.parent.iterdir()

    assert reserve.stat().st_blocks * 512 >= 4096
    spill.write([entry(1)])
    assert not reserve.exists()
