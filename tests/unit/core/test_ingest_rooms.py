"""Copied groupchat messages become rows in the archive of their room, each once."""

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
    """Do nothing between two copies, or restart the program, which loses its memory."""
    return intake.restart if request.param == "restarted" else lambda: None


def from_room(
    to: str | None = A1, body: str | None = "hi", *, nick: str = "nick", **parts: str | None
) -> str:
    """Return the groupchat message to one occupant, or with `to` None as the room archives it."""
    return message(body, sender=f"{ROOM}/{nick}", to=to, type="groupchat", **parts)


def room_id(id: str = "s1") -> str:
    return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='{id}'/>"


async def test_groupchat_message_is_in_the_archive_of_the_room_once(
    intake: Intake, between: Callable[[], None]
) -> None:
    intake.take(message(sender=A1, to=ROOM, type="groupchat"), from_room(A1))
    between()
    intake.take(from_room(B1), at=NOON + SECOND)

    assert await intake.xml(ROOM) == [from_room(None)]
    assert (await intake.xml(ALICE), await intake.xml(BOB)) == ([from_room(A1)], [from_room(B1)])


async def test_row_has_the_room_and_the_nickname(intake: Intake) -> None:
    intake.take(from_room(nick="al"))

    [row] = await intake.rows(ROOM)
    assert (row.peer, row.resource, row.nick) == (ROOM, "al", "al")
    assert (row.direction, row.type, row.kind) == (Direction.RECEIVED, "groupchat", Kind.MESSAGE)


async def test_same_stanza_id_of_the_room_is_one_message(
    intake: Intake, between: Callable[[], None]
) -> None:
    intake.take(from_room(A1, extra=room_id("s1"), id=None))
    between()
    intake.take(from_room(B1, extra=room_id("s1"), id=None), at=NOON + 500 * MINUTE)
    intake.take(from_room(A1, extra=room_id("s2"), id=None))

    assert await intake.xml(ROOM) == [
        from_room(None, extra=room_id("s1"), id=None),
        from_room(None, extra=room_id("s2"), id=None),
    ]


async def test_id_that_the_room_gave_is_the_id_in_its_archive_only(intake: Intake) -> None:
    intake.take(from_room(extra=room_id("forged-by-author") + room_id("1795954099461047")))

    [of_room], [of_user] = await intake.rows(ROOM), await intake.rows(ALICE)
    assert of_room.id == "1795954099461047"
    assert of_user.id != of_room.id


@pytest.mark.parametrize("id", ["start", "short", "with blank", "x'/&gt;&lt;y/", "a" * 129])
async def test_id_of_a_room_that_fits_no_url_is_no_id_in_the_archive(
    intake: Intake, id: str
) -> None:
    intake.take(from_room(extra=room_id(id.replace("'", "&apos;"))))

    [row] = await intake.rows(ROOM)
    assert row.id != id
    assert len(row.id) == 22


async def test_same_stanza_id_with_another_nickname_is_another_message(intake: Intake) -> None:
    intake.take(from_room(extra=room_id(), nick="mallory"), from_room(extra=room_id()))

    assert len(await intake.rows(ROOM)) == 2


@pytest.mark.parametrize("id", ["fixed", None])
async def test_same_message_to_the_same_occupant_again_is_another_message(
    intake: Intake, id: str | None
) -> None:
    """A room sends a message to each occupant once."""
    start = NOON - NOON % SLOT
    for at in (start, start + 1, start + MINUTE):
        intake.take(from_room(A1, id=id), from_room(B1, id=id), at=at)

    for archive in (ROOM, ALICE, BOB):
        assert len(await intake.rows(archive)) == 3


async def test_private_message_is_not_in_the_archive_of_the_room(intake: Intake) -> None:
    """XEP-0313 section 5.1.2 excludes private messages."""
    intake.take(message(sender=A1, to=f"{ROOM}/bobby", extra=X.format("")))
    intake.take(message(sender=f"{ROOM}/ally", to=B1, extra=X.format("")))

    assert await intake.rows(ROOM) == ()


async def test_real_jid_of_an_occupant_is_not_archived(intake: Intake) -> None:
    intake.take(from_room(extra=X.format(ITEM)))

    assert await intake.xml(ROOM) == [from_room(None)]
    assert await intake.xml(ALICE) == [from_room(A1, extra=X.format(""))]


async def test_subject_is_archived_once_per_change(intake: Intake) -> None:
    subject = "<subject>news</subject>"
    intake.take(from_room(A1, None, extra=subject), from_room(B1, None, extra=subject))
    intake.take(from_room(A1, None, extra=subject, id=None), at=NOON + MINUTE)

    assert await intake.xml(ROOM) == [from_room(None, None, extra=subject)]
    assert await intake.rows(ALICE) == ()


async def test_history_is_not_in_the_archive_of_the_room_again(intake: Intake) -> None:
    intake.take(from_room(extra=delay(ROOM, format_time(NOON - MINUTE), "")))

    assert await intake.rows(ROOM) == ()


async def test_room_is_archived_if_groupchat_is_off_for_users(intake: Intake) -> None:
    intake.policy = Policy(groupchat=False)
    intake.restart()
    intake.take(from_room(A1), from_room(B1))

    assert (await intake.xml(ROOM), await intake.xml(ALICE)) == ([from_room(None)], [])


@pytest.mark.parametrize(
    "sender",
    ["room@rooms.example.net/n", f"room@x.{SERVICE}/n", f"{SERVICE}/n", SERVICE],
)
async def test_only_rooms_of_the_services_have_archives(intake: Intake, sender: str) -> None:
    intake.take(message(sender=sender, to=A1, type="groupchat"))

    assert await intake.rows(sender.partition("/")[0]) == ()
    assert len(await intake.rows(ALICE)) == 1


async def test_message_to_a_room_is_not_in_its_archive(intake: Intake) -> None:
    intake.take(message(sender=A1, to=ROOM, type="groupchat"))
    intake.take(message(sender=A1, to=f"{ROOM}/nick", type="groupchat"))

    assert await intake.rows(ROOM) == ()


async def test_retraction_leaves_a_tombstone_for_the_room_and_each_occupant(
    intake: Intake,
) -> None:
    retract = "<retract xmlns='urn:xmpp:message-retract:1' id='s1'/>"
    for to in (A1, B1):
        intake.take(from_room(to, extra=room_id()))
    for to in (A1, B1):
        intake.take(from_room(to, None, id="r1", extra=retract))

    for owner in (ALICE, BOB, ROOM):
        assert [row.kind for row in await intake.rows(owner)] == [Kind.TOMBSTONE, Kind.ANNOTATION]


async def test_own_groupchat_message_marks_the_room_as_read(
    intake: Intake,
) -> None:
    intake.take(from_room(A1, id="other"), from_room(B1, id="other"))
    intake.take(message(sender=A1, to=ROOM, type="groupchat", id="own"))
    intake.take(from_room(A1, id="own", nick="al"), from_room(B1, id="own", nick="al"))
    intake.take(from_room(A1, id="later"), from_room(B1, id="later"))

    assert await intake.unread(ALICE) == {ROOM: 1}
    assert await intake.unread(BOB) == {ROOM: 3}


async def test_room_knows_which_of_our_users_wrote_a_message(
    intake: Intake,
) -> None:
    intake.take(message(sender=A1, to=ROOM, type="groupchat", id="own"))
    intake.take(from_room(B1, id="own", nick="al"), from_room(A1, id="own", nick="al"))
    intake.take(from_room(B1, id="other", nick="al"))

    assert [row.author for row in await intake.rows(ROOM)] == [ALICE, ""]
    assert {row.author for row in await intake.rows(BOB)} == {""}
    [room] = await intake.rooms_of(ALICE)
    assert room.unread == 1


async def test_message_whose_id_two_users_have_used_has_no_author(intake: Intake) -> None:
    for sender in (A1, B1):
        intake.take(message(sender=sender, to=ROOM, type="groupchat", id="1"))
    intake.take(from_room(A1, id="1"))

    [row] = await intake.rows(ROOM)
    assert row.author == ""
