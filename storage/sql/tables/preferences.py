"""Archiving preferences."""

from __future__ import annotations

import json
from collections.abc import Sequence

from storage.processes import Topic
from storage.rows import PreferencesRow
from storage.sql.database import Database, Row

_GET = "SELECT owner, default_policy, always, never FROM preferences WHERE owner = $1"

_LIST = """
SELECT owner, default_policy, always, never FROM preferences
WHERE owner > $1 ORDER BY owner LIMIT $2
"""

_SET = """
INSERT INTO preferences (owner, default_policy, always, never) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner) DO UPDATE SET
    default_policy = excluded.default_policy, always = excluded.always, never = excluded.never
"""


class SqlPreferences:
    """`storage.interface.PreferencesStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, owner: str) -> PreferencesRow | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_GET, owner)
        return _preferences(rows[0]) if rows else None

    async def list(self, *, after: str, limit: int) -> tuple[PreferencesRow, ...]:
        async with self._database.read() as connection:
            return tuple(map(_preferences, await connection.fetch(_LIST, after, limit)))

    async def set(self, preferences: PreferencesRow) -> None:
        always, never = _join(preferences.always), _join(preferences.never)
        owner = preferences.owner
        async with self._database.write() as connection:
            await connection.execute(_SET, owner, preferences.default, always, never)
            await connection.notify(Topic.PREFERENCES, [owner])


def _preferences(row: Row) -> PreferencesRow:
    owner, default, always, never = row
    return PreferencesRow(owner=owner, default=default, always=_split(always), never=_split(never))


def _join(jids: Sequence[str]) -> str:
    return json.dumps(jids, ensure_ascii=False)


def _split(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
