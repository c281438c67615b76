"""A database of another program is never written to, and a store of ours is known as ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.builders import ALICE, entry

from storage.errors import StorageError
from storage.open import examine, open_storage
from storage.rows import ANY

FOREIGN = {
    "tables": ["CREATE TABLE users (username TEXT)"],
    "migrations of another kind": ["CREATE TABLE migrations (id INTEGER, applied TEXT)"],
    "a number of its own": ["PRAGMA application_id = 252006674"],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


def create_database(path: Path, statements: list[str]) -> bytes:
    """Make a database without us and return its bytes."""
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
    return path.read_bytes()


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
async def test_foreign_database_is_refused_by_name_and_unchanged(
    path: Path, statements: list[str]
) -> None:
    before = create_database(path, statements)

    with pytest.raises(StorageError, match=r"archive\.db is a database of another program"):
        async with open_storage(f"sqlite:{path}"):
            pass

    assert path.read_bytes() == before


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
async def test_examine_refuses_a_foreign_database(path: Path, statements: list[str]) -> None:
    before = create_database(path, statements)

    with pytest.raises(StorageError, match="another program"):
        await examine(f"sqlite:{path}")

    assert path.read_bytes() == before


async def test_store_has_the_application_id_of_muniment(path: Path) -> None:
    async with open_storage(f"sqlite:{path}"):
        pass

    with closing(sqlite3.connect(path)) as database:
        [number] = database.execute("PRAGMA application_id").fetchone()
    assert number.to_bytes(4, "big") == b"MUNI"


async def test_empty_database_becomes_a_store(path: Path) -> None:
    create_database(path, [])

    async with open_storage(f"sqlite:{path}") as storage:
        await storage.archive.append([entry(1)])

        assert await storage.archive.count(ALICE, ANY) == 1
