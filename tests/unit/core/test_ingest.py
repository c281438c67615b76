"""Copied stanzas become rows: one row in each archive that a message belongs to.

The copies have the form that mod_service_log of ejabberd sends.
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
    everything,
    message,
    stanza,
)
from support.deliveries import DeliveryBench
from support.ingest import Intake, open_intake
from support.writer import open_writer

from component.core.archiving import dedup
from component.core.archiving.dedup import LATE, NEAR, SLOT
from component.core.archiving.deliveries import OPEN_MAX, WAIT_FOR_SESSION
from component.core.archiving.ingest import Ingest
from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from component.core.xml.times import format_time, now
from storage.open import open_storage
from storage.rows import Direction, Kind

A1, A2, B1, B2 = f"{ALICE}/a1", f"{ALICE}/a2", f"{BOB}/b1", f"{BOB}/b2"
CAROL = f"carol@{OTHER_HOST}"
MUC_USER = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
ORIGIN = "<origin-id xmlns='urn:xmpp:sid:0' id='5a1c'/>"
SENT, RECEIVED = Direction.SENT, Direction.RECEIVED


@pytest.fixture
async def server() -> AsyncIterator[Intake]:
    async with open_intake() as intake:
        yield intake


@pytest.fixture(params=["remembered", "restarted"])
def between(request: pytest.FixtureRequest, server: Intake) -> Callable[[], None]:
    """Do nothing between two copies, or restart the program, which loses its memory."""
    return server.restart if request.param == "restarted" else lambda: None


# Both sides


async def test_message_is_in_both_archives(server: Intake) -> None:
    server.take(message())

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


async def test_each_archive_has_its_own_direction_and_peer(server: Intake) -> None:
    server.take(message(sender=A1, to=B1))

    [sent], [received] = await server.rows(ALICE), await server.rows(BOB)
    assert (sent.direction, sent.peer, sent.resource) == (SENT, BOB, "b1")
    assert (received.direction, received.peer, received.resource) == (RECEIVED, ALICE, "a1")


async def test_message_to_a_bare_jid_has_no_resource(server: Intake) -> None:
    server.take(message(to=BOB))

    assert [row.resource for row in await server.rows(ALICE)] == [""]


async def test_row_has_the_time_and_the_type(server: Intake) -> None:
    server.take(message(type=None), at=NOON + 5)

    assert [(row.at, row.type) for row in await server.rows(BOB)] == [(NOON + 5, "normal")]


async def test_message_between_two_virtual_hosts_is_in_both_archives(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message(to=CAROL))
    between()
    server.take(message(to=CAROL))

    assert (len(await server.rows(ALICE)), len(await server.rows(CAROL))) == (1, 1)


async def test_message_to_a_remote_user_is_in_the_archive_of_the_sender(server: Intake) -> None:
    server.take(message(to=ROMEO))

    assert [(r.direction, r.peer) for r in await server.rows(ALICE)] == [(SENT, ROMEO)]
    assert await server.rows(ROMEO) == ()


async def test_message_from_a_remote_user_is_in_the_archive_of_the_recipient(
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
async def test_message_between_strangers_is_in_no_archive(
    server: Intake, sender: str, to: str
) -> None:
    server.take(message(sender=sender, to=to))

    owners = {part for address in (sender, to) for part in (address, address.partition("/")[0])}
    assert [await server.rows(owner) for owner in owners | {ALICE}] == [()] * len(owners | {ALICE})


async def test_virtual_host_has_no_archive(server: Intake) -> None:
    server.take(message(to=HOST))

    assert (len(await server.rows(ALICE)), await server.rows(HOST)) == (1, ())


async def test_message_from_a_virtual_host_is_in_the_archive_of_the_recipient(
    server: Intake,
) -> None:
    server.take(message(sender=HOST, to=B1))

    assert [(row.direction, row.peer) for row in await server.rows(BOB)] == [(RECEIVED, HOST)]


# Copies


async def test_copies_for_two_resources_are_one_message(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message())
    between()
    server.take(message(), message(), at=NOON + SECOND)

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


async def test_carbons_are_not_archived(server: Intake) -> None:
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


async def test_carbon_without_its_message_is_not_archived(server: Intake) -> None:
    inner = message(sender=f"{ROMEO}/r", to=ALICE)
    server.take(
        message(
            None, sender=ROMEO, to=A1, extra=f"<sent xmlns='urn:xmpp:carbons:2'>{inner}</sent>"
        )
    )

    assert await server.rows(ALICE) == ()


async def test_same_body_with_another_id_is_another_message(server: Intake) -> None:
    server.take(message(id="m1"), message(id="m2"))

    assert len(await server.rows(BOB)) == 2


async def test_another_body_with_the_same_id_is_another_message(server: Intake) -> None:
    server.take(message("one"), message("two"))

    assert len(await server.rows(BOB)) == 2


async def test_message_to_the_own_bare_jid_is_stored_once(
    server: Intake, between: Callable[[], None]
) -> None:
    text = message(to=ALICE)
    server.take(text)
    between()
    server.take(text)

    assert [(row.peer, row.xml) for row in await server.rows(ALICE)] == [(ALICE, text)]


async def test_message_to_another_own_resource_is_stored_once(server: Intake) -> None:
    server.take(*[message(sender=A1, to=A2)] * 2)

    assert [(r.peer, r.resource) for r in await server.rows(ALICE)] == [(ALICE, "a2")]


async def test_message_without_to_is_to_the_own_bare_jid(server: Intake) -> None:
    # RFC 6120 section 10.3.1: a missing `to` means the bare JID of the sender.
    server.take(message(to=None))

    assert [row.peer for row in await server.rows(ALICE)] == [ALICE]


async def test_message_without_to_and_its_addressed_copy_are_one_message(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message(to=None))
    between()
    server.take(message(to=ALICE))

    assert len(await server.rows(ALICE)) == 1


# Offline messages


async def test_offline_message_and_its_first_copy_are_one_row(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message())
    between()
    server.take(message(extra=delay(HOST, format_time(NOON))), at=NOON + 500 * MINUTE)

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


@pytest.mark.parametrize(
    ("offline_since", "arrived_at", "received_at", "is_believed"),
    [
        (0, 500, 500, True),
        (499, 500, 504, True),
        (-30, 500, 500, False),
        (501, 500, 502, False),
        (0, 500, 506, False),
        (0, None, 500, False),
    ],
    ids=["offline", "late", "before", "returned", "returned long ago", "never seen"],
)
async def test_delay_dates_a_remote_message_if_the_recipient_was_offline_then(
    server: Intake, offline_since: int, arrived_at: int | None, received_at: int, is_believed: bool
) -> None:
    sessions, since = server.delivering.sessions, NOON + offline_since * MINUTE
    if arrived_at is not None:
        for at in (NOON - MINUTE // 2, NOON + arrived_at * MINUTE):
            sessions.note_activity(BOB, at)
    late = message(sender=f"{ROMEO}/r", extra=delay(HOST, format_time(since)))
    server.take(late, at=NOON + received_at * MINUTE)

    [row] = await server.rows(BOB)
    assert (row.at, row.xml) == (since if is_believed else NOON + received_at * MINUTE, late)


async def test_delay_of_an_occupant_changes_no_time(server: Intake) -> None:
    for at in (NOON - 60 * MINUTE, NOON):
        server.delivering.sessions.note_activity(BOB, at)
    forged = delay(HOST, format_time(NOON - MINUTE))
    server.take(message(sender=f"{ROOM}/r", to=f"{BOB}/b", type="groupchat", extra=forged))

    assert [row.at for row in await server.rows(BOB)] == [NOON]


async def test_delay_of_a_local_user_changes_no_time(server: Intake) -> None:
    server.take(message(extra=delay(HOST, format_time(NOON - MINUTE))))

    assert [row.at for row in await server.rows(BOB)] == [NOON]


async def test_delay_of_years_changes_no_time(server: Intake) -> None:
    forged = message(sender=f"{ROMEO}/r", extra=delay(HOST, "2001-01-01T00:00:00Z"))
    server.take(forged)

    assert [row.at for row in await server.rows(BOB)] == [NOON]


@pytest.mark.parametrize("server_name", [OTHER_HOST, "remote.example", ROOM, ""])
async def test_delay_by_another_server_changes_no_time(server: Intake, server_name: str) -> None:
    server.take(message(extra=delay(server_name, format_time(NOON - MINUTE))))

    assert [row.at for row in await server.rows(BOB)] == [NOON]


async def test_delay_in_the_future_changes_no_time(server: Intake) -> None:
    server.take(message(extra=delay(HOST, format_time(NOON + MINUTE))))

    assert [row.at for row in await server.rows(BOB)] == [NOON]


async def test_copy_with_a_stanza_id_of_the_server_is_the_same_message(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message())
    between()
    server.take(message(extra=f"<stanza-id xmlns='urn:xmpp:sid:0' by='{BOB}' id='x'/>"))

    assert len(await server.rows(BOB)) == 1


# Bounces


def bounce(text_sender: str = A1, to: str = BOB, **parts: str | None) -> str:
    """Return the error that answers an undeliverable message."""
    error = "<error type='cancel'><service-unavailable xmlns='urn:x'/></error>"
    return message(sender=to, to=text_sender, type="error", extra=error, **parts)


async def test_bounced_message_is_not_in_the_archive_of_the_recipient(server: Intake) -> None:
    server.take(message(), bounce())

    assert await server.rows(BOB) == ()


async def test_bounced_message_stays_in_the_archive_of_the_sender(server: Intake) -> None:
    server.take(message(), bounce())

    assert await server.xml(ALICE) == [message()]


async def test_bounce_from_a_full_jid_cancels_the_message(server: Intake) -> None:
    server.take(message(to=B1), bounce(to=B1))

    assert await server.rows(BOB) == ()


async def test_bounce_is_in_no_archive(server: Intake) -> None:
    server.take(bounce())

    assert (await server.rows(ALICE), await server.rows(BOB)) == ((), ())


async def test_copies_of_a_bounce_cancel_one_message(server: Intake) -> None:
    server.take(message(), bounce(), bounce(), message("next", id="m2"))

    assert await server.xml(BOB) == [message("next", id="m2")]


@pytest.mark.parametrize("id", ["m1", None])
async def test_message_sent_again_after_its_bounce_is_archived(
    server: Intake, between: Callable[[], None], id: str | None
) -> None:
    server.take(message(id=id), bounce(id=id))
    between()
    server.take(message(id=id), message(id=id), at=NOON + SECOND)

    assert await server.xml(BOB) == [message(id=id)]


async def test_second_bounce_cancels_the_second_attempt(server: Intake) -> None:
    server.take(message(), bounce(), message(), bounce())

    assert await server.rows(BOB) == ()


async def test_bounce_cancels_no_other_message(server: Intake) -> None:
    unrelated = [message("other"), message(id="m2"), message(sender=A2)]
    server.take(*unrelated, message(), bounce())

    assert await server.xml(BOB) == unrelated


async def test_bounce_with_another_sender_or_recipient_cancels_nothing(server: Intake) -> None:
    server.take(message(), bounce(to=CAROL), bounce(text_sender=A2))

    assert await server.xml(BOB) == [message()]


async def test_error_to_the_own_bare_jid_cancels_nothing(server: Intake) -> None:
    server.take(message(to=ALICE), bounce(to=ALICE))

    assert await server.xml(ALICE) == [message(to=ALICE)]


async def test_message_bounced_by_a_remote_server_stays_in_the_archive_of_the_sender(
    server: Intake,
) -> None:
    server.take(message(to=ROMEO), bounce(to=ROMEO))

    assert await server.xml(ALICE) == [message(to=ROMEO)]


async def test_bounce_cancels_no_delivered_message(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(message(), message())
    between()
    server.take(message(type="groupchat"), bounce(), at=NOON + MINUTE)

    assert await server.xml(BOB) == [message()]


async def test_error_written_by_a_client_cancels_no_delivered_message(server: Intake) -> None:
    for to in (B1, BOB):
        server.take(message(to=to), message(to=to), *[bounce(to=B1)] * 2)

    assert await server.xml(BOB) == [message(to=B1), message(to=BOB)]


async def test_bounce_of_a_groupchat_message_cancels_no_chat_message(server: Intake) -> None:
    server.take(message(), message(type="groupchat"), bounce())

    assert await server.xml(BOB) == [message()]


async def test_bounced_groupchat_message_is_not_in_the_archive_of_the_recipient(
    server: Intake,
) -> None:
    server.take(message(to=B1, type="groupchat"), bounce(to=B1))

    assert await server.rows(BOB) == ()


# Without an id


async def test_copies_without_an_id_are_one_message_in_each_archive(server: Intake) -> None:
    server.take(*[message(id=None)] * 4)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


@pytest.mark.parametrize(("id", "pause"), [("m1", LATE), (None, NEAR)])
@pytest.mark.parametrize("first", [0, SLOT // 2, SLOT - 1])
async def test_same_body_after_a_while_is_another_message(
    server: Intake, first: int, id: str | None, pause: int
) -> None:
    start = NOON - NOON % SLOT + first
    for n in range(3):
        server.take(*[message(id=id)] * 2, at=start + n * pause)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (3, 3)


@pytest.mark.parametrize("parts", [{"id": "m1"}, {"id": None, "extra": ORIGIN}])
@pytest.mark.parametrize("first", [0, SLOT // 2, SLOT - 1])
@pytest.mark.parametrize("pause", [NEAR, LATE - 1])
async def test_late_copy_with_an_id_is_the_same_message(
    server: Intake,
    between: Callable[[], None],
    parts: dict[str, str | None],
    first: int,
    pause: int,
) -> None:
    at = NOON - NOON % SLOT + first
    server.take(message(**parts), at=at)  # type: ignore[arg-type]
    between()
    for late in (pause // 2, pause):
        server.take(message(**parts), at=at + late)  # type: ignore[arg-type]

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


async def test_same_body_with_another_id_is_another_message_at_any_time(
    server: Intake, between: Callable[[], None]
) -> None:
    for n in range(3):
        server.take(message(id=f"m{n}"), at=NOON + n * LATE // 3)
        between()

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (3, 3)


async def test_late_copy_with_an_origin_id_is_the_same_message_after_a_presence(
    server: Intake,
) -> None:
    server.take(message(extra=ORIGIN))
    server.come(A1, at=NOON + 5 * SECOND)
    server.take(message(extra=ORIGIN), at=NOON + 6 * SECOND)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


async def test_late_copy_of_a_message_that_is_forgotten_is_stored_once(
    server: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedup, "REMEMBERED_BYTES", 10_000)
    server.restart()
    at = NOON - NOON % SLOT
    server.take(message("before"), at=at - 2 * LATE)
    server.take(message(), at=at - SECOND)
    for n in range(100):
        server.take(message(str(n), id=f"m{n}"), at=at - SECOND + n)
    server.take(message(), at=at + 20 * SECOND)

    rows = await server.rows(BOB)
    assert len({row.xml for row in rows}) == len(rows) == 102


async def test_same_body_without_an_id_is_another_message_among_thousands_with_ids(
    server: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedup, "REMEMBERED_BYTES", 10_000)
    server.restart()
    at = NOON - NOON % SLOT
    for second in (0, 20, 40):
        server.take(*[message("ok", id=None)] * 2, at=at + second * SECOND)
        for n in range(100):
            server.take(message(id=f"m{second + n}"), at=at + second * SECOND + n)

    for owner in (ALICE, BOB):
        assert [row.xml for row in await server.rows(owner)].count(message("ok", id=None)) == 3


async def test_late_copy_without_an_id_is_the_same_message_among_thousands_with_ids(
    server: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedup, "REMEMBERED_BYTES", 10_000)
    server.restart()
    at = NOON - NOON % SLOT - 1
    server.come(B1, at=at - SECOND)
    server.take(message("ok", id=None), at=at)
    for n in range(100):
        server.take(message(id=f"m{n}"), at=at)
    server.take(message("ok", id=None), at=at + 5 * SECOND)

    for owner in (ALICE, BOB):
        assert [row.xml for row in await server.rows(owner)].count(message("ok", id=None)) == 1


@pytest.mark.parametrize("goodbye", [True, False])
async def test_same_body_in_another_session_is_another_message(
    server: Intake, goodbye: bool
) -> None:
    for n in range(3):
        at = NOON + n * SECOND // 5
        server.come(A1, at=at)
        server.take(*[message(to=B1)] * 2, at=at)
        if goodbye:
            server.delivering.sessions.unavailable(A1, at + SECOND // 10)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (3, 3)


async def test_copies_less_than_a_minute_apart_are_one_message(server: Intake) -> None:
    for n in range(10):
        server.take(message(), at=NOON + n * (NEAR - 1))

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


async def test_another_body_within_a_minute_is_another_message(server: Intake) -> None:
    server.take(message("one", id=None), message("two", id=None))

    assert len(await server.rows(BOB)) == 2


@pytest.mark.parametrize("clock", [0, -SECOND, SECOND, -30 * SECOND, 30 * SECOND])
@pytest.mark.parametrize("first", [0, SLOT // 2, SLOT - 1])
async def test_offline_message_without_an_id_and_its_first_copy_are_one_row(
    server: Intake, between: Callable[[], None], clock: int, first: int
) -> None:
    at = NOON - NOON % SLOT + first
    server.take(message(id=None), at=at)
    between()
    delayed = message(id=None, extra=delay(HOST, format_time(at + clock)))
    server.take(delayed, delayed, at=at + 500 * MINUTE)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


@pytest.mark.parametrize("lag", [70 * SECOND, 4 * MINUTE])
@pytest.mark.parametrize("first", [0, SLOT // 2, SLOT - 1])
async def test_offline_message_whose_first_copy_was_read_minutes_late_is_one_row(
    server: Intake, between: Callable[[], None], lag: int, first: int
) -> None:
    """Muniment reads late what the server has sent while the queue was full."""
    sent = NOON - NOON % SLOT + first
    server.take(message(), at=sent + lag)
    between()
    delayed = message(extra=delay(HOST, format_time(sent)))
    server.take(delayed, delayed, at=sent + 500 * MINUTE)

    assert (len(await server.rows(ALICE)), len(await server.rows(BOB))) == (1, 1)


@pytest.mark.parametrize("gap", [2 * SLOT, 3 * SLOT])
async def test_offline_messages_that_are_alike_are_one_row_each(server: Intake, gap: int) -> None:
    remote = f"{ROMEO}/r"
    server.come(B1, at=NOON + 500 * MINUTE)
    for sent in (NOON, NOON + gap):
        delayed = message(sender=remote, extra=delay(HOST, format_time(sent)))
        server.take(delayed, at=NOON + 500 * MINUTE)

    assert len(await server.rows(BOB)) == 2


async def test_same_body_soon_after_a_redelivery_is_another_message(server: Intake) -> None:
    later = NOON + 500 * MINUTE
    server.take(message(id=None))
    server.take(message(id=None, extra=delay(HOST, format_time(NOON))), at=later)
    server.take(message(id=None), at=later + 10 * SECOND)

    assert [row.at for row in await server.rows(BOB)] == [NOON, later + 10 * SECOND]


async def test_redelivery_between_two_messages_makes_no_third_message(server: Intake) -> None:
    last_moment = NOON - NOON % SLOT + 30 * SLOT - 1
    server.take(message(id=None), at=NOON)
    server.take(message(id=None), at=last_moment)
    server.take(message(id=None, extra=delay(HOST, format_time(NOON))), at=last_moment + 1)
    server.take(message(id=None), at=last_moment + 2)

    assert {row.at for row in await server.rows(BOB)} == {NOON, last_moment + 2}


async def test_clock_set_back_loses_no_message(server: Intake) -> None:
    server.take(message(id=None), at=NOON + 60 * MINUTE)
    server.take(message(id=None), at=NOON)

    assert len(await server.rows(BOB)) == 2


async def test_clock_set_back_stores_no_message_twice(server: Intake) -> None:
    """Sessions that began before would seem to begin in the future."""
    sessions = server.delivering.sessions
    for user, session in ((ALICE, A1), (BOB, B1)):
        sessions.note_activity(user, NOON + 60 * MINUTE)
        server.come(session, at=NOON + 60 * MINUTE)
    sessions.note_activity(ALICE, NOON)
    server.take(message(), message(), at=NOON)

    for owner in (ALICE, BOB):
        assert len(await server.rows(owner)) == 1


# Rooms


def from_room(to: str, *, nick: str = "nick", **parts: str | None) -> str:
    """Return the groupchat message that a room sends to one occupant."""
    return message(sender=f"{ROOM}/{nick}", to=to, type="groupchat", **parts)


async def test_groupchat_message_is_in_the_archive_of_each_occupant(server: Intake) -> None:
    server.take(message(sender=A1, to=ROOM, type="groupchat"))
    server.take(from_room(A1), from_room(B1), from_room(f"{CAROL}/c"))

    archives = {owner: await server.rows(owner) for owner in (ALICE, BOB, CAROL)}
    assert {owner: [(r.peer, r.resource) for r in rows] for owner, rows in archives.items()} == {
        owner: [(ROOM, "nick")] for owner in (ALICE, BOB, CAROL)
    }


async def test_row_of_a_groupchat_message_has_the_nickname_of_its_author(server: Intake) -> None:
    server.take(message(sender=f"{ROOM}/al", to=B1, type="groupchat"))

    assert [row.nick for row in await server.rows(BOB)] == ["al"]


async def test_author_archives_the_message_as_reflected_by_the_room(server: Intake) -> None:
    server.take(message(sender=A1, to=ROOM, type="groupchat"), from_room(A1))

    assert await server.xml(ALICE) == [from_room(A1)]


async def test_groupchat_message_to_two_resources_is_one_message(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(from_room(A1))
    between()
    server.take(from_room(A2))

    assert await server.xml(ALICE) == [from_room(A1)]


async def test_groupchat_message_without_an_id_to_two_resources_is_one_message(
    server: Intake,
) -> None:
    server.take(from_room(A1, id=None), from_room(A2, id=None))

    assert len(await server.rows(ALICE)) == 1


async def test_same_id_with_another_nickname_is_another_message(server: Intake) -> None:
    server.take(from_room(A1), from_room(A1, nick="other"))

    assert len(await server.rows(ALICE)) == 2


async def test_room_has_no_archive_by_default(server: Intake) -> None:
    server.take(message(sender=A1, to=ROOM, type="groupchat"), from_room(A1))

    assert await server.rows(ROOM) == ()


async def test_history_of_a_room_is_not_archived_again(
    server: Intake, between: Callable[[], None]
) -> None:
    server.take(from_room(A1))
    between()
    history = delay(ROOM, format_time(NOON), "")
    server.take(from_room(A1, extra=history), from_room(B1, extra=history), at=NOON + 500 * MINUTE)

    assert (len(await server.rows(ALICE)), await server.rows(BOB)) == (1, ())


async def test_private_message_through_a_room_is_in_both_archives(
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


async def test_groupchat_messages_are_not_archived_if_switched_off(server: Intake) -> None:
    server.policy = Policy(groupchat=False)
    server.restart()
    server.take(from_room(A1))

    assert await server.rows(ALICE) == ()


# Policy and order


@pytest.mark.parametrize(
    "extra", ["<no-store xmlns='urn:xmpp:hints'/>", "<result xmlns='urn:xmpp:mam:2'/>"]
)
async def test_message_refused_by_the_policy_is_in_no_archive(server: Intake, extra: str) -> None:
    server.take(message(extra=extra))

    assert (await server.rows(ALICE), await server.rows(BOB)) == ((), ())


async def test_archive_is_in_the_order_of_delivery(server: Intake) -> None:
    order = [3, 1, 1, 2, 3, 0, 2, 1]
    server.take(*(message(f"{n}", id=f"m{n}") for n in order))

    assert [row.xml for row in await server.rows(BOB)] == [
        message(f"{n}", id=f"m{n}") for n in (1, 3, 2, 0)
    ]


async def test_stanza_with_an_undeclared_prefix_is_archived_well_formed(server: Intake) -> None:
    server.take(message(extra="<q:x/>"))

    [xml] = await server.xml(BOB)
    assert stanza(xml).payloads >= {("urn:muniment:undeclared:q", "x")}


# Forged ids and retractions


async def test_forged_ids_are_not_stored(server: Intake) -> None:
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{BOB}' id='x'/>"
    server.take(message(extra=forged))

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


@pytest.mark.parametrize("name", ["stanza-id", "archived"])
async def test_copy_with_a_forged_id_and_copy_without_are_one_message(
    server: Intake, between: Callable[[], None], name: str
) -> None:
    ns = {"stanza-id": "urn:xmpp:sid:0", "archived": "urn:xmpp:mam:tmp"}[name]
    server.take(message(extra=f"<{name} xmlns='{ns}' by='{BOB}' id='x'/>"))
    between()
    server.take(message())

    assert await server.xml(BOB) == [message()]


RETRACT = "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>"


async def test_retraction_is_archived_and_leaves_a_tombstone_in_both_archives(
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


async def test_message_retracted_before_its_delivery_becomes_a_tombstone(server: Intake) -> None:
    """The recipient's rows have the time of their delivery."""
    hi, retraction = message(sender=A1), message(None, sender=A1, id="r1", extra=RETRACT)
    server.come(B1, at=NOON - SECOND)
    server.take(hi, at=NOON)
    server.take(retraction, at=NOON + 1)
    server.take(hi, at=NOON + 2)
    server.take(retraction, at=NOON + 3)

    first, second = await server.rows(BOB)
    assert (first.kind, first.at) == (Kind.TOMBSTONE, NOON + 2)
    assert (second.kind, second.at) == (Kind.ANNOTATION, NOON + 3)


async def test_retraction_by_another_user_leaves_the_message(server: Intake) -> None:
    server.take(message(sender=A1), message(sender=A1))
    server.take(*[message(None, sender=B1, to=ALICE, id="r1", extra=RETRACT)] * 2)

    for owner in (ALICE, BOB):
        kinds = [row.kind for row in await server.rows(owner)]
        assert kinds == [Kind.MESSAGE, Kind.ANNOTATION]


async def test_retraction_with_no_store_is_not_archived(
    server: Intake,
) -> None:
    no_store = "<no-store xmlns='urn:xmpp:hints'/>"
    server.take(message(), message(None, id="r1", extra=RETRACT + no_store))

    assert await server.xml(BOB) == [message()]


async def test_sent_message_marks_the_conversation_as_read(server: Intake) -> None:
    server.take(message("1", sender=B1, to=ALICE, id="b1"))
    before = await server.unread(ALICE)
    server.take(message("2", sender=A1, id="a1"))

    assert (before, await server.unread(ALICE)) == ({BOB: 1}, {BOB: 0})


async def test_archived_message_is_found_by_its_words(server: Intake) -> None:
    server.take(message("Good Morning"), message("good night", id="m2"))

    results = await server.search(BOB, "morning")
    assert [row.xml for row in results] == [message("Good Morning")]


# Repeats to the byte


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Ingest]:
    async with open_storage("sqlite::memory:") as storage:
        writer = Writer(storage.archive)
        yield DeliveryBench(writer).ingest(Policy(), [HOST])
        writer.stop()
        await writer.run()


async def test_only_identical_bytes_are_repeated(ingest: Ingest) -> None:
    texts = [message(), message("other"), message(), message(sender=A2), message("other")]

    answers = []
    for text in texts:
        answers.append(ingest.is_repeated(HOST, text.encode()))
        ingest.take(stanza(text), now(), HOST)

    assert answers == [False, False, True, False, True]


async def test_copy_of_a_message_that_was_taken_for_lost_is_read() -> None:
    async with (
        open_storage("sqlite::memory:") as storage,
        open_writer(storage.archive) as writer,
    ):
        bench = DeliveryBench(writer)
        ingest = bench.ingest(Policy(), [HOST])
        at = now()
        bench.sessions.available(B1, 0, at - SECOND)
        ingest.take(stanza(message(to=B1)), at, HOST)
        bench.now = at + WAIT_FOR_SESSION
        await bench.deliveries.decide_due()

        raw = message(to=B1).encode()
        assert ingest.is_repeated(HOST, raw) is False
        ingest.take(stanza(message(to=B1)), now(), HOST)
        assert ingest.is_repeated(HOST, raw) is True
        await writer.wait_durable()
        assert len((await everything(storage.archive, BOB)).messages) == 1


async def test_bounced_message_is_not_repeated(ingest: Ingest) -> None:
    for text in (message(), bounce()):
        ingest.take(stanza(text), now(), HOST)

    assert ingest.is_repeated(HOST, message().encode()) is False


# Deliveries


async def xml_a_minute_later(server: Intake, owner: str) -> list[str]:
    """Return the stanzas of an archive a minute later, when every delivery is decided."""
    await server.pass_time(NOON + MINUTE)
    return await server.xml(owner)


NOT_STORED_OFFLINE = [
    message(type="headline", extra="<store xmlns='urn:xmpp:hints'/>", to=B1),
    message(type="groupchat", to=B1),
    message(type="groupchat"),
]


@pytest.mark.parametrize(
    "text", [message(), message(extra=MUC_USER), message(to=B1), *NOT_STORED_OFFLINE]
)
async def test_message_without_a_copy_to_an_online_recipient_is_not_archived(
    server: Intake, text: str
) -> None:
    server.come(B1, at=NOON - SECOND)
    server.take(text)

    assert await xml_a_minute_later(server, BOB) == []
    assert server.delivering.server.requested == []


@pytest.mark.parametrize(
    "text", [message(), message(extra=MUC_USER), message(to=B1), *NOT_STORED_OFFLINE]
)
async def test_message_with_a_copy_to_an_online_recipient_is_archived_at_once(
    server: Intake, text: str
) -> None:
    server.come(B1, at=NOON - SECOND)
    server.take(text, text)

    assert len(server.delivering.deliveries) == 0
    assert await server.xml(BOB) == [text]


async def test_late_copy_delivers_the_message_once(server: Intake) -> None:
    server.come(B1, at=NOON - SECOND)
    server.take(message())
    await server.pass_time(NOON + 20 * SECOND)
    server.take(message(), at=NOON + 20 * SECOND)

    assert (await server.xml(ALICE), await server.xml(BOB)) == ([message()], [message()])


@pytest.mark.parametrize("text", NOT_STORED_OFFLINE)
async def test_message_without_offline_storage_is_not_archived_for_an_offline_user(
    server: Intake, text: str
) -> None:
    server.take(text)

    assert await xml_a_minute_later(server, BOB) == []


async def test_message_in_offline_storage_is_archived(server: Intake) -> None:
    store = message(type="headline", extra="<store xmlns='urn:xmpp:hints'/>", id="m2")
    server.take(message(), store)

    assert await xml_a_minute_later(server, BOB) == [message(), store]
    assert server.delivering.server.requested == [BOB]


async def test_session_of_negative_priority_receives_no_message_to_the_bare_jid(
    server: Intake,
) -> None:
    server.come(B1, at=NOON - SECOND, priority=-1)
    server.take(message(), message("there", to=B1))

    assert await xml_a_minute_later(server, BOB) == [message()]


async def test_message_to_an_unknown_user_is_archived_for_the_sender_only(
    server: Intake,
) -> None:
    server.delivering.server.ghosts = frozenset({BOB})
    server.take(message())

    assert (await xml_a_minute_later(server, BOB), await server.xml(ALICE)) == ([], [message()])


async def test_deliveries_are_undecided_until_the_server_answers(server: Intake) -> None:
    server.delivering.server.ghosts = None
    server.come(B1, at=NOON - SECOND)
    server.take(message())
    await server.pass_time(NOON + MINUTE)
    server.take(message(), at=NOON + MINUTE)

    assert await server.xml(BOB) == [message()]


@pytest.mark.parametrize("since", [WAIT_FOR_SESSION - 1, MINUTE])
async def test_end_archives_undecided_messages_that_may_be_delivered(
    server: Intake, since: int
) -> None:
    """The second copy may wait in the socket, however long ago the first one was read."""
    server.come(B1, at=NOON - SECOND)
    away = message("away", to=CAROL, id="m3")
    server.take(message(), message(type="groupchat", id="m2"), away)
    server.delivering.now = NOON + since
    server.restart()

    assert len(await server.rows(BOB)) == 2
    assert await server.xml(CAROL) == [away]


async def test_offline_message_is_archived_without_its_first_copy(
    server: Intake,
) -> None:
    text = message(extra=delay(HOST, format_time(NOON)))
    server.come(B1, at=NOON + MINUTE)
    server.take(text, at=NOON + MINUTE + SECOND)

    assert len(server.delivering.deliveries) == 0
    assert len(await server.rows(BOB)) == 1


async def test_forged_delay_is_no_delivery(server: Intake) -> None:
    server.come(B1, at=NOON - 60 * MINUTE)
    server.take(message(extra=delay(HOST, format_time(NOON - MINUTE))))

    assert await xml_a_minute_later(server, BOB) == []


@pytest.mark.parametrize(("host", "count"), [(HOST, 0), (OTHER_HOST, 1)])
async def test_copy_from_the_host_of_the_recipient_is_the_delivery(
    server: Intake, host: str, count: int
) -> None:
    server.come(f"{CAROL}/c", at=NOON - SECOND)
    server.take(message(to=CAROL), host=HOST)
    server.take(message(to=CAROL), host=host)

    assert len(await xml_a_minute_later(server, CAROL)) == count


async def test_message_without_resource_in_from_is_archived_from_one_copy(server: Intake) -> None:
    server.come(B1, at=NOON - SECOND)
    server.take(message(sender=ALICE))

    assert await xml_a_minute_later(server, BOB) == [message(sender=ALICE)]


async def test_undecided_deliveries_are_bounded(
    server: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    server.take(*[message(f"{n}", id=f"m{n}") for n in range(OPEN_MAX + 10)])

    assert len(server.delivering.deliveries) == OPEN_MAX
    assert "decided early" in caplog.text


async def test_message_whose_second_copy_comes_behind_thousands_of_others_is_stored_once(
    server: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedup, "REMEMBERED_BYTES", 10_000)
    server.restart()
    server.come(B1, at=NOON - SECOND)
    burst = [message(str(n), to=B1, id=f"m{n}") for n in range(100)]
    server.take(*burst)
    server.take(*burst, at=NOON + 5 * SECOND)

    assert await xml_a_minute_later(server, BOB) == await server.xml(ALICE) == burst


@pytest.mark.parametrize("id", ["m", None])
async def test_message_that_is_decided_early_is_stored_once(
    server: Intake, id: str | None
) -> None:
    server.come(B1, at=NOON - SECOND)
    burst = [
        message(str(n), to=B1, id=None if id is None else f"{id}{n}") for n in range(OPEN_MAX + 50)
    ]
    server.take(*burst)
    server.take(*burst, at=NOON + 5 * SECOND)

    assert sorted(await xml_a_minute_later(server, BOB)) == sorted(burst)
    assert await server.xml(ALICE) == burst


@pytest.mark.parametrize("is_to_session", [True, False])
async def test_message_that_is_delivered_after_it_was_taken_for_lost_is_archived(
    server: Intake, is_to_session: bool
) -> None:
    if is_to_session:
        server.come(B1, at=NOON - SECOND)
        text = message(to=B1)
    else:
        text = message(type="headline", extra="<store xmlns='urn:xmpp:hints'/>", to=B1)
    server.take(text)
    late = NOON + WAIT_FOR_SESSION + 5 * SECOND
    await server.pass_time(late)
    assert await server.xml(BOB) == []
    server.take(text, text, at=late)

    assert [(row.xml, row.at) for row in await server.rows(BOB)] == [(text, late)]
    assert await server.xml(ALICE) == [text]


async def test_forgotten_deliveries_are_told(
    server: Intake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dedup, "REMEMBERED_BYTES", 10_000)
    server.take(*[message(str(n), id=f"m{n}") for n in range(100)])

    assert caplog.text.count("decided early") == 1


# Several processes


@pytest.mark.parametrize(
    ("lag", "times"), [(500_000, (-13, -10, -4, -1, 3, 6)), (1_500_000, (-13, -10, -4, -1))]
)
async def test_messages_that_are_alike_are_stored_once_each_by_two_processes(
    lag: int, times: tuple[int, ...]
) -> None:
    text = message(id="")
    async with (
        open_storage("sqlite::memory:") as storage,
        open_writer(storage.archive) as writer,
    ):
        for late in (0, lag):
            bench = DeliveryBench(writer)
            ingest = bench.ingest(Policy(), [HOST], is_shared=True)
            for seconds in times:
                bench.now = NOON + seconds * SECOND + late
                ingest.take(stanza(text), bench.now)
                bench.deliveries.decide()
        await writer.wait_durable()

        for owner in (ALICE, BOB):
            assert len((await everything(storage.archive, owner)).messages) == len(times)


@pytest.mark.parametrize("place", range(0, 60, 6))
@pytest.mark.parametrize("is_late_one_first", [True, False])
async def test_message_with_an_id_that_a_process_reads_half_a_minute_late_is_stored_once(
    place: int, is_late_one_first: bool
) -> None:
    """A process that is slower than the other falls behind in a burst."""
    sent = NOON - NOON % SLOT + place * SECOND
    async with (
        open_storage("sqlite::memory:") as storage,
        open_writer(storage.archive) as writer,
    ):
        for late in (30 * SECOND, 0) if is_late_one_first else (0, 30 * SECOND):
            bench = DeliveryBench(writer)
            ingest = bench.ingest(Policy(), [HOST], is_shared=True)
            bench.now = sent - 2 * MINUTE
            ingest.take(stanza(message("before", to=CAROL)), bench.now)
            bench.now = sent + late
            ingest.take(stanza(message()), bench.now)
            bench.deliveries.decide()
        await writer.wait_durable()

        for owner in (ALICE, BOB):
            page = await everything(storage.archive, owner)
            assert [row.xml for row in page.messages].count(message()) == 1


@pytest.mark.parametrize("lag", [-2_000, 2_000])
async def test_message_that_two_processes_read_in_different_minutes_is_stored_once(
    lag: int,
) -> None:
    async with (
        open_storage("sqlite::memory:") as storage,
        open_writer(storage.archive) as writer,
    ):
        for at in (NOON + lag // 2, NOON - lag // 2):
            bench = DeliveryBench(writer)
            bench.now = at
            bench.ingest(Policy(), [HOST], is_shared=True).take(stanza(message()), at)
            bench.deliveries.decide()
        await writer.wait_durable()

        for owner in (ALICE, BOB):
            assert len((await everything(storage.archive, owner)).messages) == 1
