"""What a store has about a user is found in every table, without secrets."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import cast

import pytest
from support.builders import ALICE, BOB, NOON, ROMEO, ROOM, entries, entry
from support.command import ROOT

from storage.interface import Storage
from storage.rows import (
    Account,
    AuditEntry,
    Contact,
    DeadLetter,
    DisplayedMarker,
    EntryKind,
    Hold,
    IdentifierKind,
    ImportedMessage,
    JournalEntry,
    Occupant,
    OfflineStanza,
    Place,
    PreferencesRow,
    Profile,
    PushKind,
    PushProgress,
    PushSubscription,
    RoomChanges,
    RoomInvitation,
    Rule,
    SignIn,
)
from storage.sql.store import SqlStorage
from storage.sql.tables.personal_data import MESSAGES, NOT_PERSONAL, PERSONAL

FAR = 10**16

SECRETS = ("verifier-7", "token-7", "salt-7", "gateway-7", "https://push.example/7", "secret-7")


async def fill(storage: Storage, jid: str) -> None:
    """Write a row about a user into every table that may have some."""
    await storage.events.open(jid)
    old = entry("old", owner=jid, at=NOON - 1)
    await storage.imports.add([ImportedMessage(old, "old-id-7")])
    line = AuditEntry(at=1, actor="op", action="read", subject=jid)
    await storage.archive.append([*entries(3, owner=jid), line])
    page = await storage.archive.page_after(jid, "old-id-7", limit=3)
    posted = entry("posted", owner=ROOM, peer=ROOM, type="groupchat")._replace(author=jid)
    await storage.archive.append([posted])
    await storage.preferences.set(PreferencesRow(owner=jid, default="never", always=(BOB,)))
    await storage.rules.set(Rule(owner=jid, days=7))
    await storage.holds.set(Hold(subject=jid, reason="a case", by="op", at=NOON))
    await storage.accounts.add(Account(jid=jid, verifier="verifier-7", created=NOON))
    await storage.profiles.put(Profile(jid=jid, name="Alice", email="alice@mail.example"))
    await storage.identifiers.of(IdentifierKind.USER, [jid])
    await storage.identifiers.of(IdentifierKind.DIRECT, [f"{jid} {ROMEO}"])
    await storage.contacts.put(jid, Contact(jid=ROMEO, name="R", groups=("friends",)))
    member = Occupant(room=ROOM, jid=jid, affiliation="member", heard_at=NOON)
    await storage.rooms.change(RoomChanges(room=ROOM, name="Balcony", occupants=(member,)))
    await storage.rooms.set_departed(ROOM, jid, True)
    invitation = RoomInvitation(token_hash=b"token-7", room=ROOM, inviter=jid, expires_at=FAR)
    await storage.rooms.invite(invitation, at=NOON)
    await storage.archive.read_rooms(ROOM, [jid])
    marker = DisplayedMarker(owner=jid, peer=BOB, id=page.messages[1].id)
    await storage.archive.note_displayed([marker])
    value = '{"name": "B"}'
    await storage.events.put(
        [JournalEntry(owner=jid, kind=EntryKind.CONTACT, subject=BOB, value=value, at=NOON)]
    )
    await storage.offline.add(jid, OfflineStanza(peer=ROMEO, stanza="<message/>", at=NOON))
    await storage.sign_ins.remove_all(jid)
    await sign_in(storage, jid)


async def sign_in(storage: Storage, jid: str) -> None:
    made = SignIn(
        id="sign-in",
        jid=jid,
        label="phone",
        created_at=NOON,
        refreshed_at=NOON,
        expires_at=FAR,
        token_hash=b"token-7",
        salt=b"salt-7",
        gateway="gateway-7",
    )
    await storage.sign_ins.add(made, limit=5, revocations=1)
    subscription = PushSubscription(
        id="push",
        jid=jid,
        sign_in=made.id,
        kind=PushKind.WEBHOOK,
        endpoint="https://push.example/7",
        secret=b"secret-7",
        content="none",
        events=("message",),
        created_at=NOON,
        cursor="0",
    )
    await storage.push.add(subscription, limit=5)
    letter = DeadLetter(event_id=7, type="message", at=NOON, attempts=3, failure="410")
    progress = PushProgress(id="push", after="0", cursor="1", dead_letters=(letter,))
    await storage.push.save([progress], dead_letters_max=5)


async def read(storage: Storage, jid: str, table: str, *, limit: int = 50) -> list[object]:
    records: list[object] = []
    place: Place | None = None
    while True:
        page = await storage.personal_data.page(jid, table, limit=limit, after=place)
        records += page.records
        place = page.place
        if place is None:
            return records


async def test_every_table_has_what_it_keeps_about_the_user(storage: Storage) -> None:
    await fill(storage, ALICE)
    found = {
        table.name: await read(storage, ALICE, table.name)
        for table in storage.personal_data.tables
    }
    time = datetime.fromtimestamp(NOON / 1_000_000, UTC)

    assert [name for name, records in found.items() if not records] == ["rooms"]
    assert found["contacts"] == [
        {
            "jid": ROMEO,
            "name": "R",
            "subscription": "none",
            "ask": "",
            "ask_message": "",
            "is_approved": False,
            "groups": ["friends"],
        }
    ]
    assert found["accounts"] == [{"jid": ALICE, "is_enabled": True, "created_at": time}]
    assert found["journal"][0] == {
        "kind": "contact",
        "subject": BOB,
        "at": time,
        "value": {"name": "B"},
    }
    assert found["old_ids"] == [
        {"old_id": "old-id-7", "message_at": datetime.fromtimestamp(NOON / 1e6 - 1e-6, UTC)}
    ]
    assert found["read_marks"] == [{"room": ROOM, "jid": ALICE, "message_at": time}]
    assert not [secret for secret in SECRETS if secret in str(found)]


async def test_nothing_is_found_about_others(storage: Storage) -> None:
    await fill(storage, ALICE)

    for table in storage.personal_data.tables:
        assert await read(storage, f"not-{ALICE}", table.name) == []


async def test_pages_have_every_row_once(storage: Storage) -> None:
    for number in range(7):
        await storage.contacts.put(ALICE, Contact(jid=f"{number}@example.org"))
        kind, subject = EntryKind.CONTACT, f"{number}@example.org"
        await storage.events.open(ALICE)
        await storage.events.put(
            [JournalEntry(owner=ALICE, kind=kind, subject=subject, value="1", at=NOON)]
        )

    for table in ("contacts", "journal"):
        whole = await read(storage, ALICE, table)
        assert len(whole) == 7
        assert await read(storage, ALICE, table, limit=2) == whole
        assert await read(storage, ALICE, table, limit=7) == whole


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_every_table_of_the_migrations_is_known(engine: str) -> None:
    """A new table belongs to PERSONAL, or to NOT_PERSONAL with what it has."""
    migrations = sorted((ROOT / "storage" / engine / "migrations").glob("*.sql"))
    text = "\n".join(path.read_text() for path in migrations)
    made = set(re.findall(r"^CREATE (?:VIRTUAL )?TABLE (\w+)", text, re.MULTILINE))
    known = {table.table for table in PERSONAL} | MESSAGES | set(NOT_PERSONAL)

    assert len(made) > 30
    assert made - known == set()
    if engine == "postgres":
        assert known - made == set()


async def test_every_column_is_shown_or_left_out(storage: Storage) -> None:
    database = cast("SqlStorage", storage).database
    for table in PERSONAL:
        if database.name == "sqlite":
            sql = "SELECT name FROM pragma_table_info($1)"
        else:
            sql = "SELECT column_name::text FROM information_schema.columns WHERE table_name = $1"
        async with database.read() as connection:
            columns = {str(row[0]) for row in await connection.fetch(sql, table.table)}
        shown = {column.name for column in table.shown}

        assert columns == shown | table.left_out, table.table
        assert not shown & table.left_out, table.table
