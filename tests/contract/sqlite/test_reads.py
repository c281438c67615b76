"""Short reads and long ones: each kind has connections of its own, and long ones have an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from threading import get_ident

import pytest
from support.builders import ALICE, BOB, entries, entry
from support.databases import ENDLESS, open_database
from support.sqlite_trace import on_statements, on_steps

from component.core.errors import Overloaded, TakesTooLong
from component.core.store_errors import translated
from storage.errors import Busy, Expired, Rejected, TookTooLong, Unavailable
from storage.rows import ANY, Filter, Phrase
from storage.sql.database import Connection, Row
from storage.sql.events.store import SqlEvents
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.ids import KEY_BYTES, Ids
from storage.sql.turns import OWNER_MAX
from storage.sqlite.engine.database import (
    LONG_READERS,
    MEMORY,
    READERS,
    SHORT_STEPS,
    DatabaseTimeouts,
    SqliteDatabase,
)

#: Far more steps than a short read may take, and no more than some tenths of a second.
LONG = ENDLESS.replace("FROM n)", f"FROM n WHERE x < {20 * SHORT_STEPS})")

SEARCH = Filter(phrases=(Phrase(words=("hello",)),))


@pytest.fixture
def timeouts() -> DatabaseTimeouts:
    """The timeouts of the database; a test that shortens one is parametrized with others."""
    return DatabaseTimeouts()


@pytest.fixture
async def database(tmp_path: Path, timeouts: DatabaseTimeouts) -> AsyncIterator[SqliteDatabase]:
    async with open_database(tmp_path / "archive.db", timeouts=timeouts) as database:
        yield database


@pytest.fixture
async def archive(database: SqliteDatabase) -> SqlArchive:
    archive = SqlArchive(database, Ids(bytes(KEY_BYTES)))
    await archive.append(entries(3, text="hello"))
    return archive


async def fetched(
    database: SqliteDatabase, sql: str, *values: object, owner: str = ALICE, is_long: bool = False
) -> list[Row]:
    async def read(connection: Connection) -> list[Row]:
        return await connection.fetch(sql, *values)

    return await database.read_archive(owner, read, is_long=is_long)


async def keep_busy(
    database: SqliteDatabase, owners: list[str], *, is_long: bool = True
) -> list[asyncio.Task[list[Row]]]:
    """Have a read without end begun for each of these owners, known to be long or not."""
    reads = [
        asyncio.create_task(fetched(database, ENDLESS, owner=owner, is_long=is_long))
        for owner in owners
    ]
    await asyncio.sleep(0)
    return reads


async def end(reads: list[asyncio.Task[list[Row]]]) -> None:
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)


async def test_read_over_the_short_limit_is_repeated_as_a_long_read(
    database: SqliteDatabase,
) -> None:
    assert await fetched(database, LONG) == [(20 * SHORT_STEPS,)]


async def test_short_reads_proceed_during_long_reads(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    owners = [f"{n}@example.org" for n in range(8)]
    reads = await keep_busy(database, owners, is_long=False)
    reads += await keep_busy(database, owners)
    async with asyncio.timeout(30):
        for _ in range(20):
            page = await archive.page(ALICE, ANY, limit=10, counted=True)
            assert (len(page.messages), page.count) == (3, 3)
    assert not any(read.done() for read in reads)
    await end(reads)


async def test_owner_has_one_long_read_at_a_time(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    await archive.append([entry("for bob", owner=BOB, text="hello")])
    reads = await keep_busy(database, [ALICE] * LONG_READERS)

    async with asyncio.timeout(30):
        page = await archive.page(BOB, SEARCH, limit=10)
    waiting = asyncio.create_task(archive.page(ALICE, SEARCH, limit=10))
    await asyncio.sleep(0)
    assert (len(page.messages), waiting.done()) == (1, False)
    await end(reads)
    assert len((await waiting).messages) == 3


@pytest.mark.parametrize("timeouts", [DatabaseTimeouts(long_read=0.5)], ids=[""])
async def test_endless_read_is_interrupted_with_took_too_long(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(TookTooLong):
            await fetched(database, ENDLESS)
        with pytest.raises(TakesTooLong, match="narrow it"), translated():
            await fetched(database, ENDLESS, is_long=True)

    assert len((await archive.page(ALICE, SEARCH, limit=10)).messages) == 3


async def test_long_read_over_the_bound_of_an_owner_is_busy(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    reads = await keep_busy(database, [ALICE] * OWNER_MAX)
    with pytest.raises(Busy):
        await archive.page(ALICE, SEARCH, limit=10)
    with pytest.raises(Overloaded, match="wait for their answers"), translated():
        await archive.page(ALICE, SEARCH, limit=10)
    await end(reads)

    assert len((await archive.page(ALICE, SEARCH, limit=10)).messages) == 3


@pytest.mark.parametrize("timeouts", [DatabaseTimeouts(turn=0.05)], ids=[""])
async def test_long_read_without_a_turn_in_time_is_busy(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    reads = await keep_busy(database, [f"{n}@example.org" for n in range(LONG_READERS)])
    async with asyncio.timeout(30):
        with pytest.raises(Busy):
            await archive.page(ALICE, SEARCH, limit=10)
    await end(reads)

    assert len((await archive.page(ALICE, SEARCH, limit=10)).messages) == 3


async def test_steady_read_sees_one_snapshot(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    count = "SELECT count(*) FROM archive"
    loop = asyncio.get_running_loop()

    async def read(connection: Connection) -> list[list[Row]]:
        before = await connection.fetch(count)
        # The job runs in a thread of its own.
        asyncio.run_coroutine_threadsafe(archive.append([entry("later")]), loop).result()
        return [before, await connection.fetch(count)]

    assert await database.read_archive(ALICE, read, in_snapshot=True) == [[(3,)], [(3,)]]
    assert await fetched(database, count) == [(4,)]


@pytest.mark.parametrize("turns", [1, 2, 5, 20, 500])
async def test_connection_works_after_a_cancelled_read(
    database: SqliteDatabase, turns: int
) -> None:
    async def endless(connection: Connection) -> None:
        await connection.fetch(ENDLESS)

    async with asyncio.timeout(30):
        for _ in range(5):
            task = asyncio.create_task(database.read_archive(ALICE, endless, in_snapshot=True))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await fetched(database, "SELECT 1") == [(1,)]
            assert await fetched(database, "SELECT 1", is_long=True) == [(1,)]


async def test_connection_works_if_the_interrupt_of_a_cancelled_read_meets_its_rollback() -> None:
    begun = asyncio.Event()
    interrupted: list[str] = []
    loop = asyncio.get_running_loop()

    async def endless(connection: Connection) -> None:
        await connection.fetch(ENDLESS)

    async with open_database(MEMORY) as database:

        def traced(statement: str) -> None:
            if statement == ENDLESS:
                loop.call_soon_threadsafe(begun.set)
            if statement == "ROLLBACK" and not interrupted:
                interrupted.append(statement)
                database._writer._driver._conn.interrupt()

        await on_statements(database, traced)
        async with asyncio.timeout(30):
            task = asyncio.create_task(database.read_archive(ALICE, endless, in_snapshot=True))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert interrupted
            assert await fetched(database, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("in_one_step", [True, False])
async def test_store_works_after_a_cancelled_merge_of_the_full_text_index(
    database: SqliteDatabase, archive: SqlArchive, in_one_step: bool
) -> None:
    after_merge = "SELECT 'after the merge'"
    loop = asyncio.get_running_loop()

    async def merge(connection: Connection) -> None:
        await connection.execute("DELETE FROM archive")
        await connection.execute("INSERT INTO fulltext (fulltext, rank) VALUES ('merge', -500)")
        await connection.execute(after_merge)

    async def write() -> None:
        async with database.write() as connection:
            await merge(connection)

    async def cancel() -> None:
        task.cancel()
        await asyncio.sleep(0.05)

    def traced(statement: str) -> None:
        if statement == after_merge:
            # The thread waits, so that the cancellation comes while the index is open.
            asyncio.run_coroutine_threadsafe(cancel(), loop).result()

    for n in range(4, 40):
        await archive.append([entry(f"{n} words {n + 1}")])
    before = await fetched(database, "SELECT count(*) FROM archive")
    await on_statements(database, traced)
    async with asyncio.timeout(30):
        task = asyncio.create_task(database.transact(merge) if in_one_step else write())
        with pytest.raises(asyncio.CancelledError):
            await task

        # One step is carried out whole before its cancellation counts.
        after = [(0,)] if in_one_step else before
        assert await fetched(database, "SELECT count(*) FROM archive") == after
        await archive.append([entry("later")])


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("turns", range(1, 12))
async def test_read_after_a_cancelled_snapshot_sees_new_messages(
    database: SqliteDatabase, archive: SqlArchive, turns: int, is_long: bool
) -> None:
    async def old(connection: Connection) -> None:
        await connection.fetch("SELECT count(*) FROM archive")

    reading = [
        asyncio.create_task(
            database.read_archive(f"{n}@example.org", old, in_snapshot=True, is_long=is_long)
        )
        for n in range(READERS)
    ]
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await archive.append([entry("later")])

    for _ in range(READERS):
        count = await fetched(database, "SELECT count(*) FROM archive", is_long=is_long)
        assert count == [(4,)]


async def test_failed_query_is_not_repeated_as_a_long_read(database: SqliteDatabase) -> None:
    with pytest.raises(Unavailable, match="no such table"):
        await fetched(database, "SELECT 1 FROM absent")
    with pytest.raises(Rejected):
        await fetched(database, "SELECT $1", 2**63)


READS: dict[str, Callable[[SqlArchive, str], Awaitable[object]]] = {
    "page": lambda archive, _: archive.page(ALICE, ANY, limit=10),
    "page of one": lambda archive, id: archive.page(ALICE, Filter(ids=(id,)), limit=1),
    "page behind": lambda archive, id: archive.page(ALICE, ANY, limit=10, after=id),
    "counted page": lambda archive, _: archive.page(ALICE, ANY, limit=10, counted=True),
    "counted page of a peer": lambda archive, _: archive.page(
        ALICE, Filter(peer=BOB), limit=10, counted=True
    ),
    "page by time": lambda archive, _: archive.page_by_time(ALICE, ANY, limit=10, newest=True),
    "behind": lambda archive, id: archive.page_after(ALICE, id, limit=10),
    "count": lambda archive, _: archive.count(ALICE, Filter(peer=BOB)),
    "bounds": lambda archive, _: archive.first_and_last(ALICE),
    "about": lambda archive, id: archive.references(ALICE, [id], limit=10),
    "unfinished": lambda archive, _: archive.unfinished_retractions(),
    "conversations": lambda archive, _: archive.conversations(ALICE, limit=10),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
async def test_no_read_runs_in_the_thread_of_the_event_loop(
    database: SqliteDatabase,
    archive: SqlArchive,
    read: Callable[[SqlArchive, str], Awaitable[object]],
) -> None:
    [id] = [message.id for message in (await archive.page(ALICE, ANY, limit=1)).messages]
    threads: set[int] = set()
    await on_steps(database, lambda: threads.add(get_ident()), 1)
    await read(archive, id)

    assert threads
    assert get_ident() not in threads


async def test_short_reads_get_their_turn_in_the_order_of_the_requests(
    database: SqliteDatabase,
) -> None:
    order: list[int] = []

    async def read(number: int, *, again: int = 0) -> None:
        async def job(connection: Connection) -> None:
            await connection.fetch("SELECT 1")

        await database.read_archive(ALICE, job)
        order.append(number)
        if again:
            await read(number + 1000, again=again - 1)

    busy = [asyncio.create_task(read(n, again=20)) for n in range(2 * READERS)]
    await asyncio.sleep(0)
    late = asyncio.create_task(read(-1))
    async with asyncio.timeout(10):
        await late
        await asyncio.gather(*busy)

    # All that were before it, and at most one more of each.
    assert order.index(-1) <= 4 * READERS


async def test_read_behind_the_last_event_asks_no_connection(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    events = SqlEvents(database, Ids(bytes(KEY_BYTES)), archive.owners, archive.journal)
    await archive.append([entry("first")])
    page = await events.page(ALICE, 0, limit=10)
    statements: list[str] = []
    await on_statements(database, statements.append)

    end = await events.page(ALICE, page.cursor, limit=10)
    assert (end.events, end.event_id, end.cursor, end.complete) == (
        (),
        page.event_id,
        page.cursor,
        True,
    )
    assert statements == []

    await archive.append([entry("second")])
    [event] = (await events.page(ALICE, page.cursor, limit=10)).events
    assert event.event_id > page.event_id


async def test_read_behind_the_last_event_of_an_erased_archive_is_refused(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    events = SqlEvents(database, Ids(bytes(KEY_BYTES)), archive.owners, archive.journal)
    await archive.append([entry("first")])
    page = await events.page(ALICE, 0, limit=10)
    async with database.write() as connection:
        await connection.execute("DELETE FROM owners WHERE jid = $1", ALICE)
    archive.forget(ALICE)

    with pytest.raises(Expired):
        await events.page(ALICE, page.cursor, limit=10)
