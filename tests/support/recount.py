"""The books of a store beside what a recount of its rows gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import Any

from storage.sqlite.engine.protocols import Database

Book = dict[tuple[Any, ...], int]

_ROWS = """
SELECT
    owner, sequence, peer, type, length(CAST(xml AS BLOB)),
    kind <> 'blanked'
FROM archive
"""


@dataclass(frozen=True, kw_only=True)
class Books:
    """Everything that is written down beside the rows of archives."""

    owners: dict[int, tuple[int, int]]  #: kept and bytes by number
    tallies: Book
    last: Book  #: the newest sequence of each conversation
    indexed: set[tuple[int, int]]  #: rows that are found by a word or a name


async def kept_books(database: Database) -> Books:
    """Return the books as they are kept."""
    async with database.read() as connection:
        owners = await connection.fetch("SELECT number, messages, bytes FROM owners")
        tallies = await connection.fetch(
            "SELECT owner, series, bucket_size, bucket, messages FROM counters"
        )
        last = await connection.fetch("SELECT owner, peer, newest FROM conversations")
        words = await connection.fetch("SELECT rowid >> 40, rowid & 1099511627775 FROM fulltext")
    return Books(
        owners={number: (kept, octets) for number, kept, octets in owners},
        tallies={tuple(stretch): kept for *stretch, kept in tallies},
        last={(owner, peer): sequence for owner, peer, sequence in last},
        indexed={(owner, sequence) for owner, sequence in words},
    )


async def recounted_books(database: Database) -> Books:
    """Return the books as the rows themselves have it; every row had a text or a name."""
    async with database.read() as connection:
        rows = await connection.fetch(_ROWS)
        owners = {row[0]: (0, 0) for row in await connection.fetch("SELECT number FROM owners")}
    tallies: Counter[tuple[Any, ...]] = Counter()
    last: Book = {}
    for owner, sequence, peer, type, octets, _ in rows:
        owners[owner] = (owners[owner][0] + 1, owners[owner][1] + octets)
        for scope, span in product(("/" if type == "groupchat" else "", peer), (512, 32_768)):
            tallies[owner, scope, span, sequence // span] += 1
        last[owner, peer] = max(sequence, last.get((owner, peer), 0))
    return Books(
        owners=owners,
        tallies=dict(tallies),
        last=last,
        indexed={(row[0], row[1]) for row in rows if row[5]},
    )


async def dangling_marks(database: Database) -> int:
    """Return how many marks belong to messages that say nothing any more, or are not there."""
    async with database.read() as connection:
        rows = await connection.fetch(
            "SELECT count(*) FROM fulltext LEFT JOIN archive"
            " ON owner = fulltext.rowid >> 40 AND sequence = fulltext.rowid & 1099511627775"
            " WHERE links <> '' AND (kind IS NULL OR kind = 'blanked')"
        )
    return int(rows[0][0])
