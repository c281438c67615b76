"""After an erasure no table names the user, except in messages and logs of others."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from support.builders import BOB, entry
from support.whole_store import chat, follow, keep_people, keep_records

from storage.open import open_storage
from storage.rows import AuditEntry, ImportedMessage

N = 7
OWNER, ROOM = f"user{N}@host{N}.example", f"room{N}@rooms.example"

#: Tables with messages of others, or with what operators did. The number of revocations stays, so
#: that no sign-in is added which began before.
OF_OTHERS = {"archive", "conversations", "counters", "audit_log", "sign_in_revocations"}


def tables_with(path: Path, text: str) -> set[str]:
    """Return the tables that have a text in any column."""
    connection = sqlite3.connect(path)
    try:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        return {
            name
            for (name,) in names
            if any(text in str(row) for row in connection.execute(f"SELECT * FROM {name}"))  # noqa: S608
        }
    finally:
        connection.close()


async def test_erasure_leaves_the_user_in_no_table_but_those_of_others(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_storage(f"sqlite:{path}") as storage:
        line = AuditEntry(number=0, at=1, actor="a", action="read", subject=OWNER, detail="")
        await storage.archive.append(
            [entry(1, owner=OWNER), entry(2, owner=BOB, peer=OWNER), line]
        )
        await storage.imports.add(
            [ImportedMessage(entry(3, owner=OWNER), "old-id-7")], behind=True
        )
        await keep_records(storage, OWNER, BOB, ROOM, N)
        await keep_people(storage, OWNER, N)
        await chat(storage, OWNER, ROOM, N)
        await follow(storage, OWNER, BOB, N)
        before = tables_with(path, OWNER)
        await storage.retention.erase(OWNER, limit=1000)

    assert {"profiles", "identifiers", "read_marks", "departures", "invitations"} <= before
    assert tables_with(path, OWNER) - OF_OTHERS == set()
    assert "old_ids" not in tables_with(path, "old-id-7")


async def test_erasure_of_a_room_leaves_it_in_no_table(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_storage(f"sqlite:{path}") as storage:
        await chat(storage, OWNER, ROOM, N)
        await storage.retention.erase(ROOM, limit=1000)

    assert tables_with(path, ROOM) == set()
