"""Legal holds: whom they are on, and that they last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.archives import correct, retract
from support.builders import ALICE, BOB, HOST, NOON, ROMEO, ROOM, everything, message, stanza
from support.delivering import Delivering
from support.sidecar import stamp

from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from component.core.errors import BadRequest, Conflict, Overloaded
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.views import FOLDED_KINDS, Views
from component.core.remote_data.archive import RemoteArchive
from component.core.remote_data.posts import Post
from component.core.retention import holds
from component.core.retention.holds import Holds
from component.xmpp.connection.addresses import Addresses
from storage.open import SqliteStorage, open_storage
from storage.rows import Filter, Hold

TO_ALICE = message("a secret", sender=f"{BOB}/b1", to=ALICE, id="1")
TAKEN_BACK = message(None, sender=f"{BOB}/b1", to=ALICE, id="2", extra=retract("1"))


def hold(subject: str) -> Hold:
    return Hold(subject=subject, reason="a case", by="counsel", at=1)


async def test_holds_are_bounded_and_those_there_are_can_be_changed(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "HOLDS_MAX", 2)
    known = Holds(storage.records)
    for subject in (ALICE, BOB, ALICE):
        await known.set(hold(subject))

    with pytest.raises(Conflict):
        await known.set(hold(ROOM))
    assert await storage.records.holds() == (hold(ALICE), hold(BOB))


@pytest.mark.parametrize(
    ("subject", "held"),
    [
        (ALICE, {ALICE}),
        (HOST, {ALICE, BOB, ROOM}),
        (f"conference.{HOST}", {ROOM}),
        ("org", {ALICE, BOB, ROOM}),
        ("ample.org", set()),
        ("remote.example", {ROMEO}),
    ],
)
async def test_a_hold_is_on_a_user_or_on_a_host_with_all_below_it(
    subject: str, held: set[str]
) -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)
        await holds.set(hold(subject))

        assert {owner for owner in (ALICE, BOB, ROOM, ROMEO) if holds.is_held(owner)} == held


async def test_what_is_held_is_refused_until_it_is_released() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)
        await holds.set(hold(ALICE))

        with pytest.raises(Conflict):
            holds.refuse_if_held(ALICE)
        await holds.release(ALICE)
        holds.refuse_if_held(ALICE)
        assert holds.all() == await storage.records.holds() == ()


async def test_holds_are_loaded_again() -> None:
    async with open_storage("sqlite::memory:") as storage:
        first, second = Holds(storage.records), Holds(storage.records)
        for subject in (HOST, ALICE):
            await first.set(hold(subject))

        await second.load()

        assert second.all() == (hold(ALICE), hold(HOST))


async def test_a_hold_that_cannot_be_kept_is_in_force_all_the_same() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)
        await storage.close()

        with pytest.raises(Overloaded, match="in force"):
            await holds.set(hold(ALICE))
        assert holds.is_held(ALICE)


async def test_a_hold_that_no_store_takes_is_in_force_all_the_same() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)

        with pytest.raises(BadRequest, match="in force"):
            await holds.set(replace(hold(ALICE), reason="\ud800"))
        assert holds.is_held(ALICE)


async def test_a_hold_that_cannot_be_released_stays() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)
        await holds.set(hold(ALICE))
        await storage.close()

        with pytest.raises(Overloaded):
            await holds.release(ALICE)
        assert holds.is_held(ALICE)


class Held:
    """A store whose writer heeds holds, and writes once it is told to."""

    def __init__(self, storage: SqliteStorage) -> None:
        self.storage = storage
        self.holds = Holds(storage.records)
        self.writer = Writer(
            storage.archive,
            is_held=self.holds.is_held,
        )

    async def write(self) -> None:
        self.writer.stop()
        await self.writer.run()

    async def alice(self) -> list[str]:
        """Return what there is of the archive of Alice."""
        return [row.xml for row in (await everything(self.storage.archive)).messages]


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    async with open_storage("sqlite::memory:") as storage:
        yield Held(storage)


async def test_a_hold_wins_over_what_waits_to_be_written(held: Held) -> None:
    ingest = Delivering(held.writer).ingest(Policy(), [HOST])
    for text in (TO_ALICE, TO_ALICE, TAKEN_BACK, TAKEN_BACK):
        ingest.take(stanza(text), NOON)

    await held.holds.set(hold(ALICE))
    await held.write()

    assert await held.alice() == [TO_ALICE, TAKEN_BACK]


@pytest.mark.parametrize("named", ["A", "B"])
async def test_under_a_hold_the_view_says_retracted_and_the_archive_keeps_it(
    held: Held, named: str
) -> None:
    said = [
        message("a secret", sender=f"{BOB}/b1", to=ALICE, id="A"),
        message("a secret too", sender=f"{BOB}/b1", to=ALICE, id="B", extra=correct("A")),
        message(None, sender=f"{BOB}/b1", to=ALICE, id="C", extra=retract(named)),
    ]
    delivering = Delivering(held.writer)
    ingest = delivering.ingest(Policy(), [HOST])
    await held.holds.set(hold(ALICE))
    for text in said:
        ingest.take(stanza(text), NOON)
    delivering.deliveries.decide()

    running = asyncio.create_task(held.writer.run())
    pages = Pager(held.storage.archive, held.writer, usual=50, most=100)
    page = await pages.read(ALICE, PageQuery(wanted=Filter(kinds=FOLDED_KINDS), limit=10))
    [item] = await Views(held.storage.archive).of(ALICE, page.messages, folded=True)
    held.writer.stop()
    await running

    assert await held.alice() == said
    assert item.folded is not None
    assert (item.folded.body, item.folded.retracted is not None) == (None, True)


async def test_a_hold_on_one_lets_others_take_back(held: Held) -> None:
    ingest = Delivering(held.writer).ingest(Policy(), [HOST])
    for text in (TO_ALICE, TO_ALICE, TAKEN_BACK, TAKEN_BACK):
        ingest.take(stanza(text), NOON)

    await held.holds.set(hold(BOB))
    await held.write()

    assert TO_ALICE not in await held.alice()


async def test_a_hold_wins_over_a_retraction_that_is_posted(held: Held) -> None:
    archive = RemoteArchive(
        held.storage.archive, held.writer, Addresses(), queue=held.writer, max_items=50
    )
    await held.holds.set(hold(ALICE))

    running = asyncio.create_task(held.writer.run())
    for second, text in enumerate((TO_ALICE, TAKEN_BACK), start=1):
        await archive.store(HOST, Post(username="alice", timestamp=stamp(second), xml=text))
    held.writer.stop()
    await running

    assert await held.alice() == [TO_ALICE, TAKEN_BACK]
