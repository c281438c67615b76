"""Messages between our users of which nobody knows yet whether they reach their recipient.

The first copy of such a message is made when it is sent, before anything is checked. A recipient
who is on line has a copy of his own made when it is delivered: then it is written. The server's
own error takes it away. Where neither comes, it is decided once the server has answered a question
that was asked later: all copies that it made before have been read by then.
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

#: A copy or an error comes within milliseconds, unless a server has much to do.
WAIT = 2 * _SECOND

#: A session of the recipient that cannot be written to blocks ejabberd for up to 15 seconds.
WAIT_FOR_SESSION = 30 * _SECOND

#: How often what is due is looked for.
INTERVAL_SECONDS = 0.5

#: How much may be undecided; the oldest is decided when there is more.
OPEN_MAX = 10_000
OPEN_BYTES_MAX = 16 * 1024 * 1024

#: How many recipients the server is asked about in one turn.
ACCOUNTS_MAX = 500


class Recipients(Protocol):
    """What the XMPP server says about users to whom messages were sent."""

    async def missing(self, users: Collection[str]) -> frozenset[str] | None:
        """Return those bare JIDs for which the server keeps no message: there is no such account.

        Copies of all that the server did before the call have been read when it returns. None
        where the server does not answer.
        """
        ...


@dataclass(slots=True, eq=False)
class Delivery:
    """What the archive of a recipient is to have, if the message reaches him."""

    message: bytes  #: the same for messages that one error could answer
    recipient: str  #: as it was addressed
    at: int  #: when it was sent, microseconds
    entries: list[NewMessage]
    waits_offline: bool  #: whether a server keeps such a message for a user who is away
    bytes: int
    is_refused: bool = False


class Deliveries:
    """Holds what is undecided, and decides it."""

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

    def __len__(self) -> int:
        """How many are undecided."""
        return len(self._open)

    def __contains__(self, delivery: Delivery) -> bool:
        """Whether a delivery is undecided."""
        return delivery in self._open

    def open(self, delivery: Delivery) -> None:
        """Hold what was sent until it is decided whether it was delivered."""
        self._open[delivery] = None
        self._by_message.setdefault(delivery.message, []).append(delivery)
        self._bytes += delivery.bytes
        while self._open and (len(self._open) > self._open_max or self._bytes > self._bytes_max):
            if not self._is_pressed:
                log.warning("%d messages wait for their delivery: decided early", len(self._open))
            self._is_pressed = True
            self._conclude([next(iter(self._open))], self._clock())

    def deliver(self, delivery: Delivery, at: int) -> None:
        """Write what was delivered at that time, if that is undecided."""
        if delivery in self._open:
            self._write(self._close(delivery), at)

    def refuse(self, message: bytes) -> bool:
        """Drop what the server refused; return whether there was such a message, undecided.

        One error answers one message.
        """
        waiting = self._by_message.get(message)
        if not waiting:
            return False
        waiting[0].is_refused = True
        self._close(waiting[0])
        return True

    def decide(self, owner: str | None = None) -> None:
        """Decide at once by what is known, all or what is for one owner: no more is waited for."""
        due = [one for one in self._open if owner in (None, jids.bare(one.recipient))]
        self._conclude(due, self._clock())

    async def run(self) -> None:
        """Decide what is due, until `stop` is called."""
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                await self.decide_due()

    def stop(self) -> None:
        """Decide all that is left, and let `run` return."""
        self.decide()
        self._stopping.set()

    async def decide_due(self) -> None:
        """Decide what is due, once the server has told what it can tell."""
        at = self._clock()
        due = [one for one in self._open if self._is_due(one, at)]
        if not due:
            self._is_pressed = False
            return
        away = {jids.bare(one.recipient) for one in due if not self._reaches(one)}
        asked = sorted(away)[:ACCOUNTS_MAX]
        missing = await self._recipients.missing(asked)
        if missing is None:
            # Copies may be on their way still.
            return
        left = away.difference(asked)
        due = [one for one in due if one in self._open and jids.bare(one.recipient) not in left]
        self._conclude(due, at, missing)

    def _is_due(self, delivery: Delivery, at: int) -> bool:
        wait = WAIT_FOR_SESSION if self._reaches(delivery) else WAIT
        return at - delivery.at >= wait

    def _reaches(self, delivery: Delivery) -> bool:
        return self._sessions.reaches(delivery.recipient, delivery.at)

    def _conclude(
        self, deliveries: Iterable[Delivery], at: int, missing: Collection[str] = frozenset()
    ) -> None:
        """Write what nothing speaks against, drop the rest; `missing` users have no account."""
        for one in deliveries:
            entries = self._close(one)
            if self._reaches(one):
                is_lost = at - one.at >= WAIT
            else:
                is_lost = not one.waits_offline or jids.bare(one.recipient) in missing
            if not is_lost:
                self._write(entries, one.at)

    def _write(self, entries: list[NewMessage], at: int) -> None:
        self._queue.put([one._replace(at=at) for one in entries])

    def _close(self, delivery: Delivery) -> list[NewMessage]:
        """Let go of what is decided; return what would have been written."""
        del self._open[delivery]
        self._bytes -= delivery.bytes
        waiting = self._by_message[delivery.message]
        waiting.remove(delivery)
        if not waiting:
            del self._by_message[delivery.message]
        entries, delivery.entries = delivery.entries, []
        return entries


def waits_offline(stanza: Stanza) -> bool:
    """Return whether mod_offline keeps a message for a recipient who is away."""
    if stanza.type == "headline":
        return not jids.resource(stanza.recipient) and STORE in stanza.payloads
    return stanza.type != GROUPCHAT
