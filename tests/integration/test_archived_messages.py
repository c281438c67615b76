"""Copies of ejabberd, case by case: which messages are archived, for whom, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from support import mam
from support.raw import Client
from support.remote_data import read_all
from support.server import Server
from support.stanzas import CLIENT, Refused, body_of

#: The copies of ejabberd differ between releases.
pytestmark = pytest.mark.every_ejabberd

DELAY = "{urn:xmpp:delay}delay"


@dataclass(frozen=True)
class People:
    """Sessions of alice on two resources with carbons, and a session of bob."""

    phone: Client
    laptop: Client
    bob: Client


@pytest.fixture
async def people(server: Server) -> AsyncIterator[People]:
    alice, bob = server.accounts("alice", "bob")
    async with (
        server.client(alice, "phone") as phone,
        server.client(alice, "laptop") as laptop,
        server.client(bob, "desk") as desk,
    ):
        for client in (phone, laptop, desk):
            await client.enable_carbons()
            await client.be_available()
        yield People(phone, laptop, desk)


async def test_message_to_two_resources_is_archived_once(people: People) -> None:
    people.bob.say(people.phone.account.jid, "both of you")
    for client in (people.phone, people.laptop):
        await client.wait_for_body("both of you")

    assert await mam.bodies(people.phone) == ["both of you"]
    assert await mam.bodies(people.bob) == ["both of you"]


async def test_message_to_one_resource_and_its_carbon_are_archived_once(people: People) -> None:
    people.bob.say(people.phone.jid, "only the phone")
    await people.phone.wait_for_body("only the phone")
    await wait_for_carbon(people.laptop, "received", "only the phone")

    [result] = await mam.everything(people.laptop)

    assert (result.body, result.to) == ("only the phone", people.phone.jid)


async def test_sent_message_and_its_carbon_are_archived_once(people: People) -> None:
    people.phone.say(people.bob.account.jid, "from the phone")
    await people.bob.wait_for_body("from the phone")
    await wait_for_carbon(people.laptop, "sent", "from the phone")

    [result] = await mam.everything(people.laptop)

    assert (result.body, result.sender) == ("from the phone", people.phone.jid)


@pytest.mark.parametrize("is_addressed", [True, False])
async def test_message_to_oneself_is_archived_once(people: People, is_addressed: bool) -> None:
    """A message without `to` goes to the account of the sender (RFC 6120 section 10.3.1)."""
    people.phone.say(people.phone.account.jid if is_addressed else None, "note to self")
    for client in (people.phone, people.laptop):
        await client.wait_for_body("note to self")

    assert await mam.bodies(people.phone) == ["note to self"]


async def test_offline_message_is_archived_once_with_the_time_of_sending(
    server: Server, people: People
) -> None:
    carol = server.account("carol")
    people.bob.say(carol.jid, "see you later")
    await people.bob.settled()
    await wait_for_decision(server, people.bob)
    before = await read_all(server.muniment, carol)
    async with server.client(carol) as client:
        await client.be_available()
        redelivered = await client.wait_for_body("see you later")
        after = await mam.everything(client)

    assert redelivered.find(DELAY) is not None
    assert [item["body"] for item in before] == ["see you later"]
    assert [result.stamp for result in after] == [item["timestamp"] for item in before]


async def test_message_to_nonexistent_user_is_archived_for_its_sender_only(
    server: Server, people: People
) -> None:
    ghost = replace(people.bob.account, user=f"ghost-of-{people.bob.account.user}")
    id = people.bob.say(ghost.jid, "anybody there?")
    await people.bob.wait_for(
        lambda stanza: stanza.get("type") == "error" and stanza.get("id") == id
    )
    # A later account of this name must not find the earlier message.
    server.ejabberd.register(ghost)

    assert await mam.bodies(people.bob) == ["anybody there?"]
    async with server.client(ghost) as client:
        assert await mam.bodies(client) == []


BLOCK = "<block xmlns='urn:xmpp:blocking'><item jid='{}'/></block>"
PRIVACY = (
    "<query xmlns='jabber:iq:privacy'><list name='no'><item type='jid' value='{}' action='deny'"
    " order='1'><message/></item></list></query>"
)
ACTIVE = "<query xmlns='jabber:iq:privacy'><default name='no'/></query>"


@pytest.mark.parametrize("steps", [(BLOCK,), (PRIVACY, ACTIVE)], ids=["XEP-0191", "XEP-0016"])
async def test_blocked_message_is_archived_for_its_sender_only(
    people: People, steps: tuple[str, ...]
) -> None:
    for step in steps:
        await people.bob.ask("set", step.format(people.phone.account.jid))
    id = people.phone.say(people.bob.account.jid, "let me in")
    await people.phone.wait_for(
        lambda stanza: stanza.get("type") == "error" and stanza.get("id") == id
    )
    await people.bob.settled()

    assert await mam.bodies(people.phone) == ["let me in"]
    assert await mam.bodies(people.bob) == []


async def test_message_without_id_is_archived_once(people: People) -> None:
    people.bob.say(people.phone.account.jid, "nameless", id=None)
    for client in (people.phone, people.laptop):
        await client.wait_for_body("nameless")

    assert await mam.bodies(people.phone) == ["nameless"]
    assert await mam.bodies(people.bob) == ["nameless"]


@pytest.mark.parametrize(
    "message",
    [
        "<message to='{}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/>"
        "</message>",
        "<message to='{}' type='chat'><body>off the record</body>"
        "<no-store xmlns='urn:xmpp:hints'/></message>",
        "<message to='{}' type='chat'><body>off the record</body>"
        "<no-permanent-store xmlns='urn:xmpp:hints'/></message>",
        "<message to='{}' type='headline'><body>news</body></message>",
    ],
    ids=["chat state", "no-store", "no-permanent-store", "headline"],
)
async def test_chat_state_headline_and_message_with_no_store_are_not_archived(
    people: People, message: str
) -> None:
    people.bob.send(message.format(people.phone.account.jid))
    people.bob.say(people.phone.account.jid, "but this is")
    await people.phone.wait_for_body("but this is")

    assert await mam.bodies(people.phone) == ["but this is"]
    assert await mam.bodies(people.bob) == ["but this is"]


async def test_pep_events_are_not_archived(people: People) -> None:
    """Personal events are messages without a body (XEP-0163)."""
    node = "http://jabber.org/protocol/tune"
    publish = (
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item>"
        f"<tune xmlns='{node}'><title>1</title></tune></item></publish></pubsub>"
    )
    await people.phone.ask("set", publish)
    await people.phone.ask(
        "set",
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<subscribe node='{node}' jid='{people.phone.account.jid}'/></pubsub>",
    )
    # Only some releases notify a publisher that has no subscription.
    await people.phone.ask("set", publish)
    await people.phone.wait_for(
        lambda stanza: stanza.find("{http://jabber.org/protocol/pubsub#event}event") is not None
    )

    assert await mam.everything(people.phone) == []


async def test_private_message_in_a_room_is_archived_with_occupant_jids(
    server: Server, people: People
) -> None:
    """XEP-0045 section 7.5: a private message goes from one occupant JID to another."""
    room = f"{people.bob.account.user}@conference.{server.ejabberd.hosts[0]}"
    await people.bob.join(room, "rob")
    await people.phone.join(room, "ally")
    people.bob.say(
        f"{room}/ally", "psst", extra="<x xmlns='http://jabber.org/protocol/muc#user'/>"
    )
    await people.phone.wait_for_body("psst")

    [sent] = await mam.everything(people.bob)
    [received] = await mam.everything(people.phone)

    assert (sent.to, sent.type) == (f"{room}/ally", "chat")
    assert (received.sender, received.type) == (f"{room}/rob", "chat")


async def test_query_of_an_archive_adds_nothing_to_it(people: People) -> None:
    people.bob.say(people.phone.account.jid, "once")
    await people.phone.wait_for_body("once")
    first = await mam.everything(people.phone)

    for client in (people.phone, people.laptop, people.bob):
        await mam.everything(client)

    second = await mam.everything(people.phone)
    assert [result.id for result in second] == [result.id for result in first]


@pytest.mark.parametrize("own_server", [{"xmpp": {"hosts": ["one.test"]}}], indirect=True)
async def test_user_of_unserved_host_has_no_archive(
    own_server: Server,
) -> None:
    alice, romeo = own_server.accounts("alice@1", "romeo@2")
    async with own_server.client(alice) as alice_client, own_server.client(romeo) as romeo_client:
        for sender, recipient in ((alice_client, romeo_client), (romeo_client, alice_client)):
            await sender.be_available()
            await recipient.be_available()
            sender.say(recipient.account.jid, f"from {sender.account.user}")
            await recipient.wait_for_body(f"from {sender.account.user}")

        assert await mam.bodies(alice_client) == [f"from {alice.user}", f"from {romeo.user}"]
        for archive in (romeo.jid, own_server.ejabberd.component):
            with pytest.raises(Refused, match=r"forbidden|service-unavailable"):
                await mam.query(romeo_client, to=archive)


async def wait_for_carbon(client: Client, direction: str, body: str) -> None:
    """Return after a carbon of the message has arrived; `direction` is sent or received."""
    forwarded = f"{{urn:xmpp:carbons:2}}{direction}/{{urn:xmpp:forward:0}}forwarded"
    path = f"{forwarded}/{CLIENT}message/{CLIENT}body"
    await client.wait_for(lambda stanza: stanza.findtext(path) == body)


# Messages that are not delivered


MUC_USER = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
STORE = "<store xmlns='urn:xmpp:hints'/>"

NOT_DELIVERED = pytest.mark.parametrize(
    ("type", "is_full", "extra"),
    [
        ("chat", False, ""),
        ("chat", True, ""),
        ("chat", False, MUC_USER),
        ("headline", False, STORE),
        ("groupchat", True, ""),
    ],
    ids=["account", "session", "of a room", "headline", "groupchat"],
)


async def wait_for_decision(server: Server, sender: Client) -> None:
    """Return after the archive has decided about all earlier messages.

    The decision about a message to a user who is offline takes longest.
    """
    away = server.account("away")
    sender.say(away.jid, "decided")
    async with asyncio.timeout(20):
        while not await read_all(server.muniment, away):  # noqa: ASYNC110 - no event shows it
            await asyncio.sleep(0.1)


@NOT_DELIVERED
async def test_message_of_blocked_sender_who_left_is_not_archived_for_the_recipient(
    server: Server, people: People, type: str, is_full: bool, extra: str
) -> None:
    mallory = server.account("mallory")
    to = people.bob.jid if is_full else people.bob.account.jid
    await people.bob.ask("set", BLOCK.format(mallory.jid))
    async with server.client(mallory) as client:
        client.say(to, "let me in", type=type, extra=extra)
        # The client closes the stream in the same write, before it reads an answer.
        await client.__aexit__()
    await wait_for_decision(server, people.phone)

    assert await mam.bodies(people.bob) == []


async def test_message_to_user_blocked_by_its_sender_is_not_archived_for_that_user(
    server: Server, people: People
) -> None:
    await people.phone.ask("set", BLOCK.format(people.bob.account.jid))
    people.phone.say(people.bob.account.jid, "refused")
    await wait_for_decision(server, people.phone)

    assert await mam.bodies(people.bob) == []


async def test_message_to_nonexistent_user_is_not_shown_to_a_later_account(
    server: Server, people: People
) -> None:
    ghost = replace(people.bob.account, user=f"later-{people.bob.account.user}")
    sender = server.account("sender")
    async with server.client(sender) as client:
        client.say(ghost.jid, "anybody there?")
        await client.__aexit__()
    await wait_for_decision(server, people.phone)
    server.ejabberd.register(ghost)

    async with server.client(ghost) as client:
        assert await mam.bodies(client) == []


async def test_error_after_delivery_does_not_remove_the_message(
    server: Server, people: People
) -> None:
    to = people.bob.account.jid
    people.phone.say(to, "words", id="1")
    await people.bob.wait_for_body("words")
    people.phone.say(to, "words", id="1", type="groupchat")
    await people.phone.wait_for(
        lambda stanza: stanza.get("type") == "error" and stanza.get("id") == "1"
    )
    people.phone.say(people.bob.jid, "more", id="2")
    await people.bob.wait_for_body("more")
    people.bob.send(
        f"<message type='error' id='2' to='{people.phone.jid}'><body>more</body>"
        "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        "</message>"
    )
    await people.phone.wait_for(
        lambda stanza: stanza.get("type") == "error" and stanza.get("id") == "2"
    )

    assert await mam.bodies(people.bob) == ["words", "more"]


async def test_same_id_and_body_in_three_sessions_are_three_messages(
    server: Server, people: People
) -> None:
    sender = server.account("sender")

    def count() -> int:
        return sum(body_of(stanza) == "ok" for stanza in people.bob.received)

    for n in range(1, 4):
        async with server.client(sender, "same") as client:
            await client.be_available()
            client.say(people.bob.account.jid, "ok", id="ab1a")
            if count() < n:
                await people.bob.wait_for_next(lambda _, n=n: count() == n)

    async with server.client(sender) as client:
        assert await mam.bodies(client) == ["ok"] * 3
    assert await mam.bodies(people.bob) == ["ok"] * 3


async def test_forged_delay_does_not_change_the_archived_time(
    server: Server, people: People
) -> None:
    """ejabberd adds no delay to a message that already has a delay of its domain."""
    [stranger] = server.accounts("stranger@2")
    host = people.bob.account.host
    forged = f"<delay xmlns='urn:xmpp:delay' from='{host}' stamp='2020-01-01T00:00:00Z'/>"
    async with server.client(stranger) as client:
        client.say(people.bob.account.jid, "long ago", extra=forged)
        await people.bob.wait_for_body("long ago")

    [result] = await mam.everything(people.bob)
    assert result.stamp > "2026"
    assert result.message.find(DELAY) is not None
