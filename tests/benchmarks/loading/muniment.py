"""Fill Muniment's archives through its own store."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks.loading.dialogue import line, stanza
from benchmarks.servers.ejabberd import HOST
from benchmarks.servers.postgres import DATABASE, Postgres
from component.core.messages.fulltext import fold
from component.core.messages.references import name_hash
from storage.interface import Archive
from storage.open import open_storage
from storage.postgres.options import PostgresOptions
from storage.rows import Direction, NewMessage

BATCH = 1_000


async def fill(database: Path, archives: dict[str, int]) -> None:
    """Write archives, with their sizes by owner, while Muniment does not run."""
    async with open_storage(f"sqlite:{database}", synchronous="normal") as storage:
        await _append(storage.archive, archives)


async def fill_postgres(folder: Path, archives: dict[str, int]) -> None:
    """Do the same in the database of a folder, and bring its statistics up to date."""
    with Postgres(folder) as server:
        options = PostgresOptions(is_synchronous=False)
        async with open_storage(server.url(DATABASE), options=options) as storage:
            await _append(storage.archive, archives)
        server.sql(b"VACUUM ANALYZE")


async def _append(archive: Archive, archives: dict[str, int]) -> None:
    for owner, size in archives.items():
        for first in range(0, size, BATCH):
            numbers = range(first, min(first + BATCH, size))
            await archive.append([entry(owner, n, size) for n in numbers])


def entry(owner: str, number: int, size: int) -> NewMessage:
    """Return a message of an archive of `size` messages."""
    message = line(number, size)
    direction = Direction.SENT if message.is_sent else Direction.RECEIVED
    return NewMessage(
        owner=f"{owner}@{HOST}",
        at=message.at * 1_000_000,
        peer=f"{message.peer}@{HOST}",
        # A client sends to the bare JID of the peer, and receives from a full JID.
        resource="" if message.is_sent else "phone",
        type="chat",
        direction=direction,
        xml=stanza(owner, number, size),
        dedup_key=hashlib.blake2b(f"{owner} {number}".encode(), digest_size=16).digest(),
        text=fold(message.body),
        name_hashes=(name_hash(f"{message.peer}@{HOST}", direction, message.id),),
        is_seen=message.is_sent,
    )
