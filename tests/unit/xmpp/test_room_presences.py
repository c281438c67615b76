"""What presences of rooms tell of the users who get them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.builders import ALICE, HOST, ROOM

from component.core.rooms import Rooms
from component.core.xml import parse
from component.xmpp.addresses import Addresses
from component.xmpp.rooms import RoomPresences
from storage.interface import Storage
from storage.open import open_storage

MUC_USER = "http://jabber.org/protocol/muc#user"


class Silence:
    """Rooms that nobody asks."""

    async def features(self, room: str) -> frozenset[str] | None:
        return None


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    async with open_storage("sqlite::memory:") as opened:
        yield opened


async def told(storage: Storage, *presences: str) -> list[tuple[str, str, str]]:
    """Return what is known after these presences."""
    rooms = Rooms([f"conference.{HOST}"], [HOST], storage.records, Silence())
    heard = RoomPresences(rooms, Addresses())
    for text in presences:
        raw = text.encode()
        # As deep as the stream reads it.
        heard.take(parse(raw, keep_depth=1), raw)
    rooms.stop()
    await rooms.run()
    return [(one.room, one.jid, one.affiliation) for one in await storage.records.occupants()]


def presence(
    affiliation: str, *codes: int, sender: str = f"{ROOM}/nick", type: str = "", extra: str = ""
) -> str:
    statuses = "".join(f"<status code='{code}'/>" for code in codes)
    written = f" type='{type}'" if type else ""
    return (
        f"<presence xmlns='jabber:client' from='{sender}' to='{ALICE}/a1'{written}>"
        f"<x xmlns='{MUC_USER}'><item affiliation='{affiliation}' role='none'/>{statuses}</x>"
        f"{extra}</presence>"
    )


def refused(condition: str) -> str:
    return (
        f"<presence xmlns='jabber:client' from='{ROOM}/nick' to='{ALICE}/a1' type='error'>"
        "<x xmlns='http://jabber.org/protocol/muc'/><error type='auth'>"
        f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
    )


@pytest.mark.parametrize(
    ("text", "affiliation"),
    [
        (presence("owner", 110, 201), "owner"),
        (presence("member", 110), "member"),
        (presence("none", 100, 110), "none"),
        (presence("member", 110, type="unavailable"), "member"),
        (presence("outcast", 110, 301, type="unavailable"), "outcast"),
        (presence("none", 110, 321, type="unavailable"), "none"),
        (refused("forbidden"), "outcast"),
        (refused("registration-required"), "none"),
    ],
)
async def test_a_room_tells_users_what_they_are(
    storage: Storage, text: str, affiliation: str
) -> None:
    assert await told(storage, text) == [(ROOM, ALICE, affiliation)]


@pytest.mark.parametrize(
    "text",
    [
        presence("owner"),
        presence("owner", 1100),
        presence("owner", 100, extra="<status>110</status>"),
        presence("outcast", 301, type="unavailable"),
        presence("king", 110),
        presence("owner", 110, sender=f"{ALICE}/a2"),
        presence("owner", 110, sender="room@rooms.remote.example/nick"),
        presence("owner", 110, sender=f"conference.{HOST}"),
        refused("conflict"),
        refused("not-authorized"),
        f"<presence xmlns='jabber:client' from='{ROOM}/nick' to='{ALICE}/a1' type='error'/>",
        f"<presence xmlns='jabber:client' from='{ROOM}/nick' to='{ALICE}/a1'/>",
    ],
)
async def test_nothing_else_tells_anything(storage: Storage, text: str) -> None:
    assert await told(storage, text) == []


async def test_the_last_word_counts(storage: Storage) -> None:
    known = await told(
        storage, presence("member", 110), presence("outcast", 110, 301, type="unavailable")
    )

    assert known == [(ROOM, ALICE, "outcast")]
