"""MongooseIM big_tests, mam_SUITE, rsm_cases and with_rsm_cases: each test is named like theirs.

The archive has fifteen messages and a page has five; `with_rsm` filters the messages of one peer
from among those of another. Their offset is the index of XEP-0059.
"""

from __future__ import annotations

import pytest
from support.numbered_archive import COUNT, NumberedArchive, NumberedPage

#: Ids that no archive assigned: that of their suite, and one in the form of a time.
UNKNOWN = ("AV25E9SCO50K", "1500000000000000")


def stretch(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


def assert_page(
    page: NumberedPage, first: int, last: int, *, count: int = COUNT, index: int | None
) -> None:
    """Fail unless a page has these messages, this index and this count."""
    assert page.numbers == stretch(first, last)
    assert (page.count, page.index) == (count, index)


def assert_only_counted(page: NumberedPage) -> None:
    """Fail unless a page is empty and has nothing but the count."""
    assert (page.numbers, page.first, page.last, page.count) == ([], None, None, COUNT)


async def test_pagination_first5(fifteen: NumberedArchive) -> None:
    assert_page(await fifteen.page(max=5), 1, 5, index=0)


async def test_pagination_last5(fifteen: NumberedArchive) -> None:
    """Their server returns the index 10. Muniment omits it on a page that was requested from the
    end and has the last message: slixmpp would stop paging backwards there."""
    assert_page(await fifteen.page(max=5, before=""), 11, 15, index=None)


async def test_pagination_offset5(fifteen: NumberedArchive) -> None:
    assert_page(await fifteen.page(max=5, index=5), 6, 10, index=5)


async def test_pagination_first0(fifteen: NumberedArchive) -> None:
    assert_only_counted(await fifteen.page(max=0))


async def test_pagination_last0(fifteen: NumberedArchive) -> None:
    assert_only_counted(await fifteen.page(max=0, before=""))


async def test_pagination_offset5_max0(fifteen: NumberedArchive) -> None:
    assert_only_counted(await fifteen.page(max=0, index=5))


async def test_pagination_empty_rset(fifteen: NumberedArchive) -> None:
    assert_only_counted(await fifteen.page(max=0))


async def test_pagination_before10(fifteen: NumberedArchive) -> None:
    assert_page(await fifteen.page(max=5, before=10), 5, 9, index=4)


async def test_pagination_after10(fifteen: NumberedArchive) -> None:
    assert_page(await fifteen.page(max=5, after=10), 11, 15, index=10)


async def test_pagination_flipped_page(fifteen: NumberedArchive) -> None:
    """A flipped page has the same first and last id."""
    page = await fifteen.page(max=5, is_flipped=True)

    assert page.numbers == [5, 4, 3, 2, 1]
    assert (page.first, page.last) == (fifteen.ids[1], fifteen.ids[5])


async def test_pagination_last_after_id5(fifteen: NumberedArchive) -> None:
    """The count excludes what after-id filters out; for the index see pagination_last5."""
    page = await fifteen.page(max=5, before="", behind=5)

    assert_page(page, 11, 15, count=10, index=None)


async def test_pagination_last_after_id5_before_id11(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=5, before="", behind=5, ahead_of=11)

    assert_page(page, 6, 10, count=5, index=0)


async def test_pagination_first_page_after_id4(fifteen: NumberedArchive) -> None:
    assert_page(await fifteen.page(max=5, behind=4), 5, 9, count=11, index=0)


async def test_pagination_last_page_after_id4(fifteen: NumberedArchive) -> None:
    """For the index see pagination_last5."""
    page = await fifteen.page(max=5, before="", behind=4)

    assert_page(page, 11, 15, count=11, index=None)


async def test_pagination_border_flipped_page(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=5, before="", behind=5, ahead_of=11, is_flipped=True)

    assert (page.numbers, page.count, page.index) == ([10, 9, 8, 7, 6], 5, 0)


# --- Their simple queries, which omit count and index to be cheap; Muniment returns both ---------


async def test_pagination_simple_before10(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=5, before=10)

    assert (page.numbers, page.complete) == (stretch(5, 9), False)


async def test_pagination_simple_before3(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=5, before=3)

    assert (page.numbers, page.complete) == ([1, 2], True)


async def test_pagination_simple_before6(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=5, before=6)

    assert (page.numbers, page.complete) == (stretch(1, 5), True)


async def test_pagination_simple_before1_pagesize0(fifteen: NumberedArchive) -> None:
    """An empty page is complete if no message precedes it."""
    page = await fifteen.page(max=0, before=1)

    assert (page.numbers, page.complete) == ([], True)


async def test_pagination_simple_before2_pagesize0(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=0, before=2)

    assert (page.numbers, page.complete) == ([], False)


async def test_pagination_simple_after5(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=3, after=5)

    assert (page.numbers, page.complete) == (stretch(6, 8), False)


async def test_pagination_simple_after10(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=5, after=10)

    assert (page.numbers, page.complete) == (stretch(11, 15), True)


async def test_pagination_simple_after12(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(max=5, after=12)

    assert (page.numbers, page.complete) == (stretch(13, 15), True)


async def test_pagination_simple_enforced(fifteen: NumberedArchive) -> None:
    """Their server lets operators disable counting; Muniment always counts."""
    page = await fifteen.page(behind=2, ahead_of=5)

    assert_page(page, 3, 4, count=2, index=0)


# --- Ids that are not there ----------------------------------------------------------------------


@pytest.mark.parametrize("id", UNKNOWN)
async def test_server_returns_item_not_found_for_before_filter_with_nonexistent_id(
    fifteen: NumberedArchive, id: str
) -> None:
    assert (await fifteen.page(max=5, before=id)).refusal == "item-not-found"


@pytest.mark.parametrize("id", UNKNOWN)
async def test_server_returns_item_not_found_for_after_filter_with_nonexistent_id(
    fifteen: NumberedArchive, id: str
) -> None:
    assert (await fifteen.page(max=5, after=id)).refusal == "item-not-found"


async def test_server_returns_item_not_found_for_after_filter_with_invalid_id(
    fifteen: NumberedArchive,
) -> None:
    """Their server answers not-acceptable to such an id; XEP-0313 requires item-not-found."""
    invalid = "bef3a242-99ce-402a-9ffc-2f3c20da92d4"

    assert (await fifteen.page(max=5, after=invalid)).refusal == "item-not-found"
