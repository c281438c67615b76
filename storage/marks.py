"""Marks: which messages refer to each other."""

from __future__ import annotations

from collections.abc import Sequence

from storage import words
from storage.database import Connection, Row
from storage.queries import COLUMNS

_FOUND = f"""
SELECT {COLUMNS} FROM {words.FOUND}
WHERE words MATCH $2 AND words.rowid >= ($1 << 40) AND words.rowid < ($1 + 1 << 40)
"""  # noqa: S608 - constant words

_REFERRING = f"{_FOUND} ORDER BY words.rowid"

_CALLED = f"{_FOUND} AND kind NOT IN ('tombstone', 'gone') ORDER BY words.rowid"


async def referring(connection: Connection, number: int, marks: Sequence[int]) -> list[Row]:
    """Return the messages that refer to any of these marks, in arrival order."""
    if not marks:
        return []
    return await connection.fetch(_REFERRING, number, words.referring(marks))


async def called(connection: Connection, number: int, mark: int) -> list[Row]:
    """Return the messages with this mark that still say what they said."""
    return await connection.fetch(_CALLED, number, words.called(mark))
