"""XEP-0490: Message Displayed Synchronization, version 1.0.1: what counts as displayed."""

from __future__ import annotations

import asyncio

import pytest
from support.displaying import (
    GET,
    NS_MDS,
    NS_PUBSUB,
    answer,
    caught_up,
    item,
    items_of,
    next_marker_query,
    notified,
    published,
    read_unread,
    stanza_id,
    unread,
)
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    HOST,
    NS_CLIENT,
    PRIVILEGE_2,
    Wire,
    chat,
    element_at,
)

ROOM = f"room@conference.{HOST}"

#: The three ways on which a marker of alice is copied.
COPIES = pytest.mark.parametrize(
    "copy", [published, caught_up, notified], ids=["publication", "catch-up", "notification"]
)


async def received(wire: Wire, *bodies: str) -> list[str]:
    """Have bob send messages to alice; return their ids in her archive."""
    for body in bodies:
        wire.say(body, sender=BOB_PHONE, to=ALICE)
    return [message.id for message in await wire.archived(ALICE)]


async def displayed(wire: Wire, *items: str) -> dict[str, int]:
    """Have a client of alice publish items; return the unread counts of her conversations."""
    wire.log_copy(published(*items))
    return await unread(wire)


@COPIES
async def test_marker_of_a_contact_has_the_bare_jid_of_the_contact(wire: Wire, copy) -> None:
    """4.1: "For normal, 1:1 chats this SHOULD be the bare JID of the contact"."""
    ids = await received(wire, "1", "2", "3")
    wire.log_copy(copy(item(BOB, stanza_id(ids[1]))))

    assert await unread(wire) == {BOB: 1}


@COPIES
async def test_marker_of_a_room_has_the_bare_jid_and_the_id_of_the_room(wire: Wire, copy) -> None:
    """4.1: "for group chats this SHOULD be the bare JID of the room"; 4.2: "For group chats the
    <stanza-id/> child of the <displayed/> element refers to the stanza-id injected by the
    room"."""
    for id in ("r1", "r2"):
        extra = stanza_id(id, ROOM)
        wire.log_copy(
            chat(id, sender=f"{ROOM}/bob", to=ALICE_PHONE, type="groupchat", id=id, extra=extra)
        )
    before = await unread(wire)
    wire.log_copy(copy(item(ROOM, stanza_id("r1", ROOM))))

    assert (before, await unread(wire)) == ({ROOM: 2}, {ROOM: 1})


async def test_marker_of_a_private_message_does_not_count_for_its_room(wire: Wire) -> None:
    """4.1: "for private messages in group chats the full JID of the participant" (paraphrase: it
    is a chat of its own)."""
    x = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
    wire.log_copy(chat("psst", sender=f"{ROOM}/bob", to=ALICE_PHONE, extra=x))
    [message] = await wire.archived(ALICE)

    assert await displayed(wire, item(f"{ROOM}/bob", stanza_id(message.id))) == {ROOM: 1}


@pytest.mark.parametrize("count", [0, 2])
async def test_marker_without_exactly_one_stanza_id_is_ignored(wire: Wire, count: int) -> None:
    """4.1: "The <displayed/> element MUST contain exactly one Unique and Stable Stanza IDs
    <stanza-id/> element"."""
    ids = await received(wire, "1", "2")

    assert await displayed(wire, item(BOB, *map(stanza_id, ids[:count]))) == {BOB: 2}


async def test_marker_of_a_sent_message_counts(wire: Wire) -> None:
    """5.1: "clients SHOULD be able to handle displayed states that use stanza-ids that refer to
    outgoing messages and simply consider the chat as displayed up to that point"."""
    await received(wire, "1")
    reactions = (
        "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>👍</reaction></reactions>"
    )
    wire.log_copy(chat("", id="r", extra=reactions).replace("<body></body>", ""))
    ids = await received(wire, "2")
    before = await unread(wire)

    assert (before, await displayed(wire, item(BOB, stanza_id(ids[1])))) == ({BOB: 2}, {BOB: 1})


async def test_id_that_another_server_injected_is_ignored(wire: Wire) -> None:
    """4.2: "For all other chats the stanza-id child refers to the stanza-id injected by the user's
    server"."""
    ids = await received(wire, "1")

    assert await displayed(wire, item(BOB, stanza_id(ids[0], "evil.example"))) == {BOB: 1}
    assert await displayed(wire, item(BOB, stanza_id(ids[0], BOB))) == {BOB: 1}


async def test_displayed_state_only_moves_forward(wire: Wire) -> None:
    """5.1: "Receiving a displayed state with a stanza-id that references a message older than the
    current local representation is considered redundant and MUST be ignored"."""
    ids = await received(wire, "1", "2", "3")
    await displayed(wire, item(BOB, stanza_id(ids[2])))

    assert await displayed(wire, item(BOB, stanza_id(ids[0]))) == {BOB: 0}


@pytest.mark.parametrize("case", ["unknown", "another chat"])
async def test_id_that_is_not_in_the_chat_is_ignored(wire: Wire, case: str) -> None:
    """5.1: "Displayed states with a stanza-id not found in the respective chat MUST be
    ignored"."""
    await received(wire, "1")
    wire.say("2", sender=f"carol@{HOST}/x", to=ALICE)
    id = (await wire.archived(ALICE))[1].id if case == "another chat" else "0f710f2b-52ed"
    wire.log_copy(published(item(BOB, stanza_id(id))))

    assert (await unread(wire))[BOB] == 1


async def test_all_items_are_asked_for(wire: Wire) -> None:
    """4.4: "Upon bind and initial presence a client retrieves all items in the
    'urn:xmpp:mds:displayed:0' node to learn what changes to the displayed state have occured while
    the client was offline" (paraphrase: so do we, as the user, where XEP-0356 permits it)."""
    ids = await received(wire, "1", "2")
    wire.grant(PRIVILEGE_2, iqs=GET)
    await wire.caught_up()
    reading = asyncio.create_task(read_unread(wire))
    question = await next_marker_query(wire)
    answer(wire, question, items_of(item(BOB, stanza_id(ids[1]))))

    inner = element_at(question, f"{{{PRIVILEGE_2}}}privileged_iq/{{{NS_CLIENT}}}iq")
    items = element_at(inner, f"{{{NS_PUBSUB}}}pubsub/{{{NS_PUBSUB}}}items")
    assert (question.get("type"), question.get("to")) == ("get", ALICE)
    assert (inner.get("to"), items.get("node")) == (ALICE, NS_MDS)
    assert await reading == {BOB: 0}
