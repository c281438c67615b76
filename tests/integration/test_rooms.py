"""Rooms on a real ejabberd: the archives of members and rooms, and the right to read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4
from xml.etree.ElementTree import Element

import pytest
from aiohttp import ClientSession
from support import mam
from support.event_stream import stream
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.room import joined_anew
from support.server import Server
from support.stanzas import CLIENT, Refused

#: Rooms differ between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

SERVICE = "conference.one.test"
RETRACT = "urn:xmpp:message-retract:1"
MEMBERS_ONLY = (
    "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
    "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    "<field var='muc#roomconfig_membersonly'><value>1</value></field></x></query>"
)


@pytest.fixture(scope="module")
def rooms_server(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """ejabberd and Muniment with archives of rooms."""
    options = {"archive": {"room_services": [SERVICE]}}
    with Server.running(tmp_path_factory.mktemp("rooms"), release, options) as running:
        yield running


@dataclass(frozen=True)
class People:
    """A room with its owner alice and with bob, and carol outside."""

    alice: Client
    bob: Client
    carol: Client
    room: str
    archive: str  #: the address of the archive of the room


@pytest.fixture
async def people(rooms_server: Server) -> AsyncIterator[People]:
    accounts = rooms_server.accounts("alice", "bob", "carol")
    room = f"room-{uuid4().hex[:8]}@{SERVICE}"
    archive = f"{room.replace('@', chr(92) + '40')}@{rooms_server.ejabberd.component}"
    alice, bob, carol = (rooms_server.client(account) for account in accounts)
    async with alice, bob, carol:
        for client in (alice, bob, carol):
            await client.be_available()
        await alice.join(room, "ally")
        await bob.join(room, "bobby")
        yield People(alice, bob, carol, room, archive)


async def say(people: People, author: Client, body: str, **parts: str) -> str:
    """Send a message to the room; return its id after both occupants received it."""
    id = author.say(people.room, body, type="groupchat", **parts)
    for client in (people.alice, people.bob):
        await client.wait_for_body(body)
    return id


async def test_room_message_is_archived_once_per_occupant_and_once_for_the_room(
    people: People,
) -> None:
    await say(people, people.alice, "welcome")
    await say(people, people.bob, "thanks")

    for client in (people.alice, people.bob):
        assert await mam.bodies(client) == ["welcome", "thanks"]
    results = await mam.everything(people.bob, to=people.archive)
    assert [(result.body, result.sender, result.to) for result in results] == [
        ("welcome", f"{people.room}/ally", None),
        ("thanks", f"{people.room}/bobby", None),
    ]


async def test_query_with_occupant_jid_returns_messages_of_the_occupant(people: People) -> None:
    await say(people, people.alice, "welcome")
    await say(people, people.bob, "thanks")
    page = await mam.query(people.bob, to=people.archive, fields={"with": f"{people.room}/ally"})

    assert page.bodies == ["welcome"]


async def test_room_history_for_a_new_occupant_is_not_archived_again(people: People) -> None:
    people.alice.send(
        f"<message to='{people.room}' type='groupchat' id='{uuid4().hex}'>"
        "<subject>news</subject></message>"
    )
    await people.bob.wait_for(lambda stanza: stanza.findtext(f"{CLIENT}subject") == "news")
    await say(people, people.alice, "welcome")
    await people.carol.join(people.room, "carol")

    results = await mam.everything(people.carol, to=people.archive)

    texts = [(result.message.findtext(f"{CLIENT}subject"), result.body) for result in results]
    assert texts == [
        ("news", None),
        (None, "welcome"),
    ]


async def test_non_occupant_reads_the_archive_of_an_open_room(people: People) -> None:
    await say(people, people.alice, "welcome")

    assert await mam.bodies(people.carol, to=people.archive) == ["welcome"]


async def test_archive_of_members_only_room_is_forbidden_to_non_members(people: People) -> None:
    await people.alice.ask("set", MEMBERS_ONLY, to=people.room)
    await say_to_members(people)

    assert await mam.bodies(people.alice, to=people.archive) == ["welcome"]
    for stranger in (people.carol, people.bob):
        with pytest.raises(Refused, match="forbidden"):
            await mam.query(stranger, to=people.archive)


async def say_to_members(people: People) -> None:
    """Send a message to the room after all other occupants have left."""
    people.alice.say(people.room, "welcome", type="groupchat")
    await people.alice.wait_for_body("welcome")


async def test_archive_is_forbidden_to_banned_user(people: People) -> None:
    await say(people, people.alice, "welcome")
    await set_affiliation_of_bob(people, "outcast")
    await people.bob.wait_for(lambda stanza: stanza.get("type") == "unavailable")

    with pytest.raises(Refused, match="forbidden"):
        await mam.query(people.bob, to=people.archive)
    assert await mam.bodies(people.bob) == ["welcome"]


async def set_affiliation_of_bob(people: People, affiliation: str) -> None:
    """Have the owner set the affiliation of bob."""
    item = f"<item affiliation='{affiliation}' jid='{people.bob.account.jid}'/>"
    query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
    await people.alice.ask("set", query, to=people.room)


async def test_archive_is_forbidden_to_absent_user_who_lost_membership(people: People) -> None:
    await set_affiliation_of_bob(people, "member")
    await people.alice.ask("set", MEMBERS_ONLY, to=people.room)
    await say(people, people.alice, "welcome")
    people.bob.send(f"<presence to='{people.room}/bobby' type='unavailable'/>")
    await people.bob.wait_for(lambda stanza: stanza.get("type") == "unavailable")

    assert await mam.bodies(people.bob, to=people.archive) == ["welcome"]
    await set_affiliation_of_bob(people, "none")
    with pytest.raises(Refused, match="forbidden"):
        await mam.query(people.bob, to=people.archive)


async def test_stream_ends_when_the_room_is_destroyed(
    rooms_server: Server, people: People
) -> None:
    """The end of the room ends the stream, so that the reader sees no later room of that name."""
    muniment = rooms_server.muniment
    url = f"{muniment.url}/api/v1/archives/{people.room}/stream"
    async with (
        ClientSession(headers={"X-Api-Key": muniment.secret}) as http,
        stream(http, url) as events,
    ):
        await say(people, people.alice, "welcome")
        assert await events.take(1) == ["welcome"]
        await people.alice.ask(
            "set",
            "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>",
            to=people.room,
        )
        with pytest.raises(EOFError):
            await events.next()


async def test_recreated_room_does_not_show_the_archive_of_its_predecessor(people: People) -> None:
    await say(people, people.alice, "welcome")
    await people.alice.ask(
        "set",
        "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>",
        to=people.room,
    )
    await joined_anew(people.carol, people.room, "carol")
    await people.carol.ask("set", MEMBERS_ONLY, to=people.room)

    assert await mam.bodies(people.carol, to=people.archive) == []
    people.carol.say(people.room, "new here", type="groupchat")
    await people.carol.wait_for_body("new here")
    assert await mam.bodies(people.carol, to=people.archive) == ["new here"]
    for client in (people.alice, people.bob):
        with pytest.raises(Refused, match="forbidden"):
            await mam.query(client, to=people.archive)
        assert await mam.bodies(client) == ["welcome"]


async def test_archive_of_nonexistent_room_is_forbidden(people: People) -> None:
    nowhere = people.archive.replace("room-", "no-room-")

    with pytest.raises(Refused, match="forbidden"):
        await mam.query(people.alice, to=nowhere)


async def test_retraction_leaves_a_tombstone_in_both_archives(people: People) -> None:
    id = people.alice.say(people.bob.account.jid, "regret")
    await people.bob.wait_for_body("regret")
    people.alice.send(
        f"<message to='{people.bob.account.jid}' type='chat' id='r1'>"
        f"<retract xmlns='{RETRACT}' id='{id}'/><store xmlns='urn:xmpp:hints'/></message>"
    )
    await people.bob.wait_for(lambda stanza: stanza.get("id") == "r1")

    for client in (people.alice, people.bob):
        original, retraction = await mam.everything(client)
        retracted = original.message.find(f"{{{RETRACT}}}retracted")
        assert retracted is not None
        assert (original.body, original.message_id, retracted.get("id")) == (None, id, "r1")
        assert retraction.message_id == "r1"


SUBSCRIBE = (
    "<subscribe xmlns='urn:xmpp:mucsub:0' nick='caro'>"
    "<event node='urn:xmpp:mucsub:nodes:messages'/></subscribe>"
)
ALLOW_SUBSCRIPTIONS = MEMBERS_ONLY.replace(
    "<field var='muc#roomconfig_membersonly'><value>1</value></field>",
    "<field var='muc#roomconfig_allow_subscription'><value>1</value></field>",
)


async def test_message_to_mucsub_subscriber_is_archived_for_the_subscriber(
    people: People,
) -> None:
    """MUC/Sub delivers messages to subscribers outside of the room."""
    await people.alice.ask("set", ALLOW_SUBSCRIPTIONS, to=people.room)
    await people.carol.ask("set", SUBSCRIBE, to=people.room)
    await say(people, people.alice, "to all of you")
    await people.carol.wait_for(
        lambda stanza: (
            "urn:xmpp:mucsub:nodes:messages" in {element.get("node") for element in stanza.iter()}
        )
    )
    await people.carol.join(people.room, "caro")
    await say(people, people.bob, "and in here")
    await people.carol.wait_for_body("and in here")

    results = await mam.everything(people.carol)
    assert [(result.body, result.sender) for result in results] == [
        ("to all of you", f"{people.room}/ally"),
        ("and in here", f"{people.room}/bobby"),
    ]
    assert await mam.bodies(people.bob, to=people.archive) == ["to all of you", "and in here"]


def room_stanza_id(room: str, id: str) -> str:
    """Return a stanza-id that only the room may add (XEP-0359)."""
    return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{room}' id='{id}'/>"


def room_stanza_ids(stanza: Element, room: str) -> list[str | None]:
    """Return the ids of a message that name the room as their origin."""
    elements = stanza.findall("{urn:xmpp:sid:0}stanza-id")
    return [element.get("id") for element in elements if element.get("by") == room]


async def test_message_with_forged_room_id_is_archived(people: People) -> None:
    """Two messages with the same forged id are both archived."""
    forged = room_stanza_id(people.room, "forged")
    await say(people, people.alice, "harmless", extra=forged)
    await say(people, people.alice, "harmful", extra=forged)

    for client in (people.alice, people.bob):
        assert await mam.bodies(client) == ["harmless", "harmful"]
    assert await mam.bodies(people.bob, to=people.archive) == ["harmless", "harmful"]


async def test_message_with_forged_room_id_is_moderated(release: Release, people: People) -> None:
    """XEP-0425: a moderator names the id that the room has added, which is the last one."""
    await say(people, people.bob, "harmful", extra=room_stanza_id(people.room, "forged"))
    live = await people.alice.wait_for_body("harmful")
    *_, id = room_stanza_ids(live, people.room)
    if not release.has_iq_privilege:
        # Rooms of this release add no ids without mod_mam, so nothing can be moderated.
        assert id == "forged"
        return
    await people.alice.ask(
        "set",
        f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{id}'><retract xmlns='{RETRACT}'/>"
        "</moderate>",
        to=people.room,
    )
    await people.bob.wait_for(lambda stanza: stanza.find(f"{{{RETRACT}}}retract") is not None)

    for client, to in ((people.alice, None), (people.bob, None), (people.bob, people.archive)):
        original = (await mam.everything(client, to=to))[0]
        assert original.message.find(f"{{{RETRACT}}}retracted") is not None
        assert original.body is None


async def live_ids(people: People, *texts: str) -> list[str | None]:
    """Return for each text the room's last id of the message that bob received, None without."""
    messages = [await people.bob.wait_for_body(text) for text in texts]
    return [(room_stanza_ids(stanza, people.room) or [None])[-1] for stanza in messages]


async def test_id_of_a_live_message_is_its_id_in_the_archive_of_the_room(
    release: Release, people: People
) -> None:
    """XEP-0313 section 3.5: the <stanza-id/> says "where and under what ID the message is
    stored"."""
    texts = ["one", "two", "three"]
    for text in texts:
        await say(people, people.alice, text)
    live = await live_ids(people, *texts)
    archived = [result.id for result in await mam.everything(people.bob, to=people.archive)]
    if not release.has_iq_privilege:
        # Rooms of this release give no ids without mod_mam, so the ids are those of the store.
        assert live == [None, None, None]
        assert {len(id) for id in archived} == {22}
        return

    assert archived == live
    first, second, third = archived
    page = await mam.query(people.bob, to=people.archive, after=first)
    assert (page.bodies, page.first, page.last) == (["two", "three"], second, third)
    page = await mam.query(people.bob, to=people.archive, before=third)
    assert page.bodies == ["one", "two"]
    for field, bodies in (("ids", ["two"]), ("after-id", ["three"]), ("before-id", ["one"])):
        page = await mam.query(people.bob, to=people.archive, fields={field: second})
        assert page.bodies == bodies
    # Archives of users are not the room's: their ids are not the room's either.
    assert not {result.id for result in await mam.everything(people.bob)} & {*archived}


async def test_message_is_retracted_by_its_live_id(release: Release, people: People) -> None:
    """XEP-0424 section 4.1: in a room the id is the one that the room gave."""
    id = await say(people, people.bob, "regret")
    [live] = await live_ids(people, "regret")
    people.bob.send(
        f"<message to='{people.room}' type='groupchat' id='r1'>"
        f"<retract xmlns='{RETRACT}' id='{live or id}'/><store xmlns='urn:xmpp:hints'/></message>"
    )
    await people.bob.wait_for(
        lambda stanza: stanza.get("id") == "r1" and stanza.get("type") == "groupchat"
    )

    original, _ = await mam.everything(people.alice, to=people.archive)
    assert original.message.find(f"{{{RETRACT}}}retracted") is not None
    assert original.body is None
    assert (original.id == live) == release.has_iq_privilege


async def test_message_is_read_over_http_by_its_live_id(
    release: Release, rooms_server: Server, people: People
) -> None:
    await say(people, people.alice, "one")
    await say(people, people.alice, "two")
    live = await live_ids(people, "one", "two")
    if not release.has_iq_privilege:
        assert live == [None, None]
        return
    archive = f"/api/v1/archives/{people.room}/messages"
    async with session(rooms_server.muniment) as http:
        async with http.get(f"{archive}/{live[0]}") as answer:
            assert (await answer.json())["body"] == "one"
        async with http.get(archive, params={"after": live[0] or ""}) as answer:
            assert [message["id"] for message in (await answer.json())["messages"]] == live[1:]


async def test_messages_are_corrected_by_the_person_not_by_the_nickname(
    release: Release, rooms_server: Server, people: People
) -> None:
    """XEP-0421: if the room identifies authors, a user with their nickname corrects nothing."""
    alice, bob = people.alice, people.bob
    id = await say(people, alice, "mine")
    await rename(alice, people.room, "alicia")
    await rename(bob, people.room, "ally")
    replace = f"<replace xmlns='urn:xmpp:message-correct:0' id='{id}'/>"
    of_alice = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{}'/>".format(
        occupant_id(await bob.wait_for_body("mine"))
    )
    await say(people, alice, "corrected", extra=replace)
    await say(people, bob, "forged", extra=replace + of_alice)

    async with (
        session(rooms_server.muniment) as http,
        http.get(f"/api/v1/archives/{people.room}/messages", params={"view": "folded"}) as answer,
    ):
        bodies = [message["body"] for message in (await answer.json())["messages"]]
    # Rooms of older releases give no ids of occupants: there the nickname decides.
    has_ids = occupant_id(await bob.wait_for_body("mine")) is not None
    assert has_ids == (release.version >= "26.07")
    assert bodies == (["corrected"] if has_ids else ["forged"])


async def rename(client: Client, room: str, nick: str) -> None:
    """Change the nickname of an occupant, and wait for the room's presence."""
    client.send(f"<presence to='{room}/{nick}'/>")
    is_own = "{http://jabber.org/protocol/muc#user}x/{*}status[@code='110']"
    await client.wait_for(
        lambda stanza: stanza.get("from") == f"{room}/{nick}" and stanza.find(is_own) is not None
    )


def occupant_id(stanza: Element) -> str | None:
    """Return the id of the occupant who wrote a message, None if it has none."""
    element = stanza.find("{urn:xmpp:occupant-id:0}occupant-id")
    return None if element is None else element.get("id")
