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
from component.core.access.authorize import Authorizer
from component.core.access.principals import Operator, Role, User
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
from component.core.reading.follow import Followers
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.reader import ArchiveReader
from storage.open import SqliteStorage
from storage.rows import AuditEntry, Filter, Phrase

DEFAULT, MOST = 2, 4
CAROL = f"carol@{OTHER_HOST}"
OPERATOR = Operator(name="ops", role=Role.READER, jid=f"ops@{HOST}")
BY_OPERATOR = f"ops@{HOST}"


@pytest.fixture
def reader(storage: SqliteStorage, writer: Writer) -> ArchiveReader:
    authorizer = Authorizer(
        Hosts([HOST, OTHER_HOST]), [OPERATOR], Audit(storage.records, writer), None
    )
    return ArchiveReader(
        authorizer,
        storage,
        writer,
        Pager(storage.archive, writer, usual=DEFAULT, most=MOST),
        Followers(),
    )


async def audit_log(storage: SqliteStorage) -> list[AuditEntry]:
    return list(await storage.records.audit_entries(limit=10))


# Who may


@pytest.mark.parametrize("owner", [ALICE, BOB, CAROL])
async def test_everybody_may_read_their_own_archive(
    reader: ArchiveReader, writer: Writer, owner: str
) -> None:
    writer.put([entry(owner=owner)])

    assert len((await reader.page(User(owner), owner, PageQuery())).messages) == 1


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
    reader: ArchiveReader, writer: Writer, requester: str, owner: str
) -> None:
    writer.put([entry(owner=owner), entry(owner=ALICE)])

    with pytest.raises(Forbidden):
        await reader.page(User(requester), owner, PageQuery())
    with pytest.raises(Forbidden):
        await reader.bounds(User(requester), owner)


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
async def test_who_may_not_read_learns_nothing_else(
    reader: ArchiveReader, query: PageQuery
) -> None:
    with pytest.raises(Forbidden):
        await reader.page(User(BOB), ALICE, query)


async def test_an_operator_reads_and_what_is_written_of_it_tells_no_words(
    reader: ArchiveReader, writer: Writer, storage: SqliteStorage
) -> None:
    writer.put(entries(2))
    wanted = Filter(
        peer=BOB, resource="x", since=NOON, until=NOON, phrases=(Phrase(words=("a",)),)
    )

    page = await reader.page(User(BY_OPERATOR), ALICE, PageQuery())
    await reader.page(User(BY_OPERATOR), ALICE, PageQuery(wanted=wanted))
    await reader.bounds(User(BY_OPERATOR), ALICE)

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
    reader: ArchiveReader, storage: SqliteStorage
) -> None:
    await reader.page(User(ALICE), ALICE, PageQuery())
    await reader.bounds(User(ALICE), ALICE)

    assert await audit_log(storage) == []


# How much


@pytest.mark.parametrize(
    ("most", "given"), [(None, DEFAULT), (1, 1), (3, 3), (MOST, MOST), (5, MOST), (2**70, MOST)]
)
async def test_a_page_has_its_limits(
    reader: ArchiveReader, writer: Writer, most: int | None, given: int
) -> None:
    writer.put(entries(6))

    page = await reader.page(User(ALICE), ALICE, PageQuery(limit=most))

    assert (texts(page), page.complete) == (texts(entries(6)[:given]), False)


@pytest.mark.parametrize("most", [-1, -(2**70)])
async def test_less_than_nothing_is_a_bad_request(reader: ArchiveReader, most: int) -> None:
    with pytest.raises(BadRequest):
        await reader.page(User(ALICE), ALICE, PageQuery(limit=most))


async def test_the_last_page_is_read_backwards(reader: ArchiveReader, writer: Writer) -> None:
    writer.put(entries(6))

    page = await reader.page(User(ALICE), ALICE, PageQuery(backwards=True))

    assert texts(page) == texts(entries(6)[4:])


async def test_a_page_lies_between_two_messages(reader: ArchiveReader, writer: Writer) -> None:
    writer.put(entries(4))
    ids = [m.id for m in (await reader.page(User(ALICE), ALICE, PageQuery(limit=4))).messages]

    page = await reader.page(User(ALICE), ALICE, PageQuery(after=ids[0], before=ids[3]))

    assert (texts(page), page.complete) == (texts(entries(4)[1:3]), True)


async def test_a_filter_is_applied(reader: ArchiveReader, writer: Writer) -> None:
    rows = [entry(n, at=NOON + n, peer=(BOB, ROMEO)[n % 2]) for n in range(6)]
    writer.put(rows)

    wanted = Filter(peer=ROMEO, since=NOON + 3)
    page = await reader.page(User(ALICE), ALICE, PageQuery(wanted=wanted))

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
    reader: ArchiveReader, writer: Writer, place: int, id: str
) -> None:
    writer.put(entries(2))

    with pytest.raises(ItemNotFound):
        await reader.page(User(ALICE), ALICE, naming(id)[place])


@pytest.mark.parametrize("place", range(5))
async def test_an_id_of_another_archive_is_no_item(
    reader: ArchiveReader, writer: Writer, place: int
) -> None:
    writer.put([*entries(2), *entries(2, owner=BOB)])
    foreign = (await reader.page(User(BOB), BOB, PageQuery())).messages[0].id

    with pytest.raises(ItemNotFound):
        await reader.page(User(ALICE), ALICE, naming(foreign)[place])


async def test_an_unknown_id_is_no_item_even_where_only_the_count_is_wanted(
    reader: ArchiveReader,
) -> None:
    with pytest.raises(ItemNotFound):
        await reader.page(User(ALICE), ALICE, PageQuery(limit=0, after="unknown"))


# Counts


async def test_the_whole_archive_is_counted(reader: ArchiveReader, writer: Writer) -> None:
    writer.put(entries(6))

    assert (await reader.page(User(ALICE), ALICE, PageQuery(limit=1, counted=True))).count == 6


async def test_a_filter_is_counted_and_its_page_placed(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put([entry(n, peer=(BOB, ROMEO)[n % 2]) for n in range(7)])

    query = PageQuery(wanted=Filter(peer=BOB), limit=2, backwards=True, counted=True)
    page = await reader.page(User(ALICE), ALICE, query)

    assert (page.index, page.count) == (2, 4)


async def test_a_filter_is_counted_where_only_the_count_is_wanted(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put([*entries(3), entry("x", peer=ROMEO)])

    query = PageQuery(wanted=Filter(peer=BOB), limit=0, counted=True)
    page = await reader.page(User(ALICE), ALICE, query)

    assert (page.count, page.messages) == (3, ())


@pytest.mark.parametrize(("index", "kept"), [(0, 2), (3, 2), (4, 1), (5, 0), (10**18, 0)])
async def test_a_page_begins_at_an_index(
    reader: ArchiveReader, writer: Writer, index: int, kept: int
) -> None:
    writer.put(entries(5))

    page = await reader.page(User(ALICE), ALICE, PageQuery(index=index, limit=2, counted=True))

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
async def test_an_index_that_is_none_is_a_bad_request(
    reader: ArchiveReader, query: PageQuery
) -> None:
    with pytest.raises(BadRequest):
        await reader.page(User(ALICE), ALICE, query)


async def test_an_index_that_would_be_looked_for_too_long_is_not_implemented(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put(entries(2))

    far = PageQuery(wanted=Filter(peer=BOB, resource="phone"), index=10**9)

    with pytest.raises(NotImplementedHere) as caught:
        await reader.page(User(ALICE), ALICE, far)

    assert "page by id" in caught.value.message


async def test_an_empty_archive_has_no_messages_and_is_complete(reader: ArchiveReader) -> None:
    page = await reader.page(User(ALICE), ALICE, PageQuery(counted=True))

    assert (page.count, page.messages, page.complete) == (0, (), True)


# The ends


async def test_the_ends_of_an_archive_are_its_first_and_its_last_message(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put([*entries(4), *entries(7, owner=BOB)])

    assert texts(await reader.bounds(User(ALICE), ALICE) or ()) == texts([entry(0), entry(3)])


async def test_both_ends_of_an_archive_of_one_are_the_same(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put([entry()])

    first, last = await reader.bounds(User(ALICE), ALICE) or (None, None)

    assert first is not None
    assert first == last


async def test_an_empty_archive_has_no_ends(reader: ArchiveReader) -> None:
    assert await reader.bounds(User(ALICE), ALICE) is None


# Reads see writes


async def test_a_page_holds_what_was_taken_before(reader: ArchiveReader, writer: Writer) -> None:
    found = []
    for n in range(5):
        writer.put([entry(n)])
        page = await reader.page(User(ALICE), ALICE, PageQuery(limit=1, backwards=True))
        found += texts(page)

    assert found == texts([entry(n) for n in range(5)])


# Trouble


async def test_a_store_in_trouble_is_overloaded(
    reader: ArchiveReader, storage: SqliteStorage
) -> None:
    await storage.close()

    with pytest.raises(Overloaded):
        await reader.page(User(ALICE), ALICE, PageQuery())
    with pytest.raises(Overloaded):
        await reader.bounds(User(ALICE), ALICE)


@pytest.mark.parametrize(
    "wanted", [Filter(peer="\ud800"), Filter(since=2**63), Filter(until=-(2**63) - 1)], ids=str
)
async def test_a_filter_that_no_store_takes_is_not_to_be_tried_again(
    reader: ArchiveReader, wanted: Filter
) -> None:
    with pytest.raises(Refused) as caught:
        await reader.page(User(ALICE), ALICE, PageQuery(wanted=wanted))

    assert caught.value.kind != "wait"
