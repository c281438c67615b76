"""Marks: which messages refer to each other."""

from __future__ import annotations

from collections.abc import Sequence

from storage import words
from storage.database import Connection, Row
from storage.queries import COLUMNS
from storage.rows import ANNOTATING_MAX, RETRACTED_MAX

_FOUND = f"""
SELECT {COLUMNS} FROM {words.FOUND}
WHERE words MATCH $2 AND words.rowid >= ($1 << 40) AND words.rowid < ($1 + 1 << 40)
"""  # noqa: S608 - constant words

_REFERRING = f"{_FOUND} ORDER BY words.rowid"

_CALLED = f"""
{_FOUND} AND kind NOT IN ('tombstone', 'gone') ORDER BY words.rowid DESC LIMIT {RETRACTED_MAX}
"""

_ANNOTATING = f"""
{_FOUND} AND kind = 'annotation' ORDER BY words.rowid DESC LIMIT {ANNOTATING_MAX}
"""


async def referring(connection: Connection, number: int, marks: Sequence[int]) -> list[Row]:
    """Return the messages that refer to any of these marks, in arrival order."""
    if not marks:
        return []
    return await connection.fetch(_REFERRING, number, words.referring(number, marks))


async def called(connection: Connection, number: int, mark: int) -> list[Row]:
    """Return the newest messages with this mark that still say what they said, oldest first."""
    rows = await connection.fetch(_CALLED, number, words.called(number, mark))
    return rows[::-1]


async def annotating(connection: Connection, number: int, marks: Sequence[int]) -> list[Row]:
    """Return the newest annotations that refer to any of these marks."""
    if not marks:
        return []
    return await connection.fetch(_ANNOTATING, number, words.referring(number, marks))
