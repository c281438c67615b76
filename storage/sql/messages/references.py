"""Resolves references between messages: a name means the last earlier message that has it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from storage.rows import NewMessage, Relation
from storage.sql.database import Bound, Connection, Row
from storage.sql.messages.statements import COLUMNS
from storage.sqlite import index as fulltext

_NEWEST = f"""
SELECT {COLUMNS} FROM {fulltext.FOUND}
WHERE fulltext MATCH $2 ORDER BY fulltext.rowid DESC LIMIT $3
"""  # noqa: S608 - constant words

_NEWEST_BEFORE = f"""
SELECT {COLUMNS} FROM {fulltext.FOUND}
WHERE fulltext MATCH $2 AND fulltext.rowid < ($1 << 40) + $4 ORDER BY fulltext.rowid DESC LIMIT $3
"""  # noqa: S608 - constant words

# One statement for all names of a batch; $1 has the number of the owner and the query of each.
_LAST = """
WITH named AS MATERIALIZED (
    SELECT key, value ->> 0 AS number, (
        SELECT rowid FROM fulltext
        WHERE fulltext MATCH value ->> 1 ORDER BY rowid DESC LIMIT 1
    ) AS place
    FROM json_each($1)
)
SELECT key, fulltext.rowid - (number << 40), links
FROM named CROSS JOIN fulltext ON fulltext.rowid = place
"""

_COUNTS = """
SELECT key, (SELECT count(*) FROM fulltext WHERE fulltext MATCH value ->> 0),
    (SELECT count(*) FROM fulltext WHERE fulltext MATCH value ->> 1)
FROM json_each($1)
"""


class Target(NamedTuple):
    """The target of a reference, and the original message if the target is a correction."""

    sequence: int
    original: int  # sequence of the message that the target corrects, or of the target itself


async def resolve(
    connection: Connection, rows: Sequence[tuple[int, int, NewMessage]]
) -> dict[tuple[int, int], Target]:
    """Return the target of each new row that has one, by number of the owner and sequence.

    The rows of each owner are in arrival order. Call this before `fulltext.add`: a query makes
    FTS5 flush all rows that were added before.
    """
    names = list(
        {(number, name): None for number, _, message in rows for name in message.refers_to}
    )
    last = await last_named(connection, names)
    targets: dict[tuple[int, int], Target] = {}
    for number, sequence, message in rows:
        candidates = [last[number, name] for name in message.refers_to if (number, name) in last]
        original = sequence
        if candidates:
            target = targets[number, sequence] = max(candidates)
            if message.relation is Relation.CORRECTION:
                original = target.original
        if names:
            source = Target(sequence, original)
            last.update({(number, name): source for name in message.name_hashes})
    return targets


async def last_named(
    connection: Connection, names: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Target]:
    """Return the last message that has each name, by number of the owner and name hash."""
    if not names:
        return {}
    searches = json.dumps([(number, fulltext.name_query(number, name)) for number, name in names])
    last = {}
    for key, sequence, links in await connection.fetch(_LAST, searches):
        last[names[key]] = Target(sequence, fulltext.corrected(links) or sequence)
    return last


async def corrections(
    connection: Connection, number: int, sequence: int, *, before: int, limit: int
) -> list[Row]:
    """Return the newest unsettled corrections of a message that arrived before a sequence."""
    match = fulltext.link_query(number, sequence, Relation.CORRECTION)
    return await connection.fetch(_NEWEST_BEFORE, number, match, limit, before)


async def referring(
    connection: Connection, number: int, sequences: Iterable[int], limit: int, bound: Bound | None
) -> AsyncIterator[tuple[int, list[Row], int]]:
    """Yield each sequence, the newest rows that refer to it, and the number of omitted rows.

    `limit` and `bound` apply to corrections and retractions, and separately to other references,
    so that a thousand reactions hide no correction. Sequences without references are skipped.
    """
    targets = list(sequences)
    searches = [
        (
            fulltext.link_query(number, sequence, Relation.CORRECTION, Relation.RETRACTION),
            fulltext.link_query(number, sequence, Relation.OTHER),
        )
        for sequence in targets
    ]
    for key, *counts in await connection.fetch(_COUNTS, json.dumps(searches)):
        rows: list[Row] = []
        for match, count in zip(searches[key], counts, strict=True):
            if count:
                newest = await connection.fetch(_NEWEST, number, match, limit, bound=bound)
                rows += newest if bound is None else newest[: bound.fit(newest)]
        if rows:
            rows.sort(key=lambda row: int(row[0]))
            yield targets[key], rows, sum(counts) - len(rows)
