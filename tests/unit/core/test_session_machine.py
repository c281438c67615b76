"""The machine of a client session: connection, messages, rooms, contacts."""

from __future__ import annotations

import pytest

from component.core.sessions import commands, events
from component.core.sessions.commands import Command, Fail, Notify
from component.core.sessions.machine import Limits, Phase, SessionMachine
from component.core.sessions.outgoing import (
    ChatState,
    Outgoing,
    OwnPresence,
    Query,
    RoomEntry,
    Show,
    Subscription,
    Text,
)

ALICE, BOB = "alice@one.test", "bob@one.test"
ROOM = "garden@rooms.one.test"


class Run:
    """A machine with a clock that a test turns on."""

    def __init__(self) -> None:
        self.now = 1000.0
        limits = Limits(idle=60.0, first_pause=1.0, pause_max=8.0)
        self.machine = SessionMachine(ALICE, now=self.now, limits=limits, uniform=max)

    def handle(self, event: events.Event, after: float = 0.0) -> list[Command]:
        """Return the commands after an event, which comes some seconds later."""
        self.now += after
        return self.machine.handle(event, self.now)

    def online(self) -> Run:
        """Log in."""
        assert self.handle(events.Used()) == [commands.Connect()]
        assert self.handle(events.LoggedIn()) == [commands.Announce()]
        return self

    def say(self, id: str, to: str = BOB) -> list[Command]:
        """Send a message."""
        return self.handle(events.Send(to_send(id, to)))


def to_send(id: str, to: str = BOB) -> Outgoing:
    type = "groupchat" if to == ROOM else "chat"
    return Outgoing(id=id, to=to, type=type, payload=Text(id))


@pytest.fixture
def run() -> Run:
    return Run()


def test_first_use_connects_once(run: Run) -> None:
    assert run.handle(events.Used()) == [commands.Connect()]
    assert run.handle(events.Used()) == []


def test_message_waits_for_the_login(run: Run) -> None:
    assert run.say("m") == [commands.Connect()]

    assert run.handle(events.LoggedIn()) == [
        commands.Announce(),
        commands.Transmit(to_send("m")),
    ]


def test_pauses_between_attempts_double_up_to_the_maximum(run: Run) -> None:
    run.handle(events.Used())
    pauses = []
    for _ in range(6):
        [wait] = run.handle(events.ConnectionLost())
        assert isinstance(wait, commands.Wait)
        pauses.append(wait.seconds)
        assert run.handle(events.PauseEnded(), after=wait.seconds) == [commands.Connect()]

    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_pause_is_short_again_after_a_long_connection(run: Run) -> None:
    run.handle(events.Used())
    for _ in range(4):
        run.handle(events.ConnectionLost())
        run.handle(events.PauseEnded())
    run.handle(events.LoggedIn())

    assert run.handle(events.ConnectionLost(), after=9.0) == [commands.Wait(1.0)]


def test_pause_is_random_between_its_half_and_itself() -> None:
    seen: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        seen.append((low, high))
        return low

    limits = Limits(idle=60.0, first_pause=1.0, pause_max=8.0)
    machine = SessionMachine(ALICE, now=0.0, limits=limits, uniform=uniform)
    machine.handle(events.Used(), 0.0)

    assert machine.handle(events.ConnectionLost(), 0.0) == [commands.Wait(0.5)]
    assert seen == [(0.5, 1.0)]


def test_idle_session_ends(run: Run) -> None:
    run.online()

    assert run.handle(events.Ticked(), after=59.0) == []
    assert run.handle(events.Ticked(), after=1.0) == [commands.Disconnect()]
    assert run.machine.phase is Phase.CLOSED


def test_use_postpones_the_end(run: Run) -> None:
    run.online().handle(events.Used(), after=59.0)

    assert run.handle(events.Ticked(), after=59.0) == []


def test_session_with_a_message_on_its_way_does_not_end(run: Run) -> None:
    run.online().say("m")

    assert run.handle(events.Ticked(), after=1000.0) == []
    run.handle(events.Settled("m"))
    assert run.handle(events.Ticked()) == [commands.Disconnect()]


def test_refused_login_ends_the_session_and_its_messages(run: Run) -> None:
    run.say("m")

    [fail, disconnect] = run.handle(events.LoginRefused())
    assert isinstance(fail, Fail)
    assert (fail.id, fail.condition, fail.by) == ("m", "not-authorized", "")
    assert "sign in again" in fail.text
    assert disconnect == commands.Disconnect()


def test_message_to_an_ended_session_fails(run: Run) -> None:
    run.handle(events.Closed())

    [fail] = run.say("m")
    assert isinstance(fail, Fail)


def test_answer_to_what_followed_a_message_shows_that_it_was_taken(run: Run) -> None:
    assert run.online().say("m") == [commands.Transmit(to_send("m"))]
    assert run.handle(events.Answered("m")) == [commands.Succeed("m")]
    assert run.handle(events.Answered("m")) == []


def test_bounce_fails_the_message_even_after_it_was_taken(run: Run) -> None:
    run.online().say("m")
    run.handle(events.Answered("m"))

    assert run.handle(events.Bounced("m", BOB, "gone", "Bye.")) == [Fail("m", "gone", "Bye.", BOB)]


@pytest.mark.parametrize("sender", ["mallory@one.test", "two.test"])
def test_bounce_from_somebody_else_is_ignored(run: Run, sender: str) -> None:
    run.online().say("m")

    assert run.handle(events.Bounced("m", sender, "gone")) == []


def test_message_that_is_sent_again_before_its_outcome_goes_out_once(run: Run) -> None:
    run.online().say("m")
    run.handle(events.Settled("m"))

    assert run.say("m") == []
    assert run.handle(events.Answered("m")) == [commands.Succeed("m")]


def test_other_message_with_the_id_of_one_without_outcome_is_refused(run: Run) -> None:
    run.online().say("m")
    run.handle(events.Settled("m"))
    other = Outgoing(id="m", to=BOB, type="chat", payload=Text("other"))

    [fail] = run.handle(events.Send(other))
    assert isinstance(fail, Fail)
    assert (fail.id, fail.condition) == ("m", "conflict")


def test_message_that_nobody_waits_for_leaves_no_trace_once_it_was_taken(run: Run) -> None:
    run.online().say("m")
    run.handle(events.Settled("m"))

    assert run.handle(events.Answered("m")) == []
    assert run.say("m") == [commands.Transmit(to_send("m"))]


def test_resumed_session_keeps_messages_and_rooms(run: Run) -> None:
    run.online().say("m")
    run.say("r", ROOM)
    run.handle(events.RoomEntered(ROOM))
    run.handle(events.ConnectionLost())
    run.handle(events.PauseEnded())
    run.say("later")

    assert run.handle(events.LoggedIn(is_resumed=True)) == [commands.Transmit(to_send("later"))]
    assert run.machine.rooms == {ROOM: True}
    assert run.handle(events.Answered("m")) == [commands.Succeed("m")]


def test_new_session_enters_rooms_again_and_fails_messages_without_outcome(run: Run) -> None:
    run.online().say("r", ROOM)
    run.handle(events.RoomEntered(ROOM))
    run.handle(events.Answered("r"))
    run.say("m")
    run.handle(events.ConnectionLost())
    run.handle(events.PauseEnded())

    [fail, announce, join] = run.handle(events.LoggedIn())
    assert isinstance(fail, Fail)
    assert (fail.id, fail.condition) == ("m", "remote-server-timeout")
    assert (announce, join) == (commands.Announce(), commands.Join(ROOM, "alice"))


def test_first_message_to_a_room_enters_it(run: Run) -> None:
    assert run.online().say("1", ROOM) == [commands.Join(ROOM, "alice")]
    assert run.say("2", ROOM) == []

    assert run.handle(events.RoomEntered(ROOM)) == [
        commands.Transmit(to_send("1", ROOM)),
        commands.Transmit(to_send("2", ROOM)),
    ]
    assert run.say("3", ROOM) == [commands.Transmit(to_send("3", ROOM))]


def test_room_that_does_not_admit_the_user_fails_the_message(run: Run) -> None:
    run.online().say("m", ROOM)

    refused = events.RoomLeft(ROOM, "registration-required", "Members only.")
    assert run.handle(refused) == [Fail("m", "registration-required", "Members only.", ROOM)]
    assert run.say("again", ROOM) == [commands.Join(ROOM, "alice")]


def test_room_that_has_forgotten_the_user_is_entered_with_the_next_message(run: Run) -> None:
    run.online().say("1", ROOM)
    run.handle(events.RoomEntered(ROOM))
    run.handle(events.Bounced("1", ROOM, "not-acceptable"))

    assert run.say("2", ROOM) == [commands.Join(ROOM, "alice")]


def test_user_leaves_a_room(run: Run) -> None:
    run.online().say("1", ROOM)
    run.handle(events.RoomEntered(ROOM))

    assert run.handle(events.LeaveRoom(ROOM)) == [commands.Leave(ROOM, "alice")]
    assert run.handle(events.LeaveRoom(ROOM)) == []


def test_changes_of_the_roster_are_told_once(run: Run) -> None:
    item = events.RosterItem(jid=BOB, subscription="both")
    run.online()

    assert run.handle(events.RosterReceived((item,))) == [Notify(item)]
    assert run.handle(item) == []
    removed = events.RosterItem(jid=BOB, subscription="remove")
    assert run.handle(events.RosterReceived(())) == [Notify(removed)]
    assert run.machine.contacts == {}


def test_subscription_request_waits_until_the_user_decides(run: Run) -> None:
    request = events.PresenceOf(jid=BOB, type="subscribe")
    assert run.online().handle(request) == [Notify(request)]
    assert run.handle(request) == []
    assert list(run.machine.requests) == [BOB]

    granted = Subscription(id="s", to=BOB, type="subscribed")
    assert run.handle(events.Send(granted)) == [commands.Transmit(granted)]
    assert list(run.machine.requests) == []
    assert run.handle(events.Answered("s")) == [commands.Succeed("s")]


def test_refused_subscription_fails_while_it_is_awaited(run: Run) -> None:
    request = Subscription(id="s", to=BOB, type="subscribe")
    run.online().handle(events.Send(request))

    bounce = events.PresenceBounced(BOB, "remote-server-not-found", "No.")
    assert run.handle(bounce) == [Fail("s", "remote-server-not-found", "No.", BOB)]
    assert run.handle(bounce) == []


def test_later_refusal_of_a_subscription_is_told(run: Run) -> None:
    request = Subscription(id="s", to=BOB, type="subscribe")
    run.online().handle(events.Send(request))
    run.handle(events.Answered("s"))
    run.handle(events.Settled("s"))

    assert run.handle(events.PresenceBounced("eve@one.test", "gone")) == []
    assert run.handle(events.PresenceBounced(BOB, "gone")) == [
        Notify(commands.RefusalOf("s", BOB, False, "gone", ""))
    ]


@pytest.mark.parametrize("is_answered", [True, False])
def test_later_refusal_of_a_message_is_told_once(run: Run, is_answered: bool) -> None:
    run.online().say("m")
    if is_answered:
        run.handle(events.Answered("m"))
    run.handle(events.Settled("m"))

    assert run.handle(events.Bounced("m", "eve@one.test", "gone")) == []
    assert run.handle(events.Bounced("m", f"{BOB}/phone", "gone", "Bye.")) == [
        Notify(commands.RefusalOf("m", BOB, True, "gone", "Bye."))
    ]
    assert run.handle(events.Bounced("m", BOB, "gone")) == []


def test_own_presence_is_sent_and_announced_again(run: Run) -> None:
    away = OwnPresence(id="p", show=Show.AWAY, status="lunch")
    assert run.online().handle(events.Send(away)) == [commands.Transmit(away)]
    run.handle(events.ConnectionLost())
    run.handle(events.PauseEnded())

    [failed, announced] = run.handle(events.LoggedIn())
    assert isinstance(failed, Fail)
    assert announced == commands.Announce(away)


def test_entry_of_a_room_succeeds_when_the_user_is_in_it(run: Run) -> None:
    entry = RoomEntry(id="e", room=ROOM)
    assert run.online().handle(events.Send(entry)) == [commands.Join(ROOM, "alice")]
    assert run.handle(events.RoomEntered(ROOM)) == [commands.Succeed("e")]
    again = RoomEntry(id="f", room=ROOM)
    assert run.handle(events.Send(again)) == [commands.Succeed("f")]


def test_refused_entry_of_a_room_fails(run: Run) -> None:
    run.online().handle(events.Send(RoomEntry(id="e", room=ROOM)))

    bounce = events.PresenceBounced(ROOM, "registration-required", "Members only.")
    assert run.handle(bounce) == [Fail("e", "registration-required", "Members only.", ROOM)]
    assert run.machine.rooms == {}


def test_presences_are_kept_by_resource(run: Run) -> None:
    run.online()
    for resource in ("phone", "desk"):
        presence = events.PresenceOf(jid=f"{BOB}/{resource}", show="away")
        assert run.handle(presence) == [Notify(presence)]
        assert run.handle(presence) == []

    run.handle(events.PresenceOf(jid=f"{BOB}/phone", type="unavailable"))
    assert list(run.machine.presences) == [f"{BOB}/desk"]
    run.handle(events.PresenceOf(jid=BOB, type="unavailable"))
    assert list(run.machine.presences) == []


def test_receipt_is_sent_to_contacts_who_see_the_user(run: Run) -> None:
    asks = events.Received(sender=f"{BOB}/phone", id="m", asks_receipt=True)
    assert run.online().handle(asks) == []
    run.handle(events.RosterItem(jid=BOB, subscription="from"))

    assert run.handle(asks) == [commands.SendReceipt(f"{BOB}/phone", "m")]


def test_message_to_another_client_is_not_acknowledged(run: Run) -> None:
    run.online().handle(events.RosterItem(jid=BOB, subscription="both"))
    carbon = events.Received(
        sender=f"{BOB}/phone",
        id="m",
        asks_receipt=True,
        chat_state=ChatState.ACTIVE,
        is_carbon=True,
    )

    assert run.handle(carbon) == []


def test_chat_states_and_receipts_of_contacts_are_told(run: Run) -> None:
    received = events.Received(
        sender=f"{BOB}/phone", receipt_for="m", chat_state=ChatState.COMPOSING
    )

    assert run.online().handle(received) == [
        Notify(commands.ChatStateOf(BOB, ChatState.COMPOSING)),
        Notify(commands.ReceiptOf(BOB, "m")),
    ]


def test_deferred_receipt_is_sent_once_the_message_is_read(run: Run) -> None:
    asks = events.Received(sender=f"{BOB}/phone", id="m", asks_receipt=True)
    acknowledge = events.Acknowledge(f"{BOB}/phone", "m")
    run.online().handle(events.RosterItem(jid=BOB, subscription="from"))
    run.handle(events.DeferReceipts())

    assert run.handle(asks) == []
    assert run.handle(acknowledge) == [commands.SendReceipt(f"{BOB}/phone", "m")]

    # A stranger must not learn that the user is there.
    run.handle(events.RosterItem(jid=BOB, subscription="to"))
    assert run.handle(acknowledge) == []


def test_contact_is_set_with_the_name_and_groups_that_it_has(run: Run) -> None:
    assert run.handle(events.ChangeContact(jid=BOB, name="Bob")) == []
    run.online().handle(events.RosterItem(jid=BOB, name="Bob", groups=("Friends",)))

    changes = [events.ChangeContact(jid=BOB, name="Robert"), events.ChangeContact(jid=BOB)]
    assert [run.handle(change) for change in changes] == [
        [commands.SetContact(BOB, "Robert", ("Friends",))],
        [commands.SetContact(BOB, "Bob", ("Friends",))],
    ]
    assert run.handle(events.RemoveContact(BOB)) == [commands.RemoveContact(BOB)]
    assert BOB in run.machine.contacts


def test_machine_says_whether_the_roster_came(run: Run) -> None:
    assert not run.online().machine.has_roster

    run.handle(events.RosterReceived(()))

    assert run.machine.has_roster


def test_contacts_that_have_sent_no_presence_after_a_login_are_not_available(run: Run) -> None:
    run.online()
    run.handle(events.PresenceOf(jid=f"{BOB}/phone"))

    # That of the connection before this one.
    assert run.handle(events.PresencesCame(), after=1.0) == []
    assert run.handle(events.PresencesCame(), after=5.0) == [
        Notify(commands.PresencesAre(frozenset({f"{BOB}/phone"})))
    ]

    run.handle(events.ConnectionLost())
    assert run.handle(events.PresencesCame(), after=5.0) == []


def test_presence_that_waits_for_the_login_is_the_announced_one(run: Run) -> None:
    busy = OwnPresence(id="p", show=Show.DND, status="Busy")
    assert run.handle(events.Send(busy)) == [commands.Connect()]

    assert run.handle(events.LoggedIn()) == [
        commands.Announce(busy),
        commands.Transmit(busy),
    ]


QUERY = Query(id="q", to=None, type="get", payload="<vCard xmlns='vcard-temp'/>")


def test_result_of_an_iq_succeeds_with_its_xml(run: Run) -> None:
    run.online()

    assert run.handle(events.Send(QUERY)) == [commands.Ask(QUERY)]
    assert run.handle(events.Answered("q", "<vCard/>")) == [commands.Succeed("q", "<vCard/>")]
    assert run.handle(events.Settled("q")) == []
    assert run.machine.pending == 0


def test_iq_waits_for_the_login(run: Run) -> None:
    assert run.handle(events.Send(QUERY)) == [commands.Connect()]

    assert run.handle(events.LoggedIn()) == [commands.Announce(), commands.Ask(QUERY)]


def test_error_of_an_iq_fails_it(run: Run) -> None:
    run.online().handle(events.Send(QUERY))

    assert run.handle(events.QueryRefused("q", BOB, "item-not-found")) == [
        Fail("q", "item-not-found", "", BOB)
    ]
    assert run.machine.pending == 0


def test_error_of_an_iq_that_nobody_waits_for_is_ignored(run: Run) -> None:
    run.online().handle(events.Send(QUERY))
    run.handle(events.Settled("q"))

    assert run.handle(events.QueryRefused("q", BOB, "item-not-found")) == []
    assert run.handle(events.QueryRefused("unknown", BOB, "item-not-found")) == []


def test_iq_fails_when_the_connection_is_lost_and_not_resumed(run: Run) -> None:
    run.online().handle(events.Send(QUERY))
    [wait] = run.handle(events.ConnectionLost())
    assert isinstance(wait, commands.Wait)
    run.handle(events.PauseEnded())

    fail, *_ = run.handle(events.LoggedIn())
    assert isinstance(fail, Fail)
    assert (fail.id, fail.condition) == ("q", "remote-server-timeout")


def test_chat_state_of_an_occupant_names_the_occupant(run: Run) -> None:
    run.online()
    state = events.Received(sender=f"{ROOM}/bob", type="groupchat", chat_state=ChatState.COMPOSING)

    assert run.handle(state) == [Notify(commands.ChatStateOf(ROOM, ChatState.COMPOSING, "bob"))]


def test_chat_state_that_a_room_reflects_to_its_sender_is_ignored(run: Run) -> None:
    run.online()
    state = events.Received(
        sender=f"{ROOM}/alice", type="groupchat", chat_state=ChatState.COMPOSING
    )

    assert run.handle(state) == []


@pytest.mark.parametrize("is_answered", [True, False])
def test_late_refusal_of_a_chat_state_is_ignored(run: Run, is_answered: bool) -> None:
    state = Outgoing(id="s", to=BOB, type="chat", payload=ChatState.COMPOSING)
    run.online().handle(events.Send(state))
    if is_answered:
        run.handle(events.Answered("s"))
    run.handle(events.Settled("s"))

    assert run.handle(events.Bounced("s", BOB, "service-unavailable")) == []
