"""Accounts."""

from __future__ import annotations

from storage.rows import Account
from storage.sql.database import Database, Row
from storage.sql.tables import personal_data

_GET = "SELECT jid, verifier, is_enabled, created_at FROM accounts WHERE domain = $1 AND jid = $2"

_ADD = """
INSERT INTO accounts (domain, jid, verifier, is_enabled, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (domain, jid) DO NOTHING RETURNING 1
"""

_CHANGE = """
UPDATE accounts SET verifier = $3, is_enabled = $4, created_at = $5
WHERE domain = $1 AND jid = $2 RETURNING 1
"""

_REMOVE = "DELETE FROM accounts WHERE domain = $1 AND jid = $2 RETURNING 1"

_LIST = """
SELECT jid, verifier, is_enabled, created_at FROM accounts
WHERE domain = $1 AND jid > $2
    AND strpos(substr(jid, 1, length(jid) - length(domain)), $4) > 0
ORDER BY jid LIMIT $3
"""

_COUNT = "SELECT COUNT(*) FROM accounts WHERE domain = $1"


class SqlAccounts:
    """`storage.interface.Accounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, jid: str) -> Account | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_GET, _domain(jid), jid)
        return _account(rows[0]) if rows else None

    async def add(self, account: Account) -> bool:
        return await self._write(_ADD, account)

    async def change(self, account: Account) -> bool:
        return await self._write(_CHANGE, account)

    async def remove(self, jid: str) -> bool:
        async with self._database.write() as connection:
            rows = await connection.fetch(_REMOVE, _domain(jid), jid)
            # The next user of the name is another person.
            for sql in personal_data.ENDING:
                await connection.execute(sql, jid)
        return bool(rows)

    async def list(
        self, domain: str, *, after: str, limit: int, part: str = ""
    ) -> tuple[Account, ...]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_LIST, domain, after, limit, part)
        return tuple(map(_account, rows))

    async def count(self, domain: str) -> int:
        async with self._database.read() as connection:
            rows = await connection.fetch(_COUNT, domain)
        return int(rows[0][0])

    async def _write(self, sql: str, account: Account) -> bool:
        """Run a statement with the values of an account; return whether it wrote a row."""
        async with self._database.write() as connection:
            rows = await connection.fetch(
                sql,
                _domain(account.jid),
                account.jid,
                account.verifier,
                int(account.is_enabled),
                account.created,
            )
        return bool(rows)


def _domain(jid: str) -> str:
    return jid.rpartition("@")[2]


def _account(row: Row) -> Account:
    return Account(jid=row[0], verifier=row[1], is_enabled=bool(row[2]), created=row[3])
