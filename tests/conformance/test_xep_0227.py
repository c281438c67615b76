"""XEP-0227: Portable Import/Export Format for XMPP-IM Servers, version 1.1."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.builders import ALICE, BOB, ROMEO, entry, everything, message
from support.stanzas import CLIENT, Element, parse
from support.writer import open_writer

from component.core.archiving.writer import Writer
from component.core.reading.export import Export
from component.core.reading.follow import Followers
from storage.open import open_storage
from storage.rows import Contact, PreferencesRow

PIE = "{urn:xmpp:pie:0}"
MAM = "{urn:xmpp:mam:2}"
ROSTER = "{jabber:iq:roster}"
ARCHIVE = "{urn:xmpp:pie:0#mam}archive"


@pytest.fixture
async def exported() -> AsyncIterator[tuple[Element, list[str]]]:
    """The exported file of an archive with 2 messages and preferences, and the ids of the
    messages."""
    async with (
        open_storage("sqlite::memory:") as storage,
        open_writer(storage.archive) as writer,
    ):
        await storage.preferences.set(PreferencesRow(owner=ALICE, default="always"))
        writer.put([entry(n, xml=message(f"text {n}")) for n in range(2)])
        parts = [part async for part in Export(storage, writer, Followers()).portable(ALICE)]
        ids = [stored.id for stored in (await everything(storage.archive)).messages]
        yield parse(b"".join(parts).decode()), ids


def test_root_is_server_data(exported: tuple[Element, list[str]]) -> None:
    """Section 4: "Data is contained in an XML document, whose root element is <server-data/>
    qualified by the 'urn:xmpp:pie:0' namespace".
    """
    assert exported[0].tag == f"{PIE}server-data"


def test_host_has_a_jid(exported: tuple[Element, list[str]]) -> None:
    """Section 4.1: "Each <host/> element describes a virtual host, and has a 'jid' attribute
    that contains its JID."
    """
    [host] = exported[0]

    assert (host.tag, host.get("jid")) == (f"{PIE}host", "example.org")


def test_user_has_a_name(exported: tuple[Element, list[str]]) -> None:
    """Section 4.2: "The <user/> element MUST have a 'name' attribute, which contains the node
    part of the user's JID".
    """
    [user] = exported[0].findall(f"{PIE}host/{PIE}user")

    assert user.get("name") == "alice"


def test_no_password_is_exported(exported: tuple[Element, list[str]]) -> None:
    """Section 4.2 discourages the 'password' attribute, and an archive has no passwords."""
    [user] = exported[0].findall(f"{PIE}host/{PIE}user")

    assert user.get("password") is None


def test_archive_is_a_list_of_results(exported: tuple[Element, list[str]]) -> None:
    """The archive of a user is an <archive/> with the results of XEP-0313 and their ids."""
    root, ids = exported
    results = root.findall(f"{PIE}host/{PIE}user/{ARCHIVE}/{MAM}result")
    path = f"{{urn:xmpp:forward:0}}forwarded/{CLIENT}message/{CLIENT}body"

    assert [result.get("id") for result in results] == ids
    assert [result.findtext(path) for result in results] == ["text 0", "text 1"]
    assert all(
        result.find("{urn:xmpp:forward:0}forwarded/{urn:xmpp:delay}delay") is not None
        for result in results
    )


async def test_stored_roster_is_exported() -> None:
    """Section 4.3: "Each <user/> element SHOULD contain the user's roster in the form of a
    <query/> element qualified by the 'jabber:iq:roster' namespace."
    """
    contact = Contact(jid=BOB, name="Bo & Co", subscription="both", groups=("a<b",))
    async with open_storage("sqlite::memory:") as storage:
        await storage.contacts.put(ALICE, contact)
        await storage.contacts.put(ALICE, Contact(jid=ROMEO, ask="in"))
        writer = Writer(storage.archive)
        parts = [part async for part in Export(storage, writer, Followers()).portable(ALICE)]
    items = parse(b"".join(parts).decode()).findall(f"{PIE}host/{PIE}user/{ROSTER}query/*")

    assert [(dict(item.attrib), [group.text for group in item]) for item in items] == [
        ({"jid": BOB, "name": "Bo & Co", "subscription": "both"}, ["a<b"])
    ]


def test_export_without_preferences_is_valid(exported: tuple[Element, list[str]]) -> None:
    """Section 4: "The exported data SHOULD be meaningful without the extensions."

    Preferences and the archive are siblings, so that the archive is valid without preferences.
    """
    [user] = exported[0].findall(f"{PIE}host/{PIE}user")

    assert [child.tag for child in user] == [f"{MAM}prefs", ARCHIVE]
