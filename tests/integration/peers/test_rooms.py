"""MongooseIM big_tests, mam_SUITE, muc_cases: archives of rooms, on ejabberd.

A room of ejabberd keeps its queries to itself, so its archive is asked for at the component. Each
test has the name of theirs. Real JIDs are shown to nobody: theirs shows moderators, and everybody
of himself, whose message it was.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

import pytest
from support import mam
from support.mam_payloads import GET_FEATURES, GET_FORM, NS_MAM, features_in, fields_in
from support.raw import Client
from support.room import Room
from support.server import Server
from support.stanzas import Refused

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

NS_USER = "http://jabber.org/protocol/muc#user"
USER_ITEM = f"{{{NS_USER}}}x/{{{NS_USER}}}item"

SPOOF = f"<x xmlns='{NS_USER}'><item affiliation='owner' jid='spoof@elsewhere.example'/></x>"

OPEN = {"whois": "anyone"}
HIDDEN = {"whois": "moderators"}
SECRET = {"passwordprotectedroom": "1", "roomsecret": "cauldron"}
MEMBERS = {"membersonly": "1"}


def knows(message: Element, client: Client) -> bool:
    """Whether a message tells who a user really is."""
    return client.account.jid in tostring(message, "unicode")


async def only(room: Room, reader: Client) -> mam.ArchiveResult:
    """Return the one message of the archive."""
    [found] = (await room.query(reader)).results
    return found


async def test_muc_service_discovery(room: Room) -> None:
    """Theirs: the service of the rooms lists it; ours: the archive itself does."""
    features = features_in(await room.alice.ask("get", GET_FEATURES, to=room.archive))

    assert {NS_MAM, f"{NS_MAM}#extended"} <= features


async def test_muc_archive_request(room: Room) -> None:
    """XEP-0313 section 5.1.2: from whom in the room, to nobody; what users said to each other
    elsewhere is not in it."""
    room.alice.say(room.bob.jid, "OH, HAI!")
    await room.bob.wait_for_body("OH, HAI!")
    await room.say(room.alice, "hi, bob!")
    found = await only(room, room.bob)

    assert (found.body, found.type) == ("hi, bob!", "groupchat")
    assert (found.sender, found.to) == (f"{room.address}/alice", None)


async def test_muc_multiple_devices(room_server: Server, room: Room) -> None:
    """Three occupants got it, and it is one message."""
    async with room_server.client(room.alice.account, "two") as laptop:
        await laptop.join(room.address, "alice_2")
        await room.say(room.alice, "hi, bob!")
        await laptop.wait_for_body("hi, bob!")
        await room.bob.wait_for_body("hi, bob!")

        assert (await room.query(room.bob)).bodies == ["hi, bob!"]


async def test_muc_protected_message(room: Room) -> None:
    """What is said to one occupant is not the room's."""
    room.alice.say(f"{room.address}/bob", "hi, bob!")
    await room.bob.wait_for_body("hi, bob!")

    assert (await room.query(room.bob)).bodies == []


@pytest.mark.parametrize("room", [SECRET, MEMBERS], indirect=True, ids=["password", "members"])
async def test_muc_deny_protected_room_access(room: Room) -> None:
    await room.say(room.alice, "hi, all!")

    with pytest.raises(Refused, match="forbidden"):
        await room.query(room.bob)


async def test_a_room_that_keeps_a_user_out_keeps_its_archive_from_him(room: Room) -> None:
    """XEP-0313 section 5.1.2: the right to enter is that of the moment of the query."""
    await room.say(room.alice, "hi, all!")
    before = (await room.query(room.bob)).bodies
    item = f"<item jid='{room.bob.account.jid}' affiliation='outcast'/>"
    await room.alice.ask(
        "set",
        f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>",
        to=room.address,
    )
    await room.bob.wait_for(lambda stanza: stanza.get("type") == "unavailable")

    assert before == ["hi, all!"]
    with pytest.raises(Refused, match="forbidden"):
        await room.query(room.bob)


@pytest.mark.parametrize("room", [SECRET, MEMBERS], indirect=True, ids=["password", "members"])
async def test_muc_allow_access_to_owner(room_server: Server, room: Room) -> None:
    """Also to one who is not in the room; another keeps it alive."""
    await room.configure(persistentroom="1")
    await room.say(room.alice, "anybody?")
    await room.leave(room.alice, "alice")

    assert (await room.query(room.alice)).bodies == ["anybody?"]


@pytest.mark.parametrize("room", [OPEN], indirect=True)
async def test_muc_sanitize_x_user_in_non_anon_rooms(room: Room) -> None:
    await room.say(room.bob, "hi, all!", extra=SPOOF)
    found = await only(room, room.alice)

    assert found.message.find(USER_ITEM) is None


@pytest.mark.parametrize("room", [HIDDEN], indirect=True)
async def test_muc_delete_x_user_in_anon_rooms(room: Room) -> None:
    await room.say(room.alice, "hi, all!")
    found = await only(room, room.bob)

    assert found.message.find(USER_ITEM) is None
    assert not knows(found.message, room.alice)


@pytest.mark.parametrize("room", [HIDDEN], indirect=True)
async def test_muc_show_x_user_to_moderators_in_anon_rooms(room: Room) -> None:
    """Theirs shows it; ours hides it from moderators as well."""
    await room.say(room.bob, "what a lovely day!")
    found = await only(room, room.alice)

    assert not knows(found.message, room.bob)


@pytest.mark.parametrize("room", [HIDDEN], indirect=True)
async def test_muc_show_x_user_for_your_own_messages_in_anon_rooms(room: Room) -> None:
    """Theirs shows one's own; ours is the same for every reader."""
    await room.say(room.bob, "how are you?")
    found = await only(room, room.bob)

    assert found.sender == f"{room.address}/bob"
    assert not knows(found.message, room.bob)


@pytest.mark.parametrize("reader", ["alice", "bob"])
@pytest.mark.parametrize("room", [OPEN, HIDDEN], indirect=True, ids=["open", "hidden"])
async def test_real_addresses_find_nothing_in_a_room(room: Room, reader: str) -> None:
    """Openfire monitoring plugin, AbstractMamTest: asking by a real JID, bare or full, would tell
    who is who. Theirs answers where the room does; ours knows occupants only."""
    await room.say(room.bob, "hi, all!")
    client: Client = getattr(room, reader)
    for real in (room.bob.account.jid, room.bob.jid, room.alice.account.jid, room.alice.jid):
        assert (await room.query(client, fields={"with": real})).bodies == []

    by_occupant = await room.query(client, fields={"with": f"{room.address}/bob"})
    assert by_occupant.bodies == ["hi, all!"]


async def test_who_is_not_in_the_room_reads_its_archive(room_server: Server, room: Room) -> None:
    """Openfire monitoring plugin, testMucMamNonOccupant: whoever could enter may read."""
    await room.say(room.alice, "hi, all!")
    async with room_server.client(room_server.account("kate")) as kate:
        assert (await room.query(kate)).bodies == ["hi, all!"]


async def test_muc_light_easy(room_server: Server, room: Room) -> None:
    """Who enters late reads what was said before."""
    await room.say(room.alice, "msg 1", "msg 2")
    async with room_server.client(room_server.account("kate")) as kate:
        await kate.join(room.address, "kate")

        assert (await room.query(kate)).bodies == ["msg 1", "msg 2"]


async def test_muc_query_get_request(room: Room) -> None:
    fields = fields_in(await room.alice.ask("get", GET_FORM, to=room.archive))

    assert fields["FORM_TYPE"].findtext("{jabber:x:data}value") == NS_MAM


async def test_what_a_room_repeats_to_who_enters_is_not_said_again(
    room_server: Server, room: Room
) -> None:
    """XEP-0045 section 7.2.13, and ejabberd's own default of twenty messages."""
    await room.say(room.alice, "once")
    async with room_server.client(room_server.account("kate")) as kate:
        await kate.join(room.address, "kate")
        await kate.wait_for_body("once")

        assert (await room.query(kate)).bodies == ["once"]
        assert await mam.bodies(kate) == []
