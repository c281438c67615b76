"""Retention rules and confirmed retention limits."""

from __future__ import annotations

from collections.abc import Sequence

from storage.processes import Topic
from storage.rows import HostRetention, Rule
from storage.sql.database import Database

_LIST = "SELECT owner, peer, days, messages, bytes FROM rules ORDER BY owner, peer"

_SET = """
INSERT INTO rules (owner, peer, days, messages, bytes) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, peer) DO UPDATE SET
    days = excluded.days, messages = excluded.messages, bytes = excluded.bytes
"""

_REMOVE = "DELETE FROM rules WHERE owner = $1 AND peer = $2"

_CONFIRMED = "SELECT host, days, messages, bytes FROM confirmed_retention ORDER BY host"

_REMOVE_CONFIRMED = "DELETE FROM confirmed_retention"

# Another process may confirm limits at the same moment.
_CONFIRM = """
INSERT INTO confirmed_retention (host, days, messages, bytes) VALUES ($1, $2, $3, $4)
ON CONFLICT (host) DO UPDATE SET
    days = excluded.days, messages = excluded.messages, bytes = excluded.bytes
"""


class SqlRules:
    """`storage.interface.RulesStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> tuple[Rule, ...]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_LIST)
        return tuple(
            Rule(owner=row[0], peer=row[1], days=row[2], messages=row[3], bytes=row[4])
            for row in rows
        )

    async def set(self, rule: Rule) -> None:
        await self._write(_SET, rule.owner, rule.peer, rule.days, rule.messages, rule.bytes)

    async def remove(self, owner: str, peer: str = "") -> None:
        await self._write(_REMOVE, owner, peer)

    async def confirmed(self) -> tuple[HostRetention, ...]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_CONFIRMED)
        return tuple(
            HostRetention(host=row[0], days=row[1], messages=row[2], bytes=row[3]) for row in rows
        )

    async def confirm(self, limits: Sequence[HostRetention]) -> None:
        rows = [
            (retention.host, retention.days, retention.messages, retention.bytes)
            for retention in limits
        ]
        async with self._database.write() as connection:
            await connection.execute(_REMOVE_CONFIRMED)
            await connection.executemany(_CONFIRM, rows)

    async def _write(self, sql: str, *values: object) -> None:
        async with self._database.write() as connection:
            await connection.execute(sql, *values)
            await connection.notify(Topic.RULES)
