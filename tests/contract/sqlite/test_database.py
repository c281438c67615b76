"""Properties of an SQLite file beside the contract: its lock, its modes, and damage to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.builders import (
    ALICE,
    BOB,
    NOON,
    delete_all_but,
    entries,
    entry,
    everything,
    texts,
)
from support.databases import ENDLESS, open_database
from support.sqlite_probe import SqliteProbe
from support.sqlite_trace import on_steps

from storage.errors import Locked, StorageError, Unavailable
from storage.open import examine, open_storage
from storage.rows import ANY, Filter
from storage.sql.database import Bound, Connection, Job, Result, Row
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.ids import KEY_BYTES, Ids
from storage.sqlite.engine.database import LONG_READERS, DatabaseTimeouts, SqliteDatabase

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:{path}"


def python(program: str, *arguments: object) -> list[str]:
    """Return the command that runs a program among the modules of this project."""
    return [sys.executable, "-c", program, *map(str, arguments)]


def run(program: str, *arguments: object) -> str:
    """Run a program to its end and return its output."""
    process = subprocess.run(
        python(program, *arguments),
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


# One process a file

OPEN = """
import asyncio, sys
from storage.open import open_storage
from storage.errors import StorageError

async def main():
    try:
        async with open_storage(sys.argv[1]):
            print("opened")
    except StorageError as error:
        print(type(error).__name__, error)

asyncio.run(main())
"""


#: Opens a store, does something about its files, and has another process open it by a name.
BESIDE = f"""
import asyncio, os, shutil, subprocess, sys
from storage.open import open_storage

OTHER = {OPEN!r}

async def main(one, other, between):
    first, second = one.removeprefix("sqlite:"), other.removeprefix("sqlite:")
    async with open_storage(one):
        exec(between)
        subprocess.run([sys.executable, "-c", OTHER, other], check=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_second_handle_of_a_store_is_locked(url: str) -> None:
    async with open_storage(url):
        with pytest.raises(Locked):
            async with open_storage(url):
                pass


async def test_second_process_is_locked_and_the_error_names_the_file(url: str, path: Path) -> None:
    async with open_storage(url):
        output = await asyncio.to_thread(run, OPEN, url)

    assert output == f"Locked {path} is used by another process\n"


async def test_closed_store_can_be_opened_by_another_process(url: str) -> None:
    async with open_storage(url):
        pass

    assert await asyncio.to_thread(run, OPEN, url) == "opened\n"


async def test_symbolic_link_to_an_open_store_is_locked(url: str, tmp_path: Path) -> None:
    (tmp_path / "other.db").symlink_to(tmp_path / "archive.db")
    async with open_storage(url):
        with pytest.raises(Locked):
            async with open_storage(f"sqlite:{tmp_path}/other.db"):
                pass


def test_hard_link_to_an_open_store_is_locked(url: str, tmp_path: Path) -> None:
    output = run(BESIDE, url, f"sqlite:{tmp_path}/other.db", "os.link(first, second)")

    assert output == f"Locked {tmp_path}/other.db is used by another process\n"


def test_copy_of_an_open_store_can_be_opened(url: str, tmp_path: Path) -> None:
    output = run(BESIDE, url, f"sqlite:{tmp_path}/other.db", "shutil.copy(first, second)")

    assert output == "opened\n"


async def test_file_with_a_hard_link_is_unavailable(url: str, path: Path, tmp_path: Path) -> None:
    """SQLite finds its journal by the name: by the other one the newest messages are not there."""
    async with open_storage(url):
        pass
    os.link(path, tmp_path / "other.db")

    with pytest.raises(Unavailable, match="other names"):
        async with open_storage(url):
            pass

    (tmp_path / "other.db").unlink()
    async with open_storage(url):
        pass


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_write_to_a_moved_or_replaced_file_is_unavailable(
    url: str, path: Path, tmp_path: Path, is_replaced: bool
) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(1)])
        path.rename(tmp_path / "away.db")
        if is_replaced:
            path.touch()

        with pytest.raises(Unavailable, match="moved, removed or replaced"):
            await storage.archive.append([entry(2)])
        with pytest.raises(Unavailable):
            await storage.check()

        (tmp_path / "away.db").replace(path)
        await storage.archive.append([entry(2)])
        assert await storage.archive.count(ALICE, ANY) == 2


async def test_refused_handle_keeps_the_lock_of_the_first(url: str) -> None:
    async with open_storage(url):
        for _ in range(2):
            with pytest.raises(Locked):
                async with open_storage(url):
                    pass


async def test_failed_open_releases_the_lock(url: str, path: Path) -> None:
    path.write_text("this is no database " * 1000)
    with pytest.raises(StorageError):
        async with open_storage(url):
            pass
    path.unlink()

    async with open_storage(url) as storage:
        await storage.archive.append([entry(1)])

        assert await storage.archive.count(ALICE, ANY) == 1


async def test_store_can_be_closed_twice(url: str) -> None:
    async with open_storage(url) as storage:
        await storage.close()
        await storage.close()

    async with open_storage(url) as storage:
        await storage.check()


@pytest.mark.parametrize("method", ["append", "page", "count", "check"])
async def test_closed_store_is_unavailable(url: str, method: str) -> None:
    async with open_storage(url) as storage:
        await storage.close()
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "append": lambda: storage.archive.append([entry(1)]),
            "page": lambda: everything(storage.archive),
            "count": lambda: storage.archive.count(ALICE, ANY),
            "check": storage.check,
        }
        with pytest.raises(Unavailable):
            await calls[method]()


# Keys


async def test_duplicate_sequence_is_unavailable_and_loses_no_message(
    url: str, path: Path
) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append(entries(3))
        # As if another program had written into this archive.
        await SqliteProbe(storage).execute("UPDATE owners SET last_sequence = 1")
        storage.archive.forget(ALICE)

        with pytest.raises(Unavailable, match="UNIQUE"):
            await storage.archive.append([entry("new")])
        await SqliteProbe(storage).execute("UPDATE owners SET last_sequence = 3")
        await storage.archive.append([entry("new")])

        assert texts(await everything(storage.archive)) == texts([*entries(3), entry("new")])


async def without_key(url: str, change: str = "DELETE FROM secrets WHERE name = 'ids'") -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(1)])
        await SqliteProbe(storage).execute(change)


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM secrets WHERE name = 'ids'", "UPDATE secrets SET value = x'00'"],
)
async def test_store_with_archives_and_without_its_key_is_refused(url: str, change: str) -> None:
    await without_key(url, change)

    for _ in range(2):
        with pytest.raises(StorageError, match="every id would change"):
            async with open_storage(url):
                pass
    with pytest.raises(StorageError, match="every id would change"):
        await examine(url)


async def test_store_without_archives_gets_a_key(url: str) -> None:
    """A process that was killed at its first start may have left it so."""
    async with open_storage(url) as storage:
        await SqliteProbe(storage).execute("DELETE FROM secrets")
    async with open_storage(url) as storage:
        await storage.archive.append([entry(1)])
        [first] = (await everything(storage.archive)).messages
    async with open_storage(url) as storage:
        [reopened] = (await everything(storage.archive)).messages

    assert first.id == reopened.id


# The file


async def test_files_are_readable_by_their_owner_only(url: str, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        async with open_storage(url) as storage:
            await storage.archive.append(entries(3))
            await everything(storage.archive)
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(old)

    names = ["archive.db", "archive.db-shm", "archive.db-wal"]
    assert modes == dict.fromkeys(names, 0o600)


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
async def test_synchronous_option_is_set_on_the_connection(
    path: Path, synchronous: str, level: int
) -> None:
    database = await SqliteDatabase.open(str(path), synchronous=synchronous)
    try:
        async with database.write() as connection:
            [(xmls,)] = await connection.fetch("PRAGMA synchronous")
    finally:
        await database.close()

    assert xmls == level


async def test_reading_connection_cannot_write(path: Path) -> None:
    database = await SqliteDatabase.open(str(path), synchronous="full")
    try:
        async with database.read() as connection:
            with pytest.raises(StorageError):
                await connection.execute("CREATE TABLE mine (x)")
    finally:
        await database.close()


async def test_deleted_message_is_in_no_file(url: str, tmp_path: Path) -> None:
    secret = "burn after reading " * 40
    async with open_storage(url) as storage:
        await storage.archive.append([entry("x", xml=secret, peer="mata@hari"), *entries(50)])
        await delete_all_but(storage, 50)

    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert (b"burn after" in content, b"mata@hari" in content) == (False, False)


# Places where there can be no store


async def test_missing_folder_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no/such/archive\.db"):
        async with open_storage(f"sqlite:{tmp_path}/no/such/archive.db"):
            pass


async def test_folder_in_place_of_the_file_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=str(tmp_path)):
        async with open_storage(f"sqlite:{tmp_path}"):
            pass


@pytest.mark.parametrize("url", ["", "archive.db", "mysql://host/db", "sqlite", "SQLITE:a"])
async def test_unknown_url_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="write sqlite:PATH"):
        async with open_storage(url):
            pass


async def test_url_without_a_path_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        async with open_storage("sqlite:"):
            pass


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that all users may enter and none may change."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


AS_NOBODY = """
import os
if os.geteuid() == 0:
    os.seteuid(65534)  # nothing is read-only to root
"""


def test_read_only_folder_is_unavailable(read_only: Path) -> None:
    # Later imports may be in a folder that only root can read.
    program = OPEN.replace("async def main", f"import encodings.idna\n{AS_NOBODY}\nasync def main")

    output = run(program, f"sqlite:{read_only}/archive.db")

    assert output == f"Unavailable {read_only}/archive.db: Permission denied\n"


# Damage


async def test_file_that_is_no_database_is_refused_by_name(url: str, path: Path) -> None:
    path.write_text("this is no database " * 1000)

    with pytest.raises(StorageError, match=rf"{path}.*not a database"):
        async with open_storage(url):
            pass


async def test_file_that_is_no_database_is_unchanged(url: str, path: Path) -> None:
    path.write_text("this is no database " * 1000)
    before = path.read_bytes()
    with pytest.raises(StorageError):
        async with open_storage(url):
            pass

    assert path.read_bytes() == before


async def test_damaged_page_is_an_error_and_not_an_empty_archive(url: str, path: Path) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(n, xml="x" * 500) for n in range(2000)])
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"\xaa" * 65536 + whole[middle + 65536 :])

    with pytest.raises(StorageError, match="malformed"):
        async with open_storage(url) as storage:
            await everything(storage.archive)


async def test_truncated_file_is_an_error_and_not_a_short_archive(url: str, path: Path) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(n, xml="x" * 500) for n in range(2000)])
    os.truncate(path, path.stat().st_size // 2)

    with pytest.raises(StorageError, match="malformed"):
        async with open_storage(url) as storage:
            await everything(storage.archive)


FULL = """
import asyncio, resource, sys
from storage.errors import Unavailable
from storage.open import open_storage
from storage.rows import ANY
from support.builders import ALICE, entries, entry, everything, texts

async def main(path, room):
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with open_storage(f"sqlite:{path}") as storage:
        first, batch = [entry("first")], entries(400, xml="x" * 5000)
        await storage.archive.append(first)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
        for _ in range(2):
            try:
                await storage.archive.append(batch)
            except Unavailable:
                print("full")
        print(len((await everything(storage.archive)).messages))
        print(await storage.archive.count(ALICE, ANY))
        try:
            await storage.check()
        except Unavailable:
            print("check")
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        await storage.check()
        await storage.archive.append(batch)
    async with open_storage(f"sqlite:{path}") as storage:
        assert texts(await everything(storage.archive)) == texts(first + batch)
        print(await storage.archive.count(ALICE, ANY))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.parametrize("room", [0, 1, 8192, 300_000])
def test_batch_on_a_full_disk_is_stored_whole_or_not_at_all(path: Path, room: int) -> None:
    output = run(FULL, path, room).split()

    assert [word for word in output if word != "check"] == ["full", "full", "1", "1", "401"]


def test_check_fails_on_a_full_disk(path: Path) -> None:
    assert "check" in run(FULL, path, 0).split()


async def test_write_succeeds_after_the_lock_of_another_program(url: str, path: Path) -> None:
    async with open_storage(url, timeouts=DatabaseTimeouts(lock=0.01)) as storage:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await storage.archive.append([entry(1)])
        connection.execute("ROLLBACK")
        connection.close()
        await storage.archive.append([entry(1)])

        assert texts(await everything(storage.archive)) == [entry(1).xml]


WRITE = """
import asyncio, sys
from storage.open import open_storage
from support.builders import entry

async def main():
    async with open_storage(sys.argv[1]) as storage:
        for n in range(1_000_000):
            await storage.archive.append([entry(f"{n} {part}") for part in range(3)])
            print(n, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("batches", [1, 20, 150])
async def test_acknowledged_batches_survive_sigkill(url: str, batches: int) -> None:
    writing = await asyncio.create_subprocess_exec(
        *python(WRITE, url),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )
    assert writing.stdout is not None
    for _ in range(batches):
        await writing.stdout.readline()
    writing.send_signal(signal.SIGKILL)
    acknowledged = batches + len((await writing.stdout.read()).splitlines())
    await writing.wait()

    async with open_storage(url) as storage:
        xmls = texts(await everything(storage.archive))
        counted = await storage.archive.count(ALICE, ANY)

    assert len(xmls) // 3 in (acknowledged, acknowledged + 1)
    assert xmls == texts([entry(f"{n // 3} {n % 3}") for n in range(len(xmls))])
    assert (counted, len(xmls) % 3) == (len(xmls), 0)


# Cancelled in the middle


async def cancel_after(turns: int, task: asyncio.Task[None]) -> None:
    """Let the loop turn, then cancel and wait for the end, whichever it is."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("turns", [*range(12), 20, 40, 80, 160])
async def test_store_works_after_a_cancelled_check(url: str, turns: int) -> None:
    async with open_storage(url) as storage:
        await cancel_after(turns, asyncio.create_task(storage.check()))
        await storage.archive.append([entry(1)])

        assert texts(await everything(storage.archive)) == [entry(1).xml]


@pytest.mark.parametrize("turns", [*range(12), 20, 40, 80, 160, 320])
async def test_cancelled_batch_is_stored_whole_or_not_and_the_next_is_stored(
    url: str, turns: int
) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry("first")])
        batch = [entry(1), entry(2)]
        await cancel_after(turns, asyncio.create_task(storage.archive.append(batch)))
        await storage.archive.append([entry("next"), entry("last")])
        xmls = texts(await everything(storage.archive))

        assert xmls in (
            texts([entry("first"), entry("next"), entry("last")]),
            texts([entry("first"), *batch, entry("next"), entry("last")]),
        )


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20])
async def test_cancelled_reads_release_their_connections(url: str, turns: int) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append(entries(3))
        for _ in range(5):
            await cancel_after(turns, asyncio.create_task(everything(storage.archive)))

        assert texts(await everything(storage.archive)) == texts(entries(3))


async def test_cancelled_long_reads_release_their_connections(path: Path) -> None:
    database = await SqliteDatabase.open(str(path), synchronous="normal")
    loop, is_running = asyncio.get_running_loop(), asyncio.Event()
    await on_steps(database, lambda: loop.call_soon_threadsafe(is_running.set), 1000)

    async def fetched(sql: str) -> list[Row]:
        async def read(connection: Connection) -> list[Row]:
            return await connection.fetch(sql)

        return await database.read_archive(ALICE, read, in_snapshot=True, is_long=True)

    for _ in range(LONG_READERS):
        reading = asyncio.create_task(fetched(ENDLESS))
        await is_running.wait()
        is_running.clear()
        await cancel_after(0, reading)
    async with asyncio.timeout(30):
        assert await fetched("SELECT 1") == [(1,)]
    await database.close()


# A write between two steps of a reader


class InterruptedDatabase:
    """A database in which something else happens before a query, or before rows are written."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self.name = database.name
        self.is_only_writer = database.is_only_writer
        self.is_shared = database.is_shared
        self.close = database.close
        self.before_query: dict[int, Callable[[], Awaitable[None]]] = {}
        self.before_rows: Callable[[], Awaitable[None]] | None = None

    async def read_archive(self, owner: str, job: Job[Result], **options: bool) -> Result:
        return await self._database.read_archive(owner, self._interrupted(job), **options)

    async def transact(self, job: Job[Result]) -> Result:
        return await self._database.transact(self._interrupted(job, is_writer=True))

    def _interrupted(self, job: Job[Result], *, is_writer: bool = False) -> Job[Result]:
        loop = asyncio.get_running_loop()
        return lambda connection: job(
            InterruptedConnection(connection, self, loop, is_writer=is_writer)
        )


class InterruptedConnection:
    """The connection of a job, in a thread of its own."""

    def __init__(
        self,
        connection: Connection,
        interrupted: InterruptedDatabase,
        loop: asyncio.AbstractEventLoop,
        *,
        is_writer: bool,
    ) -> None:
        self._connection = connection
        self._is_writer = is_writer
        self._meddled = interrupted
        self._loop = loop
        self._queries = 0
        self.index = connection.index
        self.execute = connection.execute
        self.change = connection.change
        self.executemany = connection.executemany
        self.notify = connection.notify
        self.fetch_replanned = connection.fetch_replanned

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        if not self._is_writer:
            callback = self._meddled.before_query.pop(self._queries, None)
            self._queries += 1
            self._call(callback)
        return await self._connection.fetch(sql, *values, bound=bound)

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, on_conflict: str = ""
    ) -> int:
        callback, self._meddled.before_rows = self._meddled.before_rows, None
        self._call(callback)
        return await self._connection.insert(into, rows, on_conflict=on_conflict)

    def _call(self, callback: Callable[[], Awaitable[None]] | None) -> None:
        """Wait in this thread for something in the event loop."""
        if callback is not None:
            asyncio.run_coroutine_threadsafe(_awaited(callback), self._loop).result()


async def _awaited(callback: Callable[[], Awaitable[None]]) -> None:
    await callback()


@pytest.fixture
async def interrupted(path: Path) -> AsyncIterator[InterruptedDatabase]:
    async with open_database(path, synchronous="full") as database:
        yield InterruptedDatabase(database)


@pytest.mark.parametrize("query", range(3))
@pytest.mark.parametrize("filter", [Filter(since=NOON), Filter(until=NOON + 30)], ids=str)
async def test_late_message_during_a_read_hides_no_other(
    interrupted: InterruptedDatabase, query: int, filter: Filter
) -> None:
    archive = SqlArchive(interrupted, Ids(bytes(KEY_BYTES)))
    rows = [entry(1, at=NOON + 10), entry(2, at=NOON + 20)]
    late = [entry("next", at=NOON + 25), entry("late", at=NOON + 5)]
    await archive.append(rows)
    interrupted.before_query[query] = lambda: archive.append(late)

    xmls = texts(await everything(archive, filter=filter))

    assert xmls[:2] == texts(rows)


@pytest.mark.parametrize("query", range(3))
async def test_rolled_back_owner_number_shows_no_other_archive(
    interrupted: InterruptedDatabase, query: int
) -> None:
    archive = SqlArchive(interrupted, Ids(bytes(KEY_BYTES)))
    xmls: list[str] = []
    begun = asyncio.Event()

    async def read_alice() -> None:
        xmls.extend(texts(await everything(archive, filter=Filter(since=0))))

    async def store_for_bob() -> None:
        begun.set()
        await failing
        await archive.append([entry("for bob alone", owner=BOB)])

    async def begin_reading() -> None:
        reading.append(asyncio.create_task(read_alice()))
        await begun.wait()

    reading: list[asyncio.Task[None]] = []
    interrupted.before_query[query] = store_for_bob
    interrupted.before_rows = begin_reading
    failing = asyncio.ensure_future(
        asyncio.gather(
            archive.append([entry("for alice"), entry("bad", at=2**63)]), return_exceptions=True
        )
    )
    await failing
    await reading[0]

    assert xmls == []
