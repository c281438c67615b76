"""Numbered SQL files, each applied once, each in a transaction with its number."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from storage.errors import ChangedMigration, NewerSchema
from storage.sqlite.engine.protocols import Connection, Database

_NAME = re.compile(r"(\d{4})_\w+\.sql")

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    number   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """Yield the statements one by one: a script would commit on its own."""
        statement = ""
        for line in self.sql.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""
        if statement.strip():
            yield statement


def migrations(engine: str) -> list[Migration]:
    """Return the steps of an engine in their order."""
    migrations = []
    for file in files("storage").joinpath(engine, "migrations").iterdir():
        if match := _NAME.fullmatch(file.name):
            migrations.append(
                Migration(number=int(match[1]), name=file.name, sql=file.read_text("utf-8"))
            )
    return sorted(migrations, key=lambda migration: migration.number)


async def migrate(database: Database) -> None:
    """Bring a database to the schema of this program. Raises NewerSchema, ChangedMigration."""
    async with database.write() as connection:
        await connection.execute(_TABLE)
    async with database.read() as connection:
        waiting = await pending(connection, database.name)
    for migration in waiting:
        async with database.write() as connection:
            for statement in migration.statements():
                await connection.execute(statement)
            await connection.execute(
                "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )


async def pending(connection: Connection, engine: str) -> list[Migration]:
    """Return the steps that a database has not had. Raises NewerSchema, ChangedMigration."""
    known = {migration.number: migration for migration in migrations(engine)}
    applied = await connection.fetch("SELECT number, name, checksum FROM migrations")
    for number, name, checksum in applied:
        if number not in known:
            raise NewerSchema(f"{NewerSchema.__doc__} (it has {name})")
        if known[number].checksum != checksum:
            raise ChangedMigration(
                f"{name} made this store with other content: another version of Muniment made it."
                " Open it with that version, or begin with a new store"
            )
    done = {row[0] for row in applied}
    return [migration for number, migration in known.items() if number not in done]
