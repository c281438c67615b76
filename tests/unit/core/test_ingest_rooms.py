"""From copies to the archives of rooms: what was said in each, once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from support.builders import ALICE, BOB, HOST, MINUTE, NOON, ROOM, SECOND, delay, message
from support.ingest import Intake, open_intake

from component.core.archiving.dedup import SLOT
from component.core.archiving.policy import Policy
from component.core.xml.times import format_time
from storage.rows import Direction, Kind

SERVICE = f"conference.{HOST}"
A1, B1 = f"{ALICE}/a1", f"{BOB}/b1"
X = "<x xmlns='http://jabber.org/protocol/muc#user'>{}</x>"
ITEM = "<item affiliation='member' jid='carol@remote.example/c'/>"


@pytest.fixture
async def intake() -> AsyncIterator[Intake]:
    async with open_intake([SERVICE]) as opened:
        yield opened


@pytest.fixture(params=["remembered", "restarted"])
def between(request: pytest.FixtureRequest, intake: Intake) -> Callable[[], None]:
    """What happens between two copies: nothing, or a restart with the memory lost."""
    return intake.restart if request.param == "restarted" else lambda: None


def said(
    to: str | None = A1, body: str | None = "hi", *, nick: str = "nick", **parts: str | None
) -> str:
    """Return what a room sends to one occupant, None for what its archive has of it."""
    return message(body, sender=f"{ROOM}/{nick}", to=to, type="groupchat", **parts)


def room_id(id: str = "s1") -> str:
    return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='{id}'/>"


async def test_what_is_said_is_in_the_archive_of_the_room_once(
    intake: Intake, between: Callable[[], None]
) -> None:
    intake.take(message(sender=A1, to=ROOM, type="groupchat"), said(A1))
    between()
    intake.take(said(B1), at=NOON + SECOND)

    assert await intake.xml(ROOM) == [said(None)]
    assert (await intake.xml(ALICE), await intake.xml(BOB)) == ([said(A1)], [said(B1)])


async def test_a_row_names_the_room_and_who_spoke_in_it(intake: Intake) -> None:
    intake.take(said(nick="al"))

    [row] = await intake.rows(ROOM)
    assert (row.peer, row.resource, row.nick) == (ROOM, "al", "al")
    assert (row.direction, row.type, row.kind) == (Direction.RECEIVED, "groupchat", Kind.MESSAGE)


async def test_what_the_room_calls_a_message_makes_it_one(
    intake: Intake, between: Callable[[], None]
) -> None:
    intake.take(said(A1, extra=room_id("s1"), id=None))
    between()
    intake.take(said(B1, extra=room_id("s1"), id=None), at=NOON + 500 * MINUTE)
    intake.take(said(A1, extra=room_id("s2"), id=None))

    assert await intake.xml(ROOM) == [
        said(None, extra=room_id("s1"), id=None),
        said(None, extra=room_id("s2"), id=None),
    ]


async def test_one_occupant_hides_no_message_of_another_by_its_name(intake: Intake) -> None:
    intake.take(said(extra=room_id(), nick="mallory"), said(extra=room_id()))

    assert len(await intake.rows(ROOM)) == 2


@pytest.mark.parametrize("id", ["fixed", None])
async def test_the_same_words_said_again_are_another_message(
    intake: Intake, id: str | None
) -> None:
    """A room sends a message to each occupant once."""
    start = NOON - NOON % SLOT
    for at in (start, start + 1, start + MINUTE):
        intake.take(said(A1, id=id), said(B1, id=id), at=at)

    for archive in (ROOM, ALICE, BOB):
        assert len(await intake.rows(archive)) == 3


async def test_private_messages_are_in_no_archive_of_the_room(intake: Intake) -> None:
    """XEP-0313 section 5.1.2."""
    intake.take(message(sender=A1, to=f"{ROOM}/bobby", extra=X.format("")))
    intake.take(message(sender=f"{ROOM}/ally", to=B1, extra=X.format("")))

    assert await intake.rows(ROOM) == ()


async def test_what_a_message_says_of_occupants_is_not_kept(intake: Intake) -> None:
    intake.take(said(extra=X.format(ITEM)))

    assert await intake.xml(ROOM) == [said(None)]
    assert await intake.xml(ALICE) == [said(A1, extra=X.format(""))]


async def test_a_subject_is_kept_as_it_changes(intake: Intake) -> None:
    subject = "<subject>news</subject>"
    intake.take(said(A1, None, extra=subject), said(B1, None, extra=subject))
    intake.take(said(A1, None, extra=subject, id=None), at=NOON + MINUTE)

    assert await intake.xml(ROOM) == [said(None, None, extra=subject)]
    assert await intake.rows(ALICE) == ()


async def test_history_is_not_archived_again(intake: Intake) -> None:
    intake.take(said(extra=delay(ROOM, format_time(NOON - MINUTE), "")))

    assert await intake.rows(ROOM) == ()


async def test_rooms_are_archived_where_members_keep_nothing_of_them(intake: Intake) -> None:
    intake.policy = Policy(groupchat=False)
    intake.restart()
    intake.take(said(A1), said(B1))

    assert (await intake.xml(ROOM), await intake.xml(ALICE)) == ([said(None)], [])


@pytest.mark.parametrize(
    "sender",
    ["room@rooms.example.net/n", f"room@x.{SERVICE}/n", f"{SERVICE}/n", SERVICE],
)
async def test_only_rooms_of_the_services_have_archives(intake: Intake, sender: str) -> None:
    intake.take(message(sender=sender, to=A1, type="groupchat"))

    assert await intake.rows(sender.partition("/")[0]) == ()
    assert len(await intake.rows(ALICE)) == 1


async def test_a_user_cannot_write_into_the_archive_of_a_room(intake: Intake) -> None:
    intake.take(message(sender=A1, to=ROOM, type="groupchat"))
    intake.take(message(sender=A1, to=f"{ROOM}/nick", type="groupchat"))

    assert await intake.rows(ROOM) == ()


async def test_a_retraction_leaves_a_tombstone_with_the_room_and_each_member(
    intake: Intake,
) -> None:
    retract = "<retract xmlns='urn:xmpp:message-retract:1' id='s1'/>"
    for to in (A1, B1):
        intake.take(said(to, extra=room_id()))
    for to in (A1, B1):
        intake.take(said(to, None, id="r1", extra=retract))

    for owner in (ALICE, BOB, ROOM):
        assert [row.kind for row in await intake.rows(owner)] == [Kind.TOMBSTONE, Kind.ANNOTATION]


async def test_what_users_say_in_a_room_themselves_shows_that_they_have_read_it(
    intake: Intake,
) -> None:
    intake.take(said(A1, id="other"), said(B1, id="other"))
    intake.take(message(sender=A1, to=ROOM, type="groupchat", id="own"))
    intake.take(said(A1, id="own", nick="al"), said(B1, id="own", nick="al"))
    intake.take(said(A1, id="later"), said(B1, id="later"))

    assert await intake.unread(ALICE) == {ROOM: 1}
    assert await intake.unread(BOB) == {ROOM: 3}
