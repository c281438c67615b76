"""Undecided deliveries: messages to our users that may or may not reach their recipient.

ejabberd makes the first copy of such a message when it is sent, before any check. For a recipient
who is on line it makes a second copy at the delivery: then the message is written. An error of the
server drops it. If neither comes, the message is decided after the server has answered a later
question: all copies that it made before the answer have been read by then.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from component.core.archiving.policy import STORE
from component.core.archiving.sessions import Sessions
from component.core.archiving.writer import Queue
from component.core.xml import jids
from component.core.xml.stanza import GROUPCHAT, Stanza
from component.core.xml.times import now
from storage.rows import NewMessage

log = logging.getLogger(__name__)

_SECOND = 1_000_000  # microseconds

#: A copy or an error comes within milliseconds, unless the server is busy.
WAIT = 2 * _SECOND

#: A session of the recipient that cannot be written to blocks ejabberd for up to 15 seconds.
WAIT_FOR_SESSION = 30 * _SECOND

#: The interval at which due deliveries are decided.
INTERVAL_SECONDS = 0.5

#: How much longer a process waits that has just joined others: they decide at intervals, too.
JOINED_WAIT = _SECOND

#: Limits of undecided deliveries. Beyond them the oldest one is decided early. Copies of so many
#: messages are recognised if their addresses have usual lengths (REMEMBERED_BYTES in `dedup`).
OPEN_MAX = 8_000
OPEN_BYTES_MAX = 16 * 1024 * 1024

#: The maximum number of accounts in one question to the server.
ACCOUNTS_MAX = 500


class Recipients(Protocol):
    """Asks the XMPP server about the recipients of messages."""

    async def missing(self, users: Collection[str]) -> frozenset[str] | None:
        """Return the bare JIDs among `users` that have no account, None without an answer.

        When it returns, all copies that the server made before the call have been read.
        """
        ...


@dataclass(slots=True, eq=False)
class Delivery:
    """The rows for the archive of a recipient, to be written if the message is delivered."""

    message: bytes  #: key; equal for messages that one error could answer
    recipient: str  #: the `to` of the message
    at: int  #: when it was sent, microseconds
    entries: list[NewMessage]
    waits_offline: bool  #: whether the server stores such a message for a user who is away
    bytes: int
    is_refused: bool = False
    has_arrived: bool = False  #: the recipient's copy came
    is_lost: bool = False  #: it was decided that the recipient did not get the message

    @property
    def is_owed(self) -> bool:
        """Whether the recipient's copy came after the rows were dropped."""
        return self.is_lost and self.has_arrived


class Deliveries:
    """Holds undecided deliveries, and decides them."""

    def __init__(
        self,
        queue: Queue,
        sessions: Sessions,
        recipients: Recipients,
        *,
        clock: Callable[[], int] = now,
        open_max: int = OPEN_MAX,
        bytes_max: int = OPEN_BYTES_MAX,
    ) -> None:
        self._queue = queue
        self._sessions = sessions
        self._recipients = recipients
        self._clock = clock
        self._open_max = open_max
        self._bytes_max = bytes_max
        self._open: OrderedDict[Delivery, None] = OrderedDict()  # in the order of sending
        self._by_message: dict[bytes, list[Delivery]] = {}
        self._bytes = 0
        self._is_pressed = False
        self._stopping = asyncio.Event()
        self._decides_from = 0  # microseconds

    def __len__(self) -> int:
        """Return the number of undecided deliveries."""
        return len(self._open)

    def __contains__(self, delivery: Delivery) -> bool:
        """Return whether a delivery is undecided."""
        return delivery in self._open

    @property
    def oldest_at(self) -> int | None:
        """The time of the oldest undecided delivery, in microseconds; None without any."""
        return next((delivery.at for delivery in self._open), None)

    def open(self, delivery: Delivery) -> None:
        """Hold a delivery until it is decided."""
        self._open[delivery] = None
        self._by_message.setdefault(delivery.message, []).append(delivery)
        self._bytes += delivery.bytes
        while self._open and (len(self._open) > self._open_max or self._bytes > self._bytes_max):
            self._note_pressure()
            self._conclude([next(iter(self._open))])

    def deliver(self, delivery: Delivery, at: int) -> None:
        """Note the recipient's copy, made at the time `at`: write the message if it waits."""
        delivery.has_arrived = True
        if delivery in self._open:
            self._write(self._close(delivery), at)

    def assume(self, delivery: Delivery) -> None:
        """Write a message that waits, because its copy would not be recognised any longer."""
        if delivery in self._open:
            self._note_pressure()
            self._write(self._close(delivery), delivery.at)

    def expects_copy(self, delivery: Delivery, at: int) -> bool:
        """Return whether the next stanza that is alike, at a time, is the recipient's copy.

        It is while a session has none, even if the delivery was decided early.
        """
        if delivery.has_arrived or delivery.is_refused or not self._reaches(delivery):
            return False
        return delivery in self._open or at - delivery.at < WAIT_FOR_SESSION

    def refuse(self, message: bytes) -> bool:
        """Drop the oldest undecided delivery of a message that the server refused.

        Return whether there was one. One error answers one message.
        """
        waiting = self._by_message.get(message)
        if not waiting:
            return False
        waiting[0].is_refused = True
        self._close(waiting[0])
        return True

    def decide(self, owner: str | None = None) -> None:
        """Decide all deliveries, or those to `owner`, now, without asking the server."""
        self._conclude([d for d in self._open if owner in (None, jids.bare(d.recipient))])

    def joined(self, at: int) -> None:
        """Note that other processes had undecided deliveries at a time, in microseconds.

        They decide and write these first, because older messages come before newer ones.
        """
        self._decides_from = at + WAIT + JOINED_WAIT

    async def run(self) -> None:
        """Decide due deliveries until `stop` is called."""
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                await self.decide_due()

    def stop(self) -> None:
        """Decide all deliveries, and let `run` return."""
        self.decide()
        self._stopping.set()

    async def decide_due(self) -> None:
        """Decide due deliveries after the server has answered for their recipients."""
        at = self._clock()
        if at < self._decides_from:
            return
        due = [delivery for delivery in self._open if self._is_due(delivery, at)]
        if not due:
            self._is_pressed = False
            return
        away = {jids.bare(d.recipient) for d in due if not self._reaches(d)}
        queried = sorted(away)[:ACCOUNTS_MAX]
        missing = await self._recipients.missing(queried)
        if missing is None:
            # Copies may still be on their way.
            return
        unqueried = away.difference(queried)
        due = [d for d in due if d in self._open and jids.bare(d.recipient) not in unqueried]
        self._conclude(due, missing)

    def _is_due(self, delivery: Delivery, at: int) -> bool:
        wait = WAIT_FOR_SESSION if self._reaches(delivery) else WAIT
        return at - delivery.at >= wait

    def _reaches(self, delivery: Delivery) -> bool:
        return self._sessions.reaches(delivery.recipient, delivery.at)

    def _conclude(
        self, deliveries: Iterable[Delivery], missing: Collection[str] | None = None
    ) -> None:
        """Write the messages that are not known to be lost.

        `missing` users have no account; None: the server was not asked, so that copies may still
        be on their way.
        """
        for delivery in deliveries:
            entries = self._close(delivery)
            if self._reaches(delivery):
                delivery.is_lost = missing is not None
            else:
                has_account = missing is None or jids.bare(delivery.recipient) not in missing
                delivery.is_lost = not (delivery.waits_offline and has_account)
            if not delivery.is_lost:
                self._write(entries, delivery.at)

    def _note_pressure(self) -> None:
        if not self._is_pressed:
            log.warning(
                "%d deliveries are undecided: the oldest are decided early", len(self._open)
            )
        self._is_pressed = True

    def _write(self, entries: list[NewMessage], at: int) -> None:
        self._queue.put([entry.received_at(at) for entry in entries])

    def _close(self, delivery: Delivery) -> list[NewMessage]:
        """Remove a delivery that is decided, and return its rows."""
        del self._open[delivery]
        self._bytes -= delivery.bytes
        waiting = self._by_message[delivery.message]
        waiting.remove(delivery)
        if not waiting:
            del self._by_message[delivery.message]
        entries, delivery.entries = delivery.entries, []
        return entries


def waits_offline(stanza: Stanza) -> bool:
    """Return whether mod_offline stores a message for a recipient who is away."""
    if stanza.type == "headline":
        return not jids.resource(stanza.recipient) and STORE in stanza.payloads
    return stanza.type != GROUPCHAT
