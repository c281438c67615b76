"""The contract of filters by id, place and kind, on every backend."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import ALICE, BOB, ROMEO, delete_all_but, entries, entry, everything, texts

from storage.errors import NotFound
from storage.interface import Archive, Storage
from storage.rows import ANY, Filter, Kind, Page

WITH_CONTENT = frozenset({Kind.MESSAGE, Kind.TOMBSTONE})


async def ids_of(archive: Archive, owner: str = ALICE) -> list[str]:
    return [stored.id for stored in (await everything(archive, owner)).messages]


@pytest.mark.parametrize("kind", list(Kind))
async def test_kind_is_read_back_unchanged(archive: Archive, kind: Kind) -> None:
    await archive.append([entry(1, kind=kind)])

    [stored] = (await everything(archive)).messages

    assert stored.kind is kind


@pytest.mark.parametrize("kinds", [{Kind.MESSAGE}, WITH_CONTENT, set(Kind), set()])
async def test_filter_of_kinds_returns_only_those_kinds(
    archive: Archive, kinds: set[Kind]
) -> None:
    rows = [entry(kind, kind=kind) for kind in Kind]
    await archive.append(rows)

    filter = Filter(kinds=frozenset(kinds))

    expected = [row for row in rows if row.kind in kinds]
    assert texts(await everything(archive, filter=filter)) == texts(expected)
    assert texts(await archive.page_by_time(ALICE, filter, limit=None)) == texts(expected)
    assert await archive.count(ALICE, filter) == len(expected)


async def test_filter_of_two_ids_returns_messages_between_them(archive: Archive) -> None:
    await archive.append(entries(6))
    ids = await ids_of(archive)
    filter = Filter(after=ids[0], before=ids[4])

    assert texts(await everything(archive, filter=filter)) == texts(entries(6)[1:4])
    assert texts(await archive.page_by_time(ALICE, filter, limit=None)) == texts(entries(6)[1:4])
    assert await archive.count(ALICE, filter) == 3


async def test_page_combines_the_ids_of_filter_and_page(archive: Archive) -> None:
    await archive.append(entries(8))
    ids = await ids_of(archive)
    filter = Filter(after=ids[1], before=ids[6])

    pages = [
        await archive.page(ALICE, filter, limit=9, after=ids[3]),
        await archive.page(ALICE, filter, limit=9, after=ids[0]),
        await archive.page(ALICE, filter, limit=2, before=ids[7], backwards=True),
        await archive.page(ALICE, filter, limit=9, after=ids[6]),
    ]

    assert [texts(page) for page in pages] == [
        texts(entries(8)[4:6]),
        texts(entries(8)[2:6]),
        texts(entries(8)[4:6]),
        [],
    ]
    assert [page.complete for page in pages] == [True, True, False, True]


async def test_filter_of_reversed_ids_matches_nothing(archive: Archive) -> None:
    await archive.append(entries(3))
    ids = await ids_of(archive)
    filter = Filter(after=ids[2], before=ids[0])

    assert await archive.page(ALICE, filter, limit=3, counted=True) == Page(count=0)
    assert await archive.count(ALICE, filter) == 0


async def test_filter_of_chosen_ids_returns_the_order_of_arrival(archive: Archive) -> None:
    await archive.append(entries(5))
    ids = await ids_of(archive)
    filter = Filter(ids=(ids[3], ids[0], ids[4], ids[0]))

    assert texts(await everything(archive, filter=filter)) == texts(
        [entries(5)[n] for n in (0, 3, 4)]
    )
    assert await archive.count(ALICE, filter) == 3


@pytest.mark.parametrize("backwards", [False, True])
async def test_messages_of_chosen_ids_are_paged(archive: Archive, backwards: bool) -> None:
    await archive.append(entries(5))
    ids = await ids_of(archive)
    filter = Filter(ids=(ids[4], ids[0], ids[2]))

    first = await archive.page(ALICE, filter, limit=2, backwards=backwards, counted=True)
    place = {"before": first.messages[0].id} if backwards else {"after": first.messages[1].id}
    rest = await archive.page(ALICE, filter, limit=2, backwards=backwards, counted=True, **place)

    rows = [texts(entries(5))[n] for n in (0, 2, 4)]
    assert texts(first) == (rows[1:] if backwards else rows[:2])
    assert texts(rest) == (rows[:1] if backwards else rows[2:])
    assert (first.complete, first.index, first.count) == (False, 1 if backwards else 0, 3)
    assert (rest.complete, rest.index, rest.count) == (True, 0 if backwards else 2, 3)


async def test_filter_of_no_ids_matches_nothing(archive: Archive) -> None:
    await archive.append(entries(2))

    assert await everything(archive, filter=Filter(ids=())) == Page()


async def test_chosen_ids_are_combined_with_the_rest_of_the_filter(archive: Archive) -> None:
    rows = [entry(n, peer=(BOB, ROMEO)[n % 2]) for n in range(6)]
    await archive.append(rows)
    filter = Filter(ids=tuple((await ids_of(archive))[:4]), peer=ROMEO)

    assert texts(await everything(archive, filter=filter)) == texts([rows[1], rows[3]])


@pytest.mark.parametrize("method", ["page", "page_by_time", "count"])
@pytest.mark.parametrize("part", ["after", "before", "ids"])
async def test_unknown_id_in_a_filter_is_not_found(
    storage: Storage, archive: Archive, part: str, method: str
) -> None:
    await archive.append([*entries(3), *entries(3, owner=BOB)])
    deleted, stays, *_ = await ids_of(archive)
    foreign, *_ = await ids_of(archive, BOB)
    await delete_all_but(storage, 2)
    reads = {
        "page": lambda filter: archive.page(ALICE, filter, limit=5),
        "page_by_time": lambda filter: archive.page_by_time(ALICE, filter, limit=5),
        "count": lambda filter: archive.count(ALICE, filter),
    }

    refused = []
    for id in (deleted, foreign, "x", "", "A" * 22):
        value = (stays, id) if part == "ids" else id
        with pytest.raises(NotFound, match=f"^{id}$"):
            await reads[method](replace(ANY, **{part: value}))  # type: ignore[arg-type]
        refused.append(id)

    assert len(refused) == 5
