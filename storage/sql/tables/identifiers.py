"""Identifiers of users, rooms and direct chats."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from storage.rows import Identifier, IdentifierKind, IdentifierPage
from storage.sql.database import Connection, Database, Row

_COLUMNS = "kind, key, number, uri"

#: The number of conversations that are no direct chats.
_NO_CHAT = -1

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

_NUMBER = "(SELECT owners.number FROM owners WHERE jid = $1)"

# Of the conversations that are not listed, with the type of the newest message.
_UNLISTED = f"""
SELECT conversations.peer, type
FROM conversations JOIN archive
    ON archive.owner = conversations.owner AND sequence = newest
WHERE conversations.owner = {_NUMBER} AND identifier = 0
LIMIT $2
"""  # noqa: S608 - constant words

# The identifier may have been removed since it was read.
_LIST = f"""
UPDATE conversations SET identifier = $3
WHERE owner = {_NUMBER} AND peer = $2 AND identifier = 0
    AND ($3 = {_NO_CHAT} OR EXISTS (SELECT 1 FROM identifiers WHERE number = $3 AND key = $4))
"""  # noqa: S608 - constant words

_COUNT_CHATS = f"""
SELECT count(*) FROM conversations WHERE owner = {_NUMBER} AND identifier > 0
"""  # noqa: S608 - constant words

_COUNT_ROOMS = """
SELECT count(*) FROM identifiers WHERE kind = 'room' AND key = ANY($1)
"""

_PAGE = f"""
SELECT {_COLUMNS} FROM identifiers
WHERE number IN (
    SELECT identifier AS number FROM conversations
    WHERE owner = {_NUMBER} AND identifier > 0
    UNION ALL
    SELECT number FROM identifiers WHERE kind = 'room' AND key = ANY($2)
    ORDER BY number LIMIT $3 OFFSET $4
)
ORDER BY number
"""  # noqa: S608 - constant words

#: The condition of the identifiers of a JID.
OF = """
(kind IN ('user', 'room') AND key = $1)
OR (kind = 'direct' AND (
    substr(key, 1, length($1) + 1) = $1 || ' '
    OR substr(key, length(key) - length($1)) = ' ' || $1
))
"""

# The other user of a direct chat.
_OTHER = """
CASE WHEN substr(key, 1, length($1) + 1) = $1 || ' ' THEN substr(key, length($1) + 2)
ELSE substr(key, 1, length(key) - length($1) - 1) END
"""

#: Makes the conversations of a JID unlisted, its own ones and those of others with it; to be done
#: before REMOVE.
UNLIST = (
    f"UPDATE conversations SET identifier = 0 WHERE owner = {_NUMBER} AND identifier > 0",  # noqa: S608
    f"""
UPDATE conversations SET identifier = 0
FROM (
    SELECT owners.number FROM identifiers JOIN owners ON owners.jid = {_OTHER}
    WHERE kind = 'direct' AND ({OF})
) AS others
WHERE owner = others.number AND peer = $1 AND identifier > 0
""",  # noqa: S608 - constant words
)

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

    async def unlisted(self, owner: str, *, limit: int) -> Mapping[str, str]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_UNLISTED, owner, limit)
        return {peer: type for peer, type in rows}

    async def list_chats(self, owner: str, chats: Mapping[str, Identifier | None]) -> None:
        rows = [
            (owner, peer, *((_NO_CHAT, "") if chat is None else (chat.number, chat.key)))
            for peer, chat in sorted(chats.items())
        ]
        async with self._database.write() as connection:
            await connection.executemany(_LIST, rows)

    async def page(
        self, owner: str, rooms: Collection[str], *, offset: int, limit: int
    ) -> IdentifierPage:
        async with self._database.read() as connection:
            [[chats]] = await connection.fetch(_COUNT_CHATS, owner)
            [[known_rooms]] = await connection.fetch(_COUNT_ROOMS, list(rooms))
            listed = await connection.fetch(_PAGE, owner, list(rooms), limit, offset)
        return IdentifierPage(
            identifiers=tuple(map(_identifier, listed)), count=chats + known_rooms
        )


async def _get(
    connection: Connection, kind: IdentifierKind, keys: Collection[str]
) -> dict[str, Identifier]:
    rows = await connection.fetch(_GET, kind.value, list(keys)) if keys else []
    return {row[1]: _identifier(row) for row in rows}


def _identifier(row: Row) -> Identifier:
    return Identifier(kind=IdentifierKind(row[0]), key=row[1], number=row[2], uri=row[3])
