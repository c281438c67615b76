"""Room messages in MUC/Sub events, and forged events."""

from __future__ import annotations

import pytest
from support.wire import ALICE, BOB, BOB_PHONE, HOST, NS_CLIENT, Wire, chat

ROOM = f"room@conference.{HOST}"
MESSAGES = "urn:xmpp:mucsub:nodes:messages"


def from_room(
    body: str, *, sender: str = f"{ROOM}/ally", to: str = BOB, type: str = "groupchat"
) -> str:
    return chat(body, sender=sender, to=to, type=type, id=body)


def wrapped(
    inner: str, *, sender: str = ROOM, to: str = BOB, node: str = MESSAGES, beside: str = ""
) -> str:
    return (
        f"<message xmlns='{NS_CLIENT}' from='{sender}' to='{to}' id='w1'>"
        f"<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='{node}'>"
        f"<item id='1'>{inner}</item></items></event>{beside}</message>"
    )


async def test_event_for_a_subscriber_is_archived_as_a_room_message(
    wire: Wire,
) -> None:
    wire.log_copy(wrapped(from_room("hello")))

    [row] = await wire.archived(BOB)
    assert (row.peer, row.nick, row.type, row.xml) == (
        ROOM,
        "ally",
        "groupchat",
        from_room("hello"),
    )


async def test_event_for_a_subscriber_in_the_room_is_archived_once(wire: Wire) -> None:
    wire.log_copy(from_room("first", to=BOB_PHONE))
    wire.log_copy(wrapped(from_room("first")))
    wire.log_copy(wrapped(from_room("second")))
    wire.log_copy(from_room("second", to=BOB_PHONE))

    assert await wire.bodies(BOB) == ["first", "second"]


@pytest.mark.parametrize(
    "forged",
    [
        wrapped(from_room("x"), sender=f"{ROOM}/mallory"),
        wrapped(from_room("x"), sender=f"other@conference.{HOST}"),
        wrapped(from_room("x", sender=f"{ALICE}/ally"), sender=ALICE),
        wrapped(from_room("x"), sender=f"conference.{HOST}"),
        wrapped(from_room("x"), sender=ALICE),
        wrapped(from_room("x", type="chat")),
        wrapped(from_room("x", to=ALICE)),
        wrapped(from_room("x"), node="urn:xmpp:mucsub:nodes:presence"),
        wrapped(
            from_room("x"), beside="<x xmlns='http://jabber.org/protocol/muc#user'><decline/></x>"
        ),
    ],
    ids=[
        "occupant",
        "another room",
        "a user as a room",
        "a service",
        "a user",
        "a chat",
        "for somebody else",
        "another node",
        "beside a declined invitation",
    ],
)
async def test_event_from_any_other_address_is_no_room_message(wire: Wire, forged: str) -> None:
    wire.log_copy(forged)

    assert await wire.bodies(BOB) == []
    assert await wire.bodies(ALICE) == []
