"""Lists the conversations of an archive, and updates them as messages are added and deleted."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from storage.errors import NotFound
from storage.rows import UNREAD_MAX, DisplayedMarker
from storage.sql.database import Bound, Connection, Row
from storage.sql.messages.counts import total_sql
from storage.sql.messages.ids import Ids
from storage.sql.messages.selection import find_sequences, sequences
from storage.sql.messages.statements import COLUMNS

_NOTE = """
INSERT INTO conversations (owner, peer, newest, seen) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner, peer) DO UPDATE SET
    newest = greatest(conversations.newest, excluded.newest),
    seen = greatest(conversations.seen, excluded.seen)
"""

_UPDATE_NEWEST = """
UPDATE conversations SET newest = coalesce(
    (SELECT max(sequence) FROM archive WHERE owner = $1 AND peer = $2), 0
)
WHERE owner = $1 AND peer = $2
"""

_NOTE_DISPLAYED = """
UPDATE conversations SET seen = $3
WHERE owner = $1 AND peer = $2 AND seen < $3
    AND EXISTS (SELECT 1 FROM archive WHERE owner = $1 AND sequence = $3 AND peer = $2)
RETURNING 1
"""

_DELETE_EMPTY = "DELETE FROM conversations WHERE owner = $1 AND peer = $2 AND newest = 0"

# The query counts messages of the listed conversations only.
_LIST = f"""
WITH listed AS MATERIALIZED (
    SELECT peer AS other, newest, coalesce($3, seen) AS seen
    FROM conversations
    WHERE owner = $1 AND newest < $2
        AND (peer = ANY($5) OR $5 IS NULL)
    ORDER BY newest DESC LIMIT $4
)
SELECT
    other,
    newest,
    {total_sql("other", "other")},
    (SELECT count(*) FROM (
        SELECT 1 FROM archive AS after_seen
        WHERE owner = $1 AND peer = other AND sequence > seen
            AND direction = 'recv' AND kind = 'message'
        LIMIT {UNREAD_MAX}
    ) AS unread),
    coalesce((
        SELECT sequence FROM archive AS with_content
        WHERE owner = $1 AND peer = other AND kind IN ('message', 'tombstone')
        ORDER BY sequence DESC LIMIT 1
    ), newest),
    coalesce((
        SELECT sequence FROM archive AS displayed
        WHERE owner = $1 AND peer = other AND kind IN ('message', 'tombstone') AND sequence <= seen
        ORDER BY sequence DESC LIMIT 1
    ), 0)
FROM listed ORDER BY newest DESC
"""  # noqa: S608 - constant words

# Imported messages count as read.
_ROOMS = f"""
WITH listed AS MATERIALIZED (
    SELECT number, owners.jid AS room, coalesce(created_at, 0) AS since, greatest(coalesce((
        SELECT sequence FROM read_marks WHERE read_marks.room = number AND read_marks.jid = $1
    ), 0), last_imported) AS seen
    FROM owners LEFT JOIN rooms ON rooms.jid = owners.jid
    WHERE owners.jid = ANY($2)
), placed AS MATERIALIZED (
    SELECT number, room, since, seen, coalesce((
        SELECT sequence FROM archive AS displayed
        WHERE owner = number AND peer = room AND kind IN ('message', 'tombstone')
            AND sequence <= seen AND at >= since
        ORDER BY sequence DESC LIMIT 1
    ), 0) AS place
    FROM listed
)
SELECT
    number,
    room,
    place,
    (SELECT stanza_id FROM archive AS displayed_row WHERE owner = number AND sequence = place),
    (SELECT count(*) FROM (
        SELECT 1 FROM archive AS after_seen
        WHERE owner = number AND peer = room AND sequence > seen
            AND direction = 'recv' AND kind = 'message' AND at >= since
        LIMIT {UNREAD_MAX}
    ) AS unread),
    coalesce((
        SELECT sequence FROM archive AS with_content
        WHERE owner = number AND peer = room AND kind IN ('message', 'tombstone') AND at >= since
        ORDER BY sequence DESC LIMIT 1
    ), 0)
FROM placed
"""  # noqa: S608 - constant words

_LAST_OF_ROOMS = f"""
SELECT number, {COLUMNS}
FROM jsonb_to_recordset($1) AS last (number bigint, place bigint) CROSS JOIN archive
WHERE archive.owner = last.number AND archive.sequence = last.place
"""  # noqa: S608 - constant words

_READ_UP_TO = """
INSERT INTO read_marks (room, jid, sequence) VALUES ($1, $2, $3)
ON CONFLICT (room, jid) DO UPDATE SET sequence = excluded.sequence
WHERE read_marks.sequence < excluded.sequence
RETURNING 1
"""

_READ_ALL = """
INSERT INTO read_marks (room, jid, sequence)
SELECT number, $2, last_sequence FROM owners WHERE jid = $1
ON CONFLICT (room, jid) DO NOTHING
"""

_MESSAGES = f"""
SELECT {COLUMNS} FROM archive
WHERE owner = $1 AND sequence = ANY($2)
"""  # noqa: S608 - constant words

#: Number of messages that one query reads.
_CHUNK = 16


async def add(connection: Connection, rows: Iterable[tuple[int, int, str, int]]) -> None:
    """Add messages in arrival order: number of the owner, sequence, peer, last seen sequence.

    The last seen sequence is the one up to which the message proves that the owner has read the
    conversation, or 0.
    """
    last: dict[tuple[int, str], int] = {}
    seen: dict[tuple[int, str], int] = {}
    for number, sequence, peer, seen_up_to in rows:
        key = number, peer
        last[key] = sequence
        if seen_up_to:
            seen[key] = max(seen_up_to, seen.get(key, 0))
    await connection.executemany(
        _NOTE, [(*key, sequence, seen.get(key, 0)) for key, sequence in last.items()]
    )


async def add_to_rooms(connection: Connection, rows: Iterable[tuple[int, str, int]]) -> None:
    """Note up to which sequence authors have read the archives of rooms: number, JID, sequence."""
    for row in rows:
        await connection.fetch(_READ_UP_TO, *row)


async def read_rooms(connection: Connection, room: str, jids: Iterable[str]) -> None:
    """Note that users have read a room up to its end, unless they have a mark already."""
    await connection.executemany(_READ_ALL, [(room, jid) for jid in sorted(jids)])


async def note_displayed_in_rooms(
    connection: Connection, ids: Ids, markers: Sequence[tuple[int, DisplayedMarker]]
) -> list[tuple[str, str, str]]:
    """Note up to which messages archives of rooms were displayed: number of the room, and marker.

    Returns the changes as `note_displayed` does; the id is that in the archive of the room.
    """
    names = [(number, m.name_hash) for number, m in markers if m.name_hash is not None]
    named = await connection.index.last_named(connection, names) if names else {}
    changes = []
    for number, marker in markers:
        sequence = await _sequence_in_room(connection, ids, number, marker.id)
        if sequence is None and marker.name_hash is not None:
            target = named.get((number, marker.name_hash))
            sequence = None if target is None else target.sequence
        if sequence is not None and await connection.fetch(
            _READ_UP_TO, number, marker.owner, sequence
        ):
            id = marker.id or ids.encode(number, [sequence])[0]
            changes.append((marker.owner, marker.peer, id))
    return changes


async def _sequence_in_room(
    connection: Connection, ids: Ids, number: int, id: str | None
) -> int | None:
    """Return the sequence of a message of a room; None without an id, and without the message."""
    if id is None:
        return None
    try:
        return (await sequences(connection, ids, number, [id]))[id]
    except NotFound:
        return None


async def fetch_rooms(
    connection: Connection, jid: str, rooms: Collection[str]
) -> tuple[list[Row], list[Row]]:
    """Return rows of the archives of rooms as a user sees them, and of their last messages.

    A row has the number of the archive, the room, the sequence and the id that the room gave of
    the last message with content that the user has seen, the number of unread messages, and the
    sequence of the last message with content; 0 stands for none. A row of a message begins with
    the number of its archive.
    """
    rows = await connection.fetch(_ROOMS, jid, list(rooms))
    last = [{"number": row[0], "place": row[5]} for row in rows if row[5]]
    return rows, await connection.fetch(_LAST_OF_ROOMS, json.dumps(last)) if last else []


async def note_displayed(
    connection: Connection, ids: Ids, markers: Sequence[tuple[int, DisplayedMarker]]
) -> list[tuple[str, str, str]]:
    """Note up to which messages conversations were displayed: number of the owner, and marker.

    Returns the changes: owner, peer, and the id of the last displayed message. A marker whose
    message is not in its conversation is ignored (XEP-0490 section 5.1).
    """
    names = [(number, m.name_hash) for number, m in markers if m.name_hash is not None]
    named = await connection.index.last_named(connection, names) if names else {}
    changes = []
    for number, marker in markers:
        sequence = None if marker.id is None else ids.decode(number, marker.id)
        if sequence is None and marker.id is not None and not marker.is_room:
            # It may be the id that an imported message had before.
            sequence = (await find_sequences(connection, ids, number, [marker.id])).get(marker.id)
        if sequence is None and marker.name_hash is not None:
            target = named.get((number, marker.name_hash))
            sequence = None if target is None else target.sequence
        if sequence is not None and await connection.fetch(
            _NOTE_DISPLAYED, number, marker.peer, sequence
        ):
            changes.append((marker.owner, marker.peer, ids.encode(number, [sequence])[0]))
    return changes


async def update_newest(connection: Connection, keys: Iterable[tuple[int, str]]) -> None:
    """Update the newest message of each conversation after deletions; delete empty conversations.

    `keys` are pairs of the number of the owner and the peer.
    """
    changed = sorted(set(keys))
    await connection.executemany(_UPDATE_NEWEST, changed)
    await connection.executemany(_DELETE_EMPTY, changed)


async def fetch(
    connection: Connection,
    number: int,
    *,
    before: int,
    since: int | None,
    peers: Collection[str] | None,
    limit: int,
    bound: Bound | None,
) -> tuple[list[Row], list[Row], bool]:
    """Return rows of conversations, their last messages, and whether these are all conversations.

    A row has the peer, the newest sequence, the number of messages, the number of unread messages,
    the sequence of the last message with content, and that of the last one that was seen, or 0.
    `bound` limits the last messages.
    """
    named = None if peers is None else list(peers)
    conversations = await connection.fetch(_LIST, number, before, since, limit + 1, named)
    messages: list[Row] = []
    fitting = 0
    for start in range(0, min(limit, len(conversations)), _CHUNK):
        sequences = [row[4] for row in conversations[start : min(limit, start + _CHUNK)]]
        rows = await connection.fetch(_MESSAGES, number, sequences)
        by_sequence = {row[0]: row for row in rows}
        messages += [by_sequence[sequence] for sequence in sequences]
        fitting = len(messages) if bound is None else bound.fit(messages)
        if fitting < len(messages):
            break
    return conversations[:fitting], messages[:fitting], fitting == len(conversations)
