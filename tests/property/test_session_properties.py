"""The machine of a client session keeps its promises whatever happens, in whatever order."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from component.core.sessions import commands, events
from component.core.sessions.commands import Command
from component.core.sessions.machine import MESSAGES_MAX, Limits, Phase, SessionMachine
from component.core.sessions.outgoing import (
    ChatState,
    Outgoing,
    OwnPresence,
    Request,
    RoomEntry,
    Show,
    Subscription,
    Text,
)

Kind = TypeVar("Kind")

ALICE = "alice@one.test"
LIMITS = Limits(idle=100.0, first_pause=1.0, pause_max=30.0)
IDS = [f"m{number}" for number in range(4)]
PEERS = ["bob@one.test", "carol@two.test"]
ROOMS = ["garden@rooms.one.test", "kitchen@rooms.one.test"]

ids = st.sampled_from(IDS)
peers = st.sampled_from(PEERS)
rooms = st.sampled_from(ROOMS)
full_jids = peers.map(lambda jid: f"{jid}/phone")


def message(id: str, to: str) -> Outgoing:
    type = "groupchat" if to in ROOMS else "chat"
    return Outgoing(id=id, to=to, type=type, payload=Text("Hi"))


subscriptions = st.builds(
    Subscription, id=ids, to=peers, type=st.sampled_from(["subscribe", "unsubscribed"])
)
presences = st.builds(OwnPresence, id=ids, show=st.none() | st.sampled_from(Show))
entries = st.builds(RoomEntry, id=ids, room=rooms)
sends = st.builds(
    events.Send, st.builds(message, ids, peers | rooms) | subscriptions | presences | entries
)
link_events = st.one_of(
    st.just(events.Used()),
    st.builds(events.LoggedIn, st.booleans()),
    st.just(events.LoginRefused()),
    st.just(events.ConnectionLost()),
    st.just(events.PauseEnded()),
    st.just(events.Ticked()),
    st.just(events.Closed()),
)
message_events = st.one_of(
    st.builds(events.Answered, ids),
    st.builds(events.Bounced, ids, peers | rooms, st.just("service-unavailable")),
    st.builds(events.Settled, ids),
    st.builds(events.RoomEntered, rooms),
    st.builds(events.RoomLeft, rooms),
    st.builds(events.LeaveRoom, rooms),
)
contact_events = st.one_of(
    st.builds(
        events.RosterItem,
        jid=peers,
        subscription=st.sampled_from(["none", "to", "from", "both", "remove"]),
    ),
    st.builds(
        events.PresenceOf,
        jid=full_jids | peers,
        type=st.sampled_from(
            ["available", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed"]
        ),
    ),
    st.builds(
        events.Received,
        sender=full_jids,
        id=ids,
        asks_receipt=st.booleans(),
        receipt_for=st.sampled_from(["", "m0"]),
        chat_state=st.none() | st.sampled_from(ChatState),
        is_carbon=st.booleans(),
    ),
    st.builds(events.PresenceBounced, peers | rooms, st.just("gone")),
)
steps = st.lists(
    st.tuples(sends | link_events | message_events | contact_events, st.floats(0, 60)), max_size=60
)


class Run:
    """A machine, and everything that it has wanted done so far."""

    def __init__(self) -> None:
        self.now = 0.0
        self.machine = SessionMachine(ALICE, now=0.0, limits=LIMITS, uniform=max)
        self.commands: list[Command] = []

    def handle(self, event: events.Event, seconds: float = 0.0) -> list[Command]:
        self.now += seconds
        made = self.machine.handle(event, self.now)
        self.commands += made
        return made

    def of(self, type: type[Kind]) -> list[Kind]:
        return [command for command in self.commands if isinstance(command, type)]


@given(steps)
def test_stanzas_are_sent_only_on_line(steps: list[tuple[events.Event, float]]) -> None:
    run = Run()
    for event, seconds in steps:
        was_online = run.machine.phase is Phase.ONLINE
        made = run.handle(event, seconds)
        stanzas = (
            commands.Announce,
            commands.Transmit,
            commands.Join,
            commands.Leave,
        )
        if any(isinstance(command, stanzas) for command in made):
            assert was_online or isinstance(event, events.LoggedIn)


@given(steps)
def test_message_has_one_outcome_and_nothing_is_sent_twice(
    steps: list[tuple[events.Event, float]],
) -> None:
    run = Run()
    pending: dict[str, Request] = {}
    for event, seconds in steps:
        if isinstance(event, events.Send):
            if event.message.id in pending:
                continue
            pending[event.message.id] = event.message
        made = run.handle(event, seconds)
        transmitted = [made_.message.id for made_ in made if isinstance(made_, commands.Transmit)]
        failed = [made_.id for made_ in made if isinstance(made_, commands.Fail)]
        assert len(set(transmitted)) == len(transmitted)
        assert len(set(failed)) == len(failed)
        assert set(transmitted) | set(failed) <= pending.keys()
        for id in failed:
            del pending[id]
        if isinstance(event, events.Settled):
            pending.pop(event.id, None)
        assert run.machine.pending <= len(pending)


@given(steps)
def test_end_fails_every_message_that_the_server_has_not_taken(
    steps: list[tuple[events.Event, float]],
) -> None:
    run = Run()
    waiting: set[str] = set()
    for event, seconds in [*steps, (events.Closed(), 0.0)]:
        if isinstance(event, events.Send):
            waiting.add(event.message.id)
        for command in run.handle(event, seconds):
            if isinstance(command, commands.Succeed | commands.Fail):
                waiting.discard(command.id)
        if isinstance(event, events.Settled):
            waiting.discard(event.id)
    assert run.machine.pending == 0
    assert run.machine.phase is Phase.CLOSED
    assert not waiting - {command.id for command in run.of(commands.Succeed)}


@given(steps)
def test_closed_session_does_nothing_more(steps: list[tuple[events.Event, float]]) -> None:
    run = Run()
    run.handle(events.Closed())
    for event, seconds in steps:
        made = run.handle(event, seconds)
        assert all(isinstance(command, commands.Fail) for command in made)
    assert len(run.of(commands.Disconnect)) == 1


@given(steps)
def test_one_attempt_to_connect_at_a_time(steps: list[tuple[events.Event, float]]) -> None:
    run = Run()
    for event, seconds in steps:
        before = run.machine.phase
        made = run.handle(event, seconds)
        if any(isinstance(command, commands.Connect) for command in made):
            assert before in (Phase.NEW, Phase.WAITING)
            assert run.machine.phase is Phase.CONNECTING
        waits = [command for command in made if isinstance(command, commands.Wait)]
        assert all(LIMITS.first_pause / 2 <= wait.seconds <= LIMITS.pause_max for wait in waits)


@given(steps)
def test_messages_to_a_room_wait_until_the_user_is_in_it(
    steps: list[tuple[events.Event, float]],
) -> None:
    run = Run()
    inside: set[str] = set()
    for event, seconds in steps:
        made = run.handle(event, seconds)
        if isinstance(event, events.LoggedIn) and run.of(commands.Announce)[-1:] == made[:1]:
            inside.clear()
        if isinstance(event, events.RoomEntered) and run.machine.rooms.get(event.room):
            inside.add(event.room)
        for command in made:
            if isinstance(command, commands.Transmit) and command.message.room:
                assert command.message.room in inside


def test_messages_of_a_session_are_bounded() -> None:
    run = Run()
    for number in range(MESSAGES_MAX + 5):
        run.handle(events.Send(message(f"n{number}", PEERS[0])))

    assert run.machine.pending == MESSAGES_MAX
    assert len(run.of(commands.Fail)) == 5


@given(steps)
def test_presences_and_requests_are_of_others_alone(
    steps: list[tuple[events.Event, float]],
) -> None:
    run = Run()
    for event, seconds in steps:
        run.handle(event, seconds)
        machine = run.machine
        assert set(machine.contacts) <= set(PEERS)
        assert set(machine.requests) <= set(PEERS)
        assert all(presence.type == "available" for presence in machine.presences.values())
        assert not any(item.subscription == "remove" for item in machine.contacts.values())


@given(steps)
def test_receipts_go_only_to_contacts_who_see_the_user(
    steps: list[tuple[events.Event, float]],
) -> None:
    run = Run()
    for event, seconds in steps:
        contacts = dict(run.machine.contacts)
        for command in run.handle(event, seconds):
            if isinstance(command, commands.SendReceipt):
                contact = contacts[command.to.partition("/")[0]]
                assert contact.subscription in ("from", "both")
                assert isinstance(event, events.Received)
                assert not event.is_carbon
