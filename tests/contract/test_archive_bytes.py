"""The contract of pages that are bounded in bytes, on every backend."""

from __future__ import annotations

import pytest
from support.builders import ALICE, NOON, SECOND, entries, entry

from storage.interface import Archive
from storage.rows import ANY, Filter, Phrase

LARGE = "<message xmlns='jabber:client'><body>" + "é" * 50_000 + "</body></message>"

#: Room for two messages of that size.
MAX_BYTES = 250_000


@pytest.fixture
async def large(archive: Archive) -> Archive:
    await archive.append(entries(10, xml=LARGE, text="word"))
    return archive


@pytest.mark.parametrize("filter", [ANY, Filter(phrases=(Phrase(words=("word",)),))])
@pytest.mark.parametrize("backwards", [False, True])
async def test_page_is_bounded_in_bytes_and_has_index_and_count(
    large: Archive, filter: Filter, backwards: bool
) -> None:
    all_ids = [message.id for message in (await large.page(ALICE, filter, limit=100)).messages]

    page = await large.page(
        ALICE, filter, limit=5, backwards=backwards, counted=True, max_bytes=MAX_BYTES
    )

    expected = all_ids[-2:] if backwards else all_ids[:2]
    assert [message.id for message in page.messages] == expected
    assert (page.index, page.count, page.complete) == (8 if backwards else 0, 10, False)


async def test_last_page_within_the_bytes_is_complete(large: Archive) -> None:
    ids = [message.id for message in (await large.page(ALICE, ANY, limit=100)).messages]

    page = await large.page(ALICE, ANY, limit=5, after=ids[7], counted=True, max_bytes=MAX_BYTES)

    assert (len(page.messages), page.index, page.complete) == (2, 8, True)


@pytest.mark.parametrize("count", [1, 2])
async def test_message_larger_than_a_page_is_a_page_alone(archive: Archive, count: int) -> None:
    await archive.append(entries(count, xml=LARGE))

    page = await archive.page(ALICE, ANY, limit=5, max_bytes=1)
    by_time = await archive.page_by_time(ALICE, ANY, limit=5, max_bytes=1)

    assert len(page.messages) == len(by_time.messages) == 1
    assert page.complete is by_time.complete is (count == 1)


async def test_page_after_an_id_is_bounded_in_bytes(large: Archive) -> None:
    first = (await large.page(ALICE, ANY, limit=1)).messages[0].id

    page = await large.page_after(ALICE, first, limit=100, max_bytes=MAX_BYTES)

    assert (len(page.messages), page.complete) == (2, False)


async def test_page_at_an_index_is_bounded_in_bytes(large: Archive) -> None:
    page = await large.page(ALICE, ANY, limit=9, index=3, counted=True, max_bytes=MAX_BYTES)

    assert (len(page.messages), page.index, page.count) == (2, 3, 10)


async def test_page_by_time_does_not_split_a_microsecond_by_bytes(archive: Archive) -> None:
    await archive.append([entry(n, at=NOON, xml=LARGE) for n in range(4)])
    await archive.append([entry("later", at=NOON + SECOND)])

    page = await archive.page_by_time(ALICE, ANY, limit=5, max_bytes=MAX_BYTES)

    assert (len(page.messages), page.complete) == (4, False)
