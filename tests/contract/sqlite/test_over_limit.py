"""The messages over a limit are found in chunks of rows, of any size."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import ALICE, BOB, NOON, SECOND, entries, everything
from support.databases import open_database

from storage.rows import Cutoff, OverLimit
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.ids import KEY_BYTES, Ids
from storage.sql.retention.store import SqlRetention


@pytest.mark.parametrize(
    ("cutoff", "over"),
    [
        (Cutoff(), 0),
        (Cutoff(since=NOON + 2 * SECOND), 2),
        (Cutoff(since=NOON + 100 * SECOND), 6),
        (Cutoff(messages=4), 2),
        (Cutoff(messages=0), 6),
        (Cutoff(bytes=4 * 55), 2),
        (Cutoff(bytes=0), 6),
        (Cutoff(since=NOON + SECOND, messages=4, bytes=10_000), 2),
    ],
    ids=repr,
)
@pytest.mark.parametrize("chunk", [1, 2, 6, 1000])
@pytest.mark.parametrize("peer", [None, BOB])
async def test_over_limit_counts_over_all_chunks(
    tmp_path: Path, cutoff: Cutoff, over: int, chunk: int, peer: str | None
) -> None:
    async with open_database(tmp_path / "archive.db") as database:
        ids = Ids(bytes(KEY_BYTES))
        archive = SqlArchive(database, ids)
        retention = SqlRetention(database, ids, archive, chunk=chunk)
        await archive.append([*entries(6, xml="x" * 55), *entries(9, owner=BOB)])

        counted = await retention.over_limit(ALICE, cutoff, peer=peer)
        if peer is None:
            removed = await retention.delete_oldest(ALICE, cutoff, limit=1000)
        else:
            removed = await retention.blank_oldest(ALICE, peer, cutoff, limit=1000)

        times = (NOON, NOON + (over - 1) * SECOND) if over else (None, None)
        assert counted == OverLimit(messages=over, oldest=times[0], newest=times[1])
        assert (removed.messages, removed.done) == (over, True)
        remaining = [message for message in (await everything(archive)).messages if message.xml]
        assert len(remaining) == 6 - over
