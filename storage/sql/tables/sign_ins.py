"""Sign-ins of users."""

from __future__ import annotations

from storage.processes import Topic
from storage.rows import GatewayTotals, SignIn
from storage.sql.database import Connection, Database, Row
from storage.sql.tables import push

_GET = """
SELECT id, jid, label, created_at, refreshed_at, expires_at, token_hash, previous_hash, salt,
    gateway
FROM sign_ins WHERE id = $1
"""

_LIST = """
SELECT id, jid, label, created_at, refreshed_at, expires_at, token_hash, previous_hash, salt,
    gateway
FROM sign_ins WHERE jid = $1 ORDER BY refreshed_at DESC, id
"""

_DELETE_EXPIRED = "DELETE FROM sign_ins WHERE expires_at <= $1"

_REVOCATIONS = "SELECT times FROM sign_in_revocations WHERE jid = $1"

_ADD = """
INSERT INTO sign_ins
(id, jid, label, created_at, refreshed_at, expires_at, token_hash, previous_hash, salt, gateway)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

_DELETE_UNUSED = """
DELETE FROM sign_ins WHERE jid = $1 AND id NOT IN (
    SELECT id FROM sign_ins WHERE jid = $1 ORDER BY refreshed_at DESC, id LIMIT $2
)
"""

_ROTATE = """
UPDATE sign_ins
SET refreshed_at = $3, expires_at = $4, token_hash = $5, previous_hash = $2, salt = $6
WHERE id = $1 AND token_hash = $2 RETURNING 1
"""

_REMOVE = "DELETE FROM sign_ins WHERE jid = $1 AND id = $2 RETURNING 1"

_REMOVE_ALL = "DELETE FROM sign_ins WHERE jid = $1 RETURNING 1"

_REVOKE = """
INSERT INTO sign_in_revocations (jid, times) VALUES ($1, 1)
ON CONFLICT (jid) DO UPDATE SET times = sign_in_revocations.times + 1
"""

_RENEW = "UPDATE sign_ins SET refreshed_at = $2, expires_at = $3 WHERE id = $1"

_SET_GATEWAY = "UPDATE sign_ins SET gateway = $2 WHERE id = $1"

_GATEWAY_TOTALS = """
SELECT count(*), count(DISTINCT jid) FROM sign_ins WHERE gateway <> '' AND expires_at > $1
"""


class SqlSignIns:
    """`storage.interface.SignIns`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, id: str) -> SignIn | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_GET, id)
        return _sign_in(rows[0]) if rows else None

    async def list(self, jid: str) -> tuple[SignIn, ...]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_LIST, jid)
        return tuple(map(_sign_in, rows))

    async def revocations(self, jid: str) -> int:
        async with self._database.read() as connection:
            return await _revocations(connection, jid)

    async def add(self, sign_in: SignIn, *, limit: int, revocations: int) -> bool:
        async with self._database.write() as connection:
            await connection.execute(_DELETE_EXPIRED, sign_in.created_at)
            if await _revocations(connection, sign_in.jid) != revocations:
                return False
            await connection.execute(_DELETE_UNUSED, sign_in.jid, limit - 1)
            await connection.execute(
                _ADD,
                sign_in.id,
                sign_in.jid,
                sign_in.label,
                sign_in.created_at,
                sign_in.refreshed_at,
                sign_in.expires_at,
                sign_in.token_hash,
                sign_in.previous_hash,
                sign_in.salt,
                sign_in.gateway,
            )
        return True

    async def rotate(self, sign_in: SignIn) -> bool:
        async with self._database.write() as connection:
            rows = await connection.fetch(
                _ROTATE,
                sign_in.id,
                sign_in.previous_hash,
                sign_in.refreshed_at,
                sign_in.expires_at,
                sign_in.token_hash,
                sign_in.salt,
            )
        return bool(rows)

    async def remove(self, jid: str, id: str) -> bool:
        async with self._database.write() as connection:
            rows = await connection.fetch(_REMOVE, jid, id)
            await push.delete_ended(connection, jid)
            await connection.notify(Topic.SIGN_INS, [jid])
        return bool(rows)

    async def remove_all(self, jid: str) -> int:
        async with self._database.write() as connection:
            await connection.execute(_REVOKE, jid)
            rows = await connection.fetch(_REMOVE_ALL, jid)
            await push.delete_ended(connection, jid)
            await connection.notify(Topic.SIGN_INS, [jid])
        return len(rows)

    async def renew(self, id: str, *, at: int, expires_at: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(_RENEW, id, at, expires_at)

    async def set_gateway(self, id: str, gateway: str) -> None:
        async with self._database.write() as connection:
            await connection.execute(_SET_GATEWAY, id, gateway)

    async def gateway_totals(self, *, at: int) -> GatewayTotals:
        async with self._database.read() as connection:
            [[sessions, users]] = await connection.fetch(_GATEWAY_TOTALS, at)
        return GatewayTotals(sessions=sessions, users=users)


async def _revocations(connection: Connection, jid: str) -> int:
    rows = await connection.fetch(_REVOCATIONS, jid)
    return rows[0][0] if rows else 0


def _sign_in(row: Row) -> SignIn:
    return SignIn(
        id=row[0],
        jid=row[1],
        label=row[2],
        created_at=row[3],
        refreshed_at=row[4],
        expires_at=row[5],
        token_hash=row[6],
        previous_hash=row[7],
        salt=row[8],
        gateway=row[9],
    )
