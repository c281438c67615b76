"""Affiliations from presences and messages that rooms send to users."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from support.builders import ALICE, BOB, HOST, ROOM
from support.probe import probe_of

from component.core.access.rooms import Rooms
from component.core.hosts import Hosts
from component.core.xml.document_parser import parse
from component.core.xml.stanza import read
from component.xmpp.connection.addresses import Addresses
from component.xmpp.copies.rooms import RoomEvents
from storage.interface import Storage
from storage.rows import Occupant

MUC_USER = "http://jabber.org/protocol/muc#user"


class Silence:
    """Room information that is never requested."""

    async def features(self, room: str) -> frozenset[str] | None:
        return None

    def forget(self, room: str) -> None:
        pass


async def affiliations(
    storage: Storage, *stanzas: str, members: Collection[str] = (), is_elsewhere: bool = False
) -> list[tuple[str, str, str]]:
    """Return the affiliations stored after these presences and messages.

    With `members` we have made the room before, and they are its members; with `is_elsewhere`
    another process has made it.
    """
    rooms = Rooms(Hosts([HOST], [f"conference.{HOST}"]), storage.rooms, Silence())
    if is_elsewhere:
        rooms.made_elsewhere(ROOM)
    elif members:
        rooms.note_made(ROOM, 1)
    for jid in members:
        rooms.note(Occupant(room=ROOM, jid=jid, affiliation="member"))
    events = RoomEvents(rooms, Addresses(), Hosts([HOST]))
    for text in stanzas:
        raw = text.encode()
        # The stream parser keeps this depth.
        element = parse(raw, keep_depth=1)
        if element.name == "presence":
            events.take_presence(element, raw)
        else:
            events.take_message(read(element, raw))
    rooms.stop()
    await rooms.run()
    return [(row.room, row.jid, row.affiliation) for row in await probe_of(storage).occupants()]


def presence(
    affiliation: str, *codes: int, sender: str = f"{ROOM}/nick", type: str = "", extra: str = ""
) -> str:
    statuses = "".join(f"<status code='{code}'/>" for code in codes)
    type_attribute = f" type='{type}'" if type else ""
    return (
        f"<presence xmlns='jabber:client' from='{sender}' to='{ALICE}/a1'{type_attribute}>"
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
    ],
)
async def test_self_presence_sets_the_affiliation(
    storage: Storage, text: str, affiliation: str
) -> None:
    assert await affiliations(storage, text) == [(ROOM, ALICE, affiliation)]


DESTROYED = presence("none", type="unavailable").replace("</x>", "<destroy/></x>")


@pytest.mark.parametrize(
    ("text", "is_another"),
    [
        (DESTROYED, True),
        (DESTROYED.replace(" type='unavailable'", ""), False),
        (DESTROYED.replace("<destroy/></x>", "</x><x><destroy/></x>"), False),
        (DESTROYED.replace("destroy", "destroyed"), False),
        (DESTROYED.replace(f"{ROOM}/nick", f"{BOB}/phone"), False),
    ],
)
async def test_destroyed_room_is_new_from_then_on(
    storage: Storage, text: str, is_another: bool
) -> None:
    await affiliations(storage, presence("member", 110), text)

    assert (ROOM in await probe_of(storage).rooms_created()) is is_another


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
        # A member by password does not stay a member when the room gets another password.
        refused("registration-required"),
        f"<presence xmlns='jabber:client' from='{ROOM}/nick' to='{ALICE}/a1' type='error'/>",
        f"<presence xmlns='jabber:client' from='{ROOM}/nick' to='{ALICE}/a1'/>",
    ],
)
async def test_other_presence_leaves_affiliations_unchanged(storage: Storage, text: str) -> None:
    assert await affiliations(storage, text) == []


async def test_created_room_has_its_creator_as_only_member(storage: Storage) -> None:
    of_bob = presence("member", 110).replace(f"to='{ALICE}", f"to='{BOB}")

    assert await affiliations(storage, of_bob, presence("owner", 201, 110)) == [
        (ROOM, ALICE, "owner")
    ]
    assert list(await probe_of(storage).rooms_created()) == [ROOM]


async def test_members_of_a_room_that_we_have_made_stay_when_its_first_occupant_enters(
    storage: Storage,
) -> None:
    entered = presence("owner", 201, 110)

    assert await affiliations(storage, entered, members=[BOB]) == [
        (ROOM, ALICE, "owner"),
        (ROOM, BOB, "member"),
    ]


async def test_room_that_another_process_has_made_keeps_its_members_as_the_first_user_enters(
    storage: Storage,
) -> None:
    entered = presence("owner", 201, 110)

    assert await affiliations(storage, entered, members=[BOB], is_elsewhere=True) == [
        (ROOM, ALICE, "owner"),
        (ROOM, BOB, "member"),
    ]


async def test_room_that_follows_one_that_we_have_made_has_its_own_members(
    storage: Storage,
) -> None:
    destroyed = presence("none", type="unavailable", extra="").replace("</x>", "<destroy/></x>", 1)
    entered = presence("owner", 201, 110)

    assert await affiliations(storage, destroyed, entered, members=[BOB]) == [
        (ROOM, ALICE, "owner")
    ]


@pytest.mark.parametrize("code", [100, 170, 2010])
async def test_presence_of_entering_does_not_create_a_room(storage: Storage, code: int) -> None:
    await affiliations(storage, presence("owner", code, 110))

    assert await probe_of(storage).rooms_created() == {}


async def test_presence_error_does_not_create_a_room(storage: Storage) -> None:
    claim = f"<x xmlns='{MUC_USER}'><status code='201'/><status code='110'/></x>"
    forged = refused("forbidden").replace("<error", f"{claim}<error")

    assert await affiliations(storage, forged) == [(ROOM, ALICE, "outcast")]
    assert await probe_of(storage).rooms_created() == {}


async def test_last_presence_sets_the_affiliation(storage: Storage) -> None:
    stored = await affiliations(
        storage, presence("member", 110), presence("outcast", 110, 301, type="unavailable")
    )

    assert stored == [(ROOM, ALICE, "outcast")]


def item(affiliation: str, jid: str = ALICE) -> str:
    return f"<item jid='{jid}' affiliation='{affiliation}' role='none'/>"


def message(*parts: str, sender: str = ROOM) -> str:
    """Return a room's message to Bob with one <x/> for each part."""
    extensions = "".join(f"<x xmlns='{MUC_USER}'>{part}</x>" for part in parts)
    start = f"<message xmlns='jabber:client' from='{sender}' to='{BOB}/b1' id='1'>"
    return f"{start}{extensions}</message>"


async def test_presence_error_ends_membership(storage: Storage) -> None:
    stored = await affiliations(storage, presence("member", 110), refused("registration-required"))

    assert stored == [(ROOM, ALICE, "none")]


@pytest.mark.parametrize(
    ("before", "stanza", "affiliation"),
    [
        ("member", message(item("none")), "none"),
        ("admin", message(item("outcast", f"{ALICE}/a1")), "outcast"),
        ("none", message(item("outcast")), "outcast"),
    ],
)
async def test_message_about_a_member_sets_the_lower_affiliation(
    storage: Storage, before: str, stanza: str, affiliation: str
) -> None:
    assert await affiliations(storage, presence(before, 110), stanza) == [
        (ROOM, ALICE, affiliation)
    ]


async def test_message_about_a_ban_sets_outcast(storage: Storage) -> None:
    assert await affiliations(storage, message(item("outcast"))) == [(ROOM, ALICE, "outcast")]


@pytest.mark.parametrize(
    "stanza",
    [
        message(item("member")),
        message(item("none")),
        message(item("outcast", "romeo@remote.example")),
    ],
)
async def test_message_that_lowers_no_affiliation_is_ignored(
    storage: Storage, stanza: str
) -> None:
    assert await affiliations(storage, stanza) == []


@pytest.mark.parametrize(
    "stanza",
    [
        message(f"<decline from='{BOB}'/>{item('outcast')}"),
        message(f"<decline from='{BOB}'/>", item("outcast")),
        message(item("outcast"), f"<decline from='{BOB}'/>"),
        message(item("outcast"), sender=f"{ROOM}/nick"),
        message(item("outcast"), sender=f"{BOB}/b1"),
        message(item("exile")),
        message(item("outcast") + item("none")),
        message(),
    ],
)
async def test_message_with_another_payload_leaves_affiliations_unchanged(
    storage: Storage, stanza: str
) -> None:
    member = presence("member", 110)

    assert await affiliations(storage, member, stanza) == [(ROOM, ALICE, "member")]


class Listener:
    """Notes what it hears about affiliations that were granted, and about invitations."""

    def __init__(self) -> None:
        self.granted: list[tuple[str, str]] = []
        self.invitations: list[tuple[str, str]] = []

    def room_changed(self, room: str) -> None:
        pass

    def affiliation_changed(self, room: str, jid: str, affiliation: str) -> None:
        pass

    def affiliation_granted(self, room: str, jid: str, affiliation: str) -> None:
        assert room == ROOM
        self.granted.append((jid, affiliation))

    def invited(self, room: str, jid: str) -> None:
        self.invitations.append((room, jid))


NS_ADMIN = "http://jabber.org/protocol/muc#admin"
ADMIN = f"{ALICE}/a1"


def request(*items: str, sender: str = ADMIN, to: str = ROOM, type: str = "set") -> str:
    return (
        f"<iq xmlns='jabber:client' type='{type}' id='i' from='{sender}' to='{to}'>"
        f"<query xmlns='{NS_ADMIN}'>{''.join(items)}</query></iq>"
    )


def response(*, sender: str = ROOM, to: str = ADMIN, type: str = "result", id: str = "i") -> str:
    return f"<iq xmlns='jabber:client' type='{type}' id='{id}' from='{sender}' to='{to}'/>"


def granted_item(jid: str, affiliation: str = "member") -> str:
    return f"<item affiliation='{affiliation}' jid='{jid}'/>"


async def heard(storage: Storage, *stanzas: str, host: str = HOST) -> Listener:
    """Return what a listener hears of these copies of IQs and messages."""
    rooms, listener = (
        Rooms(Hosts([HOST], [f"conference.{HOST}"]), storage.rooms, Silence()),
        Listener(),
    )
    rooms.listen(listener)
    events = RoomEvents(rooms, Addresses(), Hosts([HOST]))
    for text in stanzas:
        raw = text.encode()
        element = parse(raw, keep_depth=1)
        if element.name == "iq":
            events.take_iq(host, element, raw)
        else:
            events.take_message(read(element, raw))
    return listener


async def test_affiliations_that_the_room_has_accepted_are_noted(storage: Storage) -> None:
    items = (
        granted_item(f"{BOB}/phone", "admin"),
        granted_item(ALICE, "none"),
        granted_item("x@elsewhere.example"),
    )

    listener = await heard(storage, request(*items), response())

    assert listener.granted == [(BOB, "admin"), (ALICE, "none")]


@pytest.mark.parametrize(
    "stanzas",
    [
        (request(granted_item(BOB)),),
        (request(granted_item(BOB)), response(type="error")),
        (request(granted_item(BOB)), response(id="other")),
        (request(granted_item(BOB)), response(sender=f"other@conference.{HOST}")),
        (request(granted_item(BOB)), response(to=f"{ALICE}/a2")),
        (request(granted_item(BOB), type="get"), response()),
        (request(granted_item(BOB), to=f"x@{HOST}"), response(sender=f"x@{HOST}")),
        (request(granted_item(BOB, "king")), response()),
        (response(), request(granted_item(BOB))),
    ],
)
async def test_request_that_no_room_has_accepted_grants_nothing(
    storage: Storage, stanzas: tuple[str, ...]
) -> None:
    assert (await heard(storage, *stanzas)).granted == []


async def test_copy_of_another_host_grants_nothing(storage: Storage) -> None:
    listener = await heard(storage, request(granted_item(BOB)), response(), host="example.net")

    assert listener.granted == []


def invitation(inner: str, *, sender: str = ROOM, to: str = BOB) -> str:
    return f"<message xmlns='jabber:client' from='{sender}' to='{to}'>{inner}</message>"


@pytest.mark.parametrize(
    ("text", "invitations"),
    [
        (
            invitation(f"<x xmlns='{MUC_USER}'><invite from='{ALICE}'/></x>"),
            [(ROOM, BOB)],
        ),
        (
            invitation(
                f"<x xmlns='{MUC_USER}'><invite to='{BOB}'/><invite to='{ALICE}'/></x>",
                sender=ADMIN,
                to=ROOM,
            ),
            [(ROOM, BOB), (ROOM, ALICE)],
        ),
        (
            invitation(f"<x xmlns='jabber:x:conference' jid='{ROOM}'/>", sender=ADMIN),
            [(ROOM, BOB)],
        ),
        (invitation("<body>come</body>"), []),
    ],
)
async def test_invitations_are_noted(
    storage: Storage, text: str, invitations: list[tuple[str, str]]
) -> None:
    assert (await heard(storage, text)).invitations == invitations
