"""Make the parts between the stream and the store from the configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from component.config import Config
from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.access.principals import Operators
from component.core.access.rooms import Rooms
from component.core.access.served import ServedArchives
from component.core.accounts.protocol import AccountSource
from component.core.archiving.coverage import Coverage
from component.core.archiving.deliveries import Deliveries
from component.core.archiving.ingest import Ingest
from component.core.archiving.joining import Joining
from component.core.archiving.preference_filter import PreferenceFilter
from component.core.archiving.preferences import Preferences
from component.core.archiving.pressure import Backpressure
from component.core.archiving.sessions import Sessions
from component.core.archiving.spilling import SpillRecovery
from component.core.archiving.writer import Writer
from component.core.background import StartTask
from component.core.chat.following.signals import Signals
from component.core.errors import Refused
from component.core.events.journal import EventJournal
from component.core.events.reader import EventReader
from component.core.gaps import Gaps
from component.core.hosts import Hosts
from component.core.metrics import Metrics
from component.core.reading.displayed import DisplayedMarkers
from component.core.reading.follow import Followers
from component.core.reading.pages import Pager
from component.core.reading.reader import ArchiveReader
from component.core.retention.holds import Holds
from component.core.rosters.cache import RosterCache
from component.core.rosters.own import OwnRosters
from component.core.rosters.protocol import EditableRosters, Rosters
from component.core.rosters.service import RosterService, anybody
from component.core.xml.times import now
from component.handlers.functions import Handlers
from component.handlers.rosters import known_rosters
from component.wiring import settings
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.stream import Stream
from component.xmpp.copies.chat_states import ChatStateCopies
from component.xmpp.copies.contact_presences import ContactPresences
from component.xmpp.copies.displayed import DisplayedCopies, DisplayedQueries
from component.xmpp.copies.other_processes import WrittenQuestions
from component.xmpp.copies.photos import PhotoCopies
from component.xmpp.copies.presences import Presences
from component.xmpp.copies.recipients import RecipientQueries
from component.xmpp.copies.rooms import RoomEvents, RoomQueries
from component.xmpp.copies.roster_pushes import RosterPushes
from component.xmpp.copies.service_log import ServiceLog
from component.xmpp.grants.examination import Examination
from component.xmpp.queries.privilege import Privileges
from component.xmpp.rosters.privileged import PrivilegedRosters
from storage.interface import Storage
from storage.processes import Topic
from storage.spill import Spill

log = logging.getLogger(__name__)

#: Seconds that a stopping program waits for rosters, and then for the store.
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts between the stream and the store."""

    metrics: Metrics
    hosts: Hosts
    stream: Stream
    privileges: Privileges
    #: the stream of delegated queries, and its privileges; the same ones if there is one process
    queries_stream: Stream
    queries_privileges: Privileges
    coverage: Coverage
    joining: Joining
    gaps: Gaps
    followers: Followers
    holds: Holds
    writer: Writer
    room_queries: RoomQueries
    rooms: Rooms
    known_rosters: Rosters
    roster_cache: RosterCache
    rosters: RosterService
    preferences: Preferences
    preference_filter: PreferenceFilter
    spill_recovery: SpillRecovery
    sessions: Sessions
    deliveries: Deliveries
    displayed: DisplayedMarkers
    journal: EventJournal
    signals: Signals
    operators: Operators
    audit: Audit
    served: ServedArchives
    authorizer: Authorizer
    grants: Examination
    reader: ArchiveReader  #: with the page sizes of XMPP
    events: EventReader

    @asynccontextmanager
    async def running(self, start: StartTask) -> AsyncIterator[None]:
        """Load the stored state and write messages; at the end of the block write all that wait.

        Messages that the store does not take at the end go into the spill file, which the next
        start reads. Raises StorageError.
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
            await self.gaps.finish()

    async def load(self) -> None:
        """Load preferences, holds, the open journals and gaps. Raises StorageError."""
        for part in (self.preferences, self.holds, self.journal, self.gaps):
            await part.load()

    def works(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return by name the tasks that write until `stop` was called and nothing waits."""
        return {
            "writer": self.writer.run(),
            "rooms": self.rooms.run(),
            "deliveries": self.deliveries.run(),
            "displayed": self.displayed.run(),
            "journal": self.journal.run(),
            "gaps": self.gaps.run(),
        }

    def resume(self) -> None:
        """Put the spilled messages into the queue if all rosters are readable."""
        if all(map(self.known_rosters.are_readable, self.hosts)):
            self.spill_recovery.put()

    def rosters_readable(self, host: str) -> None:
        """Read the rosters of a host from now on, because the server has granted the privilege."""
        self.roster_cache.readable(host)
        self.journal.reconnected()
        self.resume()

    def connected(self, _: object) -> None:
        """Note the time of a new connection, because earlier stanzas were not copied."""
        self.joining.connected()
        self.metrics.connections.inc()
        since = self.stream.continued_since
        since = now() if since is None else since
        self.gaps.connecting(since)
        self.coverage.connected(since)
        self.displayed.reconnected()
        self.journal.reconnected()

    def disconnected(self, _: object) -> None:
        """Decide the open deliveries and forget the sessions: from now on copies are lost."""
        self.coverage.disconnected()
        self.deliveries.decide()
        self.gaps.end()
        self.sessions.forget(now())

    async def stop(self) -> None:
        """Decide everything that is undecided, and let the tasks that write end."""
        self.spill_recovery.put()
        self.deliveries.stop()
        with suppress(TimeoutError, Refused):
            async with asyncio.timeout(STOP_SECONDS):
                await self.preference_filter.wait_judged()
        self.preference_filter.release(is_last=True)
        self.writer.stop()
        self.rooms.stop()
        self.displayed.stop()
        self.journal.stop()
        self.gaps.stop()

    async def save(self) -> None:
        """Spill all messages that wait, even undecided ones, without writing them. Raises Lost."""
        self.spill_recovery.put()
        self.deliveries.stop()
        self.preference_filter.release(is_last=True)
        await self._keep()

    async def _end(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Wait for the end of the tasks that write, and spill the messages that they leave."""
        _, slow = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in slow:
            task.cancel()
        if self.rooms.backlog:
            log.error("unwritten changes of rooms are lost: %d", self.rooms.backlog)
        await self._keep()

    async def _keep(self) -> None:
        if self.writer.unwritten:
            await self.spill_recovery.keep(self.writer.unwritten)


def compose(
    config: Config,
    storage: Storage,
    handlers: Handlers,
    accounts: AccountSource,
    spill: Spill | None = None,
    *,
    is_continued: bool = False,
) -> Parts:
    """Make the parts in the order in which they need each other, then connect the stream to them.

    `spill` is the file beside the store, None without such a file. `is_continued` says whether
    another process has read the stream until now.
    """
    hosts = Hosts(config.xmpp.hosts, config.archive.room_services)
    addresses, followers = Addresses(), Followers()
    stream = settings.stream(config)
    privileges = Privileges(stream, hosts)
    queries_stream, queries_privileges = settings.queries_stream(config, stream), privileges
    if queries_stream is not stream:
        queries_privileges = Privileges(queries_stream, hosts)

    metrics = Metrics()
    holds = Holds(storage.holds)
    pressure = Backpressure(config.archive.queue_bytes, stream.hold)
    writer = Writer(
        storage.archive,
        pressure=pressure,
        on_written=followers.changed,
        is_held=holds.is_held,
        metrics=metrics,
    )
    room_queries = RoomQueries(stream, privileges)
    rooms = Rooms(
        hosts,
        storage.rooms,
        room_queries,
        on_replaced=followers.end,
        on_made=lambda room: storage.processes.send(Topic.MADE, [room]),
    )

    rosters = _rosters(config, storage, handlers, stream, privileges)
    roster_cache = RosterCache(rosters)
    preferences = Preferences(
        storage.preferences, addresses, rosters, settings.rules(config, addresses)
    )
    preference_filter = PreferenceFilter(writer, preferences, roster_cache, pressure, metrics)
    sessions = Sessions(began=now())
    recipients = RecipientQueries(stream, hosts.default)
    deliveries = Deliveries(preference_filter, sessions, recipients)
    displayed = DisplayedMarkers(
        storage.archive,
        preference_filter,
        hosts,
        DisplayedQueries(stream, privileges),
        on_changed=followers.events_changed,
    )
    journal = EventJournal(storage.events, rosters, on_written=followers.events_changed)

    operators, audit = (
        Operators(settings.operators(config, addresses)),
        Audit(storage.audit_log, writer),
    )
    served = ServedArchives(hosts.domains, storage.retention)
    authorizer = Authorizer(hosts, operators, audit, rooms, served)
    pager = Pager(
        storage.archive,
        preference_filter,
        default_size=config.archive.page_default,
        max_size=config.archive.page_max,
        max_bytes=config.archive.page_max_bytes,
        metrics=metrics,
        via="xmpp",
    )

    def roster_changed(owner: str) -> None:
        roster_cache.changed(owner)
        journal.roster_changed(owner)
        storage.processes.send(Topic.ROSTERS, [owner])

    gaps = Gaps(
        storage.gaps,
        lambda since: _received_until(stream, deliveries, since),
        preference_filter.wait_durable,
        is_shared=storage.processes.is_shared,
        backfill=storage.backfill if config.backfill.source != "none" else None,
    )

    joining = Joining(
        config.xmpp.jid,
        storage.processes,
        writer,
        preference_filter.wait_durable,
        WrittenQuestions(stream),
        on_join=deliveries.joined,
    )

    def note_unbroken(since: int) -> None:
        rooms.note_connected(since)
        gaps.begin(since)

    is_user = accounts.authenticator.exists if _knows_users(config, handlers) else anybody
    parts = Parts(
        metrics=metrics,
        hosts=hosts,
        stream=stream,
        privileges=privileges,
        queries_stream=queries_stream,
        queries_privileges=queries_privileges,
        coverage=Coverage(storage.processes, note_unbroken, preference_filter.wait_durable),
        joining=joining,
        gaps=gaps,
        followers=followers,
        holds=holds,
        writer=writer,
        room_queries=room_queries,
        rooms=rooms,
        known_rosters=rosters,
        roster_cache=roster_cache,
        rosters=RosterService(rosters, hosts, roster_changed, is_user),
        preferences=preferences,
        preference_filter=preference_filter,
        spill_recovery=SpillRecovery(spill, preference_filter),
        sessions=sessions,
        deliveries=deliveries,
        displayed=displayed,
        journal=journal,
        signals=Signals(),
        operators=operators,
        audit=audit,
        served=served,
        authorizer=authorizer,
        grants=Examination(
            stream,
            hosts,
            privileges,
            room_queries,
            settings.needs(config, handlers),
            queries=queries_stream,
        ),
        reader=ArchiveReader(
            authorizer, storage, preference_filter, pager, followers, displayed, gaps
        ),
        events=EventReader(storage, preference_filter, pager, journal, followers, displayed),
    )
    _listen(config, parts, is_shared=is_continued or bool(config.xmpp.processes))
    return parts


def _received_until(stream: Stream, deliveries: Deliveries, since: int) -> int:
    """Return until when all copies have arrived and are decided, in microseconds.

    A server that sends nothing may be away. `since` is the time of the connection, which comes
    after the last bytes that the server has sent for it.
    """
    arrived = max(since, now() - int(stream.silence * 1_000_000))
    undecided = deliveries.oldest_at
    return arrived if undecided is None else min(arrived, undecided - 1)


def _rosters(
    config: Config,
    storage: Storage,
    handlers: Handlers,
    stream: Stream,
    privileges: Privileges,
) -> EditableRosters:
    """Return the rosters of the operator's module, or else of the store or the server."""
    fallback: EditableRosters = OwnRosters(storage.contacts)
    if config.rosters.source == "ejabberd":
        fallback = PrivilegedRosters(stream, privileges)
    return known_rosters(handlers, fallback, Addresses())


def _listen(config: Config, parts: Parts, *, is_shared: bool) -> None:
    """Have the stream call the parts: for copies of stanzas, privileges and new connections.

    `is_shared` says whether another process gets, or got, copies of the same messages.
    """
    addresses = Addresses()
    ingest = Ingest(
        parts.preference_filter,
        settings.policy(config),
        parts.hosts,
        sessions=parts.sessions,
        deliveries=parts.deliveries,
        is_shared=is_shared,
        metrics=parts.metrics,
    )
    room_events = RoomEvents(parts.rooms, addresses, parts.hosts)
    presences = Presences(parts.sessions, addresses, parts.hosts)
    displayed = DisplayedCopies(parts.displayed.note, addresses, parts.hosts)
    roster_pushes = RosterPushes(parts.roster_cache.changed, addresses, parts.journal)
    contact_presences = ContactPresences(parts.journal, addresses)
    chat_state_copies = ChatStateCopies(parts.signals, parts.hosts)
    photos = PhotoCopies(parts.signals, addresses)
    service_log = ServiceLog(
        ingest,
        addresses,
        parts.hosts,
        on_iq=(roster_pushes.take, displayed.take_iq, room_events.take_iq),
        on_presence=(
            presences.take,
            room_events.take_presence,
            contact_presences.take,
            photos.take,
        ),
        on_message=(
            room_events.take_message,
            displayed.take_message,
            chat_state_copies.take_message,
        ),
        on_active=parts.sessions.note_activity,
        on_copy=parts.grants.note_copy,
    )
    parts.stream.listen(service_log.take, ingest.is_repeated)
    parts.stream.add_event_handler("session_start", parts.connected)
    parts.stream.add_event_handler("disconnected", parts.disconnected)
    parts.privileges.on_reading(parts.rosters_readable)


def _knows_users(config: Config, handlers: Handlers) -> bool:
    """Return whether the source of accounts has all users; ejabberd may have others."""
    if handlers.retrieve_user_roster:
        return False
    can_ask = handlers.user_exists is not None or config.accounts.source == "ejabberd"
    return can_ask or config.rosters.source == "store"
