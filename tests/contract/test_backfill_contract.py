"""The contract of missing messages, on every backend: their order, and what does not come back."""

from __future__ import annotations

from collections.abc import Sequence

from contract.conftest import Open
from support.builders import (
    ALICE,
    BOB,
    NOON,
    ROOM,
    SECOND,
    carry_out,
    correction,
    dedup_key,
    entry,
    everything,
    retraction,
    texts,
)

from storage.interface import Storage
from storage.rows import (
    ANY,
    FillOutcome,
    Filter,
    Gap,
    GapProgress,
    GapState,
    ImportedMessage,
    Kind,
    LaterRetraction,
    NewMessage,
    Phrase,
)
from storage.sql.messages import reserved

ADDED, PRESENT = FillOutcome.ADDED, FillOutcome.PRESENT
END = NOON + 100 * SECOND


def at(second: float, **fields: object) -> NewMessage:
    """Return a row with a time in seconds after noon, which is its name too."""
    return entry(second, at=NOON + int(second * SECOND), **fields)


def missing(*rows: NewMessage) -> list[ImportedMessage]:
    return [ImportedMessage(row, f"old {row.at}") for row in rows]


def seconds(rows: Sequence[object]) -> list[float]:
    return [(row.at - NOON) / SECOND for row in rows]  # type: ignore[attr-defined]


async def stored(storage: Storage, filter: Filter = ANY) -> list[float]:
    return seconds((await everything(storage.archive, filter=filter)).messages)


async def open_gap(storage: Storage) -> Gap:
    """Store a gap from the 10th to the 100th second, and leave sequences free for it."""
    gap = Gap(begins_at=NOON + 10 * SECOND, ends_at=END, reason="stopped", state=GapState.OPEN)
    await storage.gaps.add(gap, limit=10)
    storage.backfill.reserve(END)
    return (await storage.gaps.list())[-1]


async def test_missing_messages_come_between_those_before_and_behind(storage: Storage) -> None:
    await storage.archive.append([at(1), at(2)])
    await open_gap(storage)
    await storage.archive.append([at(101), at(102)])
    before = (await everything(storage.archive)).messages

    outcomes = await storage.backfill.add(missing(at(20), at(30)), ends_at=END)
    more = await storage.backfill.add(missing(at(40)), ends_at=END)

    assert (*outcomes, *more) == (ADDED,) * 3
    after = (await everything(storage.archive)).messages
    assert seconds(after) == [1, 2, 20, 30, 40, 101, 102]
    assert {message.id for message in before} < {message.id for message in after}
    # A reader who has read until the gap goes on in it.
    page = await storage.archive.page(ALICE, ANY, limit=9, after=before[1].id, counted=True)
    assert seconds(page.messages) == [20, 30, 40, 101, 102]
    assert (page.index, page.count) == (2, 7)
    assert await stored(storage, Filter(since=NOON + 30 * SECOND)) == [30, 40, 101, 102]


async def test_missing_messages_are_added_once(storage: Storage) -> None:
    await storage.archive.append([at(1)])
    await open_gap(storage)
    await storage.archive.append([at(101)])
    rows = missing(at(1), at(20), at(101))

    assert await storage.backfill.add(rows, ends_at=END) == (PRESENT, ADDED, PRESENT)
    assert await storage.backfill.add(rows, ends_at=END) == (PRESENT,) * 3

    assert await stored(storage) == [1, 20, 101]
    page = await storage.archive.page(ALICE, Filter(ids=(rows[1].old_id,)), limit=1)
    assert seconds(page.messages) == [20]


async def test_messages_that_are_alike_are_told_apart_by_their_old_ids(storage: Storage) -> None:
    """Two messages without ids have the same key if they come shortly after each other."""
    await storage.archive.append([at(1)])
    await open_gap(storage)
    alike = [
        ImportedMessage(
            at(second, dedup_key=at(1).dedup_key), f"old {second}", (dedup_key(f"own {second}"),)
        )
        for second in (1, 20, 30)
    ]

    assert await storage.backfill.add(alike[:2], ends_at=END) == (PRESENT, ADDED)
    assert await storage.backfill.add(alike, ends_at=END) == (PRESENT, PRESENT, ADDED)
    assert await storage.backfill.add(alike, ends_at=END) == (PRESENT,) * 3

    assert await stored(storage) == [1, 20, 30]


async def test_message_of_a_room_is_known_by_the_id_that_the_room_gave(storage: Storage) -> None:
    room = {"owner": ROOM, "peer": ROOM, "stanza_id": "a-long-id"}
    await storage.archive.append([at(1, **room)])
    await open_gap(storage)
    again = at(1.1, **room)

    assert await storage.backfill.add(missing(again), ends_at=END) == (PRESENT,)
    assert seconds((await everything(storage.archive, ROOM)).messages) == [1]


async def test_archive_without_later_messages_gets_them_at_its_end(storage: Storage) -> None:
    await open_gap(storage)

    await storage.backfill.add(missing(at(20)), ends_at=END)
    await storage.archive.append([at(101)])
    await storage.backfill.add(missing(at(30)), ends_at=END)

    assert await stored(storage) == [20, 30, 101]


async def test_late_message_of_the_time_before_leaves_nothing_free(storage: Storage) -> None:
    await open_gap(storage)
    await storage.archive.append([at(5), at(101)])

    await storage.backfill.add(missing(at(20)), ends_at=END)

    assert await stored(storage) == [5, 20, 101]


async def test_gap_that_was_not_expected_has_no_place(storage: Storage) -> None:
    await storage.archive.append([at(1), at(101)])
    await open_gap(storage)
    await storage.archive.append([at(102)])
    # The first message came behind an earlier gap, for which nothing was reserved.
    earlier = NOON + 50 * SECOND

    assert await storage.backfill.add(missing(at(20)), ends_at=earlier) == (ADDED,)
    assert await stored(storage) == [1, 101, 20, 102]
    assert await storage.backfill.tidy(before=2**62, limit=10)
    await storage.gaps.fill(1, at=NOON)
    assert await storage.backfill.tidy(before=2**62, limit=10)

    assert await storage.backfill.add(missing(at(30)), ends_at=END) == (FillOutcome.NO_PLACE,)


async def test_erased_message_does_not_come_back(storage: Storage) -> None:
    await open_gap(storage)
    await storage.archive.append([at(101), at(101, owner=BOB)])
    await storage.retention.erase(ALICE, limit=10)

    rows = missing(at(20), at(20, owner=BOB))

    assert await storage.backfill.add(rows, ends_at=END) == (FillOutcome.ERASED, ADDED)
    assert await stored(storage) == []
    # Nothing tells of the user who was erased.
    assert ALICE not in [usage.owner for usage in await storage.retention.usage()]


async def test_erasure_before_all_gaps_is_forgotten(storage: Storage) -> None:
    gap = await open_gap(storage)
    await storage.archive.append([at(101)])
    await storage.retention.erase(ALICE, limit=10)
    await storage.gaps.fill(gap.number, at=NOON)
    await storage.gaps.note_received(2**62)

    assert await storage.backfill.tidy(before=0, limit=10)

    assert await storage.backfill.add(missing(at(20)), ends_at=END) == (ADDED,)


async def test_message_retracted_behind_the_gap_becomes_a_tombstone(storage: Storage) -> None:
    await open_gap(storage)
    await storage.archive.append([retraction(7, at=END + SECOND), at(102)])
    row = (await everything(storage.archive)).messages[0]
    await storage.backfill.add(missing(at(20, name_hashes=(7,))), ends_at=END)

    later = [LaterRetraction(row.id, (7,)), LaterRetraction("unknown", (7,))]
    assert await storage.backfill.retract(ALICE, later) == 1
    assert await storage.backfill.retract(ALICE, later) == 0
    await carry_out(storage.archive)

    kinds = [message.kind for message in (await everything(storage.archive)).messages]
    assert kinds == [Kind.TOMBSTONE, Kind.ANNOTATION, Kind.MESSAGE]


async def test_references_within_the_gap_are_resolved(storage: Storage) -> None:
    await storage.archive.append([at(1, name_hashes=(3,))])
    await open_gap(storage)
    await storage.archive.append([at(101)])

    rows = [correction("new", 3, at=NOON + 20 * SECOND), at(30, text="word")]
    await storage.backfill.add(missing(*rows), ends_at=END)

    first = (await everything(storage.archive)).messages[0]
    references = await storage.archive.references(ALICE, [first.id], limit=5)
    assert texts(references[first.id].messages) == [rows[0].xml]
    assert await stored(storage, Filter(phrases=(Phrase(words=("word",)),))) == [30]


async def test_times_are_found_whatever_the_order_of_arrival(storage: Storage) -> None:
    """Late messages on both sides of a gap do not hide others from a query by time."""
    await storage.archive.append([at(n) for n in (1, 9, 4)])
    await open_gap(storage)
    await storage.archive.append([at(n) for n in (101, 55, 103, 8, 70)])
    await storage.backfill.add(missing(*(at(n) for n in (20, 60, 33, 99))), ends_at=END)
    await storage.archive.append([at(n) for n in (104, 90, 2)])
    everyone = await stored(storage)
    assert sorted(everyone) != everyone

    for since in range(0, 106, 3):
        expected = [second for second in everyone if second >= since]
        filter = Filter(since=NOON + since * SECOND)
        assert await stored(storage, filter) == expected
        assert await storage.archive.count(ALICE, filter) == len(expected)


async def test_unread_messages_of_a_gap_are_unread(storage: Storage) -> None:
    await storage.archive.append([at(1, is_seen=True)])
    await open_gap(storage)
    await storage.backfill.add(missing(at(20), at(30)), ends_at=END)

    [conversation] = (await storage.archive.conversations(ALICE, limit=5)).conversations

    assert (conversation.messages, conversation.unread) == (3, 2)


async def test_no_more_is_added_than_was_left_free(storage: Storage, monkeypatch: object) -> None:
    monkeypatch.setattr(reserved, "RESERVED", 2)  # type: ignore[attr-defined]
    await open_gap(storage)
    await storage.archive.append([at(101)])

    outcomes = await storage.backfill.add(missing(at(20), at(30), at(40)), ends_at=END)

    assert outcomes == (ADDED, ADDED, FillOutcome.NO_PLACE)
    assert await stored(storage) == [20, 30, 101]


async def test_reserved_sequences_outlive_the_program(reopen: Open) -> None:
    async with reopen() as storage:
        await open_gap(storage)
        await storage.archive.append([at(101)])
    async with reopen() as storage:
        await storage.archive.append([at(102)])
        assert await storage.backfill.add(missing(at(20)), ends_at=END) == (ADDED,)
        assert await stored(storage) == [20, 101, 102]


async def test_one_process_at_a_time_fills_a_gap(storage: Storage) -> None:
    gap = await open_gap(storage)
    number = gap.number

    assert await storage.gaps.claim(number, "a", at=NOON, idle_since=NOON - 5)
    assert not await storage.gaps.claim(number, "b", at=NOON, idle_since=NOON - 5)
    assert await storage.gaps.claim(number, "a", at=NOON + 3, idle_since=NOON - 2)
    assert await storage.gaps.claim(number, "b", at=NOON + 9, idle_since=NOON + 4)


async def test_progress_of_a_gap_is_kept(storage: Storage) -> None:
    number = (await open_gap(storage)).number
    steps = (
        GapProgress(state=GapState.FILLING, added=3, place="[1]"),
        GapProgress(state=GapState.FILLING, added=4, failure="no answer"),
    )
    for step in steps:
        await storage.gaps.note_progress(number, step, at=NOON)
    [gap] = await storage.gaps.list()
    assert (gap.filled, gap.place, gap.failure) == (7, "[1]", "no answer")

    await storage.gaps.note_progress(number, GapProgress(state=GapState.FILLED), at=NOON)
    # What is settled stays as it is.
    await storage.gaps.note_progress(number, GapProgress(state=GapState.OPEN, added=1), at=NOON)

    [gap] = await storage.gaps.list()
    assert (gap.state, gap.filled, gap.filled_at) == (GapState.FILLED, 7, NOON)
    assert not await storage.gaps.claim(number, "a", at=NOON, idle_since=NOON)
