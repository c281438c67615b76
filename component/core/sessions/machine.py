"""The state of one client session: events in, commands out, and nothing else happens here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import singledispatchmethod

from component.core.sessions import commands, events
from component.core.sessions.commands import Command, Fail, Notify, RefusalOf
from component.core.sessions.outgoing import (
    ChatState,
    Outgoing,
    OwnPresence,
    Query,
    Request,
    RoomEntry,
    Subscription,
    nick_of,
)
from component.core.xml.jids import bare, resource
from component.core.xml.stanza import GROUPCHAT

#: Bounds of what one session remembers.
MESSAGES_MAX = 100  # that are not settled, with all other stanzas of the user
SETTLED_MAX = 500  # that may still be refused
ROOMS_MAX = 100
CONTACTS_MAX = 5000
PRESENCES_MAX = 5000
REQUESTS_MAX = 500

#: Seconds after a login within which contacts send their presence.
PRESENCES_SECONDS = 5.0

#: Subscriptions of contacts that see the presence of the user.
_SEES_US = frozenset({"from", "both"})

_LOST = (
    "The connection to ejabberd was lost while the message was sent, so nobody knows whether it "
    "arrived: send it again with the same id."
)


class Phase(StrEnum):
    """Where a session is in its life."""

    NEW = "new"  #: nothing has needed it yet
    CONNECTING = "connecting"
    ONLINE = "online"
    WAITING = "waiting"  #: for the next attempt to connect
    CLOSED = "closed"  #: for good


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All in seconds."""

    idle: float = 600.0  #: without use until the session ends
    first_pause: float = 0.5  #: between the first two attempts to connect
    pause_max: float = 60.0  #: between two later ones


class SessionMachine:
    """One session of an account, which all sign-ins of the user share."""

    def __init__(
        self, owner: str, *, now: float, limits: Limits, uniform: Callable[[float, float], float]
    ) -> None:
        """`owner` is a bare JID. `uniform` returns a random number between two others.

        Times are seconds of one clock that never goes back.
        """
        self.owner = owner
        self.phase = Phase.NEW
        self.contacts: dict[str, events.RosterItem] = {}
        self.has_roster = False  #: whether the whole roster has come
        #: JIDs of users who ask to see the presence of the user
        self.requests: OrderedDict[str, None] = OrderedDict()
        self.presences: OrderedDict[str, events.PresenceOf] = OrderedDict()  #: by full JID
        self.rooms: dict[str, bool] = {}  #: the rooms to be in, and whether the user is in them
        self._defers_receipts = False
        self._limits = limits
        self._uniform = uniform
        self._now = self._last_used = self._online_since = now
        self._pause = limits.first_pause
        self.presence: OwnPresence | None = None
        self._queued: dict[str, Request] = {}  # not sent yet
        self._sent: dict[str, Request] = {}  # not settled, or not answered yet
        self._answered: set[str] = set()  # those of them that the server has taken
        self._abandoned: set[str] = set()  # those of them that nobody waits for
        #: bare JIDs to which messages went that are settled, by id
        self._settled: OrderedDict[str, str] = OrderedDict()
        #: ids of the last subscriptions, by the bare JID to which they went
        self._subscriptions: OrderedDict[str, str] = OrderedDict()

    @property
    def pending(self) -> int:
        """Number of messages that somebody waits for."""
        return len(self._queued) + len(self._sent) - len(self._abandoned)

    def handle(self, event: events.Event, now: float) -> list[Command]:
        """Return what has to be done after an event, in this order."""
        if self.phase is Phase.CLOSED:
            if isinstance(event, events.Send):
                return [Fail(event.message.id, "service-unavailable", "The session has ended.")]
            return []
        self._now = max(self._now, now)
        return list(self._on(event))

    @singledispatchmethod
    def _on(self, event: object) -> Iterator[Command]:
        raise TypeError(event)

    # Connection

    @_on.register
    def _(self, _: events.Used) -> Iterator[Command]:
        self._last_used = self._now
        yield from self._start()

    @_on.register
    def _(self, _: events.DeferReceipts) -> Iterator[Command]:
        self._defers_receipts = True
        yield from ()

    @_on.register
    def _(self, event: events.LoggedIn) -> Iterator[Command]:
        if self.phase is not Phase.CONNECTING:
            return
        self.phase, self._online_since = Phase.ONLINE, self._now
        if not event.is_resumed:
            self.presences.clear()
            yield from self._fail_all(self._sent, "remote-server-timeout", _LOST)
            waiting = [item for item in self._queued.values() if isinstance(item, OwnPresence)]
            # The announcement, which waits for the roster, would otherwise undo it.
            yield commands.Announce(waiting[-1] if waiting else self.presence)
            for room in self.rooms:
                self.rooms[room] = False
                yield commands.Join(room, nick_of(self.owner))
        for message in list(self._queued.values()):
            yield from self._transmit(message)

    @_on.register
    def _(self, _: events.LoginRefused) -> Iterator[Command]:
        text = "Muniment cannot log in to ejabberd for you: sign in again."
        yield from self._close("not-authorized", text)

    @_on.register
    def _(self, _: events.ConnectionLost) -> Iterator[Command]:
        if self.phase not in (Phase.CONNECTING, Phase.ONLINE):
            return
        if self.phase is Phase.ONLINE and self._now - self._online_since > self._limits.pause_max:
            # A server that accepts and soon drops us is backed off from like one that is away.
            self._pause = self._limits.first_pause
        self.phase = Phase.WAITING
        pause = min(self._pause, self._limits.pause_max)
        self._pause = min(2 * pause, self._limits.pause_max)
        # At random, so that not all sessions that lost this server return at once.
        yield commands.Wait(self._uniform(pause / 2, pause))

    @_on.register
    def _(self, _: events.PauseEnded) -> Iterator[Command]:
        if self.phase is Phase.WAITING:
            self.phase = Phase.CONNECTING
            yield commands.Connect()

    @_on.register
    def _(self, _: events.Ticked) -> Iterator[Command]:
        is_idle = self._now - self._last_used >= self._limits.idle
        if is_idle and not self.pending:
            yield from self._close("service-unavailable", "The session was idle.")

    @_on.register
    def _(self, _: events.Closed) -> Iterator[Command]:
        yield from self._close("service-unavailable", "The session has ended: try again.")

    def _start(self) -> Iterator[Command]:
        """Connect for the first time; later attempts follow the losses of the connection."""
        if self.phase is Phase.NEW:
            self.phase = Phase.CONNECTING
            yield commands.Connect()

    def _close(self, condition: str, text: str) -> Iterator[Command]:
        yield from self._fail_all(self._queued, condition, text)
        yield from self._fail_all(self._sent, condition, text)
        self.phase = Phase.CLOSED
        yield commands.Disconnect()

    # Messages

    @_on.register
    def _(self, event: events.Send) -> Iterator[Command]:
        message = event.message
        self._last_used = self._now
        earlier = self._queued.get(message.id) or self._sent.get(message.id)
        if earlier is not None:
            # The stream may still bring it to the server: a second copy would be another message.
            self._abandoned.discard(message.id)
            if message != earlier:
                yield Fail(message.id, "conflict", "Another message with this id is being sent.")
            return
        if len(self._queued) + len(self._sent) >= MESSAGES_MAX:
            text = f"More than {MESSAGES_MAX} of your messages are being sent: wait."
            yield Fail(message.id, "resource-constraint", text)
            return
        yield from self._start()
        self._queued[message.id] = message
        if self.phase is Phase.ONLINE:
            yield from self._transmit(message)

    @_on.register
    def _(self, event: events.Answered) -> Iterator[Command]:
        if event.id in self._abandoned:
            self._forget(event.id)
        elif event.id in self._sent and event.id not in self._answered:
            self._answered.add(event.id)
            yield commands.Succeed(event.id, event.result)

    @_on.register
    def _(self, event: events.QueryRefused) -> Iterator[Command]:
        is_awaited = event.id in self._sent and event.id not in self._abandoned
        self._forget(event.id)
        if is_awaited:
            yield Fail(event.id, event.condition, event.text, event.sender)

    @_on.register
    def _(self, event: events.Bounced) -> Iterator[Command]:
        message = self._sent.get(event.id)
        if not isinstance(message, Outgoing):
            yield from self._refused_late(event)
            return
        if bare(event.sender) not in (bare(message.to), bare(self.owner), ""):
            return
        if message.room is not None and event.condition == "not-acceptable":
            # The room has forgotten the user, so the next message enters again.
            self.rooms.pop(message.room, None)
        is_awaited = event.id not in self._abandoned
        self._forget(event.id)
        self._settled.pop(event.id, None)
        if is_awaited:
            yield Fail(event.id, event.condition, event.text, event.sender)
        elif not isinstance(message.payload, ChatState):
            yield Notify(RefusalOf(event.id, bare(message.to), True, event.condition, event.text))

    def _refused_late(self, event: events.Bounced) -> Iterator[Command]:
        """Notify of the refusal of a message that nobody waits for any more."""
        to = self._settled.get(event.id)
        if to is not None and bare(event.sender) in (to, bare(self.owner), ""):
            del self._settled[event.id]
            yield Notify(RefusalOf(event.id, to, True, event.condition, event.text))

    @_on.register
    def _(self, event: events.PresenceBounced) -> Iterator[Command]:
        if event.sender in self.rooms:
            yield from self._on(events.RoomLeft(event.sender, event.condition, event.text))
            return
        id = self._subscriptions.pop(event.sender, None)
        if id in self._sent and id not in self._abandoned:
            self._forget(id)
            yield Fail(id, event.condition, event.text, event.sender)
        elif id is not None:
            yield Notify(RefusalOf(id, event.sender, False, event.condition, event.text))

    @_on.register
    def _(self, event: events.Settled) -> Iterator[Command]:
        self._queued.pop(event.id, None)
        message = self._sent.get(event.id)
        # Nobody needs to know that a chat state came too late.
        if isinstance(message, Outgoing) and not isinstance(message.payload, ChatState):
            _remember(self._settled, event.id, bare(message.to))
        if event.id in self._answered:
            self._forget(event.id)
        elif event.id in self._sent:
            self._abandoned.add(event.id)
        yield from ()

    def _transmit(self, message: Request) -> Iterator[Command]:
        """Send a queued stanza, or first enter the room that it is for."""
        room = message.room
        if room is None or self.rooms.get(room):
            del self._queued[message.id]
            if isinstance(message, RoomEntry):
                yield commands.Succeed(message.id)
                return
            self._sent[message.id] = message
            if isinstance(message, Query):
                yield commands.Ask(message)
                return
            self._note_sent(message)
            yield commands.Transmit(message)
        elif room not in self.rooms:
            if len(self.rooms) >= ROOMS_MAX:
                del self._queued[message.id]
                text = f"You are in {ROOMS_MAX} rooms already."
                yield Fail(message.id, "resource-constraint", text)
                return
            self.rooms[room] = False
            yield commands.Join(room, nick_of(self.owner))

    def _note_sent(self, message: Outgoing | OwnPresence | Subscription) -> None:
        """Note what a stanza of the user changes."""
        if isinstance(message, OwnPresence):
            self.presence = message
        elif isinstance(message, Subscription):
            _remember(self._subscriptions, message.to, message.id)
            if message.type in ("subscribed", "unsubscribed"):
                self.requests.pop(message.to, None)

    def _fail_all(
        self, messages: dict[str, Request], condition: str, text: str
    ) -> Iterator[Command]:
        for id in list(messages):
            messages.pop(id)
            is_over = id in self._answered or id in self._abandoned
            self._forget(id)
            if not is_over:
                yield Fail(id, condition, text)

    def _forget(self, id: str) -> None:
        self._sent.pop(id, None)
        self._answered.discard(id)
        self._abandoned.discard(id)

    # Rooms

    @_on.register
    def _(self, event: events.RoomEntered) -> Iterator[Command]:
        if event.room not in self.rooms or self.phase is not Phase.ONLINE:
            return
        self.rooms[event.room] = True
        for message in list(self._queued.values()):
            if message.room == event.room:
                yield from self._transmit(message)

    @_on.register
    def _(self, event: events.RoomLeft) -> Iterator[Command]:
        if self.rooms.pop(event.room, None) is None:
            return
        for message in list(self._queued.values()):
            if message.room == event.room:
                del self._queued[message.id]
                yield Fail(message.id, event.condition, event.text, event.room)

    @_on.register
    def _(self, event: events.LeaveRoom) -> Iterator[Command]:
        if event.room in self.rooms:
            yield from self._on(events.RoomLeft(event.room, text="You have left this room."))
            if self.phase is Phase.ONLINE:
                yield commands.Leave(event.room, nick_of(self.owner))

    # Contacts

    @_on.register
    def _(self, event: events.RosterItem) -> Iterator[Command]:
        if event.subscription == "remove":
            self.contacts.pop(event.jid, None)
        elif event.jid in self.contacts or len(self.contacts) < CONTACTS_MAX:
            if self.contacts.get(event.jid) == event:
                return
            self.contacts[event.jid] = event
            if event.subscription in _SEES_US:
                self.requests.pop(event.jid, None)
        yield Notify(event)

    @_on.register
    def _(self, event: events.RosterReceived) -> Iterator[Command]:
        self.has_roster = True
        named = {item.jid for item in event.items}
        for jid in [jid for jid in self.contacts if jid not in named]:
            yield from self._on(events.RosterItem(jid=jid, subscription="remove"))
        for item in event.items:
            yield from self._on(item)

    @_on.register
    def _(self, event: events.PresenceOf) -> Iterator[Command]:
        is_of_room = bare(event.jid) in self.rooms
        if not is_of_room and (self._note_request(event) or self._note_presence(event)):
            yield Notify(event)

    @_on.register
    def _(self, _: events.PresencesCame) -> Iterator[Command]:
        # Unless it was lost meanwhile, and another connection has just begun.
        if self.phase is Phase.ONLINE and self._now - self._online_since >= PRESENCES_SECONDS:
            yield Notify(commands.PresencesAre(frozenset(self.presences)))

    def _note_request(self, event: events.PresenceOf) -> bool:
        """Return whether a presence about a subscription tells something new."""
        jid = bare(event.jid)
        if event.type == "subscribe":
            is_new = jid not in self.requests
            self.requests[jid] = None
            if len(self.requests) > REQUESTS_MAX:
                self.requests.popitem(last=False)
            return is_new
        if event.type == "unsubscribe":
            self.requests.pop(jid, None)
        return event.type in ("subscribed", "unsubscribe", "unsubscribed")

    def _note_presence(self, event: events.PresenceOf) -> bool:
        """Return whether a presence differs from the last one of its JID."""
        if event.type == "available":
            if self.presences.get(event.jid) == event:
                return False
            self.presences[event.jid] = event
            self.presences.move_to_end(event.jid)
            if len(self.presences) > PRESENCES_MAX:
                self.presences.popitem(last=False)
            return True
        if event.type != "unavailable":
            return False
        unavailable = [jid for jid in self.presences if event.jid in (jid, bare(jid))]
        for jid in unavailable:
            del self.presences[jid]
        return bool(unavailable)

    @_on.register
    def _(self, event: events.ChangeContact) -> Iterator[Command]:
        if self.phase is Phase.ONLINE:
            before = self.contacts.get(event.jid, events.RosterItem(jid=event.jid))
            name = before.name if event.name is None else event.name
            yield commands.SetContact(event.jid, name, before.groups)

    @_on.register
    def _(self, event: events.RemoveContact) -> Iterator[Command]:
        if self.phase is Phase.ONLINE:
            yield commands.RemoveContact(event.jid)

    @_on.register
    def _(self, event: events.Received) -> Iterator[Command]:
        if event.type == "error":
            return
        sender = bare(event.sender)
        if event.type == GROUPCHAT:
            nick = resource(event.sender)
            if event.chat_state is not None and nick and nick != nick_of(self.owner):
                yield Notify(commands.ChatStateOf(sender, event.chat_state, nick))
            return
        if event.chat_state is not None and not event.is_carbon:
            yield Notify(commands.ChatStateOf(sender, event.chat_state))
        if event.receipt_for:
            yield Notify(commands.ReceiptOf(sender, event.receipt_for))
        # The client that got the message itself acknowledges it (XEP-0184 section 5.5).
        is_asked = event.asks_receipt and event.id != "" and not event.is_carbon
        if is_asked and not self._defers_receipts:
            yield from self._acknowledge(event.sender, event.id)

    @_on.register
    def _(self, event: events.Acknowledge) -> Iterator[Command]:
        if self.phase is Phase.ONLINE:
            yield from self._acknowledge(event.sender, event.id)

    def _acknowledge(self, sender: str, id: str) -> Iterator[Command]:
        """Acknowledge a message to a contact that may know that the user is there (section 8)."""
        contact = self.contacts.get(bare(sender))
        if contact is not None and contact.subscription in _SEES_US:
            yield commands.SendReceipt(sender, id)


def _remember(values: OrderedDict[str, str], key: str, value: str) -> None:
    """Set a value as the newest one, and forget the oldest beyond SETTLED_MAX."""
    values[key] = value
    values.move_to_end(key)
    if len(values) > SETTLED_MAX:
        values.popitem(last=False)
