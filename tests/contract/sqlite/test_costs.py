"""Counting and skipping read a small part of a large archive, as the steps of SQLite show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.builders import (
    ALICE,
    BOB,
    NOON,
    ROMEO,
    correction,
    entry,
    everything,
    retract,
    texts,
)
from support.databases import open_database
from support.sqlite_trace import on_statements, on_steps

from storage.rows import ANY, READABLE, XML_EXAMINED_MAX, Cutoff, Filter, Kind, Phrase
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.counter_updates import LONG
from storage.sql.messages.counts import EXAMINED_MAX
from storage.sql.messages.ids import KEY_BYTES, Ids
from storage.sql.retention.store import SqlRetention
from storage.sqlite.engine.dialect import translated
from storage.sqlite.merge import merge_index

CAROL = "carol@example.org"
MESSAGES = 50_000

#: The minimum number of steps to read all messages; most reads take more.
ALL = 3 * MESSAGES

#: Messages in bob's archive, of which the last one came late.
LATE = 5_000

#: What is read of tallies, and of two stretches at the edges.
FEW = ALL // 5

#: The steps of a search in an archive of one message, beside large archives of others.
FEW_OF_ONE = 700

#: What is done with each of those that are looked at, where there is a bound.
LOOKED_AT = 30 * EXAMINED_MAX


@dataclass
class Counted:
    """An archive, and the steps of its database since they were asked for last."""

    archive: SqlArchive
    retention: SqlRetention
    _steps: int = 0

    def step(self) -> None:
        self._steps += 1

    def steps(self) -> int:
        steps, self._steps = self._steps, 0
        return steps


async def fill(path: Path) -> None:
    async with open_database(path) as database:
        archive = SqlArchive(database, Ids(bytes(KEY_BYTES)))
        for first in range(0, MESSAGES, 1000):
            await archive.append(
                [
                    entry(
                        n,
                        at=NOON + n,
                        peer=ROMEO if n % 10 else BOB,
                        type="groupchat" if n % 7 == 0 else "chat",
                        text=f"common rare wor{n}" if n % 10_000 == 5 else f"common wor{n}",
                        name_hashes=(n,),
                        refers_to=(n - 1,),
                    )
                    for n in range(first, first + 1000)
                ]
            )
        await archive.append([entry("one", owner=CAROL, text="common world")])
        times = [*range(1, LATE), 0]
        await archive.append([entry(f"late {n}", owner=BOB, at=NOON + n) for n in times])
        # Without this, a search spends most steps on looking into each piece of the index.
        await merge_index(database)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("costs") / "archive.db"
    asyncio.run(fill(path))
    return path


@pytest.fixture
async def counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    async with open_database(path) as database:
        ids = Ids(bytes(KEY_BYTES))
        archive = SqlArchive(database, ids)
        counted = Counted(archive, SqlRetention(database, ids, archive))
        await on_steps(database, counted.step, 1)
        yield counted


CHEAP = {
    "any": ANY,
    "peer": Filter(peer=BOB),
    "groupchat": Filter(groupchat=True),
    "people": Filter(groupchat=False),
    "since": Filter(since=NOON + 700),
    "peer between": Filter(peer=ROMEO, since=NOON + 700, until=NOON + 45_000),
}

READ = {name: replace(filter, kinds=READABLE) for name, filter in CHEAP.items()}


async def test_count_without_counters_takes_many_steps(counted: Counted) -> None:
    counted.steps()
    await counted.archive.count(ALICE, Filter(peer=ROMEO, resource="phone"))

    assert counted.steps() > ALL


@pytest.mark.parametrize("filter", CHEAP.values(), ids=CHEAP)
@pytest.mark.parametrize("index", [0, 300, 3000])
async def test_counted_page_at_an_index_takes_few_steps(
    counted: Counted, filter: Filter, index: int
) -> None:
    counted.steps()
    page = await counted.archive.page(ALICE, filter, limit=10, index=index, counted=True)

    assert counted.steps() < FEW
    assert len(page.messages) == 10


@pytest.mark.parametrize("filter", CHEAP.values(), ids=CHEAP)
async def test_index_of_a_page_takes_few_steps(counted: Counted, filter: Filter) -> None:
    middle = (await counted.archive.page(ALICE, ANY, limit=1, index=MESSAGES // 2)).messages[0]
    counted.steps()
    page = await counted.archive.page(ALICE, filter, limit=10, after=middle.id, counted=True)

    assert counted.steps() < FEW
    assert page.index is not None
    assert page.index > 2000


@pytest.mark.parametrize("place", [LONG - 2, LONG - 1, LONG, LONG + 1, MESSAGES - 2])
async def test_index_is_right_at_the_edge_of_a_large_bucket(counted: Counted, place: int) -> None:
    at = (await counted.archive.page(ALICE, ANY, limit=1, index=place)).messages[0]
    before = {"any": place + 1, "peer": place // 10 + 1}
    for name, expected in before.items():
        whole = await counted.archive.count(ALICE, CHEAP[name])
        page = await counted.archive.page(ALICE, CHEAP[name], limit=9, after=at.id, counted=True)

        assert page.count == whole
        assert page.index == expected if page.messages else expected == whole


@pytest.mark.parametrize("owner", [ALICE, BOB])
@pytest.mark.parametrize(
    "filter", [ANY, Filter(kinds=READABLE), Filter(peer=BOB)], ids=["any", "kinds", "peer"]
)
@pytest.mark.parametrize("newest", [False, True])
async def test_page_by_time_takes_few_steps_despite_late_messages(
    counted: Counted, owner: str, filter: Filter, newest: bool
) -> None:
    counted.steps()
    page = await counted.archive.page_by_time(owner, filter, limit=20, newest=newest)

    assert counted.steps() < LATE // 2
    assert len(page.messages) == 20


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("resource", [None, "phone"])
async def test_page_of_a_peer_reads_no_rows_of_other_peers(
    counted: Counted, resource: str | None, backwards: bool
) -> None:
    filter = Filter(peer="stranger@example.org", resource=resource)
    counted.steps()
    page = await counted.archive.page(ALICE, filter, limit=10, backwards=backwards, counted=True)

    assert counted.steps() < FEW // 10
    assert page.count == 0


@pytest.mark.parametrize(
    "filter",
    [
        Filter(since=NOON + 1000, until=NOON + 1999),
        Filter(since=NOON + 1000, until=NOON + 1999, kinds=READABLE),
        Filter(peer=BOB, since=NOON + 1000, until=NOON + 10_999, kinds=READABLE),
    ],
    ids=["archive", "kinds", "peer"],
)
async def test_days_of_a_period_read_only_its_messages(counted: Counted, filter: Filter) -> None:
    counted.steps()
    [day] = await counted.archive.days(ALICE, filter)

    assert day.messages == 1000
    assert counted.steps() < FEW


@pytest.mark.parametrize("peer", [None, BOB])
async def test_search_of_xml_examines_a_bounded_part_of_an_archive(
    counted: Counted, peer: str | None
) -> None:
    counted.steps()
    page = await counted.archive.search_xml(ALICE, Filter(peer=peer), ("nothing",), limit=10)

    assert page.examined == min(MESSAGES if peer is None else MESSAGES // 10, XML_EXAMINED_MAX)
    assert counted.steps() < 40 * XML_EXAMINED_MAX


@pytest.mark.parametrize(
    "limits", [Cutoff(since=NOON + MESSAGES), Cutoff(messages=1), Cutoff(bytes=1)]
)
async def test_blank_oldest_reads_no_rows_of_other_peers(counted: Counted, limits: Cutoff) -> None:
    counted.steps()
    removed = await counted.retention.blank_oldest(ALICE, "stranger@example.org", limits, limit=10)

    assert counted.steps() < FEW // 10
    assert removed.messages == 0


@pytest.mark.parametrize(
    "filter", [*CHEAP.values(), *READ.values()], ids=[*CHEAP, *(f"{name} read" for name in READ)]
)
async def test_exact_count_takes_few_steps(counted: Counted, filter: Filter) -> None:
    counted.steps()
    count = await counted.archive.count(ALICE, filter)

    assert counted.steps() < FEW
    assert count > 4000


async def test_count_without_counters_is_given_up_at_a_bound(counted: Counted) -> None:
    filter = Filter(peer=ROMEO, resource="phone")
    counted.steps()
    page = await counted.archive.page(ALICE, filter, limit=10, backwards=True, counted=True)

    assert counted.steps() < LOOKED_AT
    assert page.count is None


@pytest.mark.parametrize("backwards", [False, True])
async def test_search_reads_no_more_than_its_page(counted: Counted, backwards: bool) -> None:
    filter = Filter(phrases=(Phrase(words=("common",)),))
    middle = (await counted.archive.page(ALICE, ANY, limit=1, index=MESSAGES // 2)).messages[0]
    place = {"before" if backwards else "after": middle.id}
    counted.steps()
    page = await counted.archive.page(ALICE, filter, limit=10, backwards=backwards, **place)

    assert counted.steps() < FEW // 10
    assert len(page.messages) == 10


async def test_search_for_a_rare_word_reads_few_rows(counted: Counted) -> None:
    counted.steps()
    page = await counted.archive.page(
        ALICE, Filter(phrases=(Phrase(words=("common", "rare")),)), limit=10, counted=True
    )

    assert counted.steps() < FEW // 10
    assert texts(page) == texts([entry(n) for n in range(5, MESSAGES, 10_000)])


BEGINNINGS = tuple(Phrase(words=(f"wor{n}",), is_prefix=True) for n in range(10))


@pytest.mark.parametrize(
    "phrases",
    [
        (Phrase(words=("wor",), is_prefix=True), *BEGINNINGS),
        (Phrase(words=("common", "wor"), is_prefix=True),),
        (Phrase(words=("rare",)), Phrase(words=("common",))),
    ],
    ids=["beginnings", "in a row", "words of others"],
)
async def test_search_reads_no_rows_of_other_archives(
    counted: Counted, phrases: tuple[Phrase, ...]
) -> None:
    await counted.archive.page(CAROL, ANY, limit=10)
    counted.steps()
    await counted.archive.page(CAROL, Filter(phrases=phrases), limit=10, counted=True)

    assert counted.steps() < FEW_OF_ONE


async def test_references_and_conversations_take_few_steps(counted: Counted) -> None:
    page = await counted.archive.page(ALICE, ANY, limit=50)
    counted.steps()
    references = await counted.archive.references(
        ALICE, [message.id for message in page.messages], limit=10
    )
    conversations = await counted.archive.conversations(ALICE, limit=10)

    assert counted.steps() < 2 * FEW
    assert [len(references), len(conversations.conversations)] == [50, 2]


async def test_batch_of_many_archives_makes_as_few_index_segments_as_one(
    tmp_path: Path,
) -> None:
    async def pieces(owners: int) -> int:
        async with open_database(tmp_path / f"{owners}.db") as database:
            archive = SqlArchive(database, Ids(bytes(KEY_BYTES)))
            await archive.append(
                [
                    entry(n, owner=f"owner{n % owners}@example.org", text=f"no{n}")
                    for n in range(99)
                ]
            )
            async with database.read() as connection:
                rows = await connection.fetch("SELECT count(DISTINCT id >> 37) FROM fulltext_data")
        return int(rows[0][0])

    # Each piece is written, searched, and some day joined to others, by itself.
    assert await pieces(5) == await pieces(1)


async def test_retraction_of_an_often_used_name_takes_no_more_steps(
    tmp_path: Path,
) -> None:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    async with open_database(tmp_path / "muniment.db") as database:
        archive = SqlArchive(database, Ids(bytes(KEY_BYTES)))
        for n in range(100):
            notes = [entry(f"note {n} {m}", refers_to=(7,)) for m in range(30)]
            await archive.append([entry(f"said {n}", name_hashes=(7,)), *notes])
        await archive.append(
            [entry("said", owner=BOB, name_hashes=(7,)), correction("new", 7, owner=BOB)]
        )
        await on_steps(database, step, 1)

        await retract(archive, 7)
        first_steps, steps = steps, 0
        await retract(archive, 7, owner=BOB)

    assert 0 < first_steps < 1.05 * steps


async def test_references_of_a_batch_are_read_in_one_statement(tmp_path: Path) -> None:
    statements: list[str] = []
    markers = [entry(f"seen {n}", refers_to=(n,), kind=Kind.RECEIPT) for n in range(100)]
    async with open_database(tmp_path / "muniment.db") as database:
        archive = SqlArchive(database, Ids(bytes(KEY_BYTES)))
        await archive.append([entry("first")])
        await on_statements(database, statements.append)
        await archive.append([entry(n, name_hashes=(n,)) for n in range(100)])
        messages = len(statements)
        statements.clear()
        await archive.append(markers)

        assert len(statements) == messages + 1
        ids = [message.id for message in (await everything(archive)).messages[1:101]]
        references = await archive.references(ALICE, ids, limit=10)
        assert [texts(references[id].messages) for id in ids] == [
            [message.xml] for message in markers
        ]


async def test_insert_returns_the_number_of_inserted_rows(tmp_path: Path) -> None:
    into, on_conflict = (
        "preferences (owner, default_policy, always, never)",
        "ON CONFLICT DO NOTHING",
    )
    rows = [(f"owner{n}", "always", "[]", "[]") for n in range(300)]
    async with open_database(tmp_path / "muniment.db") as database, database.write() as connection:
        assert await connection.insert(into, rows[:10], on_conflict=on_conflict) == 10
        assert await connection.insert(into, rows, on_conflict=on_conflict) == 290
        assert await connection.insert(into, rows, on_conflict=on_conflict) == 0


async def test_statements_do_not_depend_on_limit_and_index(
    counted: Counted,
) -> None:
    archive = counted.archive
    filters = [ANY, Filter(peer=BOB), Filter(resource="phone"), Filter(phrases=BEGINNINGS)]

    async def read(limit: int) -> None:
        for filter in filters:
            await archive.page(ALICE, filter, limit=limit, backwards=True, counted=True)
            await archive.page(ALICE, filter, limit=limit, index=limit)
            await archive.page_by_time(ALICE, filter, limit=limit, newest=True)
            await archive.count(ALICE, filter)
        await archive.conversations(ALICE, limit=limit)

    await read(1)
    before = translated.cache_info().misses
    for limit in range(2, 12):
        await read(limit)

    assert translated.cache_info().misses == before
