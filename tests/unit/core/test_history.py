"""Who may read which archive, and how much of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import (
    ALICE,
    BOB,
    HOST,
    NOON,
    OTHER_HOST,
    ROMEO,
    entries,
    entry,
    removal,
    texts,
)

from component.core.errors import BadRequest, Forbidden, ItemNotFound, Overloaded, Refused
from component.core.history import History, Query
from component.core.writer import Writer
from storage.open import SqlStorage, open_storage
from storage.rows import Filter

DEFAULT, MOST = 2, 4
CAROL = f"carol@{OTHER_HOST}"


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqlStorage]:
    async with open_storage(f"sqlite:{tmp_path}/archive.db") as opened:
        yield opened


@pytest.fixture
async def writer(storage: SqlStorage) -> AsyncIterator[Writer]:
    writer = Writer(storage.archive, capacity=100, on_pressure=lambda _: None)
    task = asyncio.create_task(writer.run())
    yield writer
    writer.stop()
    await task


@pytest.fixture
def history(storage: SqlStorage, writer: Writer) -> History:
    hosts = [HOST, OTHER_HOST]
    return History(storage.archive, writer, hosts, page_default=DEFAULT, page_max=MOST)


# Who may


@pytest.mark.parametrize("owner", [ALICE, BOB, CAROL])
async def test_everybody_may_read_their_own_archive(
    history: History, writer: Writer, owner: str
) -> None:
    writer.put([entry(owner=owner)])

    assert len((await history.read(owner, owner, Query())).page.messages) == 1


@pytest.mark.parametrize(
    ("requester", "owner"),
    [
        (BOB, ALICE),
        (f"alice@{OTHER_HOST}", ALICE),
        (ROMEO, ALICE),
        ("", ALICE),
        (HOST, ALICE),
        (f"archive.{HOST}", ALICE),
        (f"Alice@{HOST}", ALICE),
        (f"{ALICE}/a1", ALICE),
        (ALICE, f"{ALICE}/a1"),
        (f"{ALICE} ", ALICE),
        (f"a@{ALICE}", ALICE),
        # Own archives that are none of ours
        (ROMEO, ROMEO),
        (HOST, HOST),
        (f"alice@sub.{HOST}", f"alice@sub.{HOST}"),
        (f"@{HOST}", f"@{HOST}"),
        ("", ""),
    ],
)
async def test_nobody_may_read_another_archive(
    history: History, writer: Writer, requester: str, owner: str
) -> None:
    writer.put([entry(owner=owner), entry(owner=ALICE)])

    with pytest.raises(Forbidden):
        await history.read(requester, owner, Query())


@pytest.mark.parametrize(
    "query", [Query(max=-1), Query(after="unknown"), Query(before="unknown"), Query(max=0)]
)
async def test_who_may_not_read_learns_nothing_else(history: History, query: Query) -> None:
    with pytest.raises(Forbidden):
        await history.read(BOB, ALICE, query)


# How much


@pytest.mark.parametrize(
    ("most", "given"), [(None, DEFAULT), (1, 1), (3, 3), (MOST, MOST), (5, MOST), (2**70, MOST)]
)
async def test_a_page_has_its_limits(
    history: History, writer: Writer, most: int | None, given: int
) -> None:
    writer.put(entries(6))

    answer = await history.read(ALICE, ALICE, Query(max=most))

    assert (texts(answer.page), answer.page.complete) == (texts(entries(6)[:given]), False)


@pytest.mark.parametrize("most", [-1, -(2**70)])
async def test_less_than_nothing_is_a_bad_request(history: History, most: int) -> None:
    with pytest.raises(BadRequest):
        await history.read(ALICE, ALICE, Query(max=most))


async def test_the_last_page_is_read_backwards(history: History, writer: Writer) -> None:
    writer.put(entries(6))

    answer = await history.read(ALICE, ALICE, Query(backwards=True))

    assert texts(answer.page) == texts(entries(6)[4:])


async def test_a_page_lies_between_two_messages(history: History, writer: Writer) -> None:
    writer.put(entries(4))
    ids = [m.id for m in (await history.read(ALICE, ALICE, Query(max=4))).page.messages]

    answer = await history.read(ALICE, ALICE, Query(after=ids[0], before=ids[3]))

    assert (texts(answer.page), answer.page.complete) == (texts(entries(4)[1:3]), True)


async def test_a_filter_is_applied(history: History, writer: Writer) -> None:
    rows = [entry(n, at=NOON + n, peer=(BOB, ROMEO)[n % 2]) for n in range(6)]
    writer.put(rows)

    wanted = Filter(peer=ROMEO, since=NOON + 3)
    answer = await history.read(ALICE, ALICE, Query(wanted=wanted))

    assert (texts(answer.page), answer.page.complete) == (texts([rows[3], rows[5]]), True)


@pytest.mark.parametrize("bound", ["after", "before"])
async def test_an_unknown_id_is_no_item(history: History, writer: Writer, bound: str) -> None:
    writer.put(entries(2))

    with pytest.raises(ItemNotFound):
        await history.read(ALICE, ALICE, replace(Query(), **{bound: "unknown"}))


@pytest.mark.parametrize("bound", ["after", "before"])
async def test_an_id_of_another_archive_is_no_item(
    history: History, writer: Writer, bound: str
) -> None:
    writer.put([*entries(2), *entries(2, owner=BOB)])
    foreign = (await history.read(BOB, BOB, Query())).page.messages[0].id

    with pytest.raises(ItemNotFound):
        await history.read(ALICE, ALICE, replace(Query(), **{bound: foreign}))


async def test_an_unknown_id_is_no_item_even_where_only_the_count_is_wanted(
    history: History,
) -> None:
    with pytest.raises(ItemNotFound):
        await history.read(ALICE, ALICE, Query(max=0, after="unknown"))


# Counts


async def test_the_whole_archive_is_counted(history: History, writer: Writer) -> None:
    writer.put([*entries(6), removal(entry(3))])

    assert (await history.read(ALICE, ALICE, Query(max=1))).count == 5


async def test_a_filter_is_not_counted_unasked(history: History, writer: Writer) -> None:
    writer.put(entries(6))

    assert (await history.read(ALICE, ALICE, Query(wanted=Filter(peer=BOB)))).count is None


async def test_a_filter_is_counted_where_only_the_count_is_wanted(
    history: History, writer: Writer
) -> None:
    writer.put([*entries(3), entry("x", peer=ROMEO)])

    answer = await history.read(ALICE, ALICE, Query(wanted=Filter(peer=BOB), max=0))

    assert (answer.count, answer.page.messages) == (3, ())


async def test_an_empty_archive_has_no_messages_and_is_complete(history: History) -> None:
    answer = await history.read(ALICE, ALICE, Query())

    assert (answer.count, answer.page.messages, answer.page.complete) == (0, (), True)


# Reads see writes


async def test_a_page_holds_what_was_taken_before(history: History, writer: Writer) -> None:
    found = []
    for n in range(5):
        writer.put([entry(n)])
        answer = await history.read(ALICE, ALICE, Query(max=1, backwards=True))
        found += texts(answer.page)

    assert found == texts([entry(n) for n in range(5)])


# Trouble


async def test_a_store_in_trouble_is_overloaded(history: History, storage: SqlStorage) -> None:
    await storage.close()

    with pytest.raises(Overloaded):
        await history.read(ALICE, ALICE, Query())


@pytest.mark.parametrize(
    "wanted", [Filter(peer="\ud800"), Filter(since=2**63), Filter(until=-(2**63) - 1)], ids=str
)
async def test_a_filter_that_no_store_takes_is_not_to_be_tried_again(
    history: History, wanted: Filter
) -> None:
    with pytest.raises(Refused) as caught:
        await history.read(ALICE, ALICE, Query(wanted=wanted))

    assert caught.value.kind != "wait"
