"""The conversations of an archive, and its ends, held by every backend."""

from __future__ import annotations

import pytest
from contract.conftest import Open
from support.builders import (
    ALICE,
    BOB,
    NOON,
    ROMEO,
    correction,
    entries,
    entry,
    everything,
    retract,
    shed,
    texts,
)

from storage.errors import NotFound
from storage.interface import Archive, Storage
from storage.rows import (
    UNREAD_MAX,
    Conversation,
    Conversations,
    Direction,
    Kind,
    NewMessage,
)

NOBODY = "nobody@example.org"
SENT = Direction.SENT


def said(*peers: str) -> list[NewMessage]:
    """Return one message with each of these."""
    return [entry(n, peer=peer, at=NOON + n) for n, peer in enumerate(peers)]


def told(found: Conversations) -> list[tuple[object, ...]]:
    return [(one.peer, one.messages, one.last.xml, one.unread) for one in found.conversations]


async def only(archive: Archive, since: str | None = None) -> Conversation:
    """Return the one conversation that there is."""
    [found] = (await archive.conversations(ALICE, limit=10, since=since)).conversations
    return found


class Found(list[Conversation]):
    """Conversations of several pages, and how many each page had."""

    def __init__(self) -> None:
        self.sizes: list[int] = []


async def paged(archive: Archive, *, limit: int, max_bytes: int | None = None) -> Found:
    found, before, complete = Found(), None, False
    while not complete:
        page = await archive.conversations(ALICE, limit=limit, before=before, max_bytes=max_bytes)
        assert 0 < len(page.conversations) <= limit
        found += page.conversations
        found.sizes.append(len(page.conversations))
        before, complete = page.conversations[-1].newest, page.complete
    return found


async def test_archive_without_messages_has_no_first_and_last(
    storage: Storage, archive: Archive
) -> None:
    await archive.append([entry(1)])
    await shed(storage, 0)

    assert [await archive.first_and_last(owner) for owner in (ALICE, NOBODY)] == [None, None]


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_first_and_last_are_the_ends_of_an_archive(archive: Archive, count: int) -> None:
    await archive.append(entries(count))

    found = (await everything(archive)).messages
    assert await archive.first_and_last(ALICE) == (found[0], found[-1])


async def test_conversation_with_the_newest_message_comes_first(archive: Archive) -> None:
    rows = said("a@x", "b@x", "c@x", "a@x", "b@x", "b@x")
    await archive.append(rows)

    found = await archive.conversations(ALICE, limit=10)

    assert told(found) == [
        ("b@x", 3, rows[5].xml, 3),
        ("a@x", 2, rows[3].xml, 2),
        ("c@x", 1, rows[2].xml, 1),
    ]
    newest = {stored.xml: stored.id for stored in (await everything(archive)).messages}
    assert [one.newest for one in found.conversations] == [newest[rows[n].xml] for n in (5, 3, 2)]


async def test_unknown_archive_has_no_conversations(archive: Archive) -> None:
    await archive.append(entries(1))

    assert await archive.conversations(NOBODY, limit=10) == Conversations()


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_conversations_are_paged_by_their_newest_message(
    archive: Archive, limit: int
) -> None:
    rows = said(*(f"{n % 5}@x" for n in range(13)))
    # What comes last says nothing, so it is not what is shown of the conversation.
    await archive.append([*rows, entry("seen", peer="2@x", kind=Kind.RECEIPT)])

    found = await paged(archive, limit=limit)

    assert [one.peer for one in found] == ["2@x", "1@x", "0@x", "4@x", "3@x"]
    assert tuple(found) == (await archive.conversations(ALICE, limit=100)).conversations


@pytest.mark.parametrize(("fits", "sizes"), [(3, [3, 3, 3, 1]), (1, [1] * 10), (0, [1] * 10)])
async def test_conversations_are_bounded_by_the_bytes_of_their_last_messages(
    archive: Archive, fits: int, sizes: list[int]
) -> None:
    text = "é" * 1000
    await archive.append(
        [entry(n, peer=f"{n}@x", xml=f"<message>{text}</message>") for n in range(10)]
    )
    size = 2000 + len("<message></message>")

    found = await paged(archive, limit=5, max_bytes=fits * size)

    assert [one.peer for one in found] == [f"{n}@x" for n in reversed(range(10))]
    assert found.sizes == sizes


@pytest.mark.parametrize("count", [16, 17, 33])
async def test_each_of_many_conversations_has_its_own_last_message(
    archive: Archive, count: int
) -> None:
    rows = said(*(f"{n}@x" for n in range(count)))
    await archive.append(rows)

    found = await archive.conversations(ALICE, limit=count, max_bytes=1_000_000)

    assert [one.last.xml for one in found.conversations] == [row.xml for row in reversed(rows)]
    assert found.complete
    assert not (await archive.conversations(ALICE, limit=count - 1)).complete


@pytest.mark.parametrize("bound", ["before", "since"])
async def test_unknown_or_deleted_id_is_not_found_by_conversations(
    storage: Storage, archive: Archive, bound: str
) -> None:
    await archive.append([entry(1), entry(2), entry(1, owner=BOB)])
    gone = (await everything(archive)).messages[0].id
    foreign = (await everything(archive, BOB)).messages[0].id
    await shed(storage, 1)

    for id in (gone, foreign, "x"):
        with pytest.raises(NotFound):
            await archive.conversations(ALICE, limit=1, **{bound: id})

    assert len((await archive.conversations(ALICE, limit=1)).conversations) == 1


async def test_last_message_of_a_conversation_is_the_last_with_content(archive: Archive) -> None:
    kinds = [Kind.MESSAGE, Kind.TOMBSTONE, Kind.ANNOTATION, Kind.RECEIPT, Kind.BLANKED]
    await archive.append([entry(kind, kind=kind) for kind in kinds])

    found = await only(archive)

    assert (found.last.xml, found.last.kind, found.messages) == (
        entry(Kind.TOMBSTONE).xml,
        Kind.TOMBSTONE,
        5,
    )


async def test_last_message_of_a_conversation_without_content_is_the_newest(
    archive: Archive,
) -> None:
    await archive.append([entry(kind, kind=kind) for kind in (Kind.RECEIPT, Kind.ANNOTATION)])

    found = await only(archive)

    assert (found.last.kind, found.last.id, found.unread) == (Kind.ANNOTATION, found.newest, 0)


async def test_conversation_of_deleted_messages_disappears(
    storage: Storage, archive: Archive
) -> None:
    rows = said("a@x", "b@x", "a@x", "b@x", "c@x")
    await archive.append(rows)
    await shed(storage, 2)

    assert told(await archive.conversations(ALICE, limit=9)) == [
        ("c@x", 1, rows[4].xml, 1),
        ("b@x", 1, rows[3].xml, 1),
    ]


async def test_deleted_conversation_can_begin_again(storage: Storage, archive: Archive) -> None:
    await archive.append([entry(1, peer=ROMEO, direction=SENT, is_seen=True), entry(2)])
    await shed(storage, 1)
    await archive.append([entry(3, peer=ROMEO)])

    assert told(await archive.conversations(ALICE, limit=9)) == [
        (ROMEO, 1, entry(3).xml, 1),
        (BOB, 1, entry(2).xml, 1),
    ]


async def test_duplicate_does_not_move_a_conversation(archive: Archive) -> None:
    rows = said("a@x", "b@x")
    await archive.append(rows)
    await archive.append([rows[0], entry(0, peer="a@x", is_seen=True)])

    assert told(await archive.conversations(ALICE, limit=9)) == [
        ("b@x", 1, rows[1].xml, 1),
        ("a@x", 1, rows[0].xml, 1),
    ]


async def test_last_message_of_a_conversation_can_be_a_tombstone(archive: Archive) -> None:
    await archive.append([entry(1), entry(2, name_hashes=(7,))])
    await retract(archive, 7, "left")

    assert told(await archive.conversations(ALICE, limit=9)) == [(BOB, 3, "left", 1)]


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

    said = [entry(n, name_hashes=(n,)) for n in range(1, 6)]
    await archive.append([*said[:3], marker("of the second", 2), *said[3:]])
    assert (await only(archive)).unread == 3

    await archive.append([marker("late, of the first", 1), marker("of the fourth", 4)])
    assert (await only(archive)).unread == 1

    await archive.append([marker("of one that is not here", 9)])
    assert (await only(archive)).unread == 0


async def test_marker_means_the_last_message_of_its_name(archive: Archive) -> None:
    def marker(name: str) -> NewMessage:
        return entry(name, direction=SENT, kind=Kind.RECEIPT, refers_to=(7,), is_seen=True)

    said = [
        entry(1, name_hashes=(7,)),
        entry(2),
        entry(3, name_hashes=(7,)),
        correction(4, 7, name_hashes=(8,)),
    ]
    await archive.append([*said[:2], marker("first")])
    assert (await only(archive)).unread == 1

    await archive.append([*said[2:], entry(5), marker("second"), entry(6, name_hashes=(7,))])
    assert (await only(archive)).unread == 2


async def test_marker_of_a_correction_marks_all_messages_before_it_as_seen(
    archive: Archive,
) -> None:
    said = [entry(1, name_hashes=(7,)), entry(2), correction(3, 7, name_hashes=(8,)), entry(4)]
    seen = entry("seen", direction=SENT, kind=Kind.RECEIPT, refers_to=(8,), is_seen=True)
    await archive.append([*said, seen])

    assert (await only(archive)).unread == 1


async def test_seen_messages_stay_seen_after_deletion(storage: Storage, archive: Archive) -> None:
    await archive.append([entry(1), entry(2, direction=SENT, is_seen=True), entry(3)])
    await archive.append([entry(4)])
    await shed(storage, 2)

    assert (await only(archive)).unread == 2


async def test_seen_message_marks_only_its_conversation(archive: Archive) -> None:
    await archive.append([*said("a@x", "b@x"), entry("s", peer="b@x", is_seen=True)])

    found = await archive.conversations(ALICE, limit=9)

    assert {one.peer: one.unread for one in found.conversations} == {"b@x": 0, "a@x": 1}


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
    rows = said("a@x", "b@x", "a@x")
    async with reopen() as storage:
        await storage.archive.append([*rows, entry("s", peer="b@x", is_seen=True)])
        before = await storage.archive.conversations(ALICE, limit=9)

    async with reopen() as storage:
        assert await storage.archive.conversations(ALICE, limit=9) == before
        assert texts([one.last for one in before.conversations]) == texts([entry("s"), rows[2]])
