"""Check the grants of ejabberd over a connection of our own, while no Muniment runs."""

from __future__ import annotations

from component.config import Config
from component.core.doctor.checks import unexamined
from component.core.doctor.finding import Finding
from component.core.hosts import Hosts
from component.core.xml.stream_parser import Element
from component.handlers.functions import Handlers
from component.wiring import settings
from component.wiring.doctor.link import refused
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.connector import ServerRefused
from component.xmpp.copies.rooms import RoomQueries
from component.xmpp.grants.examination import Examination
from component.xmpp.queries import disco
from component.xmpp.queries.delegation import Delegation
from component.xmpp.queries.dispatch import QueryDispatcher
from component.xmpp.queries.privilege import Privileges


async def examined(config: Config, handlers: Handlers) -> tuple[Finding, ...]:
    """Connect as the component for some seconds, and return the findings.

    Queries of users are refused meanwhile, and copies are dropped: nobody else would take them. Of
    several processes, this one asks for no queries, because another one may answer them.
    """
    hosts = Hosts(config.xmpp.hosts, config.archive.room_services)
    stream, addresses = settings.stream(config), Addresses()
    privileges = Privileges(stream, hosts)
    rooms = RoomQueries(stream, privileges)
    grants = Examination(stream, hosts, privileges, rooms, settings.needs(config, handlers))

    def note_copy(host: str, _: Element, __: bytes) -> None:
        if host in hosts:
            grants.note_copy(host)

    if config.xmpp.processes:
        grants.expect_queries_elsewhere(lambda: True)
    stream.listen(note_copy, lambda *_: False)
    # ejabberd delegates only to a component that answers what it can do.
    disco.announce(stream, hosts, addresses, groupchat=config.archive.groupchat)
    delegation = Delegation(privileges, addresses, hosts)
    QueryDispatcher(stream, delegation, addresses, {}, elsewhere=disco.PAYLOADS)
    try:
        async with settings.connection(config, stream).connected():
            return await grants.examine()
    except ServerRefused as error:
        return (refused(error), *unexamined("there is no connection to ejabberd"))
