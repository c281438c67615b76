"""The contract of the count and the index of a page, on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import product

import pytest
from support.builders import (
    ALICE,
    BOB,
    NOON,
    ROMEO,
    ROOM,
    delete_all_but,
    entries,
    entry,
    everything,
    texts,
)

from storage.errors import TooCostly
from storage.interface import Archive, Storage
from storage.rows import ANY, Filter, Kind, NewMessage, Page, Phrase

NOBODY = "nobody@example.org"

#: Messages for more than two buckets of counters.
SEVERAL_BUCKETS = 1300

#: More messages than a count without counters examines.
OVER_EXAMINED = 10_100


def mixed(count: int) -> list[NewMessage]:
    """Return rows with three peers, of two types, each a microsecond after the one before."""
    return [
        entry(
            n,
            at=NOON + n,
            peer=(BOB, ROMEO, ROOM)[n % 3],
            type="groupchat" if n % 3 == 2 else "chat",
            resource=str(n % 2),
            text="odd" if n % 2 else "even",
        )
        for n in range(count)
    ]


#: Filters, and whether each matches message n of `mixed`.
FILTERS: list[tuple[Filter, Callable[[int], object]]] = [
    (ANY, lambda n: True),
    (Filter(peer=ROMEO), lambda n: n % 3 == 1),
    (Filter(groupchat=True), lambda n: n % 3 == 2),
    (Filter(groupchat=False), lambda n: n % 3 != 2),
    (Filter(since=NOON + 100, until=NOON + 1200), lambda n: 100 <= n <= 1200),
    (Filter(peer=BOB, since=NOON + 512), lambda n: n % 3 == 0 and n >= 512),
    (Filter(peer=BOB, until=NOON + 511), lambda n: n % 3 == 0 and n <= 511),
    (Filter(peer=BOB, resource="1"), lambda n: n % 3 == 0 and n % 2),
    (Filter(peer_local="romeo"), lambda n: n % 3 == 1),
    (Filter(peer=ROOM, groupchat=True), lambda n: n % 3 == 2),
    (Filter(phrases=(Phrase(words=("odd",)),)), lambda n: n % 2),
    (Filter(phrases=(Phrase(words=("odd",)),), peer=BOB), lambda n: n % 2 and n % 3 == 0),
    (Filter(kinds=frozenset({Kind.MESSAGE})), lambda n: True),
    (Filter(kinds=frozenset({Kind.RECEIPT})), lambda n: False),
]


async def test_page_without_request_has_no_count(archive: Archive) -> None:
    await archive.append(entries(3))

    page = await archive.page(ALICE, ANY, limit=2)

    assert (page.index, page.count) == (None, None)


async def test_counted_page_has_its_index_and_count(
    archive: Archive, subtests: pytest.Subtests
) -> None:
    rows = mixed(SEVERAL_BUCKETS)
    await archive.append(rows)
    ids = [stored.id for stored in (await everything(archive)).messages]
    for (filter, is_match), backwards in product(FILTERS, (False, True)):
        with subtests.test(filter=filter, backwards=backwards):
            matching = [row for n, row in enumerate(rows) if is_match(n)]
            place = {"before": ids[1030]} if backwards else {"after": ids[515]}
            page = await archive.page(
                ALICE, filter, limit=5, backwards=backwards, counted=True, **place
            )

            behind = [n for n, row in enumerate(matching) if row.at > NOON + 515]
            in_front = [n for n, row in enumerate(matching) if row.at < NOON + 1030]
            positions = in_front[-5:] if backwards else behind[:5]
            assert texts(page) == texts([matching[n] for n in positions])
            index = positions[0] if positions else None
            assert (page.index, page.count) == (index, len(matching))


async def test_index_is_among_all_matches_not_after_an_id(archive: Archive) -> None:
    await archive.append(entries(10))
    ids = [stored.id for stored in (await everything(archive)).messages]

    page = await archive.page(
        ALICE, Filter(after=ids[1], before=ids[8]), limit=2, after=ids[4], counted=True
    )

    assert (texts(page), page.index, page.count) == (texts(entries(10)[5:7]), 3, 6)


@pytest.mark.parametrize("owner", [ALICE, NOBODY])
async def test_empty_page_has_a_count_and_no_index(archive: Archive, owner: str) -> None:
    await archive.append(entries(3))
    is_match = 3 if owner == ALICE else 0

    pages = [
        await archive.page(owner, ANY, limit=0, counted=True),
        await archive.page(owner, Filter(peer=ROMEO), limit=5, counted=True),
        await archive.page(owner, Filter(peer=BOB, resource="?"), limit=5, counted=True),
    ]

    assert pages == [Page(complete=not is_match, count=is_match), Page(count=0), Page(count=0)]


async def test_duplicates_and_deleted_messages_are_not_counted(
    storage: Storage, archive: Archive
) -> None:
    rows = mixed(40)
    await archive.append([*rows, *rows[:5]])
    await archive.append(rows[10:20])
    await delete_all_but(storage, 30)

    pages = [
        await archive.page(ALICE, filter, limit=1, counted=True)
        for filter in (ANY, Filter(peer=BOB), Filter(groupchat=False), Filter(groupchat=True))
    ]

    assert [page.count for page in pages] == [30, 10, 20, 10]


async def test_late_messages_are_counted_by_their_time(archive: Archive) -> None:
    times = [0, 10, 20, 5, 30, -7, 40]
    await archive.append([entry(n, at=at) for n, at in enumerate(times)])

    page = await archive.page(
        ALICE, Filter(since=5, until=30), limit=2, backwards=True, counted=True
    )

    assert ([stored.at for stored in page.messages], page.index, page.count) == ([5, 30], 2, 4)


# Index


@pytest.mark.parametrize(
    "filter",
    [
        Filter(peer=ROMEO),
        Filter(peer_local="romeo"),
        Filter(peer=ROMEO, since=NOON),
        Filter(peer=ROMEO, kinds=frozenset({Kind.MESSAGE})),
    ],
    ids=["counters", "costly", "timed", "kinds"],
)
async def test_index_skips_matching_messages(
    archive: Archive, subtests: pytest.Subtests, filter: Filter
) -> None:
    rows = mixed(SEVERAL_BUCKETS)
    await archive.append(rows)
    matching = rows[1::3]
    for index in (0, 1, 170, 171, 400, 432, 433, 434, 10_000_000, 2**62):
        with subtests.test(index=index):
            if index > 10_000 and (filter.peer_local or filter.kinds):
                with pytest.raises(TooCostly):
                    await archive.page(ALICE, filter, limit=2, index=index)
                continue

            page = await archive.page(ALICE, filter, limit=2, index=index, counted=True)

            assert texts(page) == texts(matching[index : index + 2])
            assert page.complete is (index + 2 >= len(matching))
            assert (page.index, page.count) == (index, len(matching))


async def test_index_begins_where_the_filter_does(
    archive: Archive, subtests: pytest.Subtests
) -> None:
    rows = mixed(SEVERAL_BUCKETS)
    await archive.append(rows)
    firsts, indexes = (0, 1, 300, 511, 512, 513), (0, 1, 3, 300, 510, 511, 512, 513, 700)
    for first, index in product(firsts, indexes):
        with subtests.test(first=first, index=index):
            [message] = (await archive.page(ALICE, ANY, limit=1, index=first)).messages

            by_id = await archive.page(ALICE, Filter(after=message.id), limit=1, index=index)
            later = Filter(since=NOON + first + 1)
            by_time = await archive.page(ALICE, later, limit=1, index=index)

            assert texts(by_id) == texts(by_time) == texts([rows[first + 1 + index]])


async def test_index_skips_gaps_of_sequences(archive: Archive) -> None:
    rows = mixed(SEVERAL_BUCKETS)
    await archive.append(rows[:3])
    # Duplicates take sequences too.
    await archive.append(399 * rows[:3])
    await archive.append(rows[1200:])
    remaining = rows[:3] + rows[1200:]

    pages = [await archive.page(ALICE, ANY, limit=3, index=n) for n in (0, 1, 3, 50, 102, 103)]

    assert [texts(page) for page in pages] == [
        texts(remaining[n : n + 3]) for n in (0, 1, 3, 50, 102, 103)
    ]
    assert [page.complete for page in pages] == [False, False, False, False, True, True]


# Costly counts


@pytest.mark.parametrize(
    "filter",
    [
        Filter(peer=BOB, resource="phone"),
        Filter(peer_local="bob"),
        Filter(kinds=frozenset({Kind.MESSAGE})),
        Filter(phrases=(Phrase(words=("word",)),)),
    ],
    ids=["resource", "local", "kinds", "words"],
)
async def test_costly_count_is_left_out_of_a_page_but_answered_alone(
    archive: Archive, filter: Filter
) -> None:
    await archive.append([entry(n, text="word") for n in range(OVER_EXAMINED)])

    page = await archive.page(ALICE, filter, limit=1, counted=True)

    assert (page.index, page.count) == (None, None)
    assert await archive.count(ALICE, filter) == OVER_EXAMINED


async def test_any_number_of_messages_is_counted_by_counters(archive: Archive) -> None:
    await archive.append([entry(n) for n in range(OVER_EXAMINED)])

    pages = [
        await archive.page(ALICE, filter, limit=1, index=OVER_EXAMINED - 1, counted=True)
        for filter in (ANY, Filter(peer=BOB), Filter(groupchat=False), Filter(since=0))
    ]

    assert [(page.index, page.count) for page in pages] == [(OVER_EXAMINED - 1, OVER_EXAMINED)] * 4
    assert [texts(page) for page in pages] == [texts([entry(OVER_EXAMINED - 1)])] * 4


async def test_count_and_page_are_of_one_snapshot(archive: Archive) -> None:
    async def write() -> None:
        for batch in range(30):
            await archive.append([entry(f"{batch} {n}", at=NOON + batch) for n in range(5)])

    writing = asyncio.create_task(write())
    pages = []
    while not writing.done():
        pages.append(await archive.page(ALICE, ANY, limit=1000, counted=True))
    await writing

    assert [page.count for page in pages] == [len(page.messages) for page in pages]
