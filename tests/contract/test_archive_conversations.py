"""The contract of the conversations of an archive and of its ends, on every backend."""

from __future__ import annotations

import pytest
from contract.conftest import Open
from support.builders import (
    ALICE,
    BOB,
    NOON,
    ROMEO,
    correction,
    delete_all_but,
    entries,
    entry,
    everything,
    retract,
    texts,
)

from storage.errors import NotFound
from storage.interface import Archive, Storage
from storage.rows import (
    UNREAD_MAX,
    Conversation,
    Conversations,
    Direction,
    DisplayedMarker,
    Kind,
    NewMessage,
)

NOBODY = "nobody@example.org"
SENT = Direction.SENT


def messages_with(*peers: str) -> list[NewMessage]:
    """Return one message with each of these peers."""
    return [entry(n, peer=peer, at=NOON + n) for n, peer in enumerate(peers)]


def summaries(page: Conversations) -> list[tuple[object, ...]]:
    return [
        (conversation.peer, conversation.messages, conversation.last.xml, conversation.unread)
        for conversation in page.conversations
    ]


async def only(archive: Archive, since: str | None = None) -> Conversation:
    """Return the only conversation of an archive."""
    [conversation] = (await archive.conversations(ALICE, limit=10, since=since)).conversations
    return conversation


class AllConversations(list[Conversation]):
    """Conversations of several pages, and the number on each page."""

    def __init__(self) -> None:
        self.sizes: list[int] = []


async def paged(archive: Archive, *, limit: int, max_bytes: int | None = None) -> AllConversations:
    conversations, before, complete = AllConversations(), None, False
    while not complete:
        page = await archive.conversations(ALICE, limit=limit, before=before, max_bytes=max_bytes)
        assert 0 < len(page.conversations) <= limit
        conversations += page.conversations
        conversations.sizes.append(len(page.conversations))
        before, complete = page.conversations[-1].newest, page.complete
    return conversations


async def test_archive_without_messages_has_no_first_and_last(
    storage: Storage, archive: Archive
) -> None:
    await archive.append([entry(1)])
    await delete_all_but(storage, 0)

    assert [await archive.first_and_last(owner) for owner in (ALICE, NOBODY)] == [None, None]


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_first_and_last_are_the_ends_of_an_archive(archive: Archive, count: int) -> None:
    await archive.append(entries(count))

    messages = (await everything(archive)).messages
    assert await archive.first_and_last(ALICE) == (messages[0], messages[-1])


async def test_conversation_with_the_newest_message_comes_first(archive: Archive) -> None:
    rows = messages_with("a@x", "b@x", "c@x", "a@x", "b@x", "b@x")
    await archive.append(rows)

    page = await archive.conversations(ALICE, limit=10)

    assert summaries(page) == [
        ("b@x", 3, rows[5].xml, 3),
        ("a@x", 2, rows[3].xml, 2),
        ("c@x", 1, rows[2].xml, 1),
    ]
    newest = {stored.xml: stored.id for stored in (await everything(archive)).messages}
    ids = [conversation.newest for conversation in page.conversations]
    assert ids == [newest[rows[n].xml] for n in (5, 3, 2)]


async def test_unknown_archive_has_no_conversations(archive: Archive) -> None:
    await archive.append(entries(1))

    assert await archive.conversations(NOBODY, limit=10) == Conversations()


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_conversations_are_paged_by_their_newest_message(
    archive: Archive, limit: int
) -> None:
    rows = messages_with(*(f"{n % 5}@x" for n in range(13)))
    # The last message has no content, so it is not the last message of its conversation.
    await archive.append([*rows, entry("seen", peer="2@x", kind=Kind.RECEIPT)])

    conversations = await paged(archive, limit=limit)

    assert [conversation.peer for conversation in conversations] == [
        "2@x",
        "1@x",
        "0@x",
        "4@x",
        "3@x",
    ]
    assert tuple(conversations) == (await archive.conversations(ALICE, limit=100)).conversations


@pytest.mark.parametrize(("fits", "sizes"), [(3, [3, 3, 3, 1]), (1, [1] * 10), (0, [1] * 10)])
async def test_conversations_are_bounded_by_the_bytes_of_their_last_messages(
    archive: Archive, fits: int, sizes: list[int]
) -> None:
    text = "é" * 1000
    await archive.append(
        [entry(n, peer=f"{n}@x", xml=f"<message>{text}</message>") for n in range(10)]
    )
    size = 2000 + len("<message></message>")

    conversations = await paged(archive, limit=5, max_bytes=fits * size)

    assert [conversation.peer for conversation in conversations] == [
        f"{n}@x" for n in reversed(range(10))
    ]
    assert conversations.sizes == sizes


@pytest.mark.parametrize("count", [16, 17, 33])
async def test_each_of_many_conversations_has_its_own_last_message(
    archive: Archive, count: int
) -> None:
    rows = messages_with(*(f"{n}@x" for n in range(count)))
    await archive.append(rows)

    page = await archive.conversations(ALICE, limit=count, max_bytes=1_000_000)

    last = [conversation.last.xml for conversation in page.conversations]
    assert last == [row.xml for row in reversed(rows)]
    assert page.complete
    assert not (await archive.conversations(ALICE, limit=count - 1)).complete


@pytest.mark.parametrize("bound", ["before", "since"])
async def test_unknown_or_deleted_id_is_not_found_by_conversations(
    storage: Storage, archive: Archive, bound: str
) -> None:
    await archive.append([entry(1), entry(2), entry(1, owner=BOB)])
    deleted = (await everything(archive)).messages[0].id
    foreign = (await everything(archive, BOB)).messages[0].id
    await delete_all_but(storage, 1)

    for id in (deleted, foreign, "x"):
        with pytest.raises(NotFound):
            await archive.conversations(ALICE, limit=1, **{bound: id})

    assert len((await archive.conversations(ALICE, limit=1)).conversations) == 1


async def test_last_message_of_a_conversation_is_the_last_with_content(archive: Archive) -> None:
    kinds = [Kind.MESSAGE, Kind.TOMBSTONE, Kind.ANNOTATION, Kind.RECEIPT, Kind.BLANKED]
    await archive.append([entry(kind, kind=kind) for kind in kinds])

    conversation = await only(archive)

    assert (conversation.last.xml, conversation.last.kind, conversation.messages) == (
        entry(Kind.TOMBSTONE).xml,
        Kind.TOMBSTONE,
        5,
    )


async def test_last_message_of_a_conversation_without_content_is_the_newest(
    archive: Archive,
) -> None:
    await archive.append([entry(kind, kind=kind) for kind in (Kind.RECEIPT, Kind.ANNOTATION)])

    conversation = await only(archive)

    assert (conversation.last.kind, conversation.unread) == (Kind.ANNOTATION, 0)
    assert conversation.last.id == conversation.newest


async def test_conversation_of_deleted_messages_disappears(
    storage: Storage, archive: Archive
) -> None:
    rows = messages_with("a@x", "b@x", "a@x", "b@x", "c@x")
    await archive.append(rows)
    await delete_all_but(storage, 2)

    assert summaries(await archive.conversations(ALICE, limit=9)) == [
        ("c@x", 1, rows[4].xml, 1),
        ("b@x", 1, rows[3].xml, 1),
    ]


async def test_deleted_conversation_can_begin_again(storage: Storage, archive: Archive) -> None:
    await archive.append([entry(1, peer=ROMEO, direction=SENT, is_seen=True), entry(2)])
    await delete_all_but(storage, 1)
    await archive.append([entry(3, peer=ROMEO)])

    assert summaries(await archive.conversations(ALICE, limit=9)) == [
        (ROMEO, 1, entry(3).xml, 1),
        (BOB, 1, entry(2).xml, 1),
    ]


async def test_duplicate_does_not_move_a_conversation(archive: Archive) -> None:
    rows = messages_with("a@x", "b@x")
    await archive.append(rows)
    await archive.append([rows[0], entry(0, peer="a@x", is_seen=True)])

    assert summaries(await archive.conversations(ALICE, limit=9)) == [
        ("b@x", 1, rows[1].xml, 1),
        ("a@x", 1, rows[0].xml, 1),
    ]


async def test_last_message_of_a_conversation_can_be_a_tombstone(archive: Archive) -> None:
    await archive.append([entry(1), entry(2, name_hashes=(7,))])
    await retract(archive, 7, "left")

    assert summaries(await archive.conversations(ALICE, limit=9)) == [(BOB, 3, "left", 1)]


# Unread


async def test_unread_counts_received_messages_after_the_last_seen(archive: Archive) -> None:
    await archive.append(
        [
            entry(1),
            entry(2, direction=SENT, is_seen=True),
            entry(3),
            entry(4, kind=Kind.RECEIPT),
            entry(5, kind=Kind.ANNOTATION),
            entry(6, direction=SENT),
            entry(7),
        ]
    )

    assert (await only(archive)).unread == 2


async def test_marker_marks_all_messages_up_to_its_message_as_seen(
    archive: Archive,
) -> None:
    def marker(name: str, about: int) -> NewMessage:
        return entry(name, direction=SENT, kind=Kind.RECEIPT, refers_to=(about,), is_seen=True)

    messages = [entry(n, name_hashes=(n,)) for n in range(1, 6)]
    await archive.append([*messages[:3], marker("of the second", 2), *messages[3:]])
    assert (await only(archive)).unread == 3

    await archive.append([marker("late, of the first", 1), marker("of the fourth", 4)])
    assert (await only(archive)).unread == 1

    await archive.append([marker("of one that is not here", 9)])
    assert (await only(archive)).unread == 0


async def test_marker_means_the_last_message_of_its_name(archive: Archive) -> None:
    def marker(name: str) -> NewMessage:
        return entry(name, direction=SENT, kind=Kind.RECEIPT, refers_to=(7,), is_seen=True)

    messages = [
        entry(1, name_hashes=(7,)),
        entry(2),
        entry(3, name_hashes=(7,)),
        correction(4, 7, name_hashes=(8,)),
    ]
    await archive.append([*messages[:2], marker("first")])
    assert (await only(archive)).unread == 1

    await archive.append([*messages[2:], entry(5), marker("second"), entry(6, name_hashes=(7,))])
    assert (await only(archive)).unread == 2


async def test_marker_of_a_correction_marks_all_messages_before_it_as_seen(
    archive: Archive,
) -> None:
    messages = [entry(1, name_hashes=(7,)), entry(2), correction(3, 7, name_hashes=(8,)), entry(4)]
    marker = entry("seen", direction=SENT, kind=Kind.RECEIPT, refers_to=(8,), is_seen=True)
    await archive.append([*messages, marker])

    assert (await only(archive)).unread == 1


async def test_seen_messages_stay_seen_after_deletion(storage: Storage, archive: Archive) -> None:
    await archive.append([entry(1), entry(2, direction=SENT, is_seen=True), entry(3)])
    await archive.append([entry(4)])
    await delete_all_but(storage, 2)

    assert (await only(archive)).unread == 2


async def test_seen_message_marks_only_its_conversation(archive: Archive) -> None:
    await archive.append([*messages_with("a@x", "b@x"), entry("s", peer="b@x", is_seen=True)])

    page = await archive.conversations(ALICE, limit=9)

    unread = {conversation.peer: conversation.unread for conversation in page.conversations}
    assert unread == {"b@x": 0, "a@x": 1}


async def test_unread_is_counted_since_an_id(archive: Archive) -> None:
    await archive.append([*entries(4), entry("seen", is_seen=True, direction=SENT), entry("new")])
    ids = [stored.id for stored in (await everything(archive)).messages]

    unread = [(await only(archive, since=id)).unread for id in ids]

    assert unread == [4, 3, 2, 1, 1, 0]
    assert (await only(archive)).unread == 1


async def test_unread_is_counted_up_to_a_maximum(archive: Archive) -> None:
    await archive.append([entry(n) for n in range(UNREAD_MAX + 5)])

    assert (await only(archive)).unread == UNREAD_MAX


async def test_conversations_survive_reopening(reopen: Open) -> None:
    rows = messages_with("a@x", "b@x", "a@x")
    async with reopen() as storage:
        await storage.archive.append([*rows, entry("s", peer="b@x", is_seen=True)])
        before = await storage.archive.conversations(ALICE, limit=9)

    async with reopen() as storage:
        assert await storage.archive.conversations(ALICE, limit=9) == before
        last = [conversation.last for conversation in before.conversations]
        assert texts(last) == texts([entry("s"), rows[2]])


async def ids_of(archive: Archive, owner: str = ALICE) -> list[str]:
    return [message.id for message in (await everything(archive, owner)).messages]


def displayed(id: str | None, *, peer: str = BOB, name_hash: int | None = None) -> DisplayedMarker:
    return DisplayedMarker(owner=ALICE, peer=peer, id=id, name_hash=name_hash)


async def test_messages_up_to_a_displayed_one_are_not_unread(archive: Archive) -> None:
    await archive.append(entries(5))
    ids = await ids_of(archive)

    await archive.note_displayed([displayed(ids[2])])
    behind_third = (await only(archive)).unread
    await archive.note_displayed([displayed(ids[4])])

    assert (behind_third, (await only(archive)).unread) == (2, 0)


async def test_displayed_marker_of_an_older_message_changes_nothing(archive: Archive) -> None:
    await archive.append(entries(5))
    ids = await ids_of(archive)

    await archive.note_displayed([displayed(ids[3]), displayed(ids[0])])

    assert (await only(archive)).unread == 1


async def test_displayed_marker_of_a_named_message_counts_up_to_the_last_of_that_name(
    archive: Archive,
) -> None:
    await archive.append([entry(n)._replace(name_hashes=(7, -n)) for n in (1, 2, 3)])

    await archive.note_displayed([displayed(None, name_hash=-2)])
    by_name = (await only(archive)).unread
    await archive.note_displayed([displayed("unknown", name_hash=-3)])

    assert (by_name, (await only(archive)).unread) == (1, 0)


@pytest.mark.parametrize("case", ["other peer", "other archive", "unknown", "no name", "erased"])
async def test_displayed_marker_of_a_message_elsewhere_changes_nothing(
    archive: Archive, storage: Storage, case: str
) -> None:
    rows = [entry(1), entry(2, peer=ROMEO), entry(3, owner=BOB, peer=ALICE)]
    await archive.append([row._replace(name_hashes=(n,)) for n, row in enumerate(rows)])
    _, romeos = await ids_of(archive)
    [foreign] = await ids_of(archive, BOB)
    if case == "erased":
        await storage.retention.erase(BOB, limit=10)
    marker = {
        "other peer": displayed(romeos),
        "other archive": displayed(foreign),
        "unknown": displayed("0f710f2b-52ed-4d52-b928-784dad74a52b"),
        "no name": displayed(None, name_hash=99),
        "erased": DisplayedMarker(owner=BOB, peer=ALICE, id=foreign),
    }[case]

    await archive.note_displayed([marker])

    page = await archive.conversations(ALICE, limit=9)
    assert [conversation.unread for conversation in page.conversations] == [1, 1]


async def test_displayed_markers_outlast_the_program(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append(entries(2))
        ids = await ids_of(storage.archive)
        await storage.archive.note_displayed([displayed(ids[1])])

    async with reopen() as storage:
        assert (await only(storage.archive)).unread == 0
