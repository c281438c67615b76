"""The contract of gaps, on every backend."""

from __future__ import annotations

from contract.conftest import Open
from support.builders import NOON

from storage.interface import Storage
from storage.rows import SEVERAL, Gap

SECOND = 1_000_000


def gap(begins: int, ends: int, reason: str = "stopped") -> Gap:
    """Return a gap between two seconds after noon."""
    return Gap(begins_at=NOON + begins * SECOND, ends_at=NOON + ends * SECOND, reason=reason)


async def spans(storage: Storage) -> list[tuple[int, int]]:
    """Return the gaps as seconds after noon."""
    gaps = await storage.gaps.list()
    return [
        ((gap.begins_at - NOON) // SECOND, ((gap.ends_at or 0) - NOON) // SECOND) for gap in gaps
    ]


async def test_new_store_has_no_gaps_and_has_received_nothing(storage: Storage) -> None:
    assert await storage.gaps.list() == ()
    assert await storage.gaps.received_until() == 0


async def test_gaps_are_listed_in_the_order_of_their_times_with_numbers(storage: Storage) -> None:
    await storage.gaps.add(gap(5, 9), limit=10)
    await storage.gaps.add(gap(1, 2), limit=10)
    assert await spans(storage) == [(1, 2), (5, 9)]
    assert [gap.number for gap in await storage.gaps.list()] == [2, 1]
    assert {gap.filled_at for gap in await storage.gaps.list()} == {0}


async def test_received_time_never_decreases(storage: Storage) -> None:
    await storage.gaps.note_received(NOON + 5)
    await storage.gaps.note_received(NOON)
    assert await storage.gaps.received_until() == NOON + 5


async def test_end_of_a_gap_is_received(storage: Storage) -> None:
    await storage.gaps.note_received(NOON)
    await storage.gaps.add(gap(0, 7), limit=10)
    assert await storage.gaps.received_until() == NOON + 7 * SECOND


async def test_filled_gap_has_its_time(storage: Storage) -> None:
    await storage.gaps.add(gap(0, 7), limit=10)
    (stored,) = await storage.gaps.list()
    assert await storage.gaps.fill(stored.number, at=NOON)
    assert not await storage.gaps.fill(stored.number + 1, at=NOON)
    assert [gap.filled_at for gap in await storage.gaps.list()] == [NOON]


async def test_oldest_gaps_become_one_over_the_limit(storage: Storage) -> None:
    await storage.gaps.add(gap(0, 1, "stopped"), limit=2)
    await storage.gaps.fill(1, at=NOON)
    await storage.gaps.add(gap(4, 5, "disconnected"), limit=2)
    await storage.gaps.add(gap(8, 9, "stopped"), limit=2)
    assert await spans(storage) == [(0, 5), (8, 9)]
    joined, _ = await storage.gaps.list()
    assert joined.reason == SEVERAL
    # Messages of one of them are still missing.
    assert joined.filled_at == 0


async def test_reasons_of_joined_gaps_do_not_grow_if_they_are_equal(storage: Storage) -> None:
    for second in range(0, 10, 2):
        await storage.gaps.add(gap(second, second + 1), limit=1)
    assert await spans(storage) == [(0, 9)]
    assert (await storage.gaps.list())[0].reason == "stopped"


async def test_gaps_and_received_time_outlive_the_program(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.gaps.add(gap(0, 7), limit=10)
        await storage.gaps.note_received(NOON + 9 * SECOND)
    async with reopen() as storage:
        assert await spans(storage) == [(0, 7)]
        assert await storage.gaps.received_until() == NOON + 9 * SECOND
