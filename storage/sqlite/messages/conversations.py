"""The conversations of an archive: kept up as messages come and go, and listed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from storage.rows import UNREAD_MAX
from storage.sqlite.engine.protocols import Bound, Connection, Row
from storage.sqlite.messages.counting import total_sql
from storage.sqlite.messages.statements import COLUMNS

_NOTE = """
INSERT INTO conversations (owner, peer, newest, seen) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner, peer) DO UPDATE SET newest = excluded.newest, seen = max(seen, excluded.seen)
"""

_GO_BACK = """
UPDATE conversations SET newest = coalesce(
    (SELECT max(sequence) FROM archive WHERE owner = $1 AND peer = $2), 0
)
WHERE owner = $1 AND peer = $2
"""

_CLOSE = "DELETE FROM conversations WHERE owner = $1 AND peer = $2 AND newest = 0"

# What costs something is found out of those only that are listed.
_LIST = f"""
WITH listed AS MATERIALIZED (
    SELECT peer AS other, newest, coalesce($3, seen) AS seen
    FROM conversations WHERE owner = $1 AND newest < $2 ORDER BY newest DESC LIMIT $4
)
SELECT
    other,
    newest,
    {total_sql("other", "other")},
    (SELECT count(*) FROM (
        SELECT 1 FROM archive AS behind
        WHERE owner = $1 AND peer = other AND sequence > seen
            AND direction = 'recv' AND kind = 'message'
        LIMIT {UNREAD_MAX}
    )),
    coalesce((
        SELECT sequence FROM archive AS spoken
        WHERE owner = $1 AND peer = other AND kind IN ('message', 'tombstone')
        ORDER BY sequence DESC LIMIT 1
    ), newest)
FROM listed ORDER BY newest DESC
"""  # noqa: S608 - constant words

_SAID = f"""
SELECT {COLUMNS} FROM archive
WHERE owner = $1 AND sequence IN (SELECT value FROM json_each($2))
"""  # noqa: S608 - constant words

#: How many messages are read at once, however many of them fit.
_READ_AT_ONCE = 16


async def came(connection: Connection, rows: Iterable[tuple[int, int, str, int]]) -> None:
    """Note messages in their order: number of the owner, sequence, peer.

    The last is up to which sequence each shows that the owner has read, 0 where it shows nothing.
    """
    last: dict[tuple[int, str], int] = {}
    seen: dict[tuple[int, str], int] = {}
    for number, sequence, peer, shown in rows:
        key = number, peer
        last[key] = sequence
        if shown:
            seen[key] = max(shown, seen.get(key, 0))
    await connection.executemany(
        _NOTE, [(*key, sequence, seen.get(key, 0)) for key, sequence in last.items()]
    )


async def went(connection: Connection, keys: Iterable[tuple[int, str]]) -> None:
    """Look again for the newest message of conversations: number of the owner, and peer."""
    changed = sorted(set(keys))
    await connection.executemany(_GO_BACK, changed)
    await connection.executemany(_CLOSE, changed)


async def listed(
    connection: Connection,
    number: int,
    *,
    before: int,
    since: int | None,
    limit: int,
    bound: Bound | None,
) -> tuple[list[Row], list[Row], bool]:
    """Return (peer, newest, kept, unread, the last that says something) of each, those messages,
    and whether these are all; the messages are within a bound."""
    found = await connection.fetch(_LIST, number, before, since, limit + 1)
    said: list[Row] = []
    fitting = 0
    for start in range(0, min(limit, len(found)), _READ_AT_ONCE):
        some = [row[4] for row in found[start : min(limit, start + _READ_AT_ONCE)]]
        rows = await connection.fetch(_SAID, number, json.dumps(some))
        by_sequence = {row[0]: row for row in rows}
        said += [by_sequence[sequence] for sequence in some]
        fitting = len(said) if bound is None else bound.fit(said)
        if fitting < len(said):
            break
    return found[:fitting], said[:fitting], fitting == len(found)
