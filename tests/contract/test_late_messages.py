"""A late message costs itself alone, and what is found by time is exact all the same."""

from __future__ import annotations

import pytest
from support.builders import ALICE, NOON, SECOND, entry, removal

from storage.counts import LOOKED_AT_MAX
from storage.interface import Archive
from storage.rows import Filter

MANY = LOOKED_AT_MAX + 1000

AFTER = Filter(since=NOON + 500 * SECOND)
UNTIL = Filter(until=NOON + (MANY - 500) * SECOND)


async def fill(archive: Archive) -> None:
    for first in range(0, MANY, 1000):
        await archive.append(
            [entry(n, at=NOON + n * SECOND) for n in range(first, min(first + 1000, MANY))]
        )


@pytest.mark.parametrize(("wanted", "late"), [(AFTER, 0), (UNTIL, 1)], ids=["after", "until"])
async def test_a_late_message_leaves_counts_and_places_of_a_large_archive(
    archive: Archive, wanted: Filter, late: int
) -> None:
    await fill(archive)
    before = await archive.page(ALICE, wanted, limit=10, backwards=True, counted=True)
    copy = entry("late", at=NOON)
    await archive.append([copy, entry(7, at=NOON)])

    page = await archive.page(ALICE, wanted, limit=10, backwards=True, counted=True)

    assert before.count is not None
    assert page.count == before.count + late == await archive.count(ALICE, wanted)
    assert page.index == page.count - 10
    assert (page.messages[-1].xml == copy.xml) is bool(late)
    skipped = await archive.page(ALICE, wanted, limit=10, index=page.index)
    assert skipped.messages == page.messages
    await archive.append([removal(copy)])
    again = await archive.page(ALICE, wanted, limit=10, backwards=True, counted=True)
    assert again == before
