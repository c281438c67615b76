"""The export of a person has all that the store has about a user, in one ZIP file."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from support.builders import ALICE, BOB, ROOM, entries, entry

from component.core.archiving.writer import Writer
from component.core.errors import Overloaded
from component.core.reading.export import PAGE, Export
from component.core.reading.follow import Followers
from component.core.reading.personal_data import MESSAGES, ROOM_MESSAGES, PersonalDataExport
from storage.rows import Contact, Occupant, PreferencesRow, RoomChanges, SignIn
from storage.sql.store import SqlStorage


@pytest.fixture
def personal_data(storage: SqlStorage, writer: Writer) -> PersonalDataExport:
    return PersonalDataExport(storage, Export(storage, writer, Followers()))


async def files(personal_data: PersonalDataExport) -> dict[str, str]:
    written = b"".join([part async for part in personal_data.zip(ALICE)])
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert archive.testzip() is None
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o600}
        return {name: archive.read(name).decode() for name in archive.namelist()}


def records(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_file_has_messages_and_rows_about_the_user_alone(
    storage: SqlStorage, personal_data: PersonalDataExport
) -> None:
    await storage.archive.append([*entries(2 * PAGE), entry("other", owner=BOB)])
    await storage.preferences.set(PreferencesRow(owner=ALICE, default="never", always=(BOB,)))
    for number in range(120):
        await storage.contacts.put(ALICE, Contact(jid=f"{number:03}@example.org", name="Grüße"))
    await storage.contacts.put(BOB, Contact(jid="secret@example.org"))

    found = await files(personal_data)

    assert [line["xml"] for line in records(found[MESSAGES])] == [e.xml for e in entries(2 * PAGE)]
    assert records(found["preferences.jsonl"]) == [
        {"default_policy": "never", "always": [BOB], "never": []}
    ]
    contacts = records(found["contacts.jsonl"])
    assert [contact["jid"] for contact in contacts] == [f"{n:03}@example.org" for n in range(120)]
    assert {contact["name"] for contact in contacts} == {"Grüße"}
    tables = {f"{table.name.replace('_', '-')}.jsonl" for table in storage.personal_data.tables}
    assert set(found) == {"README.txt", MESSAGES, ROOM_MESSAGES} | tables
    for name in found.keys() - {"README.txt"}:
        assert f"{name}: " in found["README.txt"]


async def test_messages_in_rooms_are_those_of_the_user(
    storage: SqlStorage, personal_data: PersonalDataExport
) -> None:
    posted = [
        entry(n, owner=ROOM, peer=ROOM, type="groupchat")._replace(author=author)
        for n, author in enumerate([ALICE, BOB, "", ALICE])
    ]
    await storage.archive.append(posted)
    # Also one who has left the room, or was banned, wrote what is there.
    gone = Occupant(room=ROOM, jid=ALICE, affiliation="none", heard_at=1)
    await storage.rooms.change(RoomChanges(room=ROOM, occupants=(gone,)))

    found = records((await files(personal_data))[ROOM_MESSAGES])

    assert [line["xml"] for line in found] == [posted[0].xml, posted[3].xml]
    assert {str(line["to"]).partition("/")[0] for line in found} == {ROOM}


async def test_times_are_written_and_secrets_are_not(
    storage: SqlStorage, personal_data: PersonalDataExport
) -> None:
    at = 1_767_268_800_123_457
    sign_in = SignIn(
        id="7",
        jid=ALICE,
        label="phone",
        created_at=at,
        refreshed_at=at,
        expires_at=at,
        token_hash=b"hash-of-token",
        gateway='{"secret": "of-gateway"}',
    )
    await storage.sign_ins.add(sign_in, limit=5, revocations=0)

    found = await files(personal_data)

    time = "2026-01-01T12:00:00.123457Z"
    assert records(found["sign-ins.jsonl"]) == [
        {"id": "7", "label": "phone", "created_at": time, "refreshed_at": time, "expires_at": time}
    ]
    assert not [text for text in found.values() if "hash-of-token" in text or "of-gateway" in text]


async def test_user_without_data_gets_empty_files(personal_data: PersonalDataExport) -> None:
    found = await files(personal_data)

    assert {text for name, text in found.items() if name != "README.txt"} == {""}


async def test_closed_store_ends_the_export(
    storage: SqlStorage, personal_data: PersonalDataExport
) -> None:
    await storage.close()

    with pytest.raises(Overloaded):
        await files(personal_data)
