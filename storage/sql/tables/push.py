"""Push subscriptions and their dead letters."""

from __future__ import annotations

import json
from collections.abc import Sequence

from storage.processes import Topic
from storage.rows import DeadLetter, PushKind, PushProgress, PushSubscription, PushTime
from storage.sql.database import Connection, Database, Row

_COLUMNS = """
id, jid, sign_in, kind, endpoint, secret, public_key, label, content, events, created_at, cursor,
attempts, retry_at, failure, delivered_at
"""

#: Whether the sign-in of a subscription is valid at a time.
_IS_LIVE = """
EXISTS (SELECT 1 FROM sign_ins WHERE sign_ins.id = sign_in AND expires_at > $1)
"""

_GET = f"SELECT {_COLUMNS} FROM push_subscriptions WHERE {_IS_LIVE} AND id = $2"  # noqa: S608

_LIST = f"""
SELECT {_COLUMNS} FROM push_subscriptions WHERE {_IS_LIVE} AND jid = $2 ORDER BY created_at, id
"""  # noqa: S608 - constant words

_TIMES = f"SELECT id, jid, retry_at FROM push_subscriptions WHERE {_IS_LIVE}"  # noqa: S608

_COUNT_OTHERS = f"""
SELECT count(*) FROM push_subscriptions WHERE {_IS_LIVE} AND jid = $2 AND endpoint <> $3
"""  # noqa: S608 - constant words

_ADD = f"""
INSERT INTO push_subscriptions ({_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""  # noqa: S608 - constant words

_SET_CONTENT = """
UPDATE push_subscriptions SET content = $3 WHERE jid = $1 AND id = $2 RETURNING 1
"""

_SET_CURSOR = """
UPDATE push_subscriptions SET cursor = $3, attempts = 0, retry_at = 0, failure = ''
WHERE jid = $1 AND id = $2 RETURNING 1
"""

_SAVE = """
UPDATE push_subscriptions
SET cursor = $3, attempts = $4, retry_at = $5, failure = $6,
    delivered_at = coalesce($7, delivered_at)
WHERE id = $1 AND cursor = $2 RETURNING 1
"""

_REMOVE = "DELETE FROM push_subscriptions WHERE jid = $1 AND id = $2 RETURNING 1"

_REMOVE_SAME = "DELETE FROM push_subscriptions WHERE jid = $1 AND endpoint = $2 RETURNING id"

_ENDED = f"SELECT jid, id FROM push_subscriptions WHERE NOT {_IS_LIVE}"  # noqa: S608

_ENDED_OF_ACCOUNT = """
SELECT jid, id FROM push_subscriptions
WHERE jid = $1 AND NOT EXISTS (SELECT 1 FROM sign_ins WHERE sign_ins.id = sign_in)
"""

_LETTERS = """
SELECT event_id, type, at, attempts, failure, is_waiting FROM dead_letters
WHERE subscription = $1 ORDER BY event_id
"""

_PUT_LETTER = """
INSERT INTO dead_letters (subscription, event_id, type, at, attempts, failure, is_waiting)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (subscription, event_id) DO UPDATE SET
    at = excluded.at, attempts = excluded.attempts, failure = excluded.failure,
    is_waiting = excluded.is_waiting
"""

_UPDATE_LETTER = """
UPDATE dead_letters SET at = $3, attempts = $4, failure = $5, is_waiting = $6
WHERE subscription = $1 AND event_id = $2
"""

_DELETE_OLDEST_LETTERS = """
DELETE FROM dead_letters WHERE subscription = $1 AND event_id NOT IN (
    SELECT event_id FROM dead_letters WHERE subscription = $1 ORDER BY event_id DESC LIMIT $2
)
"""

_REPLAY_LETTERS = "UPDATE dead_letters SET is_waiting = 1 WHERE subscription = $1 RETURNING 1"

_REMOVE_LETTER = "DELETE FROM dead_letters WHERE subscription = $1 AND event_id = $2"

_REMOVE_LETTERS = "DELETE FROM dead_letters WHERE subscription = $1"

_UNREAD = """
SELECT count(*) FROM conversations JOIN owners ON number = owner
WHERE jid = $1 AND newest > seen AND EXISTS (
    SELECT 1 FROM archive
    WHERE archive.owner = number AND archive.peer = conversations.peer AND sequence > seen
        AND direction = 'recv' AND kind = 'message'
)
"""


class SqlPush:
    """`storage.interface.PushStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, subscription: PushSubscription, *, limit: int) -> bool:
        jid, endpoint = subscription.jid, subscription.endpoint
        async with self._database.write() as connection:
            [[count]] = await connection.fetch(
                _COUNT_OTHERS, subscription.created_at, jid, endpoint
            )
            if count >= limit:
                return False
            for row in await connection.fetch(_REMOVE_SAME, jid, endpoint):
                await connection.execute(_REMOVE_LETTERS, row[0])
            await connection.execute(_ADD, *_values(subscription))
            await connection.notify(Topic.PUSH, [subscription.id])
        return True

    async def get(self, id: str, *, at: int) -> PushSubscription | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_GET, at, id)
        return _subscription(rows[0]) if rows else None

    async def list(self, jid: str, *, at: int) -> tuple[PushSubscription, ...]:
        async with self._database.read() as connection:
            return tuple(map(_subscription, await connection.fetch(_LIST, at, jid)))

    async def times(self, *, at: int) -> tuple[PushTime, ...]:
        async with self._database.read() as connection:
            return tuple(PushTime(*row) for row in await connection.fetch(_TIMES, at))

    async def set_content(self, jid: str, id: str, content: str) -> bool:
        async with self._database.write() as connection:
            await connection.notify(Topic.PUSH, [id])
            return bool(await connection.fetch(_SET_CONTENT, jid, id, content))

    async def set_cursor(self, jid: str, id: str, cursor: str) -> bool:
        async with self._database.write() as connection:
            await connection.notify(Topic.PUSH, [id])
            return bool(await connection.fetch(_SET_CURSOR, jid, id, cursor))

    async def save(self, progress: Sequence[PushProgress], *, dead_letters_max: int) -> None:
        async with self._database.write() as connection:
            for change in progress:
                saved = await connection.fetch(
                    _SAVE,
                    change.id,
                    change.after,
                    change.cursor,
                    change.attempts,
                    change.retry_at,
                    change.failure,
                    change.delivered_at,
                )
                if not (saved and change.dead_letters):
                    continue
                for letter in change.dead_letters:
                    await connection.execute(
                        _PUT_LETTER,
                        change.id,
                        letter.event_id,
                        letter.type,
                        letter.at,
                        letter.attempts,
                        letter.failure,
                        int(letter.is_waiting),
                    )
                await connection.execute(_DELETE_OLDEST_LETTERS, change.id, dead_letters_max)

    async def remove(self, jid: str, id: str) -> bool:
        async with self._database.write() as connection:
            is_removed = bool(await connection.fetch(_REMOVE, jid, id))
            if is_removed:
                await connection.execute(_REMOVE_LETTERS, id)
            await connection.notify(Topic.PUSH, [id])
        return is_removed

    async def remove_ended(self, *, at: int) -> int:
        async with self._database.read() as connection:
            if not await connection.fetch(_ENDED, at):
                return 0
        async with self._database.write() as connection:
            return await _remove(connection, await connection.fetch(_ENDED, at))

    async def dead_letters(self, id: str) -> tuple[DeadLetter, ...]:
        async with self._database.read() as connection:
            return tuple(map(_letter, await connection.fetch(_LETTERS, id)))

    async def replay_dead_letters(self, id: str) -> int:
        async with self._database.write() as connection:
            await connection.notify(Topic.PUSH, [id])
            return len(await connection.fetch(_REPLAY_LETTERS, id))

    async def put_dead_letter(self, id: str, letter: DeadLetter) -> None:
        async with self._database.write() as connection:
            await connection.execute(
                _UPDATE_LETTER,
                id,
                letter.event_id,
                letter.at,
                letter.attempts,
                letter.failure,
                int(letter.is_waiting),
            )

    async def remove_dead_letter(self, id: str, event_id: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(_REMOVE_LETTER, id, event_id)

    async def unread(self, owner: str) -> int:
        async with self._database.read() as connection:
            [[count]] = await connection.fetch(_UNREAD, owner)
        return int(count)


async def delete_ended(connection: Connection, jid: str) -> None:
    """Delete the subscriptions of an account whose sign-ins are removed."""
    await _remove(connection, await connection.fetch(_ENDED_OF_ACCOUNT, jid))


async def _remove(connection: Connection, rows: Sequence[Row]) -> int:
    """Remove subscriptions, each given as JID and id, and return their number."""
    for jid, id in rows:
        await connection.fetch(_REMOVE, jid, id)
        await connection.execute(_REMOVE_LETTERS, id)
    return len(rows)


def _values(subscription: PushSubscription) -> tuple[object, ...]:
    return (
        subscription.id,
        subscription.jid,
        subscription.sign_in,
        subscription.kind.value,
        subscription.endpoint,
        subscription.secret,
        subscription.public_key,
        subscription.label,
        subscription.content,
        json.dumps(subscription.events),
        subscription.created_at,
        subscription.cursor,
        subscription.attempts,
        subscription.retry_at,
        subscription.failure,
        subscription.delivered_at,
    )


def _subscription(row: Row) -> PushSubscription:
    return PushSubscription(
        id=row[0],
        jid=row[1],
        sign_in=row[2],
        kind=PushKind(row[3]),
        endpoint=row[4],
        secret=bytes(row[5]),
        public_key=bytes(row[6]),
        label=row[7],
        content=row[8],
        events=tuple(json.loads(row[9])),
        created_at=row[10],
        cursor=row[11],
        attempts=row[12],
        retry_at=row[13],
        failure=row[14],
        delivered_at=row[15],
    )


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(
        event_id=row[0],
        type=row[1],
        at=row[2],
        attempts=row[3],
        failure=row[4],
        is_waiting=bool(row[5]),
    )
