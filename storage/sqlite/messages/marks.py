"""Which message each reference means: the last one stored before it that is called so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from storage.rows import NewMessage, Relation
from storage.sqlite.engine.protocols import Bound, Connection, Row
from storage.sqlite.messages import words
from storage.sqlite.messages.select import COLUMNS

_NEWEST = f"""
SELECT {COLUMNS} FROM {words.FOUND} WHERE words MATCH $2 ORDER BY words.rowid DESC LIMIT $3
"""  # noqa: S608 - constant words

_NEWEST_BEFORE = f"""
SELECT {COLUMNS} FROM {words.FOUND}
WHERE words MATCH $2 AND words.rowid < ($1 << 40) + $4 ORDER BY words.rowid DESC LIMIT $3
"""  # noqa: S608 - constant words

# One statement for all that a batch asks: owner and search of each.
_LAST = """
WITH found AS MATERIALIZED (
    SELECT key, value ->> 0 AS number, (
        SELECT rowid FROM words
        WHERE words MATCH value ->> 1 ORDER BY rowid DESC LIMIT 1
    ) AS place
    FROM json_each($1)
)
SELECT key, words.rowid - (number << 40), marks FROM found CROSS JOIN words ON words.rowid = place
"""

_COUNTED = """
SELECT key, (SELECT count(*) FROM words WHERE words MATCH value ->> 0),
    (SELECT count(*) FROM words WHERE words MATCH value ->> 1)
FROM json_each($1)
"""


class Target(NamedTuple):
    """A message that is named, and the one that people see it as: what it corrects, or itself."""

    sequence: int
    shown: int


async def resolve(
    connection: Connection, rows: Sequence[tuple[int, int, NewMessage]]
) -> dict[tuple[int, int], Target]:
    """Return what new rows are about: number of the owner, sequence, entry, by arrival in each.

    Call it before they are indexed: to ask an index that was added to makes it write.
    """
    asked = list({(number, mark): None for number, _, entry in rows for mark in entry.refers_to})
    last = await _last(connection, asked)
    found: dict[tuple[int, int], Target] = {}
    for number, sequence, entry in rows:
        meant = [last[number, mark] for mark in entry.refers_to if (number, mark) in last]
        shown = sequence
        if meant:
            target = found[number, sequence] = max(meant)
            shown = target.shown if entry.relation is Relation.CORRECTION else sequence
        if asked:
            last.update({(number, name): Target(sequence, shown) for name in entry.name_hashes})
    return found


async def _last(
    connection: Connection, asked: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Target]:
    """Return the last message of each owner's number and mark, as far as there is one."""
    if not asked:
        return {}
    searches = json.dumps([(number, words.called(number, mark)) for number, mark in asked])
    last = {}
    for key, sequence, marks in await connection.fetch(_LAST, searches):
        last[asked[key]] = Target(sequence, words.corrected(marks) or sequence)
    return last


async def corrections(
    connection: Connection, number: int, sequence: int, *, before: int, limit: int
) -> list[Row]:
    """Return the newest corrections of a message that are not settled and came before a place."""
    match = words.about(number, sequence, Relation.CORRECTION)
    return await connection.fetch(_NEWEST_BEFORE, number, match, limit, before)


async def about(
    connection: Connection, number: int, sequences: Iterable[int], limit: int, bound: Bound | None
) -> AsyncIterator[tuple[int, list[Row], int]]:
    """Yield the newest rows about each of these, in arrival order, and how many are left out.

    Up to `limit` and `bound` corrections and retractions, and as many of all others, so that
    whoever reacts a thousand times hides no correction.
    """
    asked = list(sequences)
    searches = [
        (
            words.about(number, sequence, Relation.CORRECTION, Relation.RETRACTION),
            words.about(number, sequence, Relation.OTHER),
        )
        for sequence in asked
    ]
    for key, *counts in await connection.fetch(_COUNTED, json.dumps(searches)):
        rows: list[Row] = []
        for match, count in zip(searches[key], counts, strict=True):
            if count:
                found = await connection.fetch(_NEWEST, number, match, limit, bound=bound)
                rows += found if bound is None else found[: bound.fit(found)]
        if rows:
            rows.sort(key=lambda row: int(row[0]))
            yield asked[key], rows, sum(counts) - len(rows)
