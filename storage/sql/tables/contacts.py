"""Rosters."""

from __future__ import annotations

import json

from storage.processes import Topic
from storage.rows import Contact
from storage.sql.database import Database, Row

_ROSTER = """
SELECT jid, name, subscription, ask, ask_message, is_approved, groups FROM contacts
WHERE owner = $1 ORDER BY jid
"""

_PUT = """
INSERT INTO contacts (owner, jid, name, subscription, ask, ask_message, is_approved, groups)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (owner, jid) DO UPDATE SET
    name = excluded.name, subscription = excluded.subscription, ask = excluded.ask,
    ask_message = excluded.ask_message, is_approved = excluded.is_approved,
    groups = excluded.groups
"""

_REMOVE = "DELETE FROM contacts WHERE owner = $1 AND jid = $2 RETURNING 1"

_CLEAR = "DELETE FROM contacts WHERE owner = $1"


class SqlContacts:
    """`storage.interface.Contacts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def roster(self, owner: str) -> tuple[Contact, ...]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_ROSTER, owner)
        return tuple(map(_contact, rows))

    async def put(self, owner: str, contact: Contact) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                _PUT,
                owner,
                contact.jid,
                contact.name,
                contact.subscription,
                contact.ask,
                contact.ask_message,
                int(contact.is_approved),
                json.dumps(contact.groups, ensure_ascii=False),
            )
            await connection.notify(Topic.ROSTERS, [owner])

    async def remove(self, owner: str, jid: str) -> bool:
        async with self._database.write() as connection:
            await connection.notify(Topic.ROSTERS, [owner])
            return bool(await connection.fetch(_REMOVE, owner, jid))

    async def clear(self, owner: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(_CLEAR, owner)
            await connection.notify(Topic.ROSTERS, [owner])


def _contact(row: Row) -> Contact:
    return Contact(
        jid=row[0],
        name=row[1],
        subscription=row[2],
        ask=row[3],
        ask_message=row[4],
        is_approved=bool(row[5]),
        groups=tuple(json.loads(row[6])),
    )
