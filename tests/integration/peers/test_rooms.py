"""MongooseIM big_tests, mam_SUITE, muc_cases: archives of rooms, on ejabberd.

ejabberd answers queries to a room itself, so clients query its archive at the component. Each test
has the name of the case in their suite. Their server shows real JIDs to moderators, and to each
author the own one; Muniment shows real JIDs to nobody.
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

#: Rooms differ between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

NS_USER = "http://jabber.org/protocol/muc#user"
USER_ITEM = f"{{{NS_USER}}}x/{{{NS_USER}}}item"

SPOOF = f"<x xmlns='{NS_USER}'><item affiliation='owner' jid='spoof@elsewhere.example'/></x>"

OPEN = {"whois": "anyone"}
HIDDEN = {"whois": "moderators"}
SECRET = {"passwordprotectedroom": "1", "roomsecret": "cauldron"}
MEMBERS = {"membersonly": "1"}


def shows_real_jid(message: Element, client: Client) -> bool:
    """Whether a message contains the real JID of a user."""
    return client.account.jid in tostring(message, "unicode")


async def single_result(room: Room, reader: Client) -> mam.ArchiveResult:
    """Return the single message of the archive."""
    [result] = (await room.query(reader)).results
    return result


async def test_muc_service_discovery(room: Room) -> None:
    """In their suite the service of the rooms lists the features, here the archive itself does."""
    features = features_in(await room.alice.ask("get", GET_FEATURES, to=room.archive))

    assert {NS_MAM, f"{NS_MAM}#extended"} <= features


async def test_muc_archive_request(room: Room) -> None:
    """XEP-0313 section 5.1.2: a result is from the occupant and has no `to`. The archive has no
    private messages of its users."""
    room.alice.say(room.bob.jid, "OH, HAI!")
    await room.bob.wait_for_body("OH, HAI!")
    await room.say(room.alice, "hi, bob!")
    result = await single_result(room, room.bob)

    assert (result.body, result.type) == ("hi, bob!", "groupchat")
    assert (result.sender, result.to) == (f"{room.address}/alice", None)


async def test_muc_multiple_devices(room_server: Server, room: Room) -> None:
    """Three occupants receive the message, and the archive has it once."""
    async with room_server.client(room.alice.account, "two") as laptop:
        await laptop.join(room.address, "alice_2")
        await room.say(room.alice, "hi, bob!")
        await laptop.wait_for_body("hi, bob!")
        await room.bob.wait_for_body("hi, bob!")

        assert (await room.query(room.bob)).bodies == ["hi, bob!"]


async def test_muc_protected_message(room: Room) -> None:
    """A private message to an occupant is not in the archive of the room."""
    room.alice.say(f"{room.address}/bob", "hi, bob!")
    await room.bob.wait_for_body("hi, bob!")

    assert (await room.query(room.bob)).bodies == []


@pytest.mark.parametrize("room", [SECRET, MEMBERS], indirect=True, ids=["password", "members"])
async def test_muc_deny_protected_room_access(room: Room) -> None:
    await room.say(room.alice, "hi, all!")

    with pytest.raises(Refused, match="forbidden"):
        await room.query(room.bob)


async def test_archive_is_forbidden_to_banned_occupant(room: Room) -> None:
    """XEP-0313 section 5.1.2: the affiliation at the time of the query decides."""
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
    """The owner may read without being in the room, which is persistent."""
    await room.configure(persistentroom="1")
    await room.say(room.alice, "anybody?")
    await room.leave(room.alice, "alice")

    assert (await room.query(room.alice)).bodies == ["anybody?"]


@pytest.mark.parametrize("room", [OPEN], indirect=True)
async def test_muc_sanitize_x_user_in_non_anon_rooms(room: Room) -> None:
    await room.say(room.bob, "hi, all!", extra=SPOOF)
    result = await single_result(room, room.alice)

    assert result.message.find(USER_ITEM) is None


@pytest.mark.parametrize("room", [HIDDEN], indirect=True)
async def test_muc_delete_x_user_in_anon_rooms(room: Room) -> None:
    await room.say(room.alice, "hi, all!")
    result = await single_result(room, room.bob)

    assert result.message.find(USER_ITEM) is None
    assert not shows_real_jid(result.message, room.alice)


@pytest.mark.parametrize("room", [HIDDEN], indirect=True)
async def test_muc_show_x_user_to_moderators_in_anon_rooms(room: Room) -> None:
    """Their server shows the real JID; Muniment hides it from moderators as well."""
    await room.say(room.bob, "what a lovely day!")
    result = await single_result(room, room.alice)

    assert not shows_real_jid(result.message, room.bob)


@pytest.mark.parametrize("room", [HIDDEN], indirect=True)
async def test_muc_show_x_user_for_your_own_messages_in_anon_rooms(room: Room) -> None:
    """Their server shows authors the own JID; Muniment returns the same to every reader."""
    await room.say(room.bob, "how are you?")
    result = await single_result(room, room.bob)

    assert result.sender == f"{room.address}/bob"
    assert not shows_real_jid(result.message, room.bob)


@pytest.mark.parametrize("reader", ["alice", "bob"])
@pytest.mark.parametrize("room", [OPEN, HIDDEN], indirect=True, ids=["open", "hidden"])
async def test_query_with_real_jid_finds_nothing_in_a_room(room: Room, reader: str) -> None:
    """Openfire monitoring plugin, AbstractMamTest: a query by a real JID, bare or full, would
    reveal the occupant. Their server answers if the room does; Muniment matches occupant JIDs."""
    await room.say(room.bob, "hi, all!")
    client: Client = getattr(room, reader)
    for jid in (room.bob.account.jid, room.bob.jid, room.alice.account.jid, room.alice.jid):
        assert (await room.query(client, fields={"with": jid})).bodies == []

    by_occupant = await room.query(client, fields={"with": f"{room.address}/bob"})
    assert by_occupant.bodies == ["hi, all!"]


async def test_non_occupant_reads_the_archive_of_an_open_room(
    room_server: Server, room: Room
) -> None:
    """Openfire monitoring plugin, testMucMamNonOccupant: a user who may enter may read."""
    await room.say(room.alice, "hi, all!")
    async with room_server.client(room_server.account("kate")) as kate:
        assert (await room.query(kate)).bodies == ["hi, all!"]


async def test_muc_light_easy(room_server: Server, room: Room) -> None:
    """A user who enters late reads the earlier messages."""
    await room.say(room.alice, "msg 1", "msg 2")
    async with room_server.client(room_server.account("kate")) as kate:
        await kate.join(room.address, "kate")

        assert (await room.query(kate)).bodies == ["msg 1", "msg 2"]


async def test_muc_query_get_request(room: Room) -> None:
    fields = fields_in(await room.alice.ask("get", GET_FORM, to=room.archive))

    assert fields["FORM_TYPE"].findtext("{jabber:x:data}value") == NS_MAM


async def test_room_history_for_a_new_occupant_is_not_archived_again(
    room_server: Server, room: Room
) -> None:
    """XEP-0045 section 7.2.13: ejabberd sends up to 20 earlier messages by default."""
    await room.say(room.alice, "once")
    async with room_server.client(room_server.account("kate")) as kate:
        await kate.join(room.address, "kate")
        await kate.wait_for_body("once")

        assert (await room.query(kate)).bodies == ["once"]
        assert await mam.bodies(kate) == []
