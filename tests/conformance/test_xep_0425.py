"""XEP-0425: Moderated Message Retraction, version 0.3.0, as an archive obeys it."""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, HOST, Wire, chat, element_at, parsed

ROOM = f"room@conference.{HOST}"
NS_RETRACT, NS = "urn:xmpp:message-retract:1", "urn:xmpp:message-moderate:1"
NS_OCCUPANT = "urn:xmpp:occupant-id:0"
RETRACTED = f"{{{NS_RETRACT}}}retracted"
MODERATED = f"{RETRACTED}/{{{NS}}}moderated"


def room_message(extra: str = "", by: str = ROOM) -> str:
    ids = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='s1'/>"
    ids += f"<occupant-id xmlns='{NS_OCCUPANT}' id='author'/>"
    return chat(
        "magic potions!",
        sender=f"{ROOM}/oldhag",
        to=ALICE_PHONE,
        type="groupchat",
        id="m1",
        extra=ids + extra,
    )


def moderated(sender: str = ROOM, *, type: str = "groupchat") -> str:
    """Return a moderation like example 5."""
    return (
        f"<message xmlns='jabber:client' type='{type}' id='r1' from='{sender}' to='{ALICE_PHONE}'>"
        f"<retract id='s1' xmlns='{NS_RETRACT}'><moderated by='{ROOM}/macbeth' xmlns='{NS}'>"
        f"<occupant-id xmlns='{NS_OCCUPANT}' id='moderator'/></moderated>"
        "<reason>inappropriate</reason></retract></message>"
    )


async def test_tombstone_replaces_the_content(wire: Wire) -> None:
    """4: "replaces the message contents (i.e. the <body/> and any related elements which might
    leak information about the original message) with a <retracted/> element which in turn contains
    a <moderated/> element"."""
    wire.log_copy(room_message("<x xmlns='urn:x'>potions</x>"))
    wire.log_copy(moderated())

    original = (await wire.archived(ALICE))[0].xml
    assert "potions" not in original
    assert element_at(parsed(original), MODERATED) is not None


async def test_tombstone_has_the_moderator(wire: Wire) -> None:
    """4: "The <moderated/> element SHOULD have a 'by' attribute specifying the JID of the
    moderating entity"."""
    wire.log_copy(room_message())
    wire.log_copy(moderated())

    original = parsed((await wire.archived(ALICE))[0].xml)
    assert element_at(original, MODERATED).get("by") == f"{ROOM}/macbeth"


async def test_tombstone_distinguishes_author_and_moderator(wire: Wire) -> None:
    """4: "the occupant id from XEP-0421 SHOULD be included for the moderator in the <moderated/>
    element and for the original (retracted) message author in the <message/> element"."""
    wire.log_copy(room_message())
    wire.log_copy(moderated())

    original = parsed((await wire.archived(ALICE))[0].xml)
    occupant = f"{{{NS_OCCUPANT}}}occupant-id"
    assert element_at(original, occupant).get("id") == "author"
    assert element_at(original, f"{MODERATED}/{occupant}").get("id") == "moderator"


@pytest.mark.parametrize(
    ("sender", "type"),
    [(f"{ROOM}/mallory", "groupchat"), (ROOM, "chat"), ("mallory@remote.example/m", "chat")],
)
async def test_only_the_room_itself_moderates(wire: Wire, sender: str, type: str) -> None:
    """5: "only moderation messages [...] received from the MUC service itself are legitimate, all
    other such messages MUST be discarded"."""
    wire.log_copy(room_message())
    wire.log_copy(moderated(sender, type=type))

    assert "potions" in (await wire.archived(ALICE))[0].xml


async def test_moderation_uses_the_stanza_id_of_the_room(wire: Wire) -> None:
    """3.1: "Care must be taken to use the stanza ID that was added by the MUC, i.e. which has a
    "by" attribute set to the MUC JID, and not some other stanza ID"."""
    wire.log_copy(room_message(by="mallory@remote.example"))
    wire.log_copy(moderated())

    assert "potions" in (await wire.archived(ALICE))[0].xml
