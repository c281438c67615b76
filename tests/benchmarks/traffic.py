"""Messages between pairs of users, with the times from sending to delivery."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence

from benchmarks.xmpp import Session

#: Seconds without a delivery after which the missing messages count as lost.
PATIENCE_SECONDS = 20.0

BODY = "the quick brown fox jumps over the lazy dog while seven wizards box with quivering zebras"
_END = b"</message>"
_DELIVERED = re.compile(rb"<message (?![^>]*\btype='error')[^>]*?\bid='m([0-9a-f]{8})'")


class Traffic:
    """All messages of one run, each with a number."""

    def __init__(
        self,
        pairs: Sequence[tuple[Session, Session]],
        make: Callable[[Traffic, Session, Session], Flow] | None = None,
    ) -> None:
        """`make` returns the flow of a pair of users; None: a flow of plain messages."""
        make = make or Flow
        self.sent_at: list[float] = []
        self.seconds: list[float] = []  #: delivery times, in the order of arrival
        self.last_delivered = 0.0
        self.bounced = 0
        self.is_sending = True
        self.flows = [
            flow
            for first, second in pairs
            for flow in (make(self, first, second), make(self, second, first))
        ]

    @property
    def delivered(self) -> int:
        """The number of delivered messages."""
        return len(self.seconds)

    def expected(self) -> dict[str, int]:
        """Return by user the number of messages that the archive has to have."""
        counts: dict[str, int] = {}
        for flow in self.flows:
            for session in (flow.sender, flow.recipient):
                counts[session.user] = counts.get(session.user, 0) + len(flow.numbers)
        return counts

    def ids(self, user: str) -> set[str]:
        """Return the ids of all messages that a user's archive has to have."""
        return {
            f"m{number:08x}"
            for flow in self.flows
            if user in (flow.sender.user, flow.recipient.user)
            for number in flow.numbers
        }

    async def keep_under_way(self, total: int, seconds: float) -> None:
        """For `seconds` send a message after each delivery; then wait for all deliveries."""
        for flow in self.flows:
            flow.on_delivery = flow.send
            flow.send(max(1, total // len(self.flows)))
        await asyncio.sleep(seconds)
        self.is_sending = False
        await self.all_delivered()

    async def at_rate(self, per_second: float, seconds: float) -> None:
        """Send at a constant rate, without waiting for deliveries; then wait for all of them."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(begun + number / per_second - loop.time())
            self.flows[number % len(self.flows)].send(1)
        await self.all_delivered()

    async def at_once(self, total: int) -> None:
        """Send all messages as fast as the server accepts them, and wait for all deliveries."""
        count, step = total // len(self.flows), 50
        for _ in range(0, count, step):
            for flow in self.flows:
                flow.send(step)
                await flow.sender.drained()
            await asyncio.sleep(0)
        await self.all_delivered()

    async def one_last_each(self) -> None:
        """Wait for all deliveries, then send and wait for one last message of each flow."""
        self.is_sending = True
        for flow in self.flows:
            flow.on_delivery = lambda _: None
            flow.send(1)
        self.is_sending = False
        await self.all_delivered()

    async def all_delivered(self) -> None:
        """Wait until all messages are delivered, or no message arrives any more."""
        seen, since = self.delivered, time.perf_counter()
        while self.delivered + self.bounced < len(self.sent_at):
            await asyncio.sleep(0.005)
            if self.delivered > seen:
                seen, since = self.delivered, time.perf_counter()
            elif time.perf_counter() - since > PATIENCE_SECONDS:
                return


class Flow:
    """One user's messages to another."""

    def __init__(self, traffic: Traffic, sender: Session, recipient: Session) -> None:
        self.sender = sender
        self.recipient = recipient
        self.numbers: list[int] = []
        self.on_delivery: Callable[[int], None] = lambda _: None
        self._traffic = traffic
        self._rest = b""
        self._head = f"<message to='{recipient.jid}' type='chat' id='m".encode()
        self._tail = (
            f"'><body>{BODY}</body>"
            "<active xmlns='http://jabber.org/protocol/chatstates'/></message>"
        ).encode()
        recipient.on_data = self._received

    def send(self, count: int) -> None:
        """Send some messages in one write, unless the run is over."""
        if not self._traffic.is_sending:
            return
        sent_at = self._traffic.sent_at
        first = len(sent_at)
        numbers = range(first, first + count)
        self.numbers.extend(numbers)
        data = b"".join(map(self.stanzas, numbers))
        sent_at.extend([time.perf_counter()] * count)
        self.sender.send(data)

    def stanzas(self, number: int) -> bytes:
        """Return the stanzas of a message: the message and those that go with it."""
        return b"%b%08x%b" % (self._head, number, self._tail)

    def note_delivered(self, ids: Sequence[bytes]) -> None:
        """Do nothing: the recipient of a plain message sends no answer."""

    def _received(self, data: bytes) -> None:
        now = time.perf_counter()
        data = self._rest + data
        end = data.rfind(_END) + len(_END)
        if end < len(_END):
            self._rest = data
            return
        self._rest = data[end:]
        traffic = self._traffic
        ids = _DELIVERED.findall(data, 0, end)
        sent_at = traffic.sent_at
        traffic.seconds += [now - sent_at[int(number, 16)] for number in ids]
        traffic.last_delivered = now
        traffic.bounced += data.count(b"type='error'", 0, end)
        self.note_delivered(ids)
        self.on_delivery(len(ids))
