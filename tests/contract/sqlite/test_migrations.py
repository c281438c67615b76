"""Migrations: numbered, each applied once and whole, and never by a program that is too old."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from support.builders import ALICE, entry, everything, texts

from storage.errors import ChangedMigration, NewerSchema, StorageError, Unavailable
from storage.open import examine, open_storage
from storage.rows import ANY
from storage.sql.migrate import migrations

Write = Callable[[str, str], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:{path}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of migrations, a copy that a test may change."""
    copied = tmp_path / "storage" / "sqlite" / "migrations"
    with_own = files("storage").joinpath("sqlite", "migrations")
    shutil.copytree(str(with_own), copied)
    monkeypatch.setattr("storage.sql.migrate.files", lambda _: tmp_path / "storage")
    return copied


async def opened(url: str) -> None:
    """Open a store and close it."""
    async with open_storage(url):
        pass


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}


def applied(path: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT number, name FROM migrations ORDER BY rowid").fetchall()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def newest() -> int:
    return migrations("sqlite")[-1].number


def test_migrations_are_numbered_without_gap() -> None:
    names = [
        file.name
        for file in files("storage").joinpath("sqlite", "migrations").iterdir()
        if file.name.endswith(".sql")
    ]

    numbers = [migration.number for migration in migrations("sqlite")]

    assert numbers == list(range(1, len(names) + 1))


async def test_new_store_has_every_migration_once_in_order(url: str, path: Path) -> None:
    await opened(url)

    assert applied(path) == [(step.number, step.name) for step in migrations("sqlite")]


async def test_reopening_applies_no_migration(url: str, path: Path) -> None:
    await opened(url)
    before = dump(path)
    await opened(url)

    assert dump(path) == before


async def test_new_migration_is_applied_to_an_existing_store(
    url: str, path: Path, folder: Path
) -> None:
    await opened(url)
    (folder / f"{newest() + 1:04d}_more.sql").write_text(
        "-- Two of them;\nCREATE TABLE more (x);\nCREATE TABLE other (y TEXT DEFAULT ';');\n"
    )
    await opened(url)
    await opened(url)

    assert {"more", "other"} <= tables(path)
    assert [number for number, _ in applied(path)] == list(range(1, newest() + 1))


async def test_migrations_are_applied_in_the_order_of_their_numbers(
    url: str, path: Path, folder: Path
) -> None:
    first = newest() + 1
    for n in (3, 1, 0, 2):
        text = f"CREATE TABLE step{n} (x);\n"
        if n:
            text += f"DROP TABLE step{n - 1};\n"
        (folder / f"{first + n:04d}_{'zyxw'[n]}.sql").write_text(text)
    await opened(url)

    assert [number for number, _ in applied(path)] == list(range(1, first + 4))


async def test_file_that_is_no_migration_is_ignored(url: str, path: Path, folder: Path) -> None:
    for name in ("README.md", "2_short.sql", "0002_copy.sql~", "x0002_more.sql"):
        (folder / name).write_text("CREATE TABLE stray (x);\n")
    await opened(url)

    assert "stray" not in tables(path)


async def test_last_statement_needs_no_semicolon(url: str, path: Path, folder: Path) -> None:
    (folder / f"{newest() + 1:04d}_more.sql").write_text("CREATE TABLE a (x);\nCREATE TABLE b (x)")
    await opened(url)

    assert {"a", "b"} <= tables(path)


async def test_newer_schema_is_refused(url: str, folder: Path) -> None:
    newer = folder / f"{newest() + 1:04d}_newer.sql"
    newer.write_text("CREATE TABLE newer (x);\n")
    await opened(url)
    newer.unlink()

    with pytest.raises(NewerSchema, match=r"newer Muniment.*_newer\.sql"):
        await opened(url)


async def test_refused_newer_schema_is_unchanged(url: str, path: Path, folder: Path) -> None:
    newer = folder / f"{newest() + 1:04d}_newer.sql"
    newer.write_text("CREATE TABLE newer (x);\n")
    await opened(url)
    newer.unlink()
    before = dump(path)
    with pytest.raises(NewerSchema):
        await opened(url)

    assert dump(path) == before


async def test_changed_migration_is_refused_by_name(url: str, folder: Path) -> None:
    await opened(url)
    [step] = folder.glob("0001_*.sql")
    step.write_text(step.read_text() + "-- an afterthought\n")

    with pytest.raises(ChangedMigration, match=step.name):
        await opened(url)


async def test_failed_migration_is_rolled_back(url: str, path: Path, folder: Path) -> None:
    await opened(url)
    before = dump(path)
    (folder / f"{newest() + 1:04d}_bad.sql").write_text(
        "CREATE TABLE half (x);\nDROP TABLE archive;\nINSERT INTO nowhere VALUES (1);\n"
    )
    with pytest.raises(StorageError):
        await opened(url)

    assert dump(path) == before


async def test_migrations_before_a_failed_one_stay_applied(
    url: str, path: Path, folder: Path
) -> None:
    good, bad = newest() + 1, newest() + 2
    (folder / f"{good:04d}_good.sql").write_text("CREATE TABLE good (x);\n")
    (folder / f"{bad:04d}_bad.sql").write_text("INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(StorageError):
        await opened(url)

    assert [number for number, _ in applied(path)] == list(range(1, bad))


async def test_failed_migration_is_applied_at_the_next_open(
    url: str, path: Path, folder: Path
) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(1)])
    step = folder / f"{newest() + 1:04d}_more.sql"
    step.write_text("CREATE TABLE more (x);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(StorageError):
        await opened(url)
    step.write_text("CREATE TABLE more (x);\n")

    async with open_storage(url) as storage:
        assert texts(await everything(storage.archive)) == [entry(1).xml]
    assert "more" in tables(path)


@pytest.mark.parametrize("state", ["an empty file", "a header", "an empty table of steps"])
async def test_store_of_a_killed_first_start_can_be_opened(
    url: str, path: Path, state: str
) -> None:
    path.touch()
    if state != "an empty file":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            if state != "a header":
                connection.execute("CREATE TABLE migrations (number INTEGER, name, checksum)")

    async with open_storage(url) as storage:
        await storage.archive.append([entry(1)])

        assert await storage.archive.count(ALICE, ANY) == 1


# Looking without touching


async def test_examine_reports_a_missing_store(url: str, path: Path) -> None:
    assert await examine(url) == f"{path} will be created"


async def test_examine_creates_no_file(url: str, tmp_path: Path) -> None:
    await examine(url)

    assert list(tmp_path.iterdir()) == []


async def test_examine_reports_an_up_to_date_store(url: str, path: Path) -> None:
    await opened(url)

    assert await examine(url) == f"{path}, up to date"


async def test_examine_reports_a_store_in_memory() -> None:
    assert await examine("sqlite::memory:") == "in memory only"


async def test_examine_counts_pending_migrations_and_applies_none(
    url: str, path: Path, folder: Path
) -> None:
    await opened(url)
    before = path.read_bytes()
    for n in (1, 2):
        (folder / f"{newest() + n:04d}_more.sql").write_text(f"CREATE TABLE more{n} (x);\n")

    description = await examine(url)

    assert (description, path.read_bytes()) == (f"{path}, 2 pending migrations", before)


async def test_examine_changes_no_byte(url: str, path: Path, tmp_path: Path) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(1)])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    await examine(url)

    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("state", ["an empty file", "a header"])
async def test_examine_counts_all_migrations_after_a_killed_first_start(
    url: str, path: Path, state: str
) -> None:
    path.touch()
    if state == "a header":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")

    assert await examine(url) == f"{path}, 1 pending migration"


async def test_examine_refuses_a_newer_schema(url: str, folder: Path) -> None:
    newer = folder / f"{newest() + 1:04d}_newer.sql"
    newer.write_text("CREATE TABLE newer (x);\n")
    await opened(url)
    newer.unlink()

    with pytest.raises(NewerSchema):
        await examine(url)


async def test_examine_refuses_a_locked_store(url: str) -> None:
    async with open_storage(url):
        with pytest.raises(StorageError, match="used by this process"):
            await examine(url)


async def test_examine_of_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="its folder does not exist"):
        await examine(f"sqlite:{tmp_path}/no/archive.db")


async def test_examine_refuses_a_file_that_is_no_database(url: str, path: Path) -> None:
    path.write_text("this is no database " * 1000)

    with pytest.raises(StorageError, match="not a database"):
        await examine(url)


async def test_examine_refuses_an_unknown_url() -> None:
    with pytest.raises(StorageError, match="write sqlite:PATH"):
        await examine("postgres://host/db")


async def test_examine_releases_the_lock(url: str) -> None:
    await opened(url)
    await examine(url)

    async with open_storage(url) as storage:
        await storage.check()
