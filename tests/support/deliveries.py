"""The parts that decide deliveries, with accounts and a clock that the test sets."""

from __future__ import annotations

from collections.abc import Collection

from component.core.archiving.deliveries import Deliveries
from component.core.archiving.ingest import Ingest
from component.core.archiving.policy import Policy
from component.core.archiving.sessions import Sessions
from component.core.archiving.writer import Queue
from component.core.hosts import Hosts


class FakeAccounts:
    """Accounts of a server: all users exist except `ghosts`; None: the server does not answer."""

    def __init__(self) -> None:
        self.ghosts: frozenset[str] | None = frozenset()
        self.requested: list[str] = []

    async def missing(self, users: Collection[str]) -> frozenset[str] | None:
        """Return the users without an account."""
        self.requested += users
        return self.ghosts


class DeliveryBench:
    """The parts that decide, and their clock."""

    def __init__(self, queue: Queue) -> None:
        self.now = 0
        self.server = FakeAccounts()
        self.sessions = Sessions()
        self.queue = queue
        self.deliveries = Deliveries(queue, self.sessions, self.server, clock=lambda: self.now)

    def ingest(
        self,
        policy: Policy,
        hosts: Collection[str],
        room_services: Collection[str] = (),
        *,
        is_shared: bool = False,
    ) -> Ingest:
        """Return an ingest pipeline over these parts."""
        return Ingest(
            self.queue,
            policy,
            Hosts(hosts, room_services),
            sessions=self.sessions,
            deliveries=self.deliveries,
            is_shared=is_shared,
        )
