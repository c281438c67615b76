"""References between messages: a name means the last message stored before that has it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from storage.rows import NewMessage, Relation
from storage.sqlite.engine.protocols import Bound, Connection, Row
from storage.sqlite.messages import fulltext
from storage.sqlite.messages.statements import COLUMNS

_NEWEST = f"""
SELECT {COLUMNS} FROM {fulltext.FOUND}
WHERE fulltext MATCH $2 ORDER BY fulltext.rowid DESC LIMIT $3
"""  # noqa: S608 - constant words

_NEWEST_BEFORE = f"""
SELECT {COLUMNS} FROM {fulltext.FOUND}
WHERE fulltext MATCH $2 AND fulltext.rowid < ($1 << 40) + $4 ORDER BY fulltext.rowid DESC LIMIT $3
"""  # noqa: S608 - constant words

# One statement for all names of a batch: number of the owner and FTS5 query of each.
_LAST = """
WITH found AS MATERIALIZED (
    SELECT key, value ->> 0 AS number, (
        SELECT rowid FROM fulltext
        WHERE fulltext MATCH value ->> 1 ORDER BY rowid DESC LIMIT 1
    ) AS place
    FROM json_each($1)
)
SELECT key, fulltext.rowid - (number << 40), links
FROM found CROSS JOIN fulltext ON fulltext.rowid = place
"""

_COUNTED = """
SELECT key, (SELECT count(*) FROM fulltext WHERE fulltext MATCH value ->> 0),
    (SELECT count(*) FROM fulltext WHERE fulltext MATCH value ->> 1)
FROM json_each($1)
"""


class Target(NamedTuple):
    """A message that is referred to, and the message as which it is shown."""

    sequence: int
    shown: int  # of the message that it corrects, or its own


async def resolve(
    connection: Connection, rows: Sequence[tuple[int, int, NewMessage]]
) -> dict[tuple[int, int], Target]:
    """Return the target of each new row that has one, by number of the owner and sequence.

    The rows of each owner come in arrival order. Call this before they are indexed: a query makes
    FTS5 write out all that was added before.
    """
    names = list(
        {(number, name): None for number, _, message in rows for name in message.refers_to}
    )
    last = await last_named(connection, names)
    targets: dict[tuple[int, int], Target] = {}
    for number, sequence, message in rows:
        meant = [last[number, name] for name in message.refers_to if (number, name) in last]
        shown = sequence
        if meant:
            target = targets[number, sequence] = max(meant)
            shown = target.shown if message.relation is Relation.CORRECTION else sequence
        if names:
            last.update({(number, name): Target(sequence, shown) for name in message.name_hashes})
    return targets


async def last_named(
    connection: Connection, names: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Target]:
    """Return the last message that has a name, by number of the owner and hash of the name."""
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
    """Yield for each message the newest rows that refer to it, and how many are left out.

    Up to `limit` and `bound` corrections and retractions, and as many others, so that a thousand
    reactions hide no correction.
    """
    targets = list(sequences)
    searches = [
        (
            fulltext.link_query(number, sequence, Relation.CORRECTION, Relation.RETRACTION),
            fulltext.link_query(number, sequence, Relation.OTHER),
        )
        for sequence in targets
    ]
    for key, *counts in await connection.fetch(_COUNTED, json.dumps(searches)):
        rows: list[Row] = []
        for match, count in zip(searches[key], counts, strict=True):
            if count:
                found = await connection.fetch(_NEWEST, number, match, limit, bound=bound)
                rows += found if bound is None else found[: bound.fit(found)]
        if rows:
            rows.sort(key=lambda row: int(row[0]))
            yield targets[key], rows, sum(counts) - len(rows)
