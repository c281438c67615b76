"""Archives that are filled by the ingest pipeline, one stanza a second."""

from __future__ import annotations

from typing import Any

from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from support.builders import NOON, SECOND, message, stanza
from support.deliveries import DeliveryBench
from support.http_services import HOST, OTHER_HOST

ALICE, BOB = f"alice@{HOST}/a1", f"bob@{HOST}/b1"
ROOM = f"room@conference.{HOST}"

NS_SID = "urn:xmpp:sid:0"


class Talk:
    """A conversation, whose copies go to the pipeline."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._delivering = DeliveryBench(writer)
        self._ingest = self._delivering.ingest(Policy(), (HOST, OTHER_HOST))
        self._at = NOON

    async def take(self, *stanzas: str) -> None:
        """Archive stanzas that come one second after each other."""
        for text in stanzas:
            self._ingest.take(stanza(text), self._at)
            self._delivering.deliveries.decide()
            self._at += SECOND
        await self._writer.wait_durable()


def to_bob(body: str | None, id: str, extra: str = "", **fields: Any) -> str:
    """Return a message from Alice to Bob."""
    return message(body, sender=ALICE, to=f"bob@{HOST}", id=id, extra=extra, **fields)


def to_alice(body: str | None, id: str, extra: str = "", **fields: Any) -> str:
    """Return a message from Bob to Alice."""
    return message(body, sender=BOB, to=f"alice@{HOST}", id=id, extra=extra, **fields)


def in_room(
    nick: str, body: str | None, id: str, extra: str = "", *, occupant: str | None = None
) -> str:
    """Return a message of the room to Alice; the room gives it the id room-ID."""
    if occupant is not None:
        extra += f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{occupant}'/>"
    extra += f"<stanza-id xmlns='{NS_SID}' by='{ROOM}' id='room-{id}'/>"
    sender = f"{ROOM}/{nick}" if nick else ROOM
    return message(body, sender=sender, to=ALICE, id=id, type="groupchat", extra=extra)


def correct(id: str) -> str:
    """Return the payload of a correction (XEP-0308)."""
    return f"<replace xmlns='urn:xmpp:message-correct:0' id='{id}'/>"


def retract(id: str) -> str:
    """Return the payload of a retraction (XEP-0424)."""
    return f"<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>"


def moderate(id: str, by: str, reason: str) -> str:
    """Return the payload of a moderation (XEP-0425)."""
    return (
        f"<retract xmlns='urn:xmpp:message-retract:1' id='{id}'>"
        f"<moderated xmlns='urn:xmpp:message-moderate:1' by='{by}'/>"
        f"<reason>{reason}</reason></retract>"
    )


def react(id: str, *emojis: str) -> str:
    """Return the payload of reactions (XEP-0444)."""
    reactions = "".join(f"<reaction>{emoji}</reaction>" for emoji in emojis)
    return f"<reactions xmlns='urn:xmpp:reactions:0' id='{id}'>{reactions}</reactions>"


def displayed(id: str) -> str:
    """Return a chat marker (XEP-0333)."""
    return f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/>"


def received(id: str) -> str:
    """Return a delivery receipt (XEP-0184)."""
    return f"<received xmlns='urn:xmpp:receipts' id='{id}'/>"
