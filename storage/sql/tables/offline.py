"""Stanzas for offline users."""

from __future__ import annotations

from hashlib import blake2b

from storage.rows import OfflineStanza
from storage.sql.database import Database

#: Long enough that two different stanzas never have the same digest.
_DIGEST_BYTES = 16

_ADD = """
INSERT INTO offline (owner, digest, at, peer, stanza) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, digest) DO NOTHING
"""

_COUNT = "SELECT COUNT(*) FROM offline WHERE owner = $1"

_OLDEST_FIRST = "SELECT peer, stanza, at FROM offline WHERE owner = $1 ORDER BY at, number"

_DELETE = "DELETE FROM offline WHERE owner = $1"


class SqlOffline:
    """`storage.interface.Offline`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, owner: str, stanza: OfflineStanza) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                _ADD, owner, _digest(stanza), stanza.at, stanza.peer, stanza.stanza
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


def _digest(stanza: OfflineStanza) -> bytes:
    text = f"{stanza.at}\n{len(stanza.peer)}\n{stanza.peer}{stanza.stanza}"
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
