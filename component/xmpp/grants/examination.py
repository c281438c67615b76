"""Examine the grants of ejabberd after each connect, and on the order of an operator."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from component.core.access.rooms import RoomInfo
from component.core.doctor.checks import LINK, examine, unexamined
from component.core.doctor.facts import HostFacts, Needs, RoomServiceFacts, ServerFacts
from component.core.doctor.finding import Finding, Severity, ok
from component.core.ejabberd_options import NS_DISCO_INFO
from component.core.hosts import Hosts
from component.xmpp.connection.stream import Stream
from component.xmpp.grants import probes
from component.xmpp.grants.observations import Observations
from component.xmpp.grants.probes import Probes
from component.xmpp.queries.privilege import Privileges
from component.xmpp.queries.privileged_iq import ask_as_host

log = logging.getLogger(__name__)

#: A feature of mod_mam that Muniment does not have: an older version of XEP-0313.
MOD_MAM = "urn:xmpp:mam:1"

NS_MUC = "http://jabber.org/protocol/muc"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationTimeouts:
    """Waiting times for stanzas that may not come, all in seconds."""

    connection: float = 10.0
    #: ejabberd says what it grants within a moment, and delegates after an answer of ours
    grants: float = 3.0
    features: float = 3.0  #: of a virtual host
    ping: float = 5.0
    copy: float = 2.0  #: of a query of a user, after the query itself; it comes before


class Examination:
    """Examines the grants of ejabberd; implements `core.doctor.server.Grants`."""

    def __init__(
        self,
        stream: Stream,
        hosts: Hosts,
        privileges: Privileges,
        rooms: RoomInfo,
        needs: Needs,
        *,
        timeouts: ExaminationTimeouts = ExaminationTimeouts(),
        queries: Stream | None = None,
    ) -> None:
        """`queries` is the stream that gets the delegated queries, None: the same one."""
        self._stream = stream
        #: whether another process gets the delegated queries
        self._is_delegated_elsewhere: Callable[[], bool] = lambda: False
        self._hosts = hosts
        self._privileges = privileges
        self._rooms = rooms
        #: what the configuration needs; a reload changes it
        self.needs = needs
        self._timeouts = timeouts
        self._observations = Observations(
            stream, hosts, copy_seconds=timeouts.copy, queries=queries
        )
        self._observations.on_silent(self._log)
        self._probes = Probes(stream, patience=timeouts.ping)
        self._restart: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._connected_at = 0.0
        self._logged: set[str] = set()  #: the ids of faults that are logged already
        self._is_examined = False
        # What the tests have shown on this connection.
        self._not_served: set[str] = set()
        self._has_mod_mam: dict[str, bool] = {}
        self._room_services: tuple[RoomServiceFacts, ...] = ()
        self._lost_probes: int | None = None
        stream.add_event_handler("session_start", self._begin)
        stream.add_event_handler("disconnected", self._forget)

    def note_copy(self, host: str) -> None:
        """Note that a virtual host has copied a stanza to us."""
        self._observations.note_copy(host)

    def expect_queries_elsewhere(self, is_elsewhere: Callable[[], bool]) -> None:
        """Expect no delegation while another process gets the delegated queries."""
        self._is_delegated_elsewhere = is_elsewhere

    async def wait_delegated(self) -> None:
        """Return when all virtual hosts delegate queries to the present connection."""
        while not all(map(self._observations.delegates, self._hosts)):
            self._observations.delegated.clear()
            await self._observations.delegated.wait()

    def is_any_delegated(self) -> bool:
        """Return whether a virtual host delegates queries to the present connection."""
        return any(map(self._observations.delegates, self._hosts))

    def watch(self, restart: Callable[[], None]) -> None:
        """Examine ejabberd after each connect from now on, and log the faults once.

        `restart` closes the connection, which is opened again.
        """
        self._restart = restart
        self._stream.add_event_handler("session_start", self._start)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The present findings, none while they are open: without a connection, and at first."""
        return examine(self._facts()) if self._is_examined and self._stream.is_up else ()

    async def examine(self, *, reconnect: bool = False) -> tuple[Finding, ...]:
        """Test ejabberd anew, and return all findings: of the connection, then of each check.

        With `reconnect` the connection is closed and opened again first. If ejabberd is being
        tested already, the findings of that test are returned.
        """
        if reconnect:
            await self._close()
        try:
            async with asyncio.timeout(self._timeouts.connection):
                await self._stream.opened.wait()
        except TimeoutError:
            reason = self._stream.refusal or self._stream.trouble or "no answer"
            return _unconnected(f"there is no connection to ejabberd: {reason}")
        task = self._task
        if task is None or task.done():
            task = self._start()
        await asyncio.wait([task])
        if not self.findings:
            return _unconnected("the connection to ejabberd was lost during the examination")
        return (ok(LINK, f"connected to ejabberd as {self._stream.boundjid}"), *self.findings)

    async def _close(self) -> None:
        """Close the connection, which is opened again, and return when it is closed."""
        if self._stream.is_up and self._restart is not None:
            lost = self._stream.disconnected
            self._restart()
            await asyncio.wait([lost], timeout=self._timeouts.connection)

    async def _examine(self) -> None:
        try:
            await self._wait_for_grants()
            await self._test()
            self._is_examined = self._stream.is_up
            self._log()
        except Exception:
            log.exception("ejabberd cannot be examined")

    async def _wait_for_grants(self) -> None:
        """Return when everything is granted, or ejabberd has had time to grant it."""
        deadline = self._connected_at + self._timeouts.grants
        while not self._is_everything_granted() and (left := deadline - time.monotonic()) > 0:
            self._observations.changed.clear()
            waiting = asyncio.ensure_future(self._observations.changed.wait())
            lost = self._stream.disconnected
            await asyncio.wait([waiting, lost], timeout=left, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if lost.done():
                return

    def _is_everything_granted(self) -> bool:
        return all(
            self._delegates(host) and self._privileges.sends_messages(host) for host in self._hosts
        )

    async def _test(self) -> None:
        """Send the messages and queries of all tests."""
        is_served = await asyncio.gather(*map(self._probes.is_served, self._hosts))
        served = [
            host
            for host, answers in zip(self._hosts, is_served, strict=True)
            # A server that is slow to answer has granted something before.
            if answers or self._delegates(host) or self._privileges.is_said(host)
        ]
        self._not_served = set(self._hosts) - set(served)
        if not served:
            # Another connection may have received the answers.
            self._lost_probes = await self._probes.lost(next(iter(self._hosts)))
            return
        await asyncio.gather(
            self._send_probes(served), self._ask_hosts(served), self._ask_room_services()
        )

    async def _send_probes(self, served: Sequence[str]) -> None:
        """Find out whether our own messages come back, and are copied."""
        self._lost_probes = await self._probes.lost(served[0])
        for host in served:
            await self._test_copies(host)

    async def _test_copies(self, host: str) -> None:
        """Find out whether a message that we send as a host is copied, if ejabberd does that."""
        if not (self._privileges.sends_messages(host) and self._privileges.has_iqs):
            return
        self._observations.forget_copies(host)
        has_come = await self._probes.send_as(host)
        is_copied = self._observations.copies(host)
        # A copy that went to another connection is not missing.
        if has_come and not is_copied and self._lost_probes == 0:
            self._observations.note_silent(host)

    async def _ask_hosts(self, served: Sequence[str]) -> None:
        has_mod_mam = await asyncio.gather(*map(self._ask_host, served))
        self._has_mod_mam = {
            host: has for host, has in zip(served, has_mod_mam, strict=True) if has is not None
        }

    async def _ask_host(self, host: str) -> bool | None:
        """Return whether a virtual host has the features of mod_mam, None if it does not answer.

        Some releases answer a component, others another virtual host.
        """
        query = f"<query xmlns='{NS_DISCO_INFO}'/>"
        asking = [self._stream.ask("get", host, query, patience=self._timeouts.features)]
        asker = self._privileges.host_getting(NS_DISCO_INFO, except_host=host)
        if asker is not None:
            asking.append(
                ask_as_host(self._stream, asker, host, query, patience=self._timeouts.features)
            )
        tasks = [asyncio.ensure_future(_has_mod_mam(answer)) for answer in asking]
        try:
            for task in asyncio.as_completed(tasks):
                has_mod_mam = await task
                if has_mod_mam is not None:
                    return has_mod_mam
            return None
        finally:
            for pending in tasks:
                pending.cancel()

    async def _ask_room_services(self) -> None:
        services = map(self._ask_room_service, self._hosts.room_services)
        self._room_services = tuple(await asyncio.gather(*services))

    async def _ask_room_service(self, service: str) -> RoomServiceFacts:
        self._rooms.forget(service)
        is_asked = not self._privileges.has_iqs or self._may_ask_rooms()
        features = await self._rooms.features(service) if is_asked else None
        return RoomServiceFacts(
            service=service,
            is_answering=features is not None,
            is_for_rooms=features is not None and NS_MUC in features,
        )

    def _may_ask_rooms(self) -> bool:
        return self._privileges.host_getting(NS_DISCO_INFO) is not None

    def _facts(self) -> ServerFacts:
        return ServerFacts(
            component=str(self._stream.boundjid),
            needs=self.needs,
            hosts=tuple(map(self._host_facts, self._hosts)),
            unknown_hosts=self._observations.unknown_hosts,
            has_iq_privilege=self._privileges.has_iqs,
            may_ask_rooms=self._may_ask_rooms(),
            room_services=self._room_services,
            misdirected=self._stream.misdirected,
            sent_probes=probes.COUNT,
            lost_probes=self._lost_probes,
        )

    def _host_facts(self, host: str) -> HostFacts:
        return HostFacts(
            host=host,
            is_served=host not in self._not_served,
            delegates=self._delegates(host),
            has_privileges=self._privileges.is_said(host),
            sends_messages=self._privileges.sends_messages(host),
            reads_rosters=self._privileges.reads_rosters(host),
            has_copies=self._observations.copies(host),
            has_mod_mam=self._has_mod_mam.get(host),
        )

    def _delegates(self, host: str) -> bool:
        return self._observations.delegates(host) or self._is_delegated_elsewhere()

    def _log(self) -> None:
        """Log each fault once for each connection."""
        for finding in self.findings:
            if finding.is_fault and finding.id not in self._logged:
                self._logged.add(finding.id)
                log.warning("%s", finding.line)

    def _begin(self, _: object) -> None:
        self._connected_at = time.monotonic()

    def _start(self, _: object = None) -> asyncio.Task[None]:
        self._task = asyncio.get_running_loop().create_task(self._examine())
        return self._task

    def _forget(self, _: object) -> None:
        if self._task is not None:
            self._task.cancel()
        self._is_examined = False
        self._logged.clear()
        self._not_served.clear()
        self._has_mod_mam.clear()
        self._room_services = ()
        self._lost_probes = None


def _unconnected(reason: str) -> tuple[Finding, ...]:
    """Return the findings of an examination that was not possible."""
    link = Finding(
        id=LINK,
        severity=Severity.ERROR,
        seen=reason,
        change="Let ejabberd run, and compare xmpp.address, xmpp.port, xmpp.jid and xmpp.secret "
        "with ejabberd_service in ejabberd.yml",
    )
    return (link, *unexamined("there is no connection to ejabberd"))


async def _has_mod_mam(asking: Awaitable[Element | None]) -> bool | None:
    """Return whether an answer to a query for features has those of mod_mam, None without one."""
    try:
        answer = await asking
    except (IqError, IqTimeout):
        return None
    if answer is None:
        return None
    return any(feature.get("var") == MOD_MAM for feature in answer.iter())
