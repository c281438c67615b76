"""Legal holds: the archives that they cover, and their storage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.archives import correct, retract
from support.builders import (
    ALICE,
    BOB,
    HOST,
    NOON,
    ROMEO,
    ROOM,
    everything,
    message,
    stanza,
    texts,
)
from support.deliveries import DeliveryBench
from support.http_services import stamp
from support.probe import probe_of

from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from component.core.errors import BadRequest, Conflict, Overloaded
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.views import FOLDED_KINDS, Views
from component.core.remote_data.archive import RemoteArchive
from component.core.remote_data.posts import Post
from component.core.retention.holds import Holds
from component.xmpp.connection.addresses import Addresses
from storage.open import open_storage
from storage.rows import Filter, Hold
from storage.sql.store import SqlStorage

TO_ALICE = message("a secret", sender=f"{BOB}/b1", to=ALICE, id="1")
RETRACTION = message(None, sender=f"{BOB}/b1", to=ALICE, id="2", extra=retract("1"))


def hold(subject: str) -> Hold:
    return Hold(subject=subject, reason="a case", by="counsel", at=1)


async def test_number_of_holds_is_bounded_and_existing_ones_can_be_changed(
    storage: SqlStorage,
) -> None:
    holds_service = Holds(storage.holds, limit=2)
    for subject in (ALICE, BOB, ALICE):
        await holds_service.set(hold(subject))

    with pytest.raises(Conflict):
        await holds_service.set(hold(ROOM))
    assert await storage.holds.list() == (hold(ALICE), hold(BOB))


@pytest.mark.parametrize(
    ("subject", "store"),
    [
        (ALICE, {ALICE}),
        (HOST, {ALICE, BOB, ROOM}),
        (f"conference.{HOST}", {ROOM}),
        ("org", {ALICE, BOB, ROOM}),
        ("ample.org", set()),
        ("remote.example", {ROMEO}),
    ],
)
async def test_hold_covers_a_user_or_a_host_with_its_subdomains(
    subject: str, store: set[str]
) -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.holds)
        await holds.set(hold(subject))

        assert {owner for owner in (ALICE, BOB, ROOM, ROMEO) if holds.is_held(owner)} == store


async def test_deletion_is_refused_until_the_hold_is_released() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.holds)
        await holds.set(hold(ALICE))

        with pytest.raises(Conflict):
            holds.refuse_if_held(ALICE)
        await holds.release(ALICE)
        holds.refuse_if_held(ALICE)
        assert holds.all() == await storage.holds.list() == ()


async def test_holds_are_loaded_at_start() -> None:
    async with open_storage("sqlite::memory:") as storage:
        first, second = Holds(storage.holds), Holds(storage.holds)
        for subject in (HOST, ALICE):
            await first.set(hold(subject))

        await second.load()

        assert second.all() == (hold(ALICE), hold(HOST))


async def test_hold_is_in_force_when_the_store_is_closed() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.holds)
        await storage.close()

        with pytest.raises(Overloaded, match="in force"):
            await holds.set(hold(ALICE))
        assert holds.is_held(ALICE)


async def test_hold_with_invalid_reason_is_in_force() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.holds)

        with pytest.raises(BadRequest, match="in force"):
            await holds.set(replace(hold(ALICE), reason="\ud800"))
        assert holds.is_held(ALICE)


async def test_hold_stays_when_its_release_is_not_stored() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.holds)
        await holds.set(hold(ALICE))
        await storage.close()

        with pytest.raises(Overloaded):
            await holds.release(ALICE)
        assert holds.is_held(ALICE)


class Held:
    """A store whose writer respects holds and starts at the command of the test."""

    def __init__(self, storage: SqlStorage) -> None:
        self.storage = storage
        self.holds = Holds(storage.holds)
        self.writer = Writer(
            storage.archive,
            is_held=self.holds.is_held,
        )

    async def write(self) -> None:
        self.writer.stop()
        await self.writer.run()

    async def write_until_finished(self) -> None:
        """Run a writer until no retraction is unfinished."""
        writer = Writer(self.storage.archive, is_held=self.holds.is_held)
        run_task = asyncio.create_task(writer.run())
        while await self.storage.archive.unfinished_retractions():
            await asyncio.wait({run_task}, timeout=0)
        writer.stop()
        await run_task

    async def alice(self) -> list[str]:
        """Return all messages of the archive of Alice."""
        return [row.xml for row in (await everything(self.storage.archive)).messages]


@pytest.fixture
async def store() -> AsyncIterator[Held]:
    async with open_storage("sqlite::memory:") as storage:
        yield Held(storage)


async def test_hold_applies_to_stored_unfinished_retraction(
    store: Held, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = Writer(store.storage.archive)
    ingest = DeliveryBench(first).ingest(Policy(), [HOST])
    for text in (TO_ALICE, RETRACTION):
        ingest.take(stanza(text), NOON)
        ingest.take(stanza(text), NOON)
    # The program ends between the retraction and its tombstone.
    await store.storage.archive.append(first.unwritten)
    assert await store.storage.archive.unfinished_retractions()
    await store.holds.set(hold(ALICE))

    await store.write_until_finished()
    await store.holds.release(ALICE)
    await store.write()

    assert "a secret" in str(await store.alice())
    assert "a secret" not in str(texts(await everything(store.storage.archive, BOB)))
    assert f"in the archive of {ALICE} is not carried out: there is a legal hold" in caplog.text
    assert f"in the archive of {BOB} is not" not in caplog.text


async def test_hold_applies_to_queued_retraction(store: Held) -> None:
    ingest = DeliveryBench(store.writer).ingest(Policy(), [HOST])
    for text in (TO_ALICE, TO_ALICE, RETRACTION, RETRACTION):
        ingest.take(stanza(text), NOON)

    await store.holds.set(hold(ALICE))
    await store.write()

    assert await store.alice() == [TO_ALICE, RETRACTION]


@pytest.mark.parametrize("retracted_id", ["A", "B"])
async def test_retraction_under_hold_is_shown_and_keeps_the_original(
    store: Held, retracted_id: str
) -> None:
    texts_of_alice = [
        message("a secret", sender=f"{BOB}/b1", to=ALICE, id="A"),
        message("a secret too", sender=f"{BOB}/b1", to=ALICE, id="B", extra=correct("A")),
        message(None, sender=f"{BOB}/b1", to=ALICE, id="C", extra=retract(retracted_id)),
    ]
    delivering = DeliveryBench(store.writer)
    ingest = delivering.ingest(Policy(), [HOST])
    await store.holds.set(hold(ALICE))
    for text in texts_of_alice:
        ingest.take(stanza(text), NOON)
    delivering.deliveries.decide()

    run_task = asyncio.create_task(store.writer.run())
    pages = Pager(store.storage.archive, store.writer, default_size=50, max_size=100)
    page = await pages.read(ALICE, PageQuery(filter=Filter(kinds=FOLDED_KINDS), limit=10))
    [item] = await Views(store.storage.archive).of(ALICE, page.messages, folded=True)
    store.writer.stop()
    await run_task

    assert await store.alice() == texts_of_alice
    assert item.folded is not None
    assert (item.folded.body, item.folded.retracted is not None) == (None, True)


async def test_hold_on_one_owner_does_not_stop_retractions_of_others(store: Held) -> None:
    ingest = DeliveryBench(store.writer).ingest(Policy(), [HOST])
    for text in (TO_ALICE, TO_ALICE, RETRACTION, RETRACTION):
        ingest.take(stanza(text), NOON)

    await store.holds.set(hold(BOB))
    await store.write()

    assert TO_ALICE not in await store.alice()


async def test_hold_applies_to_posted_retraction(store: Held) -> None:
    archive = RemoteArchive(
        store.storage.archive, store.writer, Addresses(), queue=store.writer, max_items=50
    )
    await store.holds.set(hold(ALICE))

    run_task = asyncio.create_task(store.writer.run())
    for second, text in enumerate((TO_ALICE, RETRACTION), start=1):
        await archive.store(HOST, Post(username="alice", timestamp=stamp(second), xml=text))
    store.writer.stop()
    await run_task

    assert await store.alice() == [TO_ALICE, RETRACTION]


async def test_holds_of_another_process_are_loaded(storage: SqlStorage) -> None:
    one, other = Holds(storage.holds), Holds(storage.holds)
    await one.set(hold(ALICE))
    await other.load()
    assert other.is_held(ALICE)

    await one.release(ALICE)
    await other.load()
    assert not other.is_held(ALICE)


async def test_hold_that_is_not_stored_stays_in_force_after_a_load(storage: SqlStorage) -> None:
    holds = Holds(storage.holds)
    await probe_of(storage).set_read_only(True)
    with pytest.raises(Overloaded):
        await holds.set(hold(ALICE))
    await holds.load()
    assert holds.is_held(ALICE)

    await probe_of(storage).set_read_only(False)
    await holds.set(hold(ALICE))
    await holds.release(ALICE)
    await holds.load()
    assert not holds.is_held(ALICE)
