"""Migrations: numbered SQL files, each applied once, in a transaction that stores its number."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files

from storage.errors import ChangedMigration, NewerSchema
from storage.sql.database import Connection, Database

_NAME = re.compile(r"(\d{4})_\w+\.sql")

_CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS migrations (
    number   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """Yield the statements one by one; `executescript` would commit the transaction."""
        statement = ""
        for line in self.sql.splitlines(keepends=True):
            statement += line
            # A trigger has semicolons inside.
            if ";" in line and sqlite3.complete_statement(statement):
                yield statement
                statement = ""
        if statement.strip():
            yield statement


def migrations(engine: str) -> list[Migration]:
    """Return the migrations of an engine in the order of their numbers."""
    migrations = []
    for file in files("storage").joinpath(engine, "migrations").iterdir():
        if match := _NAME.fullmatch(file.name):
            migrations.append(
                Migration(number=int(match[1]), name=file.name, sql=file.read_text("utf-8"))
            )
    return sorted(migrations, key=lambda migration: migration.number)


async def migrate(database: Database) -> None:
    """Apply all pending migrations to a database. Raises NewerSchema, ChangedMigration."""
    async with database.write() as connection:
        await connection.execute(_CREATE_MIGRATIONS)
    async with database.read() as connection:
        pending_migrations = await pending(connection, database.name)
    for migration in pending_migrations:
        await database.transact(partial(_apply, migration, database.schema))


async def _apply(
    migration: Migration, schema: Callable[[str], Sequence[str]], connection: Connection
) -> None:
    """Run the statements of a migration, as `Database.schema` gives them, and store its number."""
    for statement in migration.statements():
        for sql in schema(statement):
            await connection.execute(sql)
    await connection.execute(
        "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
        migration.number,
        migration.name,
        migration.checksum,
    )


async def pending(connection: Connection, engine: str) -> list[Migration]:
    """Return the migrations that a database lacks. Raises NewerSchema, ChangedMigration."""
    by_number = {migration.number: migration for migration in migrations(engine)}
    applied = await connection.fetch("SELECT number, name, checksum FROM migrations")
    for number, name, checksum in applied:
        if number not in by_number:
            raise NewerSchema(f"{NewerSchema.__doc__} (it has {name})")
        if by_number[number].checksum != checksum:
            raise ChangedMigration(
                f"another version of Muniment, with another {name}, created this store."
                " Open the store with that version, or begin with a new store"
            )
    applied_numbers = {row[0] for row in applied}
    return [migration for number, migration in by_number.items() if number not in applied_numbers]
