"""Undecided deliveries: the limit of their bytes, and the time of the decision."""

from __future__ import annotations

from support.builders import ALICE, BOB, entry
from support.deliveries import DeliveryBench, FakeAccounts

from component.core.archiving.deliveries import JOINED_WAIT, WAIT, Deliveries, Delivery
from component.core.archiving.sessions import Sessions
from component.core.archiving.writer import Writer
from storage.sql.store import SqlStorage

BYTES_MAX = 100_000


def delivery(name: str, bytes: int = 100, owner: str = ALICE) -> Delivery:
    """Return the delivery of a message of this size to a user who is offline."""
    return Delivery(
        message=name.encode(),
        recipient=f"{owner}/phone",
        at=0,
        entries=[entry(name, owner=owner)],
        waits_offline=True,
        bytes=bytes,
    )


def deliveries(storage: SqlStorage) -> tuple[Writer, Deliveries]:
    queue = Writer(storage.archive)
    return queue, Deliveries(
        queue, Sessions(), FakeAccounts(), clock=lambda: 0, bytes_max=BYTES_MAX
    )


async def test_large_message_has_oldest_deliveries_decided_to_stay_within_the_bound(
    storage: SqlStorage,
) -> None:
    queue, held = deliveries(storage)
    small = [delivery(f"small {n}") for n in range(900)]
    large = [delivery(f"large {n}", 60_000) for n in range(3)]
    for item in (*small, *large):
        held.open(item)

    undecided = [item for item in (*small, *large) if item in held]
    assert sum(item.bytes for item in undecided) <= BYTES_MAX
    assert undecided == large[-1:]
    assert len(queue.unwritten) == 902


async def test_message_larger_than_the_bound_is_decided_at_once(storage: SqlStorage) -> None:
    queue, held = deliveries(storage)
    held.open(delivery("huge", BYTES_MAX + 1))

    assert (len(held), len(queue.unwritten)) == (0, 1)


async def test_decide_of_one_owner_leaves_deliveries_of_others_undecided(
    storage: SqlStorage,
) -> None:
    queue, held = deliveries(storage)
    for name, owner in (("a", ALICE), ("b", BOB), ("c", ALICE)):
        held.open(delivery(name, owner=owner))

    held.decide(ALICE)

    assert len(held) == 1
    assert queue.unwritten == (entry("a", at=0), entry("c", at=0))


async def test_process_that_has_joined_decides_after_the_others(storage: SqlStorage) -> None:
    bench = DeliveryBench(Writer(storage.archive))
    joined_at = 5_000_000
    bench.deliveries.joined(joined_at)
    bench.deliveries.open(delivery("a"))
    for bench.now in (joined_at + WAIT, joined_at + WAIT + JOINED_WAIT - 1):
        await bench.deliveries.decide_due()
        assert len(bench.deliveries) == 1
    bench.now += 1
    await bench.deliveries.decide_due()
    assert len(bench.deliveries) == 0
