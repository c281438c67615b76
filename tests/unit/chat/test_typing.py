"""Chat states reach followers for seconds, and are sent within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.client_sessions import EchoServer
from support.clock import Clock

from component.core.access.principals import User
from component.core.chat.following import signals, typing
from component.core.chat.following.signals import SignalFollower, Signals, Typing
from component.core.chat.following.typing import TypingSender
from component.core.errors import RateLimited
from component.core.events.journal import EventJournal
from component.core.events.session_changes import SessionChanges
from component.core.hosts import Hosts
from component.core.rosters.own import OwnRosters
from component.core.sessions.commands import ChatStateOf
from component.core.sessions.delivery import Undelivered
from component.core.sessions.outgoing import ChatState, Outgoing
from component.core.xml.document_parser import parse
from component.core.xml.stanza import read
from component.xmpp.copies.chat_states import NS, ChatStateCopies
from storage.sql.store import SqlStorage

ALICE, BOB, CAROL = "alice@one.test", "bob@one.test", "carol@one.test"
FAR = "far@two.test"
ROOM, FAR_ROOM = "garden@rooms.one.test", "garden@rooms.two.test"
COMPOSING, PAUSED = ChatState.COMPOSING, ChatState.PAUSED


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def states(clock: Clock) -> Signals:
    return Signals(clock)


@pytest.fixture
def copies(states: Signals) -> ChatStateCopies:
    return ChatStateCopies(states, Hosts(["one.test"], ["rooms.one.test"]))


@contextmanager
def following(states: Signals, owner: str, *rooms: str) -> Iterator[SignalFollower]:
    with states.follow(owner, asyncio.Event()) as follower:
        states.follow_rooms(follower, rooms)
        yield follower


def copy(
    sender: str, to: str, state: str = "composing", *, type: str = "chat", extra: str = ""
) -> bytes:
    return (
        f"<message xmlns='jabber:client' from='{sender}' to='{to}' type='{type}'>"
        f"<{state} xmlns='{NS}'/>{extra}</message>"
    ).encode()


def take(copies: ChatStateCopies, raw: bytes) -> None:
    copies.take_message(read(parse(raw, keep_depth=2), raw))


def of_bob(state: ChatState = COMPOSING) -> Typing:
    return Typing(conversation=BOB, author=BOB, state=state)


def test_state_reaches_every_follower_of_the_recipient_once(
    states: Signals, copies: ChatStateCopies
) -> None:
    with (
        following(states, ALICE) as first,
        following(states, ALICE) as second,
        following(states, CAROL) as other,
    ):
        for _ in range(3):
            take(copies, copy(f"{BOB}/phone", ALICE))

        assert first.take() == second.take() == [of_bob()]
        assert first.take() == other.take() == []


def test_newest_state_of_an_author_replaces_the_one_before(
    states: Signals, copies: ChatStateCopies
) -> None:
    with following(states, ALICE) as follower:
        take(copies, copy(BOB, ALICE))
        take(copies, copy(FAR, f"{ALICE}/phone"))
        take(copies, copy(BOB, ALICE, "paused"))

        assert follower.take() == [
            Typing(conversation=FAR, author=FAR, state=COMPOSING),
            of_bob(PAUSED),
        ]


def test_state_that_nobody_took_in_time_has_expired(
    states: Signals, copies: ChatStateCopies, clock: Clock
) -> None:
    with following(states, ALICE) as follower:
        take(copies, copy(BOB, ALICE))
        clock.now += signals.EXPIRE_SECONDS
        take(copies, copy(CAROL, ALICE))

        assert [item.author for item in follower.take()] == [CAROL]


@pytest.mark.parametrize(
    "raw",
    [
        copy(BOB, ALICE, type="error"),
        copy(BOB, ALICE, extra="<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>"),
        copy(BOB, ALICE, extra=f"<paused xmlns='{NS}'/>"),
        copy(BOB, ALICE, "unknown"),
        copy(ALICE, ALICE),
        copy(f"{ROOM}/bob", f"{ALICE}/phone"),
    ],
    ids=["error", "stored", "two states", "unknown state", "own", "private message of a room"],
)
def test_state_that_is_none_of_a_contact_now_is_ignored(
    states: Signals, copies: ChatStateCopies, raw: bytes
) -> None:
    with following(states, ALICE) as follower:
        take(copies, raw)

        assert follower.take() == []


def test_state_in_a_room_reaches_followers_of_the_room_but_its_author(
    states: Signals, copies: ChatStateCopies
) -> None:
    with (
        following(states, ALICE, ROOM) as alice,
        following(states, BOB, ROOM) as bob,
        following(states, CAROL) as carol,
    ):
        take(copies, copy(f"{BOB}/phone", ROOM, type="groupchat"))
        # The room passes it on to the clients of occupants.
        take(copies, copy(f"{ROOM}/bobby", f"{ALICE}/phone", type="groupchat"))

        assert alice.take() == [Typing(conversation=ROOM, author=BOB, state=COMPOSING)]
        assert bob.take() == carol.take() == []


def test_follower_that_has_left_a_room_hears_no_states_of_it(
    states: Signals, copies: ChatStateCopies
) -> None:
    with following(states, ALICE, ROOM) as follower:
        states.follow_rooms(follower, ())
        take(copies, copy(BOB, ROOM, type="groupchat"))

        assert follower.take() == []


def test_occupant_of_a_foreign_room_is_known_by_the_nickname(
    states: Signals, copies: ChatStateCopies
) -> None:
    with following(states, ALICE) as follower:
        take(copies, copy(f"{FAR_ROOM}/stranger", f"{ALICE}/phone", type="groupchat"))
        take(copies, copy(f"{FAR_ROOM}/alice", f"{ALICE}/phone", type="groupchat"))

        assert follower.take() == [
            Typing(conversation=FAR_ROOM, author="", nick="stranger", state=COMPOSING)
        ]


def test_states_that_wait_are_bounded(states: Signals) -> None:
    with following(states, ALICE) as follower:
        for number in range(signals.PENDING_MAX + 5):
            states.note_contact(ALICE, f"{number}@one.test", COMPOSING)

        assert len(follower.take()) == signals.PENDING_MAX


def test_state_wakes_its_follower(states: Signals) -> None:
    changed = asyncio.Event()
    with states.follow(ALICE, changed):
        states.note_contact(ALICE, BOB, COMPOSING)

        assert changed.is_set()


async def test_state_that_a_session_saw_reaches_followers_and_no_journal(
    states: Signals, storage: SqlStorage
) -> None:
    journal = EventJournal(storage.events, OwnRosters(storage.contacts))
    await journal.look(ALICE)
    changes = SessionChanges(journal, states)
    with following(states, ALICE) as follower:
        changes.note(ALICE, ChatStateOf(BOB, COMPOSING))
        changes.note(ALICE, ChatStateOf(FAR_ROOM, PAUSED, "stranger"))

        assert follower.take() == [
            of_bob(),
            Typing(conversation=FAR_ROOM, author="", nick="stranger", state=PAUSED),
        ]
    await journal.look(ALICE)
    assert (await storage.events.snapshot(ALICE, past=True)).entries == ()


@pytest.fixture
def server() -> EchoServer:
    return EchoServer(queue=None)  # type: ignore[arg-type]  # it archives no chat state


async def test_state_is_sent_once_until_it_changes_or_some_seconds_are_over(
    server: EchoServer, clock: Clock
) -> None:
    sender = TypingSender(server, clock=clock)
    for state in (COMPOSING, COMPOSING, PAUSED, COMPOSING):
        await sender.send(User(ALICE), BOB, state, is_room=False)
    clock.now += typing.REPEAT_SECONDS
    await sender.send(User(ALICE), BOB, COMPOSING, is_room=False)

    assert [message.payload for message in server.messages] == [
        COMPOSING,
        PAUSED,
        COMPOSING,
        COMPOSING,
    ]
    assert {(message.to, message.type) for message in server.messages} == {(BOB, "chat")}


async def test_state_behind_a_message_is_sent_at_once(server: EchoServer, clock: Clock) -> None:
    sender = TypingSender(server, clock=clock)
    await sender.send(User(ALICE), BOB, COMPOSING, is_room=False)
    sender.forget(User(ALICE), BOB)
    await sender.send(User(ALICE), BOB, COMPOSING, is_room=False)

    assert [message.payload for message in server.messages] == [COMPOSING, COMPOSING]


async def test_state_for_a_room_is_of_type_groupchat(server: EchoServer) -> None:
    await TypingSender(server).send(User(ALICE), ROOM, COMPOSING, is_room=True)

    [message] = server.messages
    assert isinstance(message, Outgoing)
    assert (message.to, message.type, message.room) == (ROOM, "groupchat", ROOM)


async def test_too_many_states_of_a_user_are_refused(server: EchoServer, clock: Clock) -> None:
    sender = TypingSender(server, clock=clock)
    for number in range(typing.BURST):
        await sender.send(User(ALICE), f"{number}@one.test", COMPOSING, is_room=False)

    with pytest.raises(RateLimited) as refused:
        await sender.send(User(ALICE), BOB, COMPOSING, is_room=False)
    assert refused.value.retry_seconds > 0
    await sender.send(User(BOB), ALICE, COMPOSING, is_room=False)


async def test_refused_state_raises_the_condition(server: EchoServer) -> None:
    server.condition = "forbidden"

    with pytest.raises(Undelivered) as refused:
        await TypingSender(server).send(User(ALICE), ROOM, COMPOSING, is_room=True)
    assert refused.value.condition == "forbidden"


async def test_state_for_a_user_who_is_not_there_is_no_error(server: EchoServer) -> None:
    server.condition = "service-unavailable"

    await TypingSender(server).send(User(ALICE), BOB, COMPOSING, is_room=False)

    with pytest.raises(Undelivered):
        await TypingSender(server).send(User(ALICE), ROOM, COMPOSING, is_room=True)
