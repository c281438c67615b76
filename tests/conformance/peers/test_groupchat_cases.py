"""MongooseIM big_tests, mam_SUITE, muc_light: messages of rooms in the archives of users.

Their rooms are those of MUC Light, which ejabberd does not support; the cases about archives of
users apply to any room. Each test has the name of their case.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.mam_payloads import GET_FEATURES, archive_query, features_in
from support.wire import (
    ALICE,
    ALICE_PHONE,
    DELEGATION_1,
    HOST,
    NS_CLIENT,
    NS_MAM,
    Wire,
    chat,
    open_wire,
)

ROOM = f"tea@conference.{HOST}"
MARKERS = "urn:xmpp:chat-markers:0"

FIELD, AVAILABLE = f"{NS_MAM}#groupchat-field", f"{NS_MAM}#groupchat-available"


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component that does not archive messages of rooms for users."""
    async with open_wire(tmp_path, archive={"groupchat": False}) as opened:
        yield opened


@pytest.fixture
async def unmarked(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component that does not archive chat markers."""
    async with open_wire(tmp_path, archive={"markers": False}) as opened:
        yield opened


def room_says(wire: Wire, body: str, extra: str = "") -> None:
    """Have alice receive a message of a room."""
    wire.log_copy(
        chat(body, sender=f"{ROOM}/bob", to=ALICE_PHONE, id=body, type="groupchat", extra=extra)
    )


def room_marks(wire: Wire, name: str) -> None:
    """Have alice receive a chat marker of a room."""
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='groupchat' id='{name}' from='{ROOM}/bob'"
        f" to='{ALICE_PHONE}'><{name} xmlns='{MARKERS}' id='some-id'/></message>"
    )


async def including(wire: Wire, value: str) -> list[str]:
    reply = await wire.delegated(archive_query({"include-groupchat": value}))
    assert reply.refusal is None
    return reply.bodies


async def features(wire: Wire, node: str) -> set[str]:
    request = GET_FEATURES.replace("/>", f" node='{node}'/>")
    return features_in((await wire.direct(request, asker=HOST, type="get")).iq)


async def test_muc_light_service_discovery_stored_in_pm(wire: Wire) -> None:
    assert {FIELD, AVAILABLE} <= await features(wire, f"{DELEGATION_1}:bare:{NS_MAM}")


async def test_groupchat_available_is_not_advertised_without_room_messages(plain: Wire) -> None:
    """XEP-0313 section 7: the field is supported nevertheless."""
    advertised = await features(plain, f"{DELEGATION_1}:bare:{NS_MAM}")

    assert FIELD in advertised
    assert AVAILABLE not in advertised


async def test_muc_light_shouldnt_modify_pm_archive(plain: Wire) -> None:
    plain.say("private hi!")
    room_says(plain, "msg 1")

    assert (await plain.history()).bodies == ["private hi!"]


async def test_muc_light_stored_in_pm_if_allowed_to(wire: Wire) -> None:
    room_says(wire, "msg 1")

    assert (await wire.history()).bodies == ["msg 1"]


async def test_muc_light_include_groupchat_filter(wire: Wire) -> None:
    room_says(wire, "msg 1")
    wire.say("private hi!")

    assert await including(wire, "false") == ["private hi!"]
    assert await including(wire, "true") == ["msg 1", "private hi!"]


async def test_muc_light_no_pm_stored_include_groupchat_filter(wire: Wire) -> None:
    room_says(wire, "msg 1")

    assert await including(wire, "false") == []


async def test_muc_light_include_groupchat_messages_by_default(wire: Wire) -> None:
    room_says(wire, "msg 1")
    room_says(wire, "msg 2")
    wire.say("private hi!")

    assert (await wire.history()).bodies == ["msg 1", "msg 2", "private hi!"]
    assert await including(wire, "true") == ["msg 1", "msg 2", "private hi!"]


@pytest.mark.parametrize("value", ["1", "0"])
async def test_boolean_digit_is_accepted(wire: Wire, value: str) -> None:
    """XEP-0004 section 3.3: a boolean is written as in XML Schema, so digits are allowed."""
    room_says(wire, "msg 1")

    assert await including(wire, value) == ["msg 1"] * int(value)


async def test_muc_light_chat_markers_are_archived_if_enabled(wire: Wire) -> None:
    for name in ("received", "displayed", "acknowledged"):
        room_marks(wire, name)

    assert len((await wire.history(with_=ROOM)).results) == 3


async def test_muc_light_chat_markers_are_not_archived_if_disabled(unmarked: Wire) -> None:
    for name in ("received", "displayed", "acknowledged"):
        room_marks(unmarked, name)

    assert (await unmarked.history(ALICE_PHONE, with_=ROOM)).results == []


async def test_private_message_through_a_room_is_not_groupchat(wire: Wire) -> None:
    """A private message has type chat, so `include-groupchat` does not affect it."""
    extra = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
    wire.log_copy(chat("psst", sender=f"{ROOM}/bob", to=ALICE_PHONE, id="psst", extra=extra))

    assert await including(wire, "false") == ["psst"]
    assert (await wire.history(with_=f"{ROOM}/bob")).bodies == ["psst"]
    assert (await wire.history(with_=ALICE)).bodies == []


async def test_retract_muc_message_on_stanza_id(wire: Wire) -> None:
    """XEP-0424 section 4.1: in a room a retraction names the id that the room assigned."""
    by_room = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='s1'/>"
    room_says(wire, "hi, bob!", by_room)
    retraction = "<retract xmlns='urn:xmpp:message-retract:1' id='s1'/>"
    room_says(wire, "(retracted)", retraction)

    assert (await wire.history()).bodies == ["", "(retracted)"]
