"""Rooms on a real ejabberd: what is archived of them, for whom, and who may read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4
from xml.etree.ElementTree import Element

import pytest
from aiohttp import ClientSession
from support import mam
from support.events import stream
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.room import joined_anew
from support.server import Server
from support.stanzas import CLIENT, Refused

#: What it tests differs between releases of ejabberd.
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
    """A pair where rooms have archives of their own."""
    options = {"archive": {"room_services": [SERVICE]}}
    with Server.running(tmp_path_factory.mktemp("rooms"), release, options) as running:
        yield running


@dataclass(frozen=True)
class People:
    """Alice, who has made a room, Bob in it too, and Carol outside."""

    alice: Client
    bob: Client
    carol: Client
    room: str
    archive: str  #: where the archive of the room has its address


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


async def said(people: People, author: Client, body: str, **parts: str) -> str:
    """Say something in the room, and wait until both in it have heard it."""
    id = author.say(people.room, body, type="groupchat", **parts)
    for client in (people.alice, people.bob):
        await client.wait_for_body(body)
    return id


async def test_what_is_said_in_a_room_is_archived_once_for_each_member_and_once_for_the_room(
    people: People,
) -> None:
    await said(people, people.alice, "welcome")
    await said(people, people.bob, "thanks")

    for client in (people.alice, people.bob):
        assert await mam.bodies(client) == ["welcome", "thanks"]
    found = await mam.everything(people.bob, to=people.archive)
    assert [(one.body, one.sender, one.to) for one in found] == [
        ("welcome", f"{people.room}/ally", None),
        ("thanks", f"{people.room}/bobby", None),
    ]


async def test_what_one_occupant_said_can_be_asked_for(people: People) -> None:
    await said(people, people.alice, "welcome")
    await said(people, people.bob, "thanks")
    page = await mam.query(people.bob, to=people.archive, fields={"with": f"{people.room}/ally"})

    assert page.bodies == ["welcome"]


async def test_who_comes_later_changes_nothing_in_the_archive(people: People) -> None:
    people.alice.send(
        f"<message to='{people.room}' type='groupchat' id='{uuid4().hex}'>"
        "<subject>news</subject></message>"
    )
    await people.bob.wait_for(lambda stanza: stanza.findtext(f"{CLIENT}subject") == "news")
    await said(people, people.alice, "welcome")
    await people.carol.join(people.room, "carol")

    found = await mam.everything(people.carol, to=people.archive)

    subjects = [one.message.findtext(f"{CLIENT}subject") for one in found]
    assert list(zip(subjects, [one.body for one in found], strict=True)) == [
        ("news", None),
        (None, "welcome"),
    ]


async def test_anybody_of_the_hosts_reads_an_open_room(people: People) -> None:
    await said(people, people.alice, "welcome")

    assert await mam.bodies(people.carol, to=people.archive) == ["welcome"]


async def test_a_room_for_members_refuses_a_stranger(people: People) -> None:
    await people.alice.ask("set", MEMBERS_ONLY, to=people.room)
    await said_to_members(people)

    assert await mam.bodies(people.alice, to=people.archive) == ["welcome"]
    for stranger in (people.carol, people.bob):
        with pytest.raises(Refused, match="forbidden"):
            await mam.query(stranger, to=people.archive)


async def said_to_members(people: People) -> None:
    """Say something once everybody else is out."""
    people.alice.say(people.room, "welcome", type="groupchat")
    await people.alice.wait_for_body("welcome")


async def test_who_was_banned_is_refused(people: People) -> None:
    await said(people, people.alice, "welcome")
    await make_bob(people, "outcast")
    await people.bob.wait_for(lambda stanza: stanza.get("type") == "unavailable")

    with pytest.raises(Refused, match="forbidden"):
        await mam.query(people.bob, to=people.archive)
    assert await mam.bodies(people.bob) == ["welcome"]


async def make_bob(people: People, affiliation: str) -> None:
    """Have the owner say what Bob is in the room."""
    item = f"<item affiliation='{affiliation}' jid='{people.bob.account.jid}'/>"
    query = f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
    await people.alice.ask("set", query, to=people.room)


async def test_a_member_who_was_removed_while_out_is_refused(people: People) -> None:
    await make_bob(people, "member")
    await people.alice.ask("set", MEMBERS_ONLY, to=people.room)
    await said(people, people.alice, "welcome")
    people.bob.send(f"<presence to='{people.room}/bobby' type='unavailable'/>")
    await people.bob.wait_for(lambda stanza: stanza.get("type") == "unavailable")

    assert await mam.bodies(people.bob, to=people.archive) == ["welcome"]
    await make_bob(people, "none")
    with pytest.raises(Refused, match="forbidden"):
        await mam.query(people.bob, to=people.archive)


async def test_a_stream_of_a_room_ends_with_the_room(rooms_server: Server, people: People) -> None:
    """Nobody makes it anew here, and who does elsewhere is not heard of."""
    muniment = rooms_server.muniment
    url = f"{muniment.url}/api/v1/archives/{people.room}/stream"
    async with (
        ClientSession(headers={"X-Api-Key": muniment.secret}) as http,
        stream(http, url) as events,
    ):
        await said(people, people.alice, "welcome")
        assert await events.take(1) == ["welcome"]
        await people.alice.ask(
            "set",
            "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>",
            to=people.room,
        )
        with pytest.raises(EOFError):
            await events.next()


async def test_who_makes_a_room_anew_reads_nothing_of_the_one_before(people: People) -> None:
    await said(people, people.alice, "welcome")
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


async def test_a_room_that_is_not_there_is_read_by_nobody(people: People) -> None:
    nowhere = people.archive.replace("room-", "no-room-")

    with pytest.raises(Refused, match="forbidden"):
        await mam.query(people.alice, to=nowhere)


async def test_a_retraction_leaves_a_tombstone_in_both_archives(people: People) -> None:
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


async def test_a_subscriber_who_does_not_come_in_has_in_the_archive_what_is_said(
    people: People,
) -> None:
    """MUC/Sub."""
    await people.alice.ask("set", ALLOW_SUBSCRIPTIONS, to=people.room)
    await people.carol.ask("set", SUBSCRIBE, to=people.room)
    await said(people, people.alice, "to all of you")
    await people.carol.wait_for(
        lambda stanza: "urn:xmpp:mucsub:nodes:messages" in {e.get("node") for e in stanza.iter()}
    )
    await people.carol.join(people.room, "caro")
    await said(people, people.bob, "and in here")
    await people.carol.wait_for_body("and in here")

    found = await mam.everything(people.carol)
    assert [(one.body, one.sender) for one in found] == [
        ("to all of you", f"{people.room}/ally"),
        ("and in here", f"{people.room}/bobby"),
    ]
    assert await mam.bodies(people.bob, to=people.archive) == ["to all of you", "and in here"]


def by_room(room: str, id: str) -> str:
    """Return an element that only the room may write (XEP-0359)."""
    return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{room}' id='{id}'/>"


def ids_by_room(stanza: Element, room: str) -> list[str | None]:
    """Return the ids that a message has by a room."""
    found = stanza.findall("{urn:xmpp:sid:0}stanza-id")
    return [element.get("id") for element in found if element.get("by") == room]


async def test_message_with_forged_room_id_is_archived(people: People) -> None:
    """What all have heard is in the archive, though its author gave it the id of another."""
    forged = by_room(people.room, "forged")
    await said(people, people.alice, "harmless", extra=forged)
    await said(people, people.alice, "harmful", extra=forged)

    for client in (people.alice, people.bob):
        assert await mam.bodies(client) == ["harmless", "harmful"]
    assert await mam.bodies(people.bob, to=people.archive) == ["harmless", "harmful"]


async def test_message_with_forged_room_id_is_moderated(release: Release, people: People) -> None:
    """XEP-0425: a moderator names the id that the room has given, which is the last one."""
    await said(people, people.bob, "harmful", extra=by_room(people.room, "forged"))
    heard = await people.alice.wait_for_body("harmful")
    *_, id = ids_by_room(heard, people.room)
    if not release.has_iq_privilege:
        # Rooms of this release give no ids without mod_mam, so there is nothing to moderate by.
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
    """Return for each text the last id by the room of the message that bob has heard, if any."""
    heard = [await people.bob.wait_for_body(text) for text in texts]
    return [(ids_by_room(stanza, people.room) or [None])[-1] for stanza in heard]


async def test_id_of_a_live_message_is_its_id_in_the_archive_of_the_room(
    release: Release, people: People
) -> None:
    """XEP-0313 section 3.5: the <stanza-id/> says "where and under what ID the message is
    stored"."""
    texts = ["one", "two", "three"]
    for text in texts:
        await said(people, people.alice, text)
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
    id = await said(people, people.bob, "regret")
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
    await said(people, people.alice, "one")
    await said(people, people.alice, "two")
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
    """XEP-0421: where the room tells who wrote a message, a taken nickname corrects nothing."""
    alice, bob = people.alice, people.bob
    id = await said(people, alice, "mine")
    await rename(alice, people.room, "alicia")
    await rename(bob, people.room, "ally")
    replace = f"<replace xmlns='urn:xmpp:message-correct:0' id='{id}'/>"
    of_alice = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{}'/>".format(
        occupant_id(await bob.wait_for_body("mine"))
    )
    await said(people, alice, "corrected", extra=replace)
    await said(people, bob, "forged", extra=replace + of_alice)

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
    """Change the nickname of an occupant, and wait until the room has told everybody."""
    client.send(f"<presence to='{room}/{nick}'/>")
    is_own = "{http://jabber.org/protocol/muc#user}x/{*}status[@code='110']"
    await client.wait_for(
        lambda stanza: stanza.get("from") == f"{room}/{nick}" and stanza.find(is_own) is not None
    )


def occupant_id(stanza: Element) -> str | None:
    """Return the id of the occupant who wrote a message, None if it has none."""
    element = stanza.find("{urn:xmpp:occupant-id:0}occupant-id")
    return None if element is None else element.get("id")
