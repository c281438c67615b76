"""Reading an archive: authorization, audit, pages, counts and errors."""

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
from storage.rows import AuditEntry, Filter, Phrase
from storage.sql.store import SqlStorage

DEFAULT, MAXIMUM = 2, 4
CAROL = f"carol@{OTHER_HOST}"
OPERATOR = Operator(name="ops", role=Role.READER, jid=f"ops@{HOST}")
BY_OPERATOR = f"ops@{HOST}"


@pytest.fixture
def reader(storage: SqlStorage, writer: Writer) -> ArchiveReader:
    authorizer = Authorizer(
        Hosts([HOST, OTHER_HOST]), [OPERATOR], Audit(storage.audit_log, writer), None
    )
    return ArchiveReader(
        authorizer,
        storage,
        writer,
        Pager(storage.archive, writer, default_size=DEFAULT, max_size=MAXIMUM),
        Followers(),
    )


async def audit_log(storage: SqlStorage) -> list[AuditEntry]:
    return list(await storage.audit_log.entries(limit=10))


# Authorization


@pytest.mark.parametrize("owner", [ALICE, BOB, CAROL])
async def test_user_reads_own_archive(reader: ArchiveReader, writer: Writer, owner: str) -> None:
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
        # Own archives outside of the virtual hosts
        (ROMEO, ROMEO),
        (HOST, HOST),
        (f"alice@sub.{HOST}", f"alice@sub.{HOST}"),
        (f"@{HOST}", f"@{HOST}"),
        ("", ""),
    ],
)
async def test_reading_of_another_archive_is_forbidden(
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
        PageQuery(filter=Filter(ids=("unknown",))),
    ],
)
async def test_forbidden_is_raised_before_any_other_error(
    reader: ArchiveReader, query: PageQuery
) -> None:
    with pytest.raises(Forbidden):
        await reader.page(User(BOB), ALICE, query)


async def test_read_of_an_operator_is_audited_without_the_words_of_a_search(
    reader: ArchiveReader, writer: Writer, storage: SqlStorage
) -> None:
    writer.put(entries(2))
    filter = Filter(
        peer=BOB, resource="x", since=NOON, until=NOON, phrases=(Phrase(words=("a",)),)
    )

    page = await reader.page(User(BY_OPERATOR), ALICE, PageQuery())
    await reader.page(User(BY_OPERATOR), ALICE, PageQuery(filter=filter))
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


async def test_read_of_the_own_archive_is_not_audited(
    reader: ArchiveReader, storage: SqlStorage
) -> None:
    await reader.page(User(ALICE), ALICE, PageQuery())
    await reader.bounds(User(ALICE), ALICE)

    assert await audit_log(storage) == []


# Pages


@pytest.mark.parametrize(
    ("limit", "size"),
    [(None, DEFAULT), (1, 1), (3, 3), (MAXIMUM, MAXIMUM), (5, MAXIMUM), (2**70, MAXIMUM)],
)
async def test_page_has_the_requested_size_up_to_the_maximum(
    reader: ArchiveReader, writer: Writer, limit: int | None, size: int
) -> None:
    writer.put(entries(6))

    page = await reader.page(User(ALICE), ALICE, PageQuery(limit=limit))

    assert (texts(page), page.complete) == (texts(entries(6)[:size]), False)


@pytest.mark.parametrize("limit", [-1, -(2**70)])
async def test_negative_limit_is_a_bad_request(reader: ArchiveReader, limit: int) -> None:
    with pytest.raises(BadRequest):
        await reader.page(User(ALICE), ALICE, PageQuery(limit=limit))


async def test_backwards_page_without_before_is_the_last_page(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put(entries(6))

    page = await reader.page(User(ALICE), ALICE, PageQuery(backwards=True))

    assert texts(page) == texts(entries(6)[4:])


async def test_page_between_two_ids_is_complete(reader: ArchiveReader, writer: Writer) -> None:
    writer.put(entries(4))
    ids = [m.id for m in (await reader.page(User(ALICE), ALICE, PageQuery(limit=4))).messages]

    page = await reader.page(User(ALICE), ALICE, PageQuery(after=ids[0], before=ids[3]))

    assert (texts(page), page.complete) == (texts(entries(4)[1:3]), True)


async def test_page_has_matching_messages_only(reader: ArchiveReader, writer: Writer) -> None:
    rows = [entry(n, at=NOON + n, peer=(BOB, ROMEO)[n % 2]) for n in range(6)]
    writer.put(rows)

    filter = Filter(peer=ROMEO, since=NOON + 3)
    page = await reader.page(User(ALICE), ALICE, PageQuery(filter=filter))

    assert (texts(page), page.complete) == (texts([rows[3], rows[5]]), True)


def queries_with(id: str) -> list[PageQuery]:
    """Return one query for each parameter that takes an id."""
    return [
        PageQuery(after=id),
        PageQuery(before=id),
        PageQuery(filter=Filter(after=id)),
        PageQuery(filter=Filter(before=id)),
        PageQuery(filter=Filter(ids=(id,))),
    ]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("id", ["unknown", "", "A" * 22])
async def test_unknown_id_is_item_not_found(
    reader: ArchiveReader, writer: Writer, place: int, id: str
) -> None:
    writer.put(entries(2))

    with pytest.raises(ItemNotFound):
        await reader.page(User(ALICE), ALICE, queries_with(id)[place])


@pytest.mark.parametrize("place", range(5))
async def test_id_of_another_archive_is_item_not_found(
    reader: ArchiveReader, writer: Writer, place: int
) -> None:
    writer.put([*entries(2), *entries(2, owner=BOB)])
    foreign = (await reader.page(User(BOB), BOB, PageQuery())).messages[0].id

    with pytest.raises(ItemNotFound):
        await reader.page(User(ALICE), ALICE, queries_with(foreign)[place])


async def test_unknown_id_is_item_not_found_even_with_limit_0(
    reader: ArchiveReader,
) -> None:
    with pytest.raises(ItemNotFound):
        await reader.page(User(ALICE), ALICE, PageQuery(limit=0, after="unknown"))


# Counts


async def test_count_without_filter_is_that_of_the_archive(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put(entries(6))

    assert (await reader.page(User(ALICE), ALICE, PageQuery(limit=1, counted=True))).count == 6


async def test_count_and_index_are_those_of_the_filter(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put([entry(n, peer=(BOB, ROMEO)[n % 2]) for n in range(7)])

    query = PageQuery(filter=Filter(peer=BOB), limit=2, backwards=True, counted=True)
    page = await reader.page(User(ALICE), ALICE, query)

    assert (page.index, page.count) == (2, 4)


async def test_limit_0_returns_the_count_alone(reader: ArchiveReader, writer: Writer) -> None:
    writer.put([*entries(3), entry("x", peer=ROMEO)])

    query = PageQuery(filter=Filter(peer=BOB), limit=0, counted=True)
    page = await reader.page(User(ALICE), ALICE, query)

    assert (page.count, page.messages) == (3, ())


@pytest.mark.parametrize(("index", "size"), [(0, 2), (3, 2), (4, 1), (5, 0), (10**18, 0)])
async def test_page_begins_at_the_index(
    reader: ArchiveReader, writer: Writer, index: int, size: int
) -> None:
    writer.put(entries(5))

    page = await reader.page(User(ALICE), ALICE, PageQuery(index=index, limit=2, counted=True))

    assert (texts(page), page.count) == (texts(entries(5)[index : index + size]), 5)


@pytest.mark.parametrize(
    "query",
    [
        PageQuery(index=0, after="unknown"),
        PageQuery(index=0, before="unknown"),
        PageQuery(index=0, backwards=True),
        PageQuery(index=-1),
    ],
)
async def test_impossible_index_is_a_bad_request(reader: ArchiveReader, query: PageQuery) -> None:
    with pytest.raises(BadRequest):
        await reader.page(User(ALICE), ALICE, query)


async def test_index_that_costs_too_much_is_not_implemented(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put(entries(2))

    far = PageQuery(filter=Filter(peer=BOB, resource="phone"), index=10**9)

    with pytest.raises(NotImplementedHere) as caught:
        await reader.page(User(ALICE), ALICE, far)

    assert "page by id" in caught.value.message


async def test_page_of_an_empty_archive_is_complete(reader: ArchiveReader) -> None:
    page = await reader.page(User(ALICE), ALICE, PageQuery(counted=True))

    assert (page.count, page.messages, page.complete) == (0, (), True)


# First and last message


async def test_bounds_are_the_first_and_the_last_message(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put([*entries(4), *entries(7, owner=BOB)])

    assert texts(await reader.bounds(User(ALICE), ALICE) or ()) == texts([entry(0), entry(3)])


async def test_bounds_of_an_archive_with_one_message_are_the_same(
    reader: ArchiveReader, writer: Writer
) -> None:
    writer.put([entry()])

    first, last = await reader.bounds(User(ALICE), ALICE) or (None, None)

    assert first is not None
    assert first == last


async def test_empty_archive_has_no_bounds(reader: ArchiveReader) -> None:
    assert await reader.bounds(User(ALICE), ALICE) is None


# Reads see writes


async def test_page_has_all_messages_received_before(
    reader: ArchiveReader, writer: Writer
) -> None:
    pages = []
    for n in range(5):
        writer.put([entry(n)])
        page = await reader.page(User(ALICE), ALICE, PageQuery(limit=1, backwards=True))
        pages += texts(page)

    assert pages == texts([entry(n) for n in range(5)])


# Errors


async def test_failing_store_is_overloaded(reader: ArchiveReader, storage: SqlStorage) -> None:
    await storage.close()

    with pytest.raises(Overloaded):
        await reader.page(User(ALICE), ALICE, PageQuery())
    with pytest.raises(Overloaded):
        await reader.bounds(User(ALICE), ALICE)


@pytest.mark.parametrize(
    "filter", [Filter(peer="\ud800"), Filter(since=2**63), Filter(until=-(2**63) - 1)], ids=str
)
async def test_filter_that_no_store_accepts_is_a_bad_request(
    reader: ArchiveReader, filter: Filter
) -> None:
    with pytest.raises(Refused) as caught:
        await reader.page(User(ALICE), ALICE, PageQuery(filter=filter))

    assert caught.value.kind != "wait"
