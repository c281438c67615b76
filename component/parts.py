"""The parts between the stream and the store, made as the configuration says, and joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from component import settings
from component.config import Config
from component.core.access import Access
from component.core.audit import Audit
from component.core.history import History
from component.core.holds import Holds
from component.core.ingest import Ingest
from component.core.live import Live
from component.core.operators import Operator
from component.core.preferences import Wishes
from component.core.rooms import Rooms
from component.core.rosters import RosterMemory
from component.core.wanted import Wanted
from component.core.writer import Writer
from component.xmpp import commands, disco, mam, preferences
from component.xmpp.addresses import Addresses
from component.xmpp.commands import Commands
from component.xmpp.configure import configure
from component.xmpp.delegation import Delegation
from component.xmpp.mam import Mam
from component.xmpp.preferences import Prefs
from component.xmpp.privilege import Privileges
from component.xmpp.queries import Queries
from component.xmpp.rooms import RoomPresences, RoomQueries
from component.xmpp.rosters import PrivilegedRosters, RosterPushes
from component.xmpp.service_log import ServiceLog
from component.xmpp.stream import Stream
from storage.interface import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is joined to the stream."""

    stream: Stream
    writer: Writer
    wanted: Wanted
    wishes: Wishes
    rooms: Rooms
    holds: Holds
    operators: tuple[Operator, ...]
    live: Live = field(default_factory=Live)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Know what was kept, write what comes, and at the end all that is left.

        Raises StorageError.
        """
        await self.load()
        writing = asyncio.create_task(self.write())
        try:
            yield
        finally:
            await self.stop()
            await writing

    async def load(self) -> None:
        """Know what was kept. Raises StorageError."""
        for part in (self.wishes, self.rooms, self.holds):
            await part.load()

    async def write(self) -> None:
        """Write until `stop` is called and nothing waits any more."""
        await asyncio.gather(self.writer.run(), self.rooms.run())

    async def stop(self) -> None:
        """Have all written that is left."""
        await self.wanted.settled()
        self.writer.stop()
        self.rooms.stop()


def join(config: Config, storage: Storage) -> Parts:
    """Make the parts between the stream and the store."""
    hosts, addresses, live = config.xmpp.hosts, Addresses(), Live()
    stream = settings.stream(config, on_copy=lambda *copy: service_log.take(*copy))
    privileges = Privileges(stream, hosts)
    writer = Writer(
        storage.archive,
        capacity=config.archive.queue_max,
        on_pressure=stream.hold,
        on_written=live.changed,
    )
    services = config.archive.room_services
    rooms = Rooms(services, hosts, storage.records, RoomQueries(stream))
    holds = Holds(storage.records)
    asking = PrivilegedRosters(stream, privileges, addresses)
    rosters = RosterMemory(asking)
    wishes = Wishes(storage.records, addresses, asking, settings.rules(config, addresses))
    wanted = Wanted(writer, wishes, rosters)
    service_log = ServiceLog(
        Ingest(wanted, settings.policy(config), hosts, services, is_held=holds.is_held),
        addresses,
        hosts,
        on_iq=RosterPushes(rosters.changed, addresses).take,
        on_presence=RoomPresences(rooms, addresses).take,
    )
    operators = settings.operators(config, addresses)
    access = Access(hosts, operators, Audit(storage.records), rooms)
    history = History(
        storage.archive,
        wanted,
        access,
        page_default=config.archive.page_default,
        page_max=config.archive.page_max,
    )
    archives, adhoc = Mam(history, addresses), Commands([configure(wishes)])
    answerers = {
        mam.QUERY: archives.answer,
        mam.METADATA: archives.metadata,
        preferences.PREFS: Prefs(wishes).answer,
        commands.COMMAND: adhoc.answer,
    }
    Queries(stream, Delegation(privileges, addresses, hosts), addresses, answerers)
    disco.announce(
        stream,
        hosts,
        addresses,
        groupchat=config.archive.groupchat,
        features=(commands.NS,),
        items=adhoc.items(),
    )
    return Parts(
        stream=stream,
        writer=writer,
        wanted=wanted,
        wishes=wishes,
        rooms=rooms,
        holds=holds,
        operators=operators,
        live=live,
    )
