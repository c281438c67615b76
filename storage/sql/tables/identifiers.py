"""Identifiers of users, rooms and direct chats."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from storage.rows import Identifier, IdentifierKind
from storage.sql.database import Connection, Database, Row

_COLUMNS = "kind, key, number, uri"

_GET = f"SELECT {_COLUMNS} FROM identifiers WHERE kind = $1 AND key = ANY($2)"  # noqa: S608

# Another process may take the same number: then nothing is inserted, and it is tried again.
_ADD = """
INSERT INTO identifiers (kind, key, number, uri)
SELECT $1, $2, coalesce(max(number), 0) + 1, $3 FROM identifiers WHERE number > 0
ON CONFLICT DO NOTHING
"""

_WITH_NUMBERS = f"""
SELECT {_COLUMNS} FROM identifiers
WHERE kind = $1 AND number = ANY($2) AND key NOT LIKE '% removed'
"""  # noqa: S608 - constant words

_WITH_URI = f"""
SELECT {_COLUMNS} FROM identifiers WHERE uri = $1 AND key NOT LIKE '% removed'
"""  # noqa: S608 - constant words

#: The condition of the identifiers of a JID.
OF = """
(kind IN ('user', 'room') AND key = $1)
OR (kind = 'direct' AND (
    substr(key, 1, length($1) + 1) = $1 || ' '
    OR substr(key, length(key) - length($1)) = ' ' || $1
))
"""

#: Lets the identifiers of a JID point to nothing. The row stays, so that no number is used again.
REMOVE = f"UPDATE identifiers SET key = number || ' removed' WHERE {OF}"  # noqa: S608

#: How often an identifier is made if others take its number.
_TRIES = 5

_URI_DIGITS = 15


class SqlIdentifiers:
    """`storage.interface.IdentifiersStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, kind: IdentifierKind, keys: Collection[str]) -> Mapping[str, Identifier]:
        async with self._database.read() as connection:
            made = await _get(connection, kind, keys)
        for _ in range(_TRIES):
            missing = sorted(set(keys) - made.keys())
            if not missing:
                break
            async with self._database.write() as connection:
                for key in missing:
                    uri = secrets.token_hex(_URI_DIGITS)[:_URI_DIGITS]
                    await connection.execute(_ADD, kind.value, key, uri)
                made |= await _get(connection, kind, missing)
        return made

    async def with_numbers(
        self, kind: IdentifierKind, numbers: Collection[int]
    ) -> Mapping[int, Identifier]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_WITH_NUMBERS, kind.value, list(numbers))
        return {row[2]: _identifier(row) for row in rows}

    async def with_uri(self, uri: str) -> Identifier | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_WITH_URI, uri)
        return _identifier(rows[0]) if rows else None


async def _get(
    connection: Connection, kind: IdentifierKind, keys: Collection[str]
) -> dict[str, Identifier]:
    rows = await connection.fetch(_GET, kind.value, list(keys)) if keys else []
    return {row[1]: _identifier(row) for row in rows}


def _identifier(row: Row) -> Identifier:
    return Identifier(kind=IdentifierKind(row[0]), key=row[1], number=row[2], uri=row[3])
