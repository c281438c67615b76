"""The limits of journals in SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import ALICE, BOB, NOON, ROMEO
from support.databases import open_database

from storage.errors import Expired
from storage.rows import EntryKind, JournalEntry, JournalLimits
from storage.sql.events.store import SqlEvents
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.ids import KEY_BYTES, Ids


def contact(jid: str) -> JournalEntry:
    return JournalEntry(owner=ALICE, kind=EntryKind.CONTACT, subject=jid, value="{}", at=NOON)


def presence(value: str) -> JournalEntry:
    subject = f"{BOB}/phone"
    return JournalEntry(
        owner=ALICE, kind=EntryKind.PRESENCE, subject=subject, value=value, at=NOON
    )


async def test_full_journal_loses_the_past_first_and_expires_cursors(tmp_path: Path) -> None:
    async with open_database(tmp_path / "a.db") as database:
        ids = Ids(bytes(KEY_BYTES))
        archive = SqlArchive(database, ids, journal_limits=JournalLimits(entries=2))
        events = SqlEvents(database, ids, archive.owners, archive.journal)
        await events.open(ALICE)
        await events.put([presence("{}"), contact(BOB)])
        cursor = (await events.snapshot(ALICE)).cursor
        await events.put([presence("")])
        behind = (await events.snapshot(ALICE)).cursor

        await events.put([contact(ROMEO)])

        with pytest.raises(Expired):
            await events.page(ALICE, cursor, limit=10)
        [event] = (await events.page(ALICE, behind, limit=10)).events
        assert event.entry == contact(ROMEO)
        entries = (await events.snapshot(ALICE)).entries
        assert {entry.subject for entry in entries} == {BOB, ROMEO}
