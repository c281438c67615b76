"""Profiles of users of chat."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from storage.rows import Profile
from storage.sql.database import Database, Row

_COLUMNS = "jid, name, email, folded_name"

_GET = f"SELECT {_COLUMNS} FROM profiles WHERE jid = ANY($1)"  # noqa: S608

_WITH_EMAIL = f"SELECT {_COLUMNS} FROM profiles WHERE email_key = $1"  # noqa: S608

_ADD = "INSERT INTO profiles (domain, jid) VALUES ($1, $2) ON CONFLICT (jid) DO NOTHING"

_PUT = """
INSERT INTO profiles (domain, jid, name, email, folded_name, email_key)
SELECT $1, $2, $3, $4, $5, $6
WHERE NOT EXISTS (SELECT 1 FROM profiles WHERE email_key = $6 AND jid <> $2)
ON CONFLICT (jid) DO UPDATE SET name = excluded.name, email = excluded.email,
    folded_name = excluded.folded_name, email_key = excluded.email_key
RETURNING 1
"""

# Patterns that are null match nothing.
_SEARCH = """
SELECT matching.jid, coalesce(name, ''), coalesce(email, ''), coalesce(folded_name, '')
FROM (
    SELECT jid FROM accounts WHERE domain = $1 AND is_enabled = 1 AND jid LIKE $2 ESCAPE '\\'
    UNION
    SELECT jid FROM profiles
    WHERE domain = $1 AND (jid LIKE $2 ESCAPE '\\' OR folded_name LIKE $3 ESCAPE '\\')
        AND NOT EXISTS (
            SELECT 1 FROM accounts
            WHERE accounts.domain = $1 AND accounts.jid = profiles.jid AND is_enabled = 0
        )
) AS matching LEFT JOIN profiles ON profiles.jid = matching.jid
ORDER BY matching.jid LIMIT $4
"""


class SqlProfiles:
    """`storage.interface.ProfilesStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, jids: Collection[str]) -> Mapping[str, Profile]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_GET, list(jids)) if jids else []
        return {row[0]: _profile(row) for row in rows}

    async def with_email(self, email: str) -> Profile | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_WITH_EMAIL, email.lower())
        return _profile(rows[0]) if rows else None

    async def add(self, jid: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(_ADD, _domain(jid), jid)

    async def put(self, profile: Profile) -> bool:
        async with self._database.write() as connection:
            rows = await connection.fetch(
                _PUT,
                _domain(profile.jid),
                profile.jid,
                profile.name,
                profile.email,
                profile.folded_name,
                profile.email.lower() or None,
            )
        return bool(rows)

    async def search(
        self, domain: str, *, local: str | None, words: str | None, limit: int
    ) -> tuple[Profile, ...]:
        by_local = None if local is None else f"%{_escaped(local)}%@{_escaped(domain)}"
        by_name = None if words is None else f"%{_escaped(words)}%"
        async with self._database.read() as connection:
            rows = await connection.fetch(_SEARCH, domain, by_local, by_name, limit)
        return tuple(map(_profile, rows))


def _domain(jid: str) -> str:
    return jid.rpartition("@")[2]


def _escaped(text: str) -> str:
    """Escape the wildcards of LIKE."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _profile(row: Row) -> Profile:
    return Profile(jid=row[0], name=row[1], email=row[2], folded_name=row[3])
