"""Fill the table of djabberd's handler with the rows of the other archives."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.loading.dialogue import line, stanza

_TABLE = """
CREATE TABLE archive (
    id INTEGER PRIMARY KEY, username TEXT NOT NULL, peer TEXT NOT NULL, xml TEXT NOT NULL,
    direction TEXT NOT NULL, timestamp TEXT NOT NULL, type TEXT NOT NULL, nick TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX archive_time ON archive (username, timestamp);
"""

_INSERT = """
INSERT INTO archive (username, peer, xml, direction, timestamp, type, nick, body)
VALUES (?, ?, ?, ?, ?, 'chat', '', ?)
"""


def fill(path: Path, archives: dict[str, int]) -> None:
    """Write archives; `archives` has their sizes by owner."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_TABLE)
        for owner, size in archives.items():
            database.executemany(_INSERT, (_row(owner, n, size) for n in range(size)))


def _row(owner: str, number: int, size: int) -> tuple[str, ...]:
    message = line(number, size)
    at = datetime.fromtimestamp(message.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    direction = "send" if message.is_sent else "recv"
    return owner, message.peer, stanza(owner, number, size), direction, at, message.body
