"""Several processes on one database: locks, leases, changes, and messages that all of them get."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from support.builders import (
    ALICE,
    BOB,
    HOST,
    NOON,
    ROOM,
    carry_out,
    entries,
    entry,
    everything,
    message,
    owned,
    retraction,
    stanza,
    texts,
)
from support.command import ROOT
from support.deliveries import DeliveryBench
from support.postgres import Postgres
from support.writer import open_writer

from component.cli import main
from component.cli.exit_codes import UNREACHABLE
from component.core.archiving.dedup import LATE, SLOT
from component.core.archiving.policy import Policy
from storage.errors import Held, Locked, Unavailable
from storage.open import examine, open_storage
from storage.postgres.engine.session import LEASE_LOCK
from storage.postgres.options import PostgresOptions
from storage.processes import Change, Topic
from storage.rows import (
    Cutoff,
    DisplayedMarker,
    EntryKind,
    Hold,
    IdentifierKind,
    JournalEntry,
    Occupant,
    PreferencesRow,
    Removed,
    RoomChanges,
)
from storage.sql.store import SqlStorage

HOLD = Hold(subject=ALICE, reason="a case", by="root", at=NOON)

#: A wait of a test that fails.
DEADLINE = 30.0

#: For how long a process that is frozen within a transaction holds up another one.
FROZEN_SECONDS = (8.0, 20.0)


@asynccontextmanager
async def process(url: str, name: str = "one.test") -> AsyncIterator[SqlStorage]:
    async with open_storage(url, options=PostgresOptions(process=name)) as storage:
        yield storage


@asynccontextmanager
async def two(url: str) -> AsyncIterator[tuple[SqlStorage, SqlStorage]]:
    async with process(url) as one, process(url, "two.test") as other:
        yield one, other


class Heard:
    """The changes that a process hears of."""

    def __init__(self, storage: SqlStorage) -> None:
        self._changes: asyncio.Queue[Change] = asyncio.Queue()
        storage.processes.listen(self._changes.put_nowait)

    async def next(self) -> Change:
        async with asyncio.timeout(DEADLINE):
            return await self._changes.get()

    async def until(self, is_wanted: Callable[[Change], bool]) -> None:
        while not is_wanted(await self.next()):
            pass


async def test_process_beside_one_that_is_alone_is_refused(postgres_url: str) -> None:
    async with open_storage(postgres_url):
        with pytest.raises(Locked, match="another process"):
            async with process(postgres_url):
                pass
    async with process(postgres_url):
        with pytest.raises(Locked, match="another process"):
            async with open_storage(postgres_url):
                pass


async def test_commands_that_need_the_store_alone_are_refused_beside_another_process(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, archive = tmp_path / "muniment.toml", tmp_path / "archive.jsonl"
    archive.write_text("")
    config.write_text(
        "[xmpp]\njid = 'two.test'\nprocesses = ['one.test', 'two.test']\nhosts = ['example.org']\n"
        f"secret = 'not-a-secret'\n[storage]\nurl = '{postgres_url}'\n"
        "[http]\nsecret = 'another-secret'\n"
    )

    async with process(postgres_url):
        for arguments in (
            ["import", "--config", str(config), "json-lines", str(archive)],
            ["copy-store", "--config", str(config), postgres_url, f"sqlite:{tmp_path}/x.db"],
        ):
            assert await asyncio.to_thread(main, arguments) == UNREACHABLE

    assert capsys.readouterr().err.count("stop Muniment first") == 2


async def test_second_process_of_one_name_is_refused(postgres_url: str) -> None:
    async with process(postgres_url):
        with pytest.raises(Locked, match=r"as one\.test"):
            async with process(postgres_url):
                pass


async def test_examination_beside_another_process_is_refused_for_its_name_alone(
    postgres_url: str,
) -> None:
    async with process(postgres_url):
        with pytest.raises(Locked, match=r"as one\.test"):
            await examine(postgres_url, PostgresOptions(process="one.test"))
        report = await examine(postgres_url, PostgresOptions(process="two.test"))
        assert report.endswith("up to date")


async def test_processes_that_start_at_once_create_the_tables_once(postgres: Postgres) -> None:
    url = postgres.create("processes_at_once")

    async def append(name: str) -> None:
        async with process(url, f"{name}.test") as storage:
            await storage.archive.append([entry(name)])

    await asyncio.gather(*map(append, ("one", "two", "three")))

    async with open_storage(url) as storage:
        assert len((await everything(storage.archive)).messages) == 3


async def test_migration_beside_other_processes_is_refused(postgres: Postgres) -> None:
    url = postgres.create("processes_migrated")
    async with process(url) as storage:
        async with storage.database.write() as connection:
            await connection.execute("DELETE FROM migrations")

        with pytest.raises(Locked, match="stop all"):
            async with process(url, "two.test"):
                pass


async def test_messages_that_both_get_are_stored_once_and_in_order(postgres_url: str) -> None:
    messages = [
        m
        for n, e in enumerate(entries(300))
        for m in owned([e], (ALICE, BOB, "c@one.test")[n % 3])
    ]

    async def write(storage: SqlStorage, size: int) -> None:
        for start in range(0, len(messages), size):
            await storage.archive.append(messages[start : start + size])

    async with two(postgres_url) as (one, other):
        await asyncio.gather(write(one, 7), write(other, 11))

        for owner in (ALICE, BOB, "c@one.test"):
            expected = texts([m for m in messages if m.owner == owner])
            assert texts(await everything(one.archive, owner)) == expected
            assert texts(await everything(other.archive, owner)) == expected
            usage = await one.retention.usage_of(owner)
            assert (usage.messages, usage.bytes) == (
                len(expected),
                sum(len(text) for text in expected),
            )


async def test_message_that_another_process_wrote_in_the_slot_before_is_not_written(
    postgres_url: str,
) -> None:
    first = entry("at the edge")
    later = first._replace(
        dedup_key=b"n" * len(first.dedup_key),
        alternative_keys=(first.dedup_key, b"o" * len(first.dedup_key)),
    )
    async with two(postgres_url) as (one, other):
        await one.archive.append([first])
        await other.archive.append([later])

        assert len((await everything(one.archive)).messages) == 1


async def test_late_copy_that_another_process_reads_is_stored_once(postgres_url: str) -> None:
    first = NOON + SLOT // 2
    async with two(postgres_url) as stores:
        for storage, at in zip(stores, (first, first + LATE - 1), strict=True):
            async with open_writer(storage.archive) as writer:
                bench = DeliveryBench(writer)
                bench.now = at
                ingest = bench.ingest(Policy(), [HOST], is_shared=True)
                # The one with another id is another message.
                for text in (message(), message(id=str(at))):
                    ingest.take(stanza(text), at)
                bench.deliveries.decide()

        for owner in (ALICE, BOB):
            assert len((await everything(stores[0].archive, owner)).messages) == 3


async def test_other_process_hears_of_changes(postgres_url: str) -> None:
    async with two(postgres_url) as (one, other):
        heard, own = Heard(other), Heard(one)
        await one.archive.append([entry(1)])
        await one.archive.append([entry(1)])
        await one.preferences.set(PreferencesRow(owner=ALICE, default="never"))
        await one.holds.set(HOLD)
        one.processes.send(Topic.GUESSES, ["passwords", BOB])

        assert await heard.next() == Change(Topic.ARCHIVES, (ALICE,))
        assert await heard.next() == Change(Topic.PREFERENCES, (ALICE,))
        assert await heard.next() == Change(Topic.HOLDS)
        assert await heard.next() == Change(Topic.GUESSES, ("passwords", BOB))
        await other.archive.append([entry(2)])
        assert await own.next() == Change(Topic.ARCHIVES, (ALICE,))


async def test_other_process_hears_of_departures_and_names_of_rooms(postgres_url: str) -> None:
    async with two(postgres_url) as (one, other):
        heard = Heard(other)
        await one.rooms.change(
            RoomChanges(room=ROOM, occupants=(Occupant(room=ROOM, jid=BOB, affiliation="member"),))
        )
        await one.rooms.change(RoomChanges(room=ROOM, name="Garden"))
        await one.rooms.set_departed(ROOM, BOB, True)

        assert await heard.next() == Change(Topic.ROOMS, (ROOM,))
        # The keys have no order.
        departure = await heard.next()
        assert (departure.topic, {*departure.keys}) == (Topic.ROOMS, {ROOM, BOB})


async def test_processes_that_name_users_and_rooms_at_once_give_the_same_numbers(
    postgres_url: str,
) -> None:
    jids = [f"user{n}@example.org" for n in range(20)]
    async with two(postgres_url) as (one, other):
        named = await asyncio.gather(
            *(s.identifiers.of(IdentifierKind.USER, jids) for s in (one, other, one, other)),
            *(s.identifiers.of(IdentifierKind.ROOM, jids) for s in (one, other)),
        )

    assert named[0] == named[1] == named[2] == named[3]
    assert named[4] == named[5]
    numbers = {row.number for made in (named[0], named[4]) for row in made.values()}
    assert numbers == set(range(1, 41))


async def test_read_mark_moved_by_two_processes_at_once_is_the_later_one(
    postgres_url: str,
) -> None:
    async with two(postgres_url) as (one, other):
        await one.archive.append([entry(n) for n in range(20)])
        ids = [message.id for message in (await everything(one.archive)).messages]

        def mark(id: str) -> DisplayedMarker:
            return DisplayedMarker(owner=ALICE, peer=BOB, id=id)

        await asyncio.gather(
            *((one, other)[n % 2].archive.note_displayed([mark(id)]) for n, id in enumerate(ids))
        )
        [conversation] = (await other.archive.conversations(ALICE, limit=5)).conversations
        assert conversation.displayed == ids[-1]


async def test_change_with_many_keys_is_heard_whole(postgres_url: str) -> None:
    names = {f"user-{n}-{'x' * 40}@one.test" for n in range(500)}
    async with two(postgres_url) as (one, other):
        heard = Heard(other)
        await one.archive.append([entry(name, owner=name) for name in sorted(names)])

        keys: set[str] = set()
        while keys < names:
            keys |= {*(await heard.next()).keys}
        assert keys == names


async def test_hold_of_another_process_is_in_force_at_once(postgres_url: str) -> None:
    async with two(postgres_url) as (one, other):
        await one.archive.append([entry(1), entry(2, name_hashes=(7,)), retraction(7)])
        ids = [m.id for m in (await everything(one.archive)).messages]
        await other.holds.set(HOLD)

        removed = await one.retention.delete_oldest(ALICE, Cutoff(messages=0), limit=10)
        blanked = await one.retention.blank_oldest(ALICE, BOB, Cutoff(messages=0), limit=10)
        with pytest.raises(Held):
            await one.retention.blank(ALICE, ids[0])
        with pytest.raises(Held):
            await one.retention.erase(ALICE, limit=10)
        await carry_out(one.archive)
        assert removed == blanked == Removed()
        assert texts(await everything(one.archive))[:2] == texts([entry(1), entry(2)])

        await other.holds.remove(ALICE)
        assert (await one.retention.erase(ALICE, limit=10)).done


async def test_message_from_before_an_erasure_is_not_written_after_it(postgres_url: str) -> None:
    late = entry("late", at=NOON)
    async with two(postgres_url) as (one, other):
        await one.archive.append([entry(1)])
        await one.retention.erase(ALICE, limit=10)
        await other.archive.append([late])
        assert (await everything(other.archive)).messages == ()

        await other.archive.append([entry("new", at=2 * 10**15)])
        assert len((await everything(one.archive)).messages) == 1


async def test_erased_archive_of_the_same_name_is_read_anew(postgres_url: str) -> None:
    async with two(postgres_url) as (one, other):
        await one.archive.append([entry(1)])
        assert len((await everything(other.archive)).messages) == 1
        await one.retention.erase(ALICE, limit=10)
        await one.archive.append([entry("new", at=2 * 10**15)])

        assert "new" in texts(await everything(other.archive))[0]


async def test_lease_passes_to_another_process_at_its_end(postgres_url: str) -> None:
    async with two(postgres_url) as (one, other):
        holders = []

        async def work(storage: SqlStorage, name: str) -> None:
            async with storage.processes.lease("work"):
                holders.append(name)
                await asyncio.sleep(0)
                assert holders[-1] == name
                holders.append(f"end of {name}")

        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*(work(one, "a") for _ in range(3)), work(other, "b"))
        for name in "ab":
            for place in [n for n, holder in enumerate(holders) if holder == name]:
                assert holders[place + 1] == f"end of {name}"


async def test_process_that_waits_for_a_lease_knows_that_another_one_has_it(
    postgres_url: str,
) -> None:
    async def wait(taken: asyncio.Event) -> None:
        async with one.processes.lease("work", taken):
            assert not other_has_it

    async with two(postgres_url) as (one, other), asyncio.timeout(DEADLINE):
        other_has_it = False
        free = asyncio.Event()
        await wait(free)
        assert not free.is_set()
        async with other.processes.lease("work"):
            other_has_it, taken = True, asyncio.Event()
            waiting = asyncio.create_task(wait(taken))
            await taken.wait()
            other_has_it = False
        await waiting


async def test_lease_is_lost_with_the_connection(postgres_url: str) -> None:
    async with two(postgres_url) as (one, other):
        heard = Heard(one)
        async with one.processes.lease("work") as lease:
            async with other.database.read() as connection:
                await connection.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks"
                    " WHERE locktype = 'advisory' AND classid = $1",
                    LEASE_LOCK,
                )
            async with asyncio.timeout(DEADLINE):
                await lease.lost.wait()
                async with other.processes.lease("work"):
                    await heard.until(lambda change: change.topic is Topic.MISSED)
                await one.archive.append([entry(1)])


async def test_copies_are_received_without_a_break_while_one_process_is_connected(
    postgres_url: str,
) -> None:
    async with process(postgres_url) as one:
        assert await one.processes.note_connected(100) == 100
        async with process(postgres_url, "two.test") as other:
            assert await other.processes.note_connected(200) == 100
            await one.processes.note_disconnected()
            assert await one.processes.note_connected(300) == 100
        # The other one has ended without a word.
        await one.processes.note_disconnected()
        assert await one.processes.note_connected(400) == 400


async def test_others_are_those_that_receive_copies_or_have_some_to_write(
    postgres_url: str,
) -> None:
    async with process(postgres_url) as one:
        await one.processes.note_connected(100)
        assert await one.processes.others() == {}
        async with process(postgres_url, "two.test") as other:
            assert await one.processes.others() == {}
            await other.processes.note_connected(200)
            assert await one.processes.others() == {"two.test": True}
            assert await other.processes.others() == {"one.test": True}
            await other.processes.note_disconnected()
            assert await one.processes.others() == {"two.test": False}
            assert await one.processes.note_connected(300) == 300
            await other.processes.note_written()
            assert await one.processes.others() == {}
            await other.processes.note_connected(400)
        # The other one has ended without a word, and starts again.
        assert await one.processes.others() == {}
        async with process(postgres_url, "two.test"):
            assert await one.processes.others() == {}


async def test_process_that_stops_within_a_transaction_frees_the_others(
    postgres_url: str,
) -> None:
    async with two(postgres_url) as (one, other):

        async def stop_within_a_transaction() -> None:
            async with one.database.write() as connection:
                await connection.execute("SET idle_in_transaction_session_timeout = '100ms'")
                async with asyncio.timeout(DEADLINE):
                    await other.archive.append([entry(1)])

        with pytest.raises(Unavailable):
            await stop_within_a_transaction()
        await one.archive.append([entry(2)])
        assert len((await everything(other.archive)).messages) == 2


#: Stops itself within a transaction, when PostgreSQL has a part of a statement.
FROZEN = """
import asyncio, os, signal, sys
from storage.open import open_storage
from storage.postgres.options import PostgresOptions

async def main():
    options = PostgresOptions(process="frozen.test")
    async with open_storage(sys.argv[1], options=options) as storage:
        async with storage.database.write() as connection:
            await connection.execute("UPDATE processes SET connected_since = 1")
            await connection.driver.prepare("SELECT name FROM processes WHERE name = $1")
            print("stops", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(main())
"""


@pytest.mark.timeout(120)
async def test_process_that_is_frozen_while_it_prepares_a_statement_frees_the_others(
    postgres_url: str,
) -> None:
    async with process(postgres_url) as one:
        frozen = await asyncio.create_subprocess_exec(
            sys.executable, "-c", FROZEN, postgres_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert frozen.stdout is not None
            assert await frozen.stdout.readline() == b"stops\n"
            began = time.monotonic()
            while not (await everything(one.archive)).messages:
                # The statement that waits for the lock may end at the same time.
                with suppress(Unavailable):
                    await one.archive.append([entry(1)])
            assert FROZEN_SECONDS[0] < time.monotonic() - began < FROZEN_SECONDS[1]
        finally:
            frozen.kill()
            await frozen.wait()


async def test_presence_that_another_process_has_entered_before_is_ignored(
    postgres_url: str,
) -> None:
    def presence(show: str, at: int) -> JournalEntry:
        return JournalEntry(
            owner=ALICE, kind=EntryKind.PRESENCE, subject=f"{BOB}/phone", value=show, at=at
        )

    async with two(postgres_url) as (one, other):
        await one.events.open(ALICE)
        changes = [presence('{"show":"away"}', NOON), presence("", NOON + 1)]
        for change in changes:
            assert await one.events.put([change]) == {ALICE}
        for change in changes:
            assert await other.events.put([change]) == frozenset()
        later = presence('{"show":"away"}', NOON + 2)
        assert await other.events.put([later]) == {ALICE}
