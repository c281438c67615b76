"""Indexes match the messages after any sequence of appends, retractions and deletions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import entry, everything, retract, retraction
from support.probe import assert_indexes_match, probe_of

from storage.errors import Rejected
from storage.interface import Storage
from storage.open import open_storage
from storage.rows import ArchivedMessage, Cutoff, Kind, NewMessage, Relation

NAMES = st.integers(0, 15)
PEERS = st.sampled_from(["a@x", "b@x", "room@c"])
REPLACEMENT = "<retracted xmlns='urn:xmpp:message-retract:1'/>"
OWNERS = (f"owner{n}@example.org" for n in count())

Step = Callable[[Storage, str], Awaitable[object]]


@st.composite
def arrivals(draw: st.DrawFn) -> Step:
    rows = draw(st.lists(st.tuples(NAMES, PEERS, st.booleans(), st.text(max_size=9)), max_size=9))

    def named(owner: str) -> list[NewMessage]:
        return [
            entry(
                name,
                owner=owner,
                at=name,
                peer=peer,
                type="groupchat" if is_groupchat else "chat",
                xml=xml,
                text="said",
                name_hashes=(name % 5,),
                kind=Kind.ANNOTATION if name % 2 else Kind.MESSAGE,
                refers_to=(name * 3 % 5,) if name % 2 else (),
                relation=Relation.CORRECTION,
            )
            for name, peer, is_groupchat, xml in rows
        ]

    return lambda storage, owner: storage.archive.append(named(owner))


BOUNDS = st.none() | st.integers(0, 15)
CUTOFFS = st.builds(Cutoff, since=BOUNDS, messages=BOUNDS, bytes=BOUNDS)
STEPS = st.integers(1, 6)


@st.composite
def departures(draw: st.DrawFn) -> Step:
    name, peer, cutoff, limit = draw(NAMES), draw(PEERS), draw(CUTOFFS), draw(STEPS)
    steps: list[Step] = [
        lambda s, o: retract(
            s.archive,
            name % 5,
            lambda _: "é" if name % 2 else None,
            name=-name,
            owner=o,
            text="said",
        ),
        lambda s, o: retract_some(s, o, name),
        lambda s, o: reject_batch(s, o, name),
        lambda s, o: s.retention.delete_oldest(o, cutoff, limit=limit),
        lambda s, o: s.retention.blank_oldest(o, peer, cutoff, limit=limit),
        lambda s, o: blank_one(s, o, name),
    ]
    return draw(st.sampled_from(steps))


async def retract_some(storage: Storage, owner: str, name: int) -> None:
    """Retract a message and some of its corrections."""

    def tombstone(message: ArchivedMessage) -> str | None:
        return REPLACEMENT if message.kind is Kind.MESSAGE or message.at % 3 else None

    await retract(storage.archive, name % 5, tombstone, name=-name - 20, owner=owner, text="said")


async def reject_batch(storage: Storage, owner: str, name: int) -> None:
    """Append a batch with an invalid last entry, which is rolled back."""
    batch = [
        entry(owner=owner, peer="c@x", text="said"),
        retraction(name % 5, owner=owner, text="said"),
        entry(owner=owner, at=2**63),
    ]
    before = await probe_of(storage).indexes()
    with pytest.raises(Rejected):
        await storage.archive.append(batch)
    assert await probe_of(storage).indexes() == before


async def blank_one(storage: Storage, owner: str, place: int) -> None:
    for message in (await everything(storage.archive, owner)).messages[place : place + 1]:
        await storage.retention.blank(owner, message.id)


@pytest.fixture(scope="module")
def storage(runner: asyncio.Runner) -> Iterator[Storage]:
    """One store for all examples; each example has its own owner."""
    stack = AsyncExitStack()
    yield runner.run(stack.enter_async_context(open_storage("sqlite::memory:")))
    runner.run(stack.aclose())


@settings(max_examples=200)
@given(steps=st.lists(arrivals() | departures(), max_size=12), limit=STEPS)
def test_indexes_match_the_messages_after_every_step(
    runner: asyncio.Runner, storage: Storage, steps: list[Step], limit: int
) -> None:
    owner = next(OWNERS)

    async def run() -> None:
        for step in steps:
            await step(storage, owner)
            await assert_indexes_match(storage)
        while not (await storage.retention.erase(owner, limit=limit)).done:
            await assert_indexes_match(storage)
        await assert_indexes_match(storage)

    runner.run(run())


@given(
    octets=st.lists(st.integers(0, 9), max_size=12),
    cutoff=CUTOFFS,
    limit=STEPS,
    is_blanked=st.booleans(),
)
def test_deletion_leaves_the_same_messages_as_a_list_model(
    runner: asyncio.Runner,
    storage: Storage,
    octets: list[int],
    cutoff: Cutoff,
    limit: int,
    is_blanked: bool,
) -> None:
    """Times rise with arrival here, so that both methods remove the same messages."""
    owner = next(OWNERS)
    rows = [
        entry(n, owner=owner, at=n, peer="a@x", xml="x" * size) for n, size in enumerate(octets)
    ]

    async def run() -> None:
        await storage.archive.append(rows)
        while not (
            await storage.retention.blank_oldest(owner, "a@x", cutoff, limit=limit)
            if is_blanked
            else await storage.retention.delete_oldest(owner, cutoff, limit=limit)
        ).done:
            pass
        page = await everything(storage.archive, owner)
        remaining = [m for m in page.messages if m.kind is not Kind.BLANKED]
        assert [m.at for m in remaining] == [row.at for row in rows[len(rows) - len(remaining) :]]
        assert len(remaining) == expected(octets, cutoff)

    runner.run(run())


def expected(octets: list[int], cutoff: Cutoff) -> int:
    """Return the number of the newest messages that stay."""
    remaining = list(enumerate(octets))
    while remaining and (
        (cutoff.since is not None and remaining[0][0] < cutoff.since)
        or (cutoff.messages is not None and len(remaining) > cutoff.messages)
        or (cutoff.bytes is not None and sum(size for _, size in remaining) > cutoff.bytes)
    ):
        remaining.pop(0)
    return len(remaining)
