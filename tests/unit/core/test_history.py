"""Who may read which archive, and how much of it at once."""

from __future__ import annotations

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
    texts,
)

from component.core.access.audit import Audit
from component.core.access.authorize import Access
from component.core.access.principals import Operator, Role
from component.core.archiving.writer import Writer
from component.core.errors import (
    BadRequest,
    Forbidden,
    ItemNotFound,
    NotImplementedHere,
    Overloaded,
    Refused,
)
from component.core.hosts import Hosts
from component.core.reading.history import History
from component.core.reading.pages import PageQuery, Pager
from storage.open import SqliteStorage
from storage.rows import AuditEntry, Filter, Phrase

DEFAULT, MOST = 2, 4
CAROL = f"carol@{OTHER_HOST}"
OPERATOR = Operator(name="ops", role=Role.READER, jid=f"ops@{HOST}")
BY_OPERATOR = f"ops@{HOST}"


@pytest.fixture
def history(storage: SqliteStorage, writer: Writer) -> History:
    access = Access(Hosts([HOST, OTHER_HOST]), [OPERATOR], Audit(storage.records, writer), None)
    return History(Pager(storage.archive, writer, usual=DEFAULT, most=MOST), access)


async def audit_log(storage: SqliteStorage) -> list[AuditEntry]:
    return list(await storage.records.audit_entries(limit=10))


# Who may


@pytest.mark.parametrize("owner", [ALICE, BOB, CAROL])
async def test_everybody_may_read_their_own_archive(
    history: History, writer: Writer, owner: str
) -> None:
    writer.put([entry(owner=owner)])

    assert len((await history.read(owner, owner, PageQuery())).messages) == 1


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
        await history.read(requester, owner, PageQuery())
    with pytest.raises(Forbidden):
        await history.metadata(requester, owner)


@pytest.mark.parametrize(
    "query",
    [
        PageQuery(limit=-1),
        PageQuery(after="unknown"),
        PageQuery(before="unknown"),
        PageQuery(limit=0),
        PageQuery(index=-1),
        PageQuery(wanted=Filter(ids=("unknown",))),
    ],
)
async def test_who_may_not_read_learns_nothing_else(history: History, query: PageQuery) -> None:
    with pytest.raises(Forbidden):
        await history.read(BOB, ALICE, query)


async def test_an_operator_reads_and_what_is_written_of_it_tells_no_words(
    history: History, writer: Writer, storage: SqliteStorage
) -> None:
    writer.put(entries(2))
    wanted = Filter(
        peer=BOB, resource="x", since=NOON, until=NOON, phrases=(Phrase(words=("a",)),)
    )

    page = await history.read(BY_OPERATOR, ALICE, PageQuery())
    await history.read(BY_OPERATOR, ALICE, PageQuery(wanted=wanted))
    await history.metadata(BY_OPERATOR, ALICE)

    noon = "2026-01-01T12:00:00.000000Z"
    assert len(page.messages) == 2
    assert [
        (audit_entry.actor, audit_entry.action, audit_entry.subject, audit_entry.detail)
        for audit_entry in await audit_log(storage)
    ] == [
        ("ops", "read", ALICE, "first and last message"),
        ("ops", "search", ALICE, f"with {BOB}/x, from {noon}, until {noon}"),
        ("ops", "read", ALICE, "all"),
    ]


async def test_who_reads_the_own_archive_is_not_written_down(
    history: History, storage: SqliteStorage
) -> None:
    await history.read(ALICE, ALICE, PageQuery())
    await history.metadata(ALICE, ALICE)

    assert await audit_log(storage) == []


# How much


@pytest.mark.parametrize(
    ("most", "given"), [(None, DEFAULT), (1, 1), (3, 3), (MOST, MOST), (5, MOST), (2**70, MOST)]
)
async def test_a_page_has_its_limits(
    history: History, writer: Writer, most: int | None, given: int
) -> None:
    writer.put(entries(6))

    page = await history.read(ALICE, ALICE, PageQuery(limit=most))

    assert (texts(page), page.complete) == (texts(entries(6)[:given]), False)


@pytest.mark.parametrize("most", [-1, -(2**70)])
async def test_less_than_nothing_is_a_bad_request(history: History, most: int) -> None:
    with pytest.raises(BadRequest):
        await history.read(ALICE, ALICE, PageQuery(limit=most))


async def test_the_last_page_is_read_backwards(history: History, writer: Writer) -> None:
    writer.put(entries(6))

    page = await history.read(ALICE, ALICE, PageQuery(backwards=True))

    assert texts(page) == texts(entries(6)[4:])


async def test_a_page_lies_between_two_messages(history: History, writer: Writer) -> None:
    writer.put(entries(4))
    ids = [m.id for m in (await history.read(ALICE, ALICE, PageQuery(limit=4))).messages]

    page = await history.read(ALICE, ALICE, PageQuery(after=ids[0], before=ids[3]))

    assert (texts(page), page.complete) == (texts(entries(4)[1:3]), True)


async def test_a_filter_is_applied(history: History, writer: Writer) -> None:
    rows = [entry(n, at=NOON + n, peer=(BOB, ROMEO)[n % 2]) for n in range(6)]
    writer.put(rows)

    wanted = Filter(peer=ROMEO, since=NOON + 3)
    page = await history.read(ALICE, ALICE, PageQuery(wanted=wanted))

    assert (texts(page), page.complete) == (texts([rows[3], rows[5]]), True)


def naming(id: str) -> list[PageQuery]:
    """Return a query for each place where an id can be."""
    return [
        PageQuery(after=id),
        PageQuery(before=id),
        PageQuery(wanted=Filter(after=id)),
        PageQuery(wanted=Filter(before=id)),
        PageQuery(wanted=Filter(ids=(id,))),
    ]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("id", ["unknown", "", "A" * 22])
async def test_an_unknown_id_is_no_item(
    history: History, writer: Writer, place: int, id: str
) -> None:
    writer.put(entries(2))

    with pytest.raises(ItemNotFound):
        await history.read(ALICE, ALICE, naming(id)[place])


@pytest.mark.parametrize("place", range(5))
async def test_an_id_of_another_archive_is_no_item(
    history: History, writer: Writer, place: int
) -> None:
    writer.put([*entries(2), *entries(2, owner=BOB)])
    foreign = (await history.read(BOB, BOB, PageQuery())).messages[0].id

    with pytest.raises(ItemNotFound):
        await history.read(ALICE, ALICE, naming(foreign)[place])


async def test_an_unknown_id_is_no_item_even_where_only_the_count_is_wanted(
    history: History,
) -> None:
    with pytest.raises(ItemNotFound):
        await history.read(ALICE, ALICE, PageQuery(limit=0, after="unknown"))


# Counts


async def test_the_whole_archive_is_counted(history: History, writer: Writer) -> None:
    writer.put(entries(6))

    assert (await history.read(ALICE, ALICE, PageQuery(limit=1))).count == 6


async def test_a_filter_is_counted_and_its_page_placed(history: History, writer: Writer) -> None:
    writer.put([entry(n, peer=(BOB, ROMEO)[n % 2]) for n in range(7)])

    wanted = Filter(peer=BOB)
    page = await history.read(ALICE, ALICE, PageQuery(wanted=wanted, limit=2, backwards=True))

    assert (page.index, page.count) == (2, 4)


async def test_a_filter_is_counted_where_only_the_count_is_wanted(
    history: History, writer: Writer
) -> None:
    writer.put([*entries(3), entry("x", peer=ROMEO)])

    page = await history.read(ALICE, ALICE, PageQuery(wanted=Filter(peer=BOB), limit=0))

    assert (page.count, page.messages) == (3, ())


@pytest.mark.parametrize(("index", "kept"), [(0, 2), (3, 2), (4, 1), (5, 0), (10**18, 0)])
async def test_a_page_begins_at_an_index(
    history: History, writer: Writer, index: int, kept: int
) -> None:
    writer.put(entries(5))

    page = await history.read(ALICE, ALICE, PageQuery(index=index, limit=2))

    assert (texts(page), page.count) == (texts(entries(5)[index : index + kept]), 5)


@pytest.mark.parametrize(
    "query",
    [
        PageQuery(index=0, after="unknown"),
        PageQuery(index=0, before="unknown"),
        PageQuery(index=0, backwards=True),
        PageQuery(index=-1),
    ],
)
async def test_an_index_that_is_none_is_a_bad_request(history: History, query: PageQuery) -> None:
    with pytest.raises(BadRequest):
        await history.read(ALICE, ALICE, query)


async def test_an_index_that_would_be_looked_for_too_long_is_not_implemented(
    history: History, writer: Writer
) -> None:
    writer.put(entries(2))

    far = PageQuery(wanted=Filter(peer=BOB, resource="phone"), index=10**9)

    with pytest.raises(NotImplementedHere) as caught:
        await history.read(ALICE, ALICE, far)

    assert "page by id" in caught.value.message


async def test_an_empty_archive_has_no_messages_and_is_complete(history: History) -> None:
    page = await history.read(ALICE, ALICE, PageQuery())

    assert (page.count, page.messages, page.complete) == (0, (), True)


# The ends


async def test_the_ends_of_an_archive_are_its_first_and_its_last_message(
    history: History, writer: Writer
) -> None:
    writer.put([*entries(4), *entries(7, owner=BOB)])

    assert texts(await history.metadata(ALICE, ALICE) or ()) == texts([entry(0), entry(3)])


async def test_both_ends_of_an_archive_of_one_are_the_same(
    history: History, writer: Writer
) -> None:
    writer.put([entry()])

    first, last = await history.metadata(ALICE, ALICE) or (None, None)

    assert first is not None
    assert first == last


async def test_an_empty_archive_has_no_ends(history: History) -> None:
    assert await history.metadata(ALICE, ALICE) is None


# Reads see writes


async def test_a_page_holds_what_was_taken_before(history: History, writer: Writer) -> None:
    found = []
    for n in range(5):
        writer.put([entry(n)])
        page = await history.read(ALICE, ALICE, PageQuery(limit=1, backwards=True))
        found += texts(page)

    assert found == texts([entry(n) for n in range(5)])


# Trouble


async def test_a_store_in_trouble_is_overloaded(history: History, storage: SqliteStorage) -> None:
    await storage.close()

    with pytest.raises(Overloaded):
        await history.read(ALICE, ALICE, PageQuery())
    with pytest.raises(Overloaded):
        await history.metadata(ALICE, ALICE)


@pytest.mark.parametrize(
    "wanted", [Filter(peer="\ud800"), Filter(since=2**63), Filter(until=-(2**63) - 1)], ids=str
)
async def test_a_filter_that_no_store_takes_is_not_to_be_tried_again(
    history: History, wanted: Filter
) -> None:
    with pytest.raises(Refused) as caught:
        await history.read(ALICE, ALICE, PageQuery(wanted=wanted))

    assert caught.value.kind != "wait"
