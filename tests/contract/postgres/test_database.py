"""The database in PostgreSQL: its lock, lost connections, limits of reads, errors, partitions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from support.builders import ALICE, entries, entry, everything, texts
from support.ports import LOOPBACK, free_port
from support.postgres import Postgres
from support.postgres_probe import PostgresProbe
from support.probe import probe_of

from storage.errors import Busy, Locked, NewerSchema, StorageError, TookTooLong, Unavailable
from storage.open import examine, open_storage, open_unchanged
from storage.postgres.engine.database import PostgresDatabase
from storage.postgres.options import PostgresOptions
from storage.rows import Cutoff, Filter, Phrase
from storage.sql.database import Connection, Row
from storage.sql.store import SqlStorage

PASSWORD = "pa55word"


async def execute(url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def append(storage: SqlStorage, *names: object) -> None:
    """Append messages, as the writer does: again while the database is away."""
    for _ in range(100):
        try:
            await storage.archive.append([entry(name) for name in names])
            return
        except Unavailable:
            await asyncio.sleep(0.1)
    raise AssertionError("the store has not become available")


async def test_second_process_is_refused(postgres_url: str) -> None:
    async with open_storage(postgres_url):
        with pytest.raises(Locked, match="another process"):
            async with open_storage(postgres_url):
                pass

    async with open_storage(postgres_url) as storage:
        await storage.check()


async def test_database_of_another_program_is_refused(postgres: Postgres) -> None:
    url = postgres.create("foreign_tables")
    await execute(url, "CREATE TABLE archive (id int)")

    with pytest.raises(StorageError, match="another program"):
        async with open_storage(url):
            pass
    assert await execute(url, "SELECT tablename FROM pg_tables WHERE tablename = 'owners'") == []


async def test_newer_schema_is_refused(postgres: Postgres) -> None:
    url = postgres.create("newer_schema")
    async with open_storage(url):
        pass
    await execute(url, "INSERT INTO migrations VALUES (9999, '9999_future.sql', 'x')")

    with pytest.raises(NewerSchema):
        async with open_storage(url):
            pass


async def test_examination_changes_nothing(postgres: Postgres) -> None:
    url = postgres.create("examined")
    place = f"postgresql://{LOOPBACK}:{postgres.port}/examined"

    assert await examine(url) == f"{place}: its tables will be created"
    async with open_unchanged(url) as unmade:
        assert unmade is None
    assert await execute(url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []
    async with open_storage(url) as storage:
        await storage.archive.append([entry()])
    assert await examine(url) == f"{place}, up to date"
    async with open_unchanged(url) as unchanged:
        assert unchanged is not None
        assert texts(await everything(unchanged.archive)) == [entry().xml]


async def test_missing_database_is_unavailable_without_the_password() -> None:
    url = f"postgresql://muniment@{LOOPBACK}:{free_port()}/muniment"

    with pytest.raises(Unavailable) as caught:
        async with open_storage(url, options=PostgresOptions(password=PASSWORD)):
            pass

    assert f"{LOOPBACK}:" in str(caught.value)
    assert PASSWORD not in f"{caught.value!r}{PostgresOptions(password=PASSWORD)!r}"


async def test_wrong_database_name_is_unavailable(postgres: Postgres) -> None:
    with pytest.raises(Unavailable, match="missing_database"):
        async with open_storage(postgres.url("missing_database")):
            pass


async def test_host_that_answers_is_found_among_several(
    postgres: Postgres, postgres_url: str
) -> None:
    hosts = f"{LOOPBACK}:{free_port()},{LOOPBACK}:{postgres.port}"
    url = postgres_url.replace(f"{LOOPBACK}:{postgres.port}", hosts)

    async with open_storage(url) as storage:
        await storage.check()


async def test_lost_writing_connection_is_made_anew(postgres_url: str) -> None:
    async with open_storage(postgres_url) as storage:
        await append(storage, 1)
        await execute(
            postgres_url,
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'",
        )
        await append(storage, 2)
        await append(storage, 2)

        assert texts(await everything(storage.archive)) == texts([entry(1), entry(2)])


async def test_store_survives_a_restart_of_the_server(
    postgres: Postgres, postgres_url: str
) -> None:
    async with open_storage(postgres_url) as storage:
        await append(storage, 1)
        await asyncio.to_thread(postgres.stop)
        with pytest.raises(Unavailable):
            await storage.archive.append([entry(2)])
        with pytest.raises(Unavailable):
            await everything(storage.archive)
        await asyncio.to_thread(postgres.start)
        await append(storage, 2)

        assert texts(await everything(storage.archive)) == texts([entry(1), entry(2)])


async def test_counters_are_right_after_another_process_has_written(postgres_url: str) -> None:
    async with open_storage(postgres_url) as storage:
        await append(storage, 1)
        # As a second process would, that took over while this one was cut off.
        await execute(postgres_url, "UPDATE owners SET last_sequence = last_sequence + 5")
        await append(storage, 2)

        rows = await execute(postgres_url, "SELECT sequence FROM archive ORDER BY sequence")
    assert [row[0] for row in rows] == [1, 7]


async def test_error_names_no_value(postgres_url: str) -> None:
    async with open_storage(postgres_url) as storage:
        with pytest.raises(StorageError) as caught:
            await storage.archive.append([entry(1, xml="<message>secret\0</message>")])

    assert "secret" not in str(caught.value)


async def sleep(connection: Connection) -> None:
    await connection.fetch("SELECT pg_sleep(0.3)")


async def test_slow_read_is_run_again_as_a_long_read(postgres_url: str) -> None:
    options = PostgresOptions(short_read=0.05, long_read=5)
    async with open_storage(postgres_url, options=options) as storage:
        await storage.database.read_archive(ALICE, sleep, in_snapshot=True)


async def test_long_read_is_interrupted(postgres_url: str) -> None:
    options = PostgresOptions(short_read=0.05, long_read=0.1)
    async with open_storage(postgres_url, options=options) as storage:
        with pytest.raises(TookTooLong):
            await storage.database.read_archive(ALICE, sleep)
        await append(storage, 1)

        assert texts(await everything(storage.archive)) == [entry(1).xml]


async def test_read_waits_for_a_connection_for_a_limited_time(postgres_url: str) -> None:
    options = PostgresOptions(connections=1, turn=0.1)
    async with open_storage(postgres_url, options=options) as storage, storage.database.read():
        with pytest.raises(Busy):
            await storage.accounts.get(ALICE)


async def test_cancelled_write_is_undone(postgres_url: str) -> None:
    async with open_storage(postgres_url) as storage:

        async def write() -> None:
            async with storage.database.write() as connection:
                await connection.execute("INSERT INTO owners (jid) VALUES ($1)", ALICE)
                await connection.fetch("SELECT pg_sleep(20)")

        task = asyncio.create_task(write())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert (await storage.retention.usage_of(ALICE)).messages == 0
        assert await execute(postgres_url, "SELECT 1 FROM owners") == []
        await append(storage, 1)


async def test_acknowledged_message_is_on_disk_unless_configured(postgres_url: str) -> None:
    """The server of the tests has synchronous_commit = off."""
    settings = []
    for is_synchronous in (True, False):
        options = PostgresOptions(is_synchronous=is_synchronous)
        async with (
            open_storage(postgres_url, options=options) as storage,
            storage.database.write() as connection,
        ):
            settings += [row[0] for row in await connection.fetch("SHOW synchronous_commit")]

    assert settings == ["on", "off"]


async def test_large_tables_have_partitions(postgres: Postgres) -> None:
    url = postgres.create("partitioned")
    async with open_storage(url, options=PostgresOptions(partitions=3)) as storage:
        for n in range(20):
            await storage.archive.append(entries(3, owner=f"{n}@example.org", text="word"))
        await storage.archive.append(entries(3, owner="0@example.org", text="word"))
        counts = [await storage.archive.count(f"{n}@example.org", Filter()) for n in range(20)]
        phrases = (Phrase(words=("word",)),)
        found = await everything(storage.archive, "7@example.org", Filter(phrases=phrases))
        await storage.retention.delete_oldest("7@example.org", Cutoff(messages=1), limit=10)
        await storage.retention.scrub_index()
        await storage.retention.scrub_files()
    sizes = await execute(url, "SELECT tableoid::regclass, count(*) FROM archive GROUP BY 1")

    assert counts == [3] * 20
    assert len(found.messages) == 3
    assert sorted(str(row[0]) for row in sizes) == ["archive_0", "archive_1", "archive_2"]
    # A store keeps its partitions, whatever the option says later.
    async with open_storage(url) as storage:
        assert await storage.archive.count("7@example.org", Filter()) == 1


def files_with(postgres: Postgres, text: bytes) -> list[Path]:
    """Return the files of tables and indexes that contain a text."""
    folder = postgres.data / "base"
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


async def test_scrubbed_files_have_no_removed_message(
    postgres: Postgres, postgres_url: str
) -> None:
    text = b"unforgettable"
    async with open_storage(postgres_url) as storage:
        await storage.archive.append([entry("unforgettable", text="unforgettable")])
        await execute(postgres_url, "CHECKPOINT")
        assert files_with(postgres, text)
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=0), limit=10)
        await storage.retention.scrub_index()
        await storage.retention.scrub_files()
        await execute(postgres_url, "CHECKPOINT")

        assert files_with(postgres, text) == []
        assert not await probe_of(storage).has_traces()


async def test_messages_are_written_during_a_scrub_of_the_index(postgres_url: str) -> None:
    async with open_storage(postgres_url) as storage:
        await storage.archive.append(entries(50, text="word"))
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=10), limit=100)
        await asyncio.gather(storage.retention.scrub_index(), append(storage, "new"))

        assert await storage.archive.count(ALICE, Filter()) == 11


async def test_closed_database_is_unavailable(postgres_url: str) -> None:
    database = await PostgresDatabase.open(postgres_url, PostgresOptions())
    await database.close()
    await database.close()

    with pytest.raises(Unavailable):
        async with database.write():
            pass


async def test_each_search_is_planned_for_its_words(postgres_url: str) -> None:
    async def plans(connection: Connection) -> list[Row]:
        return await connection.fetch(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE $1",
            "%tsquery%",
        )

    async with open_storage(postgres_url) as storage:
        await storage.archive.append([entry(n, text=f"word{n}") for n in range(10)])
        for n in range(10):
            search = Filter(phrases=(Phrase(words=(f"word{n}",)),))
            page = await storage.archive.page(ALICE, search, limit=5, counted=True)
            assert len(page.messages) == 1
        probe = probe_of(storage)
        assert isinstance(probe, PostgresProbe)

        # A search is a long read, and the connection that was used last comes first.
        rows = await probe.database.read_archive(ALICE, plans, is_long=True)

    assert rows
    assert {(row[0], row[1]) for row in rows} == {(0, 10)}
