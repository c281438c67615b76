"""XEP-0045: Multi-User Chat, version 1.35.5, and XEP-0313 for archives of rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.builders import ALICE, BOB, HOST, ROOM, message, stanza
from support.ingest import Intake, open_intake

from component.core.archiving.policy import Policy
from component.core.xml.document_parser import parse

MUC_USER = "http://jabber.org/protocol/muc#user"
A1, B1 = f"{ALICE}/a1", f"{BOB}/b1"


@pytest.fixture
async def intake() -> AsyncIterator[Intake]:
    async with open_intake([f"conference.{HOST}"]) as opened:
        yield opened


def room_message(to: str, body: str | None = "hi", **parts: str | None) -> str:
    return message(body, sender=f"{ROOM}/nick", to=to, type="groupchat", **parts)


async def test_each_message_is_stored_once(intake: Intake) -> None:
    """XEP-0313 section 5.1.2: "A MUC archive MUST store each message only once (not, for example,
    every copy sent out to an occupant)"."""
    intake.take(room_message(A1), room_message(B1), room_message(f"{ALICE}/a2"))

    assert len(await intake.rows(ROOM)) == 1


async def test_subject_changes_are_stored(intake: Intake) -> None:
    """XEP-0313 section 5.1.2: "All messages sent to the room that contain a <body> element SHOULD
    be stored, as should subject change stanzas"."""
    intake.take(room_message(A1), room_message(A1, None, id="m2", extra="<subject>news</subject>"))

    assert len(await intake.rows(ROOM)) == 2


async def test_private_messages_are_not_stored(intake: Intake) -> None:
    """XEP-0313 section 5.1.2: "A MUC archive MUST NOT include 'private message' results"."""
    intake.take(message(sender=f"{ROOM}/nick", to=A1, extra=f"<x xmlns='{MUC_USER}'/>"))

    assert await intake.rows(ROOM) == ()


async def test_stored_message_is_from_the_occupant_jid_without_to(intake: Intake) -> None:
    """XEP-0313 section 5.1.2: "the forwarded stanza MUST NOT have a 'to' attribute, and the 'from'
    MUST be the occupant JID of the sender of the archived message"."""
    intake.take(room_message(A1))

    [xml] = await intake.xml(ROOM)
    stored = parse(xml.encode())
    assert (stored.get("from"), "to" in stored.attributes) == (f"{ROOM}/nick", False)


async def test_forged_muc_user_element_is_stripped(intake: Intake) -> None:
    """XEP-0313 section 5.1.2: "The archiving entity MUST strip any pre-existing <x> element from
    MUC messages"."""
    item = "<item jid='carol@remote.example/c' affiliation='none'/>"
    intake.take(room_message(A1, extra=f"<x xmlns='{MUC_USER}'>{item}</x>"))

    [xml] = await intake.xml(ROOM)
    assert parse(xml.encode()).child(MUC_USER, "x") is None


def test_mediated_invitation_is_stored() -> None:
    """7.8.2 (paraphrase): a mediated invitation is a message without a body, and the room does not
    repeat it."""
    invite = f"<x xmlns='{MUC_USER}'><invite from='{BOB}'/></x>"

    assert Policy().judge(stanza(message(None, sender=ROOM, to=A1, extra=invite)))[0] is True


async def test_discussion_history_is_not_stored_again(intake: Intake) -> None:
    """7.2.13 (paraphrase): messages of the discussion history have a delay from the room."""
    delay = f"<delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2026-01-01T12:00:00Z'/>"
    intake.take(room_message(A1, extra=delay))

    assert (await intake.rows(ROOM), await intake.rows(ALICE)) == ((), ())
