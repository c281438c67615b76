"""The store of stanzas that wait: SQL beside its method, as in the archive store."""

from __future__ import annotations

from hashlib import blake2b

from storage.rows import OfflineStanza
from storage.sqlite.engine.protocols import Database

#: Two that have nothing to do with each other never have the same.
_DIGEST_BYTES = 16

_ADD = """
INSERT INTO offline (owner, digest, at, peer, stanza) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, digest) DO NOTHING
"""

_COUNT = "SELECT COUNT(*) FROM offline WHERE owner = $1"

_OLDEST_FIRST = "SELECT peer, stanza, at FROM offline WHERE owner = $1 ORDER BY at, number"

_DELETE = "DELETE FROM offline WHERE owner = $1"


class SqliteOffline:
    """`storage.interface.Offline` over a Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, owner: str, waiting: OfflineStanza) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                _ADD, owner, _digest(waiting), waiting.at, waiting.peer, waiting.stanza
            )

    async def count(self, owner: str) -> int:
        async with self._database.read() as connection:
            rows = await connection.fetch(_COUNT, owner)
        return int(rows[0][0])

    async def pop(self, owner: str) -> tuple[OfflineStanza, ...]:
        async with self._database.write() as connection:
            rows = await connection.fetch(_OLDEST_FIRST, owner)
            await connection.execute(_DELETE, owner)
        return tuple(OfflineStanza(peer=row[0], stanza=row[1], at=row[2]) for row in rows)


def _digest(waiting: OfflineStanza) -> bytes:
    text = f"{waiting.at}\n{len(waiting.peer)}\n{waiting.peer}{waiting.stanza}"
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
