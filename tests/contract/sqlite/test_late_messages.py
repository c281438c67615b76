"""A late message does not make the reads of a large archive costly or inexact."""

from __future__ import annotations

import pytest
from support.builders import ALICE, NOON, SECOND, entry

from storage.interface import Archive
from storage.rows import Filter
from storage.sql.messages.counts import EXAMINED_MAX
from storage.sql.messages.lateness import MISPLACED_MAX

MESSAGES = EXAMINED_MAX + 1000

AFTER = Filter(since=NOON + 500 * SECOND)
UNTIL = Filter(until=NOON + (MESSAGES - 500) * SECOND)


async def fill(archive: Archive) -> None:
    for first in range(0, MESSAGES, 1000):
        await archive.append(
            [entry(n, at=NOON + n * SECOND) for n in range(first, min(first + 1000, MESSAGES))]
        )


@pytest.mark.parametrize(("filter", "late"), [(AFTER, 0), (UNTIL, 1)], ids=["after", "until"])
async def test_late_message_keeps_counts_and_indexes_of_a_large_archive(
    archive: Archive, filter: Filter, late: int
) -> None:
    await fill(archive)
    before = await archive.page(ALICE, filter, limit=10, backwards=True, counted=True)
    copy = entry("late", at=NOON)
    await archive.append([copy, entry(7, at=NOON)])

    page = await archive.page(ALICE, filter, limit=10, backwards=True, counted=True)

    assert before.count is not None
    assert page.count == before.count + late == await archive.count(ALICE, filter)
    assert page.index == page.count - 10
    assert (page.messages[-1].xml == copy.xml) is bool(late)
    skipped = await archive.page(ALICE, filter, limit=10, index=page.index)
    assert skipped.messages == page.messages


@pytest.mark.parametrize("misplaced", [10, MISPLACED_MAX + 10])
async def test_late_messages_are_paged_by_time_among_other_late_messages(
    archive: Archive, misplaced: int
) -> None:
    await archive.append([entry(n, at=NOON + n * SECOND) for n in range(100)])
    late = [entry(f"late {n}", at=NOON + 50 * SECOND + n) for n in range(misplaced)]
    await archive.append(late)
    await archive.append(
        [entry(f"later {n}", at=NOON + 10 * SECOND + n) for n in range(misplaced)]
    )
    filter = Filter(since=NOON + 50 * SECOND, until=NOON + 51 * SECOND)

    oldest = await archive.page(ALICE, filter, limit=3)
    newest = await archive.page(ALICE, filter, limit=3, backwards=True, counted=True)
    skipped = await archive.page(ALICE, filter, limit=3, index=misplaced - 1)

    assert [message.at - NOON for message in oldest.messages] == [
        50 * SECOND,
        51 * SECOND,
        50 * SECOND,
    ]
    assert [message.xml for message in newest.messages] == [message.xml for message in late[-3:]]
    assert skipped.messages == newest.messages
    assert newest.count == misplaced + 2 == await archive.count(ALICE, filter)


async def test_page_by_index_skips_late_messages(archive: Archive) -> None:
    """Messages older than the filter lie scattered among those that match."""
    for n in range(1000):
        await archive.append([entry(n, at=NOON + n * SECOND)])
        if n > 500 and n % 7 == 0:
            await archive.append([entry(f"late {n}", at=NOON + n)])
    filter = Filter(since=NOON + 300 * SECOND)

    for index in (0, 200, 201, 350, 498, 699, 700, 5000):
        page = await archive.page(ALICE, filter, limit=1, index=index)

        expected = [NOON + (300 + index) * SECOND] if index < 700 else []
        assert [message.at for message in page.messages] == expected
