"""Opens a store by its URL and migrates it; the only factory of stores."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.errors import StorageError, Unavailable
from storage.sqlite.accounts import SqliteAccounts
from storage.sqlite.audit_log import SqliteAuditLog
from storage.sqlite.contacts import SqliteContacts
from storage.sqlite.engine.database import (
    DEFAULT_TIMEOUTS,
    MEMORY,
    DatabaseTimeouts,
    SqliteDatabase,
)
from storage.sqlite.engine.migrate import migrate, migrations, pending
from storage.sqlite.engine.protocols import Connection, Database
from storage.sqlite.events.store import SqliteEvents
from storage.sqlite.holds import SqliteHolds
from storage.sqlite.messages.archive import SqliteArchive
from storage.sqlite.messages.ids import KEY_BYTES, Ids
from storage.sqlite.offline import SqliteOffline
from storage.sqlite.preferences import SqlitePreferences
from storage.sqlite.push import SqlitePush
from storage.sqlite.retention.store import SqliteRetention
from storage.sqlite.rooms import SqliteRooms
from storage.sqlite.rules import SqliteRules
from storage.sqlite.sign_ins import SqliteSignIns

SQLITE = "sqlite:"

# If a process was killed at its first start, its database may have no table.
_HAS_MIGRATIONS = "SELECT 1 FROM sqlite_schema WHERE name = 'migrations'"


class SqliteStorage:
    """The stores over one database."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self.database = database
        self.archive = SqliteArchive(database, ids)
        self.retention = SqliteRetention(database, ids, self.archive)
        self.preferences = SqlitePreferences(database)
        self.rules = SqliteRules(database)
        self.holds = SqliteHolds(database)
        self.audit_log = SqliteAuditLog(database)
        self.rooms = SqliteRooms(database)
        self.accounts = SqliteAccounts(database)
        self.sign_ins = SqliteSignIns(database)
        self.contacts = SqliteContacts(database)
        self.offline = SqliteOffline(database)
        self.push = SqlitePush(database)
        self.events = SqliteEvents(database, ids, self.archive.owners, self.archive.journal)

    async def check(self) -> None:
        async with self.database.write() as connection:
            # A new value each time: SQLite writes nothing to the disk if no row changes.
            await connection.execute(
                "INSERT INTO secrets (name, value) VALUES ($1, $2)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                "check",
                secrets.token_bytes(8),
            )

    async def close(self) -> None:
        await self.database.close()


@asynccontextmanager
async def open_storage(
    url: str, *, synchronous: str = "full", timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS
) -> AsyncIterator[SqliteStorage]:
    """Open the store at `sqlite:PATH`, apply its pending migrations, and close it at the end.

    Raises Locked, NewerSchema, ChangedMigration, Unavailable, and StorageError for a file of
    another program.
    """
    database = await SqliteDatabase.open(_path(url), synchronous=synchronous, timeouts=timeouts)
    try:
        await migrate(database)
        storage = SqliteStorage(database, Ids(await _id_key(database)))
        yield storage
    finally:
        await database.close()


async def examine(url: str) -> str:
    """Return a few words about the state of the store, without changing it.

    Raises StorageError if `open_storage` would fail.
    """
    path = _path(url)
    if path == MEMORY:
        return "in memory only"
    if _is_new(path):
        return f"{path} will be created"
    database = await SqliteDatabase.open(path, synchronous="full")
    try:
        async with database.read() as connection:
            has_migrations = await connection.fetch(_HAS_MIGRATIONS)
            if has_migrations:
                pending_migrations = await pending(connection, database.name)
                if not pending_migrations:
                    await _stored_key(connection)
            else:
                pending_migrations = migrations(database.name)
    finally:
        await database.close()
    if not pending_migrations:
        return f"{path}, up to date"
    count = len(pending_migrations)
    return f"{path}, {count} pending migration{'' if count == 1 else 's'}"


@asynccontextmanager
async def open_unchanged(url: str) -> AsyncIterator[SqliteStorage | None]:
    """Open a store without migrating it; yield None if it is missing or has another schema.

    Raises StorageError.
    """
    path = _path(url)
    if path == MEMORY or _is_new(path):
        yield None
        return
    database = await SqliteDatabase.open(path, synchronous="full")
    try:
        key = None
        async with database.read() as connection:
            has_migrations = await connection.fetch(_HAS_MIGRATIONS)
            if has_migrations and not await pending(connection, database.name):
                key = await _stored_key(connection)
        yield None if key is None else SqliteStorage(database, Ids(key))
    finally:
        await database.close()


def _is_new(path: str) -> bool:
    # For a folder that this user may not see, pathlib raises an error.
    if not os.path.isdir(Path(path).absolute().parent):  # noqa: PTH112
        raise Unavailable(f"{path}: its folder does not exist, or is hidden from this user")
    return not Path(path).exists()


def _path(url: str) -> str:
    if not url.startswith(SQLITE):
        raise StorageError(f"{url}: this is not the URL of a store, write {SQLITE}PATH")
    return url.removeprefix(SQLITE)


async def _id_key(database: Database) -> bytes:
    """Return the key of the ids; create it in a store without archives. Raises StorageError."""
    async with database.read() as connection:
        key = await _stored_key(connection)
    if key is None:
        key = secrets.token_bytes(KEY_BYTES)
        async with database.write() as connection:
            await connection.execute(
                "INSERT INTO secrets (name, value) VALUES ($1, $2)", "ids", key
            )
    return key


async def _stored_key(connection: Connection) -> bytes | None:
    """Return the key of the ids, None in a store without archives. Raises StorageError."""
    rows = await connection.fetch("SELECT value FROM secrets WHERE name = $1", "ids")
    if rows and len(key := bytes(rows[0][0])) == KEY_BYTES:
        return key
    if rows or await connection.fetch("SELECT 1 FROM owners LIMIT 1"):
        raise StorageError(
            "the store has archives, but lacks the key of their ids. With another key every id"
            ' would change: restore the row "ids" of the table secrets from a backup'
        )
    return None
