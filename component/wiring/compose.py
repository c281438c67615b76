"""The parts between the stream and the store, made as the configuration says, and joined."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from component.config import Config
from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.access.principals import Operator
from component.core.access.rooms import Rooms
from component.core.access.served import ServedArchives
from component.core.accounts.protocol import AccountSource
from component.core.archiving.deliveries import Deliveries
from component.core.archiving.ingest import Ingest
from component.core.archiving.preference_filter import PreferenceFilter
from component.core.archiving.preferences import Preferences
from component.core.archiving.pressure import Backpressure
from component.core.archiving.sessions import Sessions
from component.core.archiving.spilling import SpillRecovery
from component.core.archiving.writer import Writer
from component.core.background import StartTask
from component.core.commands.context import CommandContext, Connection
from component.core.commands.dispatch import CommandService
from component.core.errors import Refused
from component.core.hosts import Hosts
from component.core.reading.follow import Followers
from component.core.reading.pages import Pager
from component.core.reading.reader import ArchiveReader
from component.core.retention.admin import ArchiveAdmin
from component.core.retention.holds import Holds
from component.core.rosters.cache import RosterCache
from component.core.rosters.own import OwnRosters
from component.core.rosters.protocol import EditableRosters
from component.core.rosters.service import RosterService, anybody
from component.core.xml.stream_parser import Element
from component.core.xml.times import now
from component.handlers.functions import Handlers
from component.handlers.rosters import known_rosters
from component.wiring import settings
from component.xmpp.archive import mam, prefs
from component.xmpp.archive.mam import Mam
from component.xmpp.archive.prefs import Prefs
from component.xmpp.archive.prefs_form import preferences_command
from component.xmpp.commands import adhoc as commands
from component.xmpp.commands.adhoc import AdHocCommands
from component.xmpp.commands.admin import operator_commands
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.stream import Stream
from component.xmpp.copies.presences import Presences
from component.xmpp.copies.recipients import RecipientQueries
from component.xmpp.copies.rooms import RoomEvents, RoomQueries
from component.xmpp.copies.roster_pushes import RosterPushes
from component.xmpp.copies.service_log import ServiceLog
from component.xmpp.queries import disco
from component.xmpp.queries.delegation import Delegation
from component.xmpp.queries.dispatch import QueryDispatcher
from component.xmpp.queries.privilege import Privileges
from component.xmpp.rosters import query as roster_query
from component.xmpp.rosters.privileged import PrivilegedRosters
from component.xmpp.rosters.query import RosterQueries
from storage.interface import Storage
from storage.spill import Spill

log = logging.getLogger(__name__)

#: How long rosters may take at the end, and the store.
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is joined to the stream."""

    stream: Stream
    writer: Writer
    preference_filter: PreferenceFilter
    spill_recovery: SpillRecovery
    resume: Callable[[], None]  #: have what was kept written, once rosters can be read
    deliveries: Deliveries
    preferences: Preferences
    rooms: Rooms
    holds: Holds
    operators: tuple[Operator, ...]
    hosts: Hosts
    audit: Audit
    authorizer: Authorizer
    served: ServedArchives
    adhoc: AdHocCommands
    queries: QueryDispatcher
    rosters: RosterService
    followers: Followers = field(default_factory=Followers)

    @asynccontextmanager
    async def running(self, start: StartTask) -> AsyncIterator[None]:
        """Know what was kept, write what comes, and at the end all that is left.

        What the store does not take at the end goes into the spill, out of which it comes at the
        next start. Raises StorageError.
        """
        await self.load()
        await self.spill_recovery.read()
        self.resume()
        tasks = [start(name, work) for name, work in self.works().items()]
        tasks.append(asyncio.create_task(self.spill_recovery.run()))
        try:
            yield
        finally:
            await self.stop()
            await self._end(tasks)

    async def load(self) -> None:
        """Know what was kept. Raises StorageError."""
        for part in (self.preferences, self.holds):
            await part.load()

    def works(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return by name what writes until `stop` is called and nothing waits any more."""
        return {
            "writer": self.writer.run(),
            "rooms": self.rooms.run(),
            "deliveries": self.deliveries.run(),
        }

    def open_commands(
        self,
        archives: ArchiveAdmin,
        accounts: AccountSource,
        connection: Connection,
        *,
        timeout: float,
    ) -> CommandService:
        """Return the commands of operators, and offer them over XMPP.

        `timeout` is the number of seconds that an operator waits for an answer.
        """
        context = CommandContext(
            hosts=self.hosts,
            jids=Addresses(),
            archives=archives,
            accounts=accounts,
            rosters=self.rosters,
            queue=self.preference_filter,
            writer=self.writer,
            connection=connection,
            timeout=timeout,
        )
        service = CommandService(context=context, audit=self.audit)
        self.adhoc.offer(operator_commands(service, self.operators))
        return service

    async def stop(self) -> None:
        """Have all written that is left."""
        self.spill_recovery.put()
        self.deliveries.stop()
        with suppress(TimeoutError, Refused):
            async with asyncio.timeout(STOP_SECONDS):
                await self.preference_filter.wait_judged()
        self.preference_filter.release(is_last=True)
        self.writer.stop()
        self.rooms.stop()

    async def save(self) -> None:
        """Keep what waits for the store, as it is: there is no time to write it. Raises Lost."""
        self.spill_recovery.put()
        self.deliveries.stop()
        self.preference_filter.release(is_last=True)
        await self._keep()

    async def _end(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Wait for the end of what writes, and keep what it has left."""
        _, slow = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in slow:
            task.cancel()
        if self.rooms.backlog:
            log.error("%d things about rooms are not written, and lost", self.rooms.backlog)
        await self._keep()

    async def _keep(self) -> None:
        if self.writer.unwritten:
            await self.spill_recovery.keep(self.writer.unwritten)


def join(
    config: Config,
    storage: Storage,
    handlers: Handlers,
    accounts: AccountSource,
    spill: Spill | None = None,
) -> Parts:
    """Make the parts between the stream and the store, beside which there may be a spill."""
    hosts = Hosts(config.xmpp.hosts, config.archive.room_services)
    addresses, live = Addresses(), Followers()
    stream = settings.stream(
        config,
        on_copy=lambda *copy: service_log.take(*copy),
        was_here=lambda *copy: ingest.is_repeated(*copy),
    )
    privileges = Privileges(stream, hosts, on_reading=lambda host: readable(host))
    holds = Holds(storage.holds)
    pressure = Backpressure(config.archive.queue_bytes, stream.hold)
    writer = Writer(
        storage.archive,
        pressure=pressure,
        on_written=live.changed,
        is_held=holds.is_held,
    )
    rooms = Rooms(hosts, storage.rooms, RoomQueries(stream, privileges), on_replaced=live.end)
    stream.add_event_handler("session_start", lambda _: rooms.note_connected(now()))
    room_news = RoomEvents(rooms, addresses)
    kept: EditableRosters = OwnRosters(storage.contacts)
    if config.rosters.source == "ejabberd":
        kept = PrivilegedRosters(stream, privileges)
    known = known_rosters(handlers, kept, addresses)
    rosters = RosterCache(known)
    is_user = accounts.authenticator.exists if _knows_users(config, handlers) else anybody
    roster_service = RosterService(known, hosts, rosters.changed, is_user)
    preferences = Preferences(
        storage.preferences, addresses, known, settings.rules(config, addresses)
    )
    preference_filter = PreferenceFilter(writer, preferences, rosters, pressure)
    remains = SpillRecovery(spill, preference_filter)

    def resume() -> None:
        if all(map(known.are_readable, hosts)):
            remains.put()

    def readable(host: str) -> None:
        rosters.readable(host)
        resume()

    sessions = Sessions(began=now())
    deliveries = Deliveries(preference_filter, sessions, RecipientQueries(stream, hosts.default))
    ingest = Ingest(
        preference_filter,
        settings.policy(config),
        hosts,
        sessions=sessions,
        deliveries=deliveries,
    )

    def interrupted(_: object) -> None:
        # Copies that the server makes from now on are lost, and sessions come and go unseen.
        deliveries.decide()
        sessions.forget(now())

    stream.add_event_handler("disconnected", interrupted)
    presences = Presences(sessions, addresses, hosts)

    def heard(presence: Element, raw: bytes) -> None:
        presences.take(presence, raw)
        room_news.take_presence(presence, raw)

    service_log = ServiceLog(
        ingest,
        addresses,
        hosts,
        on_iq=RosterPushes(rosters.changed, addresses).take,
        on_presence=heard,
        on_message=room_news.take_message,
        on_active=sessions.note_activity,
    )
    operators, audit = settings.operators(config, addresses), Audit(storage.audit_log, writer)
    served = ServedArchives(hosts.domains, storage.retention)
    authorizer = Authorizer(hosts, operators, audit, rooms, served)
    pages = Pager(
        storage.archive,
        preference_filter,
        default_size=config.archive.page_default,
        max_size=config.archive.page_max,
        max_bytes=config.archive.page_max_bytes,
    )
    reader = ArchiveReader(authorizer, storage, preference_filter, pages, live)
    archives, adhoc = (
        Mam(reader, addresses),
        AdHocCommands([preferences_command(preferences, authorizer)]),
    )
    answerers = {
        mam.QUERY: archives.answer,
        mam.METADATA: archives.metadata,
        prefs.PREFS: Prefs(preferences, authorizer).answer,
        commands.COMMAND: adhoc.answer,
        roster_query.QUERY: RosterQueries(roster_service).answer,
    }
    delegation = Delegation(privileges, addresses, hosts)
    queries = QueryDispatcher(stream, delegation, addresses, answerers, elsewhere=disco.PAYLOADS)
    disco.announce(
        stream,
        hosts,
        addresses,
        groupchat=config.archive.groupchat,
        features=(commands.NS, roster_query.NS),
        items=adhoc.items,
    )
    return Parts(
        stream=stream,
        writer=writer,
        preference_filter=preference_filter,
        spill_recovery=remains,
        resume=resume,
        deliveries=deliveries,
        preferences=preferences,
        rooms=rooms,
        holds=holds,
        operators=operators,
        hosts=hosts,
        audit=audit,
        authorizer=authorizer,
        served=served,
        adhoc=adhoc,
        queries=queries,
        rosters=roster_service,
        followers=live,
    )


def _knows_users(config: Config, handlers: Handlers) -> bool:
    """Whether who has no account there is no user: ejabberd has users of its own."""
    if handlers.retrieve_user_roster:
        return False
    is_told = handlers.user_exists is not None or config.accounts.source == "ejabberd"
    return is_told or config.rosters.source == "store"
