"""All stores over one database, and the key of its ids."""

from __future__ import annotations

import secrets

from storage.errors import StorageError
from storage.processes import Processes
from storage.sql.database import Connection, Database
from storage.sql.events.store import SqlEvents
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.ids import KEY_BYTES, Ids
from storage.sql.moving.backfilling import SqlBackfill
from storage.sql.moving.copying import is_unfinished
from storage.sql.moving.importing import SqlImports
from storage.sql.retention.store import SqlRetention
from storage.sql.tables.accounts import SqlAccounts
from storage.sql.tables.audit_log import SqlAuditLog
from storage.sql.tables.contacts import SqlContacts
from storage.sql.tables.gaps import SqlGaps
from storage.sql.tables.holds import SqlHolds
from storage.sql.tables.identifiers import SqlIdentifiers
from storage.sql.tables.offline import SqlOffline
from storage.sql.tables.personal_data import SqlPersonalData
from storage.sql.tables.preferences import SqlPreferences
from storage.sql.tables.profiles import SqlProfiles
from storage.sql.tables.push import SqlPush
from storage.sql.tables.rooms import SqlRooms
from storage.sql.tables.rules import SqlRules
from storage.sql.tables.sign_ins import SqlSignIns


class SqlStorage:
    """`storage.interface.Storage` over one database."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self.database = database
        self.archive = SqlArchive(database, ids)
        self.retention = SqlRetention(database, ids, self.archive)
        self.imports = SqlImports(database, self.archive.owners, self.archive.appending)
        self.backfill = SqlBackfill(database, ids, self.archive.owners, self.archive.appending)
        self.preferences = SqlPreferences(database)
        self.rules = SqlRules(database)
        self.holds = SqlHolds(database)
        self.gaps = SqlGaps(database)
        self.audit_log = SqlAuditLog(database)
        self.rooms = SqlRooms(database)
        self.accounts = SqlAccounts(database)
        self.sign_ins = SqlSignIns(database)
        self.profiles = SqlProfiles(database)
        self.identifiers = SqlIdentifiers(database)
        self.contacts = SqlContacts(database)
        self.offline = SqlOffline(database)
        self.push = SqlPush(database)
        self.personal_data = SqlPersonalData(database)
        self.events = SqlEvents(database, ids, self.archive.owners, self.archive.journal)

    @property
    def processes(self) -> Processes:
        return self.database.processes

    async def check(self) -> None:
        async with self.database.write() as connection:
            # A new value each time: a database writes nothing to the disk if no row changes.
            await connection.execute(
                "INSERT INTO secrets (name, value) VALUES ($1, $2)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                "check",
                secrets.token_bytes(8),
            )

    async def close(self) -> None:
        await self.database.close()


async def open_store(database: Database) -> SqlStorage:
    """Return the stores over a migrated database. Raises StorageError."""
    async with database.read() as connection:
        if await is_unfinished(connection):
            raise StorageError(
                "a copy into this store was not finished: run muniment copy-store again"
            )
    return SqlStorage(database, Ids(await _id_key(database)))


async def _id_key(database: Database) -> bytes:
    """Return the key of the ids; create it in a store without archives. Raises StorageError."""
    async with database.read() as connection:
        key = await stored_key(connection)
    if key is None:
        key = secrets.token_bytes(KEY_BYTES)
        async with database.write() as connection:
            await connection.execute(
                "INSERT INTO secrets (name, value) VALUES ($1, $2)", "ids", key
            )
    return key


async def stored_key(connection: Connection) -> bytes | None:
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
