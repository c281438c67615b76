"""From copies of stanzas to rows: once in each archive that a message belongs to.

The copies are those that ejabberd's mod_service_log was seen to send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support.builders import (
    ALICE,
    BOB,
    HOST,
    MINUTE,
    NOON,
    OTHER_HOST,
    ROMEO,
    ROOM,
    SECOND,
    delay,
    message,
    stanza,
)
from support.deliveries import Delivering
from support.ingest import Intake, open_intake

from component.core.archiving.dedup import NEAR, SLOT
from component.core.archiving.ingest import Ingest
from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from component.core.xml.times import format_time, now
from storage.open import open_storage
from storage.rows import Direction, Kind

A1, A2, B1, B2 = f"{ALICE}/a1", f"{ALICE}/a2", f"{BOB}/b1", f"{BOB}/b2"
CAROL = f"carol@{OTHER_HOST}"
MUC_USER = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
SENT, RECEIVED = Direction.SENT, Direction.RECEIVED


@pytest.fixture
async def server() -> AsyncIterator[Intake]:
    async with open_intake() as intake:
        yield intake


@pytest.fixture(params=["remembered", "restarted"])
def between(request: pytest.FixtureRequest, server: Intake) -> Callable[[], None]:
    """What happens between two copies: nothing, or a restart with the memory lost."""
    return server.restart if request.param == "restarted" else lambda: None


# Both sides


async def test_a_message_is_in_both_archives(server: Intake) -> None:
    server.take(message())

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


async def test_each_side_sees_its_own_direction_and_the_other_side(server: Intake) -> None:
    server.take(message(sender=A1, to=B1))

    [sent], [received] = await server.rows(ALICE), await server.rows(BOB)
    assert (sent.direction, sent.peer, sent.resource) == (SENT, BOB, "b1")
    assert (received.direction, received.peer, received.resource) == (RECEIVED, ALICE, "a1")


async def test_a_message_to_a_bare_address_has_no_resource(server: Intake) -> None:
    server.take(message(to=BOB))

    assert [row.resource for row in await server.rows(ALICE)] == [""]


async def test_a_row_has_the_time_and_the_type(server: Intake) -> None:
    server.take(message(type=None), at=NOON + 5)

    assert [(row.at, row.type) for row in await server.rows(BOB)] == [(NOON + 5, "normal")]


async def test_users_of_two_virtual_hosts_have_one_each(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message(to=CAROL))
    between()
    server.take(message(to=CAROL))

    assert (len(await server.rows(ALICE)), len(await server.rows(CAROL))) == (1, 1)


async def test_a_message_to_a_remote_user_is_in_the_archive_of_the_sender(server: Intake) -> None:
    server.take(message(to=ROMEO))

    assert [(r.direction, r.peer) for r in await server.rows(ALICE)] == [(SENT, ROMEO)]
    assert await server.rows(ROMEO) == ()


async def test_a_message_from_a_remote_user_is_in_the_archive_of_the_recipient(
    server: Intake,
) -> None:
    server.take(message(sender=f"{ROMEO}/r", to=B1))

    assert [(r.direction, r.peer) for r in await server.rows(BOB)] == [(RECEIVED, ROMEO)]
    assert await server.rows(ROMEO) == ()


@pytest.mark.parametrize(
    ("sender", "to"),
    [
        (ROMEO, f"juliet@{ROMEO.partition('@')[2]}"),
        (HOST, OTHER_HOST),
        (f"alice@sub.{HOST}", f"bob@x{HOST}"),
        (f"alice@{HOST}.evil.example", ROMEO),
        (f"evil.example/alice@{HOST}", ROMEO),
        ("", ""),
    ],
)
async def test_what_is_neither_from_nor_to_a_user_of_ours_is_in_no_archive(
    server: Intake, sender: str, to: str
) -> None:
    server.take(message(sender=sender, to=to))

    owners = {part for address in (sender, to) for part in (address, address.partition("/")[0])}
    assert [await server.rows(owner) for owner in owners | {ALICE}] == [()] * len(owners | {ALICE})


async def test_a_server_has_no_archive(server: Intake) -> None:
    server.take(message(to=HOST))

    assert (len(await server.rows(ALICE)), await server.rows(HOST)) == (1, ())


async def test_a_message_of_the_server_is_in_the_archive_of_whom_it_is_for(server: Intake) -> None:
    server.take(message(sender=HOST, to=B1))

    assert [(row.direction, row.peer) for row in await server.rows(BOB)] == [(RECEIVED, HOST)]


# Copies


async def test_copies_of_two_resources_are_one_message(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message())
    between()
    server.take(message(), message(), at=NOON + SECOND)

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


async def test_carbons_are_no_messages(server: Intake) -> None:
    inner = message(sender=A1, to=B1)
    sent, received = (
        message(
            None,
            sender=owner,
            to=to,
            id=None,
            extra=f"<{kind} xmlns='urn:xmpp:carbons:2'>"
            f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></{kind}>",
        )
        for kind, owner, to in (("sent", ALICE, A2), ("received", BOB, B2))
    )
    server.take(inner, sent, inner, received)

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([inner], [inner])


async def test_a_carbon_alone_is_no_message_either(server: Intake) -> None:
    inner = message(sender=f"{ROMEO}/r", to=ALICE)
    server.take(
        message(
            None, sender=ROMEO, to=A1, extra=f"<sent xmlns='urn:xmpp:carbons:2'>{inner}</sent>"
        )
    )

    assert await server.rows(ALICE) == ()


async def test_the_same_words_with_another_id_are_another_message(server: Intake) -> None:
    server.take(message(id="m1"), message(id="m2"))

    assert len(await server.rows(BOB)) == 2


async def test_other_words_with_the_same_id_are_another_message(server: Intake) -> None:
    server.take(message("one"), message("two"))

    assert len(await server.rows(BOB)) == 2


async def test_a_message_to_oneself_is_stored_once(
    server: Intake, between: Callable[[], None]
) -> None:
    text = message(to=ALICE)
    server.take(text)
    between()
    server.take(text)

    assert [(row.peer, row.xml) for row in await server.rows(ALICE)] == [(ALICE, text)]


async def test_a_message_to_another_device_of_oneself_is_stored_once(server: Intake) -> None:
    server.take(*[message(sender=A1, to=A2)] * 2)

    assert [(r.peer, r.resource) for r in await server.rows(ALICE)] == [(ALICE, "a2")]


async def test_a_message_without_an_address_is_for_oneself(server: Intake) -> None:
    # RFC 6120 section 10.3.1: as if it were addressed to the bare JID of its sender.
    server.take(message(to=None))

    assert [row.peer for row in await server.rows(ALICE)] == [ALICE]


async def test_a_message_without_an_address_and_its_addressed_copy_are_one(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message(to=None))
    between()
    server.take(message(to=ALICE))

    assert len(await server.rows(ALICE)) == 1


# Kept offline


async def test_a_message_kept_offline_hits_the_same_row(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message())
    between()
    server.take(message(extra=delay(HOST, format_time(NOON))), at=NOON + 500 * MINUTE)

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


@pytest.mark.parametrize(
    ("kept", "came", "given", "is_believed"),
    [
        (0, 500, 500, True),
        (499, 500, 504, True),
        (-30, 500, 500, False),
        (501, 500, 502, False),
        (0, 500, 506, False),
        (0, None, 500, False),
    ],
    ids=["away", "late", "before that", "back already", "long back", "never seen"],
)
async def test_a_remote_message_has_the_time_it_came_where_its_recipient_was_away_then(
    server: Intake, kept: int, came: int | None, given: int, is_believed: bool
) -> None:
    sessions, since = server.delivering.sessions, NOON + kept * MINUTE
    if came is not None:
        for at in (NOON - MINUTE // 2, NOON + came * MINUTE):
            sessions.note_activity(BOB, at)
    late = message(sender=f"{ROMEO}/r", extra=delay(HOST, format_time(since)))
    server.take(late, at=NOON + given * MINUTE)

    [row] = await server.rows(BOB)
    assert (row.at, row.xml) == (since if is_believed else NOON + given * MINUTE, late)


async def test_nobody_in_a_room_says_when_something_was_said(server: Intake) -> None:
    for at in (NOON - 60 * MINUTE, NOON):
        server.delivering.sessions.note_activity(BOB, at)
    forged = delay(HOST, format_time(NOON - MINUTE))
    server.take(message(sender=f"{ROOM}/r", to=f"{BOB}/b", type="groupchat", extra=forged))

    assert [row.at for row in await server.rows(BOB)] == [NOON]


async def test_a_user_of_ours_cannot_write_into_the_past(server: Intake) -> None:
    server.take(message(extra=delay(HOST, format_time(NOON - MINUTE))))

    assert [row.at for row in await server.rows(BOB)] == [NOON]


async def test_a_delay_of_years_is_not_believed(server: Intake) -> None:
    forged = message(sender=f"{ROMEO}/r", extra=delay(HOST, "2001-01-01T00:00:00Z"))
    server.take(forged)

    assert [row.at for row in await server.rows(BOB)] == [NOON]


@pytest.mark.parametrize("server_name", [OTHER_HOST, "remote.example", ROOM, ""])
async def test_a_delay_by_another_server_changes_no_time(server: Intake, server_name: str) -> None:
    server.take(message(extra=delay(server_name, format_time(NOON - MINUTE))))

    assert [row.at for row in await server.rows(BOB)] == [NOON]


async def test_a_delay_in_the_future_changes_no_time(server: Intake) -> None:
    server.take(message(extra=delay(HOST, format_time(NOON + MINUTE))))

    assert [row.at for row in await server.rows(BOB)] == [NOON]


async def test_a_stanza_id_of_the_server_makes_no_other_message(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message())
    between()
    server.take(message(extra=f"<stanza-id xmlns='urn:xmpp:sid:0' by='{BOB}' id='x'/>"))

    assert len(await server.rows(BOB)) == 1


# Bounces


def bounce(text_sender: str = A1, to: str = BOB, **parts: str | None) -> str:
    """Return the answer to a message that could not be delivered."""
    error = "<error type='cancel'><service-unavailable xmlns='urn:x'/></error>"
    return message(sender=to, to=text_sender, type="error", extra=error, **parts)


async def test_what_bounces_is_not_in_the_archive_of_the_recipient(server: Intake) -> None:
    server.take(message(), bounce())

    assert await server.rows(BOB) == ()


async def test_a_bounce_leaves_the_row_of_the_sender(server: Intake) -> None:
    server.take(message(), bounce())

    assert await server.xml(ALICE) == [message()]


async def test_a_bounce_from_a_full_address_cancels_too(server: Intake) -> None:
    server.take(message(to=B1), bounce(to=B1))

    assert await server.rows(BOB) == ()


async def test_a_bounce_is_archived_nowhere(server: Intake) -> None:
    server.take(bounce())

    assert (await server.rows(ALICE), await server.rows(BOB)) == ((), ())


async def test_copies_of_a_bounce_are_harmless(server: Intake) -> None:
    server.take(message(), bounce(), bounce(), message("next", id="m2"))

    assert await server.xml(BOB) == [message("next", id="m2")]


@pytest.mark.parametrize("id", ["m1", None])
async def test_a_message_sent_again_after_its_bounce_is_archived_again(
    server: Intake, between: Callable[[], None], id: str | None
) -> None:
    server.take(message(id=id), bounce(id=id))
    between()
    server.take(message(id=id), message(id=id), at=NOON + SECOND)

    assert await server.xml(BOB) == [message(id=id)]


async def test_a_second_bounce_cancels_the_second_try(server: Intake) -> None:
    server.take(message(), bounce(), message(), bounce())

    assert await server.rows(BOB) == ()


async def test_a_bounce_cancels_no_other_message(server: Intake) -> None:
    others = [message("other"), message(id="m2"), message(sender=A2)]
    server.take(*others, message(), bounce())

    assert await server.xml(BOB) == others


async def test_a_bounce_for_somebody_else_cancels_nothing(server: Intake) -> None:
    server.take(message(), bounce(to=CAROL), bounce(text_sender=A2))

    assert await server.xml(BOB) == [message()]


async def test_an_error_to_oneself_cancels_nothing(server: Intake) -> None:
    server.take(message(to=ALICE), bounce(to=ALICE))

    assert await server.xml(ALICE) == [message(to=ALICE)]


async def test_a_bounce_of_a_remote_server_leaves_the_row_of_the_sender(server: Intake) -> None:
    server.take(message(to=ROMEO), bounce(to=ROMEO))

    assert await server.xml(ALICE) == [message(to=ROMEO)]


async def test_a_bounce_takes_back_nothing_that_was_delivered(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message(), message())
    between()
    server.take(message(type="groupchat"), bounce(), at=NOON + MINUTE)

    assert await server.xml(BOB) == [message()]


async def test_a_client_takes_back_nothing_by_an_error_of_its_own(server: Intake) -> None:
    for to in (B1, BOB):
        server.take(message(to=to), message(to=to), *[bounce(to=B1)] * 2)

    assert await server.xml(BOB) == [message(to=B1), message(to=BOB)]


async def test_an_error_answers_one_message(server: Intake) -> None:
    server.take(message(), message(type="groupchat"), bounce())

    assert await server.xml(BOB) == [message()]


async def test_a_bounced_groupchat_message_is_in_no_archive(server: Intake) -> None:
    server.take(message(to=B1, type="groupchat"), bounce(to=B1))

    assert await server.rows(BOB) == ()


# Without an id


async def test_copies_without_an_id_are_one_message(server: Intake) -> None:
    server.take(*[message(id=None)] * 4)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


@pytest.mark.parametrize("id", ["m1", None])
@pytest.mark.parametrize("first", [0, SLOT // 2, SLOT - 1])
async def test_the_same_words_again_are_another_message(
    server: Intake, first: int, id: str | None
) -> None:
    start = NOON - NOON % SLOT + first
    for n in range(3):
        server.take(*[message(id=id)] * 2, at=start + n * NEAR)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (3, 3)


@pytest.mark.parametrize("goodbye", [True, False])
async def test_the_same_words_in_another_session_are_another_message(
    server: Intake, goodbye: bool
) -> None:
    for n in range(3):
        at = NOON + n * SECOND // 5
        server.come(A1, at=at)
        server.take(*[message(to=B1)] * 2, at=at)
        if goodbye:
            server.delivering.sessions.unavailable(A1, at + SECOND // 10)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (3, 3)


async def test_copies_of_two_resources_are_one_message_at_any_pace(server: Intake) -> None:
    for n in range(10):
        server.take(message(), at=NOON + n * (NEAR - 1))

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


async def test_other_words_within_a_minute_are_another_message(server: Intake) -> None:
    server.take(message("one", id=None), message("two", id=None))

    assert len(await server.rows(BOB)) == 2


@pytest.mark.parametrize("clock", [0, -SECOND, SECOND, -30 * SECOND, 30 * SECOND])
@pytest.mark.parametrize("first", [0, SLOT // 2, SLOT - 1])
async def test_a_message_without_an_id_kept_offline_hits_the_same_row(
    server: Intake, between: Callable[[], None], clock: int, first: int
) -> None:
    at = NOON - NOON % SLOT + first
    server.take(message(id=None), at=at)
    between()
    kept = message(id=None, extra=delay(HOST, format_time(at + clock)))
    server.take(kept, kept, at=at + 500 * MINUTE)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


async def test_the_same_words_soon_after_a_redelivery_are_another_message(server: Intake) -> None:
    later = NOON + 500 * MINUTE
    server.take(message(id=None))
    server.take(message(id=None, extra=delay(HOST, format_time(NOON))), at=later)
    server.take(message(id=None), at=later + 10 * SECOND)

    assert [row.at for row in await server.rows(BOB)] == [NOON, later + 10 * SECOND]


async def test_a_redelivery_between_two_copies_makes_no_third_message(server: Intake) -> None:
    last_moment = NOON - NOON % SLOT + 30 * SLOT - 1
    server.take(message(id=None), at=NOON)
    server.take(message(id=None), at=last_moment)
    server.take(message(id=None, extra=delay(HOST, format_time(NOON))), at=last_moment + 1)
    server.take(message(id=None), at=last_moment + 2)

    assert {row.at for row in await server.rows(BOB)} == {NOON, last_moment + 2}


async def test_a_clock_set_back_loses_no_message(server: Intake) -> None:
    server.take(message(id=None), at=NOON + 60 * MINUTE)
    server.take(message(id=None), at=NOON)

    assert len(await server.rows(BOB)) == 2


# Rooms


def said(to: str, *, nick: str = "nick", **parts: str | None) -> str:
    """Return what a room sends to one occupant."""
    return message(sender=f"{ROOM}/{nick}", to=to, type="groupchat", **parts)


async def test_what_is_said_in_a_room_is_in_the_archive_of_each_occupant(server: Intake) -> None:
    server.take(message(sender=A1, to=ROOM, type="groupchat"))
    server.take(said(A1), said(B1), said(f"{CAROL}/c"))

    found = {owner: await server.rows(owner) for owner in (ALICE, BOB, CAROL)}
    assert {owner: [(r.peer, r.resource) for r in rows] for owner, rows in found.items()} == {
        owner: [(ROOM, "nick")] for owner in (ALICE, BOB, CAROL)
    }


async def test_a_row_from_a_room_has_the_nickname_of_its_author(server: Intake) -> None:
    server.take(message(sender=f"{ROOM}/al", to=B1, type="groupchat"))

    assert [row.nick for row in await server.rows(BOB)] == ["al"]


async def test_the_author_keeps_what_the_room_sent_back(server: Intake) -> None:
    server.take(message(sender=A1, to=ROOM, type="groupchat"), said(A1))

    assert await server.xml(ALICE) == [said(A1)]


async def test_two_resources_in_a_room_are_one_archive(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(said(A1))
    between()
    server.take(said(A2))

    assert await server.xml(ALICE) == [said(A1)]


async def test_two_resources_in_a_room_are_one_archive_without_an_id_too(server: Intake) -> None:
    server.take(said(A1, id=None), said(A2, id=None))

    assert len(await server.rows(ALICE)) == 1


async def test_the_same_id_of_another_nick_is_another_message(server: Intake) -> None:
    server.take(said(A1), said(A1, nick="other"))

    assert len(await server.rows(ALICE)) == 2


async def test_a_room_has_no_archive(server: Intake) -> None:
    server.take(message(sender=A1, to=ROOM, type="groupchat"), said(A1))

    assert await server.rows(ROOM) == ()


async def test_the_history_of_a_room_is_not_archived_again(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(said(A1))
    between()
    history = delay(ROOM, format_time(NOON), "")
    server.take(said(A1, extra=history), said(B1, extra=history), at=NOON + 500 * MINUTE)

    assert (len(await server.rows(ALICE)), await server.rows(BOB)) == (1, ())


async def test_a_private_message_in_a_room_is_in_both_archives(
    server: Intake, between: Callable[[], None]
) -> None:
    out = message(sender=A1, to=f"{ROOM}/bobby", extra=MUC_USER)
    back = message(sender=f"{ROOM}/ally", to=B1, extra=MUC_USER)
    server.take(out)
    between()
    server.take(back)

    [sent], [received] = await server.rows(ALICE), await server.rows(BOB)
    assert (sent.direction, sent.peer, sent.resource) == (SENT, ROOM, "bobby")
    assert (received.direction, received.peer, received.resource) == (RECEIVED, ROOM, "ally")


async def test_rooms_can_be_left_out(server: Intake) -> None:
    server.policy = Policy(groupchat=False)
    server.restart()
    server.take(said(A1))

    assert await server.rows(ALICE) == ()


# What is not kept


@pytest.mark.parametrize(
    "extra", ["<no-store xmlns='urn:xmpp:hints'/>", "<result xmlns='urn:xmpp:mam:2'/>"]
)
async def test_what_the_policy_leaves_out_is_in_no_archive(server: Intake, extra: str) -> None:
    server.take(message(extra=extra))

    assert (await server.rows(ALICE), await server.rows(BOB)) == ((), ())


async def test_an_archive_is_in_the_order_of_delivery(server: Intake) -> None:
    order = [3, 1, 1, 2, 3, 0, 2, 1]
    server.take(*(message(f"{n}", id=f"m{n}") for n in order))

    assert [row.xml for row in await server.rows(BOB)] == [
        message(f"{n}", id=f"m{n}") for n in (1, 3, 2, 0)
    ]


async def test_a_stanza_lacking_a_prefix_is_archived_well_formed(server: Intake) -> None:
    server.take(message(extra="<q:x/>"))

    [xml] = await server.xml(BOB)
    assert stanza(xml).payloads >= {("urn:muniment:undeclared:q", "x")}


# Taken out, and taken back


async def test_forged_ids_are_not_stored(server: Intake) -> None:
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{BOB}' id='x'/>"
    server.take(message(extra=forged))

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


@pytest.mark.parametrize("name", ["stanza-id", "archived"])
async def test_a_copy_with_a_forged_id_and_one_without_are_one(
    server: Intake, between: Callable[[], None], name: str
) -> None:
    ns = {"stanza-id": "urn:xmpp:sid:0", "archived": "urn:xmpp:mam:tmp"}[name]
    server.take(message(extra=f"<{name} xmlns='{ns}' by='{BOB}' id='x'/>"))
    between()
    server.take(message())

    assert await server.xml(BOB) == [message()]


RETRACT = "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>"


async def test_a_retraction_is_kept_and_leaves_a_tombstone_on_both_sides(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message(sender=A1))
    between()
    server.take(message(None, sender=A2, id="r1", extra=RETRACT))

    for owner in (ALICE, BOB):
        first, second = await server.rows(owner)
        assert (first.kind, second.kind) == (Kind.TOMBSTONE, Kind.ANNOTATION)
        assert "hi" not in first.xml
        assert second.xml == message(None, sender=A2, id="r1", extra=RETRACT)


async def test_a_message_is_taken_back_that_was_not_delivered_yet(server: Intake) -> None:
    """Both have the time of their delivery for the recipient."""
    hi, taken_back = message(sender=A1), message(None, sender=A1, id="r1", extra=RETRACT)
    server.come(B1, at=NOON - SECOND)
    server.take(hi, at=NOON)
    server.take(taken_back, at=NOON + 1)
    server.take(hi, at=NOON + 2)
    server.take(taken_back, at=NOON + 3)

    first, second = await server.rows(BOB)
    assert (first.kind, first.at) == (Kind.TOMBSTONE, NOON + 2)
    assert (second.kind, second.at) == (Kind.ANNOTATION, NOON + 3)


async def test_nobody_retracts_what_another_wrote(server: Intake) -> None:
    server.take(message(sender=A1), message(sender=A1))
    server.take(*[message(None, sender=B1, to=ALICE, id="r1", extra=RETRACT)] * 2)

    for owner in (ALICE, BOB):
        kinds = [row.kind for row in await server.rows(owner)]
        assert kinds == [Kind.MESSAGE, Kind.ANNOTATION]


async def test_a_retraction_is_a_message_like_others_for_who_wants_nothing_stored(
    server: Intake,
) -> None:
    no_store = "<no-store xmlns='urn:xmpp:hints'/>"
    server.take(message(), message(None, id="r1", extra=RETRACT + no_store))

    assert await server.xml(BOB) == [message()]


async def test_what_a_user_has_seen_is_known_from_what_the_user_sends(server: Intake) -> None:
    server.take(message("1", sender=B1, to=ALICE, id="b1"))
    before = await server.unread(ALICE)
    server.take(message("2", sender=A1, id="a1"))

    assert (before, await server.unread(ALICE)) == ({BOB: 1}, {BOB: 0})


async def test_what_is_stored_is_found_by_its_words(server: Intake) -> None:
    server.take(message("Good Morning"), message("good night", id="m2"))

    found = await server.search(BOB, "morning")
    assert [row.xml for row in found] == [message("Good Morning")]


# Repeats to the byte


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Ingest]:
    async with open_storage("sqlite::memory:") as storage:
        writer = Writer(storage.archive)
        yield Delivering(writer).ingest(Policy(), [HOST])
        writer.stop()
        await writer.run()


async def test_only_the_same_bytes_were_here(ingest: Ingest) -> None:
    texts = [message(), message("other"), message(), message(sender=A2), message("other")]

    told = []
    for text in texts:
        told.append(ingest.is_repeated(HOST, text.encode()))
        ingest.take(stanza(text), now(), HOST)

    assert told == [False, False, True, False, True]


async def test_bounced_message_is_not_remembered_as_repeated(ingest: Ingest) -> None:
    for text in (message(), bounce()):
        ingest.take(stanza(text), now(), HOST)

    assert ingest.is_repeated(HOST, message().encode()) is False


# Delivered or not


async def decided(server: Intake, owner: str) -> list[str]:
    """Return what is in an archive a minute after all was sent."""
    await server.pass_time(NOON + MINUTE)
    return await server.xml(owner)


NOT_KEPT = [
    message(type="headline", extra="<store xmlns='urn:xmpp:hints'/>", to=B1),
    message(type="groupchat", to=B1),
    message(type="groupchat"),
]


@pytest.mark.parametrize("text", [message(), message(extra=MUC_USER), message(to=B1), *NOT_KEPT])
async def test_what_a_recipient_on_line_gets_no_copy_of_was_not_delivered(
    server: Intake, text: str
) -> None:
    server.come(B1, at=NOON - SECOND)
    server.take(text)

    assert await decided(server, BOB) == []
    assert server.delivering.server.asked == []


@pytest.mark.parametrize("text", [message(), message(extra=MUC_USER), message(to=B1), *NOT_KEPT])
async def test_what_a_recipient_on_line_gets_a_copy_of_is_archived_at_once(
    server: Intake, text: str
) -> None:
    server.come(B1, at=NOON - SECOND)
    server.take(text, text)

    assert len(server.delivering.deliveries) == 0
    assert await server.xml(BOB) == [text]


async def test_a_copy_that_comes_late_is_the_delivery_still(server: Intake) -> None:
    server.come(B1, at=NOON - SECOND)
    server.take(message())
    await server.pass_time(NOON + 20 * SECOND)
    server.take(message(), at=NOON + 20 * SECOND)

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


@pytest.mark.parametrize("text", NOT_KEPT)
async def test_what_no_server_keeps_is_not_archived_for_who_is_away(
    server: Intake, text: str
) -> None:
    server.take(text)

    assert await decided(server, BOB) == []


async def test_what_waits_offline_is_archived(server: Intake) -> None:
    store = message(type="headline", extra="<store xmlns='urn:xmpp:hints'/>", id="m2")
    server.take(message(), store)

    assert await decided(server, BOB) == [message(), store]
    assert server.delivering.server.asked == [BOB]


async def test_a_session_with_a_negative_priority_gets_no_message_to_the_account(
    server: Intake,
) -> None:
    server.come(B1, at=NOON - SECOND, priority=-1)
    server.take(message(), message("there", to=B1))

    assert await decided(server, BOB) == [message()]


async def test_a_message_to_nobody_is_in_no_archive_but_that_of_its_sender(
    server: Intake,
) -> None:
    server.delivering.server.ghosts = frozenset({BOB})
    server.take(message())

    assert (await decided(server, BOB), await server.xml(ALICE)) == ([], [message()])


async def test_while_the_server_does_not_answer_nothing_is_decided(server: Intake) -> None:
    server.delivering.server.ghosts = None
    server.come(B1, at=NOON - SECOND)
    server.take(message())
    await server.pass_time(NOON + MINUTE)
    server.take(message(), at=NOON + MINUTE)

    assert await server.xml(BOB) == [message()]


async def test_the_end_writes_what_nothing_speaks_against(server: Intake) -> None:
    server.come(B1, at=NOON - MINUTE)
    server.take(message("undelivered", id="m1"), at=NOON - MINUTE)
    server.take(message("just now", id="m2"), message("away", to=CAROL, id="m3"))
    server.delivering.deliveries.decide()

    assert await server.xml(BOB) == [message("just now", id="m2")]
    assert await server.xml(CAROL) == [message("away", to=CAROL, id="m3")]


async def test_what_was_kept_offline_is_archived_though_its_first_copy_was_missed(
    server: Intake,
) -> None:
    text = message(extra=delay(HOST, format_time(NOON)))
    server.come(B1, at=NOON + MINUTE)
    server.take(text, at=NOON + MINUTE + SECOND)

    assert len(server.delivering.deliveries) == 0
    assert len(await server.rows(BOB)) == 1


async def test_a_forged_delay_delivers_nothing(server: Intake) -> None:
    server.come(B1, at=NOON - 60 * MINUTE)
    server.take(message(extra=delay(HOST, format_time(NOON - MINUTE))))

    assert await decided(server, BOB) == []


@pytest.mark.parametrize(("host", "count"), [(HOST, 0), (OTHER_HOST, 1)])
async def test_between_two_hosts_the_host_tells_whose_copy_it_is(
    server: Intake, host: str, count: int
) -> None:
    server.come(f"{CAROL}/c", at=NOON - SECOND)
    server.take(message(to=CAROL), host=HOST)
    server.take(message(to=CAROL), host=host)

    assert len(await decided(server, CAROL)) == count


async def test_what_a_server_writes_for_a_user_has_one_copy(server: Intake) -> None:
    server.come(B1, at=NOON - SECOND)
    server.take(message(sender=ALICE))

    assert await decided(server, BOB) == [message(sender=ALICE)]


async def test_what_is_undecided_is_bounded(
    server: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    server.take(*[message(f"{n}", id=f"m{n}") for n in range(10_010)])

    assert len(server.delivering.deliveries) == 10_000
    assert "decided early" in caplog.text
