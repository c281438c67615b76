"""The parts between the stream and the store, made as the configuration says, and joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from component import settings
from component.config import Config
from component.core import roster_xml
from component.core.access import Access
from component.core.accounts import Accounts
from component.core.administration import Administration
from component.core.audit import Audit
from component.core.commands.catalogue import COMMANDS
from component.core.commands.desk import Desk
from component.core.contact_lists import ContactLists, anybody
from component.core.deliveries import Deliveries
from component.core.history import History
from component.core.holds import Holds
from component.core.ingest import Ingest
from component.core.live import Live
from component.core.operators import Operator
from component.core.own_rosters import OwnRosters
from component.core.pages import Pages
from component.core.ports import EditableRosters
from component.core.preferences import Wishes
from component.core.rooms import Rooms
from component.core.rosters import RosterMemory
from component.core.sessions import Sessions
from component.core.times import now
from component.core.wanted import Wanted
from component.core.writer import Writer
from component.core.xml import Element
from component.handlers.functions import Handlers
from component.handlers.rosters import known_rosters
from component.xmpp import commands, disco, mam, preferences, roster_stanzas
from component.xmpp.addresses import Addresses
from component.xmpp.administration import administration
from component.xmpp.commands import Commands
from component.xmpp.configure import configure
from component.xmpp.delegation import Delegation
from component.xmpp.mam import Mam
from component.xmpp.preferences import Prefs
from component.xmpp.presences import Presences
from component.xmpp.privilege import Privileges
from component.xmpp.queries import Queries
from component.xmpp.recipients import RecipientQueries
from component.xmpp.rooms import RoomNews, RoomQueries
from component.xmpp.roster_queries import RosterQueries
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
    deliveries: Deliveries
    wishes: Wishes
    rooms: Rooms
    holds: Holds
    operators: tuple[Operator, ...]
    hosts: tuple[str, ...]
    audit: Audit
    adhoc: Commands
    queries: Queries
    contact_lists: ContactLists
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
        for part in (self.wishes, self.holds):
            await part.load()

    async def write(self) -> None:
        """Write until `stop` is called and nothing waits any more."""
        await asyncio.gather(self.writer.run(), self.rooms.run(), self.deliveries.run())

    def open_desk(
        self,
        parts: Administration,
        accounts: Accounts,
        reconnect: Callable[[], None],
        *,
        patience: float,
    ) -> Desk:
        """Return where operators give commands, having those answered that come over XMPP.

        `patience` is in seconds: how long they wait for an answer.
        """
        desk = Desk(
            commands=COMMANDS,
            hosts=self.hosts,
            jids=Addresses(),
            audit=self.audit,
            administration=parts,
            accounts=accounts,
            contact_lists=self.contact_lists,
            queue=self.wanted,
            writer=self.writer,
            link=self.stream,
            reconnect=reconnect,
            patience=patience,
        )
        self.adhoc.offer(administration(desk, self.operators))
        return desk

    async def stop(self) -> None:
        """Have all written that is left."""
        self.deliveries.stop()
        await self.wanted.settled()
        self.writer.stop()
        self.rooms.stop()


def join(config: Config, storage: Storage, handlers: Handlers, accounts: Accounts) -> Parts:
    """Make the parts between the stream and the store."""
    hosts, addresses, live = config.xmpp.hosts, Addresses(), Live()
    stream = settings.stream(
        config,
        on_copy=lambda *copy: service_log.take(*copy),
        was_here=lambda *copy: ingest.was_here(*copy),
    )
    privileges = Privileges(stream, hosts)
    holds = Holds(storage.records)
    writer = Writer(
        storage.archive,
        capacity=config.archive.queue_max,
        on_pressure=stream.hold,
        on_written=live.changed,
        is_held=holds.is_held,
    )
    services = config.archive.room_services
    rooms = Rooms(services, hosts, storage.records, RoomQueries(stream), on_another=live.end)
    stream.add_event_handler("session_start", lambda _: rooms.begin(now()))
    room_news = RoomNews(rooms, addresses)
    kept: EditableRosters = OwnRosters(storage.contacts)
    if config.rosters.source == "ejabberd":
        kept = PrivilegedRosters(stream, privileges, addresses)
    known = known_rosters(handlers, kept, addresses)
    rosters = RosterMemory(known)
    is_user = accounts.exists if _knows_users(config, handlers) else anybody
    contact_lists = ContactLists(known, hosts, rosters.changed, is_user)
    wishes = Wishes(storage.records, addresses, known, settings.rules(config, addresses))
    wanted = Wanted(writer, wishes, rosters)
    sessions = Sessions(began=now())
    deliveries = Deliveries(wanted, sessions, RecipientQueries(stream, hosts[0]))
    ingest = Ingest(
        wanted,
        settings.policy(config),
        hosts,
        services,
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
        on_active=sessions.active,
    )
    operators, audit = settings.operators(config, addresses), Audit(storage.records, writer)
    access = Access(hosts, operators, audit, rooms)
    pages = Pages(
        storage.archive,
        wanted,
        usual=config.archive.page_default,
        most=config.archive.page_max,
        max_bytes=config.archive.page_max_bytes,
    )
    archives, adhoc = Mam(History(pages, access), addresses), Commands([configure(wishes)])
    answerers = {
        mam.QUERY: archives.answer,
        mam.METADATA: archives.metadata,
        preferences.PREFS: Prefs(wishes).answer,
        commands.COMMAND: adhoc.answer,
        roster_stanzas.QUERY: RosterQueries(contact_lists).answer,
    }
    delegation = Delegation(privileges, addresses, hosts)
    queries = Queries(stream, delegation, addresses, answerers, elsewhere=disco.PAYLOADS)
    disco.announce(
        stream,
        hosts,
        addresses,
        groupchat=config.archive.groupchat,
        features=(commands.NS, roster_xml.NS),
        items=adhoc.items,
    )
    return Parts(
        stream=stream,
        writer=writer,
        wanted=wanted,
        deliveries=deliveries,
        wishes=wishes,
        rooms=rooms,
        holds=holds,
        operators=operators,
        hosts=hosts,
        audit=audit,
        adhoc=adhoc,
        queries=queries,
        contact_lists=contact_lists,
        live=live,
    )


def _knows_users(config: Config, handlers: Handlers) -> bool:
    """Whether who has no account there is no user: ejabberd has users of its own."""
    if handlers.retrieve_user_roster:
        return False
    is_told = handlers.user_exists is not None or config.accounts.source == "ejabberd"
    return is_told or config.rosters.source == "store"
