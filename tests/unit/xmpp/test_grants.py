"""What the server grants is found out from its notifications and by messages of our own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from support.wire import (
    ALICE_PHONE,
    COMPONENT,
    DELEGATION_1,
    HOST,
    NS_DISCO,
    NS_FORWARD,
    NS_MAM,
    NS_PING,
    NS_STANZAS,
    OTHER_HOST,
    PRIVILEGE_1,
    PRIVILEGE_2,
    Wire,
    open_wire,
    until,
)

from component.core.doctor.facts import Needs
from component.core.doctor.finding import Finding, Severity
from component.core.hosts import Hosts
from component.xmpp.copies.rooms import RoomQueries
from component.xmpp.grants.examination import Examination, ExaminationTimeouts
from component.xmpp.grants.probes import COUNT, NS_PROBE
from component.xmpp.queries.privilege import Privileges

CLIENT = "{jabber:client}"

#: A server that the test plays answers at once, or never.
SHORT = ExaminationTimeouts(connection=0.2, grants=0.2, features=0.5, ping=1.0, copy=0.1)


@dataclass
class Server:
    """Answers as ejabberd does, but for the faults that a test wants."""

    wire: Wire
    unserved: frozenset[str] = frozenset()
    without_copies: bool = False
    has_lost: bool = False
    lost: int = 0  #: messages to the component itself that do not come back
    unanswered: int = 0  #: pings that are not answered once a message is lost
    features: Mapping[str, str] = field(default_factory=dict)
    stanzas: list[Element] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            stanza = await self.wire.next_sent()
            self.stanzas.append(stanza)
            if stanza.tag.endswith("}iq"):
                self._answer(stanza)
            else:
                self._pass_on(stanza)

    def _answer(self, iq: Element) -> None:
        to, id = iq.get("to", ""), iq.get("id")
        head = f"from='{to}' to='{COMPONENT}' id='{id}'"
        if iq.find(f"{{{NS_PING}}}ping") is not None:
            if self.unanswered and self.has_lost:
                self.unanswered -= 1
                return
            condition = (
                "remote-server-not-found"
                if to.split("/")[0] in self.unserved
                else "item-not-found"
            )
            self.wire.peer.send(
                f"<iq type='error' {head}><error type='cancel'>"
                f"<{condition} xmlns='{NS_STANZAS}'/></error></iq>"
            )
        elif iq.find(f"{{{NS_DISCO}}}query") is not None:
            self.wire.peer.send(
                f"<iq type='result' {head}><query xmlns='{NS_DISCO}'>"
                f"<feature var='{self.features.get(to, 'x')}'/></query></iq>"
            )

    def _pass_on(self, message: Element) -> None:
        probe = f"<probe xmlns='{NS_PROBE}'/>"
        inner = message.find(f".//{CLIENT}message")
        if inner is None:
            if self.lost:
                self.lost -= 1
                self.has_lost = True
                return
            head = f"from='{COMPONENT}' to='{COMPONENT}' id='{message.get('id')}'"
            self.wire.peer.send(f"<message {head}>{probe}</message>")
            return
        host = inner.get("from", "")
        head = f"from='{host}' to='{COMPONENT}' id='{inner.get('id')}'"
        if not self.without_copies:
            self.wire.peer.send(
                f"<message from='{host}' to='{COMPONENT}' id='c'>"
                f"<forwarded xmlns='{NS_FORWARD}'><message xmlns='jabber:client' {head}>{probe}"
                "</message></forwarded></message>"
            )
        self.wire.peer.send(f"<message {head}>{probe}</message>")


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with open_wire(tmp_path, connected=False) as opened:
        yield opened


@pytest.fixture
async def grants(wire: Wire) -> Examination:
    """The examination of a connected component, which waits no longer than a test may."""
    stream, hosts = wire.stream, Hosts([HOST, OTHER_HOST])
    privileges = Privileges(stream, hosts)
    rooms = RoomQueries(stream, privileges)
    examination = Examination(stream, hosts, privileges, rooms, Needs(), timeouts=SHORT)
    stream.listen(lambda host, *_: examination.note_copy(host), lambda *_: False)
    wire.start()
    await wire.welcome()
    return examination


@pytest.fixture
async def server(wire: Wire, grants: Examination) -> AsyncIterator[Server]:
    server = Server(wire)
    running = asyncio.create_task(server.run())
    yield server
    running.cancel()


async def grant(wire: Wire, *hosts: str, version: str = PRIVILEGE_2) -> None:
    """Let virtual hosts delegate archive queries and grant all that is needed."""
    for host in hosts:
        wire.peer.send(
            f"<message from='{host}' to='{COMPONENT}'><privilege xmlns='{version}'>"
            "<perm access='message' type='outgoing'/><perm access='roster' type='get'/>"
            "</privilege></message>"
            f"<message from='{host}' to='{COMPONENT}'><delegation xmlns='{DELEGATION_1}'>"
            f"<delegated namespace='{NS_MAM}'/></delegation></message>"
        )


async def examined(grants: Examination) -> dict[str, Finding]:
    return {finding.id: finding for finding in await grants.examine()}


def faults(findings: Mapping[str, Finding]) -> set[str]:
    return {finding.id for finding in findings.values() if finding.is_fault}


async def test_server_that_grants_all_has_no_faults(
    wire: Wire, grants: Examination, server: Server
) -> None:
    await grant(wire, HOST, OTHER_HOST)

    findings = await examined(grants)

    assert {f.id: f.severity for f in findings.values() if f.severity is not Severity.OK} == {
        "rooms": Severity.SKIPPED
    }
    assert len([stanza for stanza in server.stanzas if stanza.get("to") == COMPONENT]) == COUNT


async def test_delegation_is_complete_when_each_half_that_was_asked_for_is_notified(
    wire: Wire, grants: Examination, server: Server
) -> None:
    for half in ("", "bare"):
        wire.peer.send(
            f"<iq type='get' id='{half}-half' from='{HOST}' to='{COMPONENT}'>"
            f"<query xmlns='{NS_DISCO}' node='{DELEGATION_1}:{half}:{NS_MAM}'/></iq>"
        )
    await until(lambda: {stanza.get("id") for stanza in server.stanzas} >= {"-half", "bare-half"})

    await grant(wire, HOST)
    assert "delegation" in faults(await examined(grants))
    assert not grants.is_any_delegated()

    await grant(wire, HOST, OTHER_HOST)
    assert faults(await examined(grants)) == set()
    assert grants.is_any_delegated()


async def test_server_that_grants_nothing_is_told_of_all(
    wire: Wire, grants: Examination, server: Server
) -> None:
    findings = await examined(grants)

    assert faults(findings) == {"delegation", "privilege-message", "roster"}
    assert findings["copies"].severity is Severity.SKIPPED


async def test_own_message_that_is_not_copied_shows_that_no_copies_come(
    wire: Wire, grants: Examination, server: Server
) -> None:
    server.without_copies = True
    await grant(wire, HOST, OTHER_HOST)

    assert faults(await examined(grants)) == {"copies"}
    server.without_copies = False
    assert faults(await examined(grants)) == set()


async def test_copy_of_our_own_message_is_not_archived(tmp_path: Path) -> None:
    async with open_wire(tmp_path, granted=()) as wire:
        running = asyncio.create_task(Server(wire).run())
        await grant(wire, HOST, OTHER_HOST)
        assert faults(await examined(wire.parts.grants)) == set()
        running.cancel()
        await wire.parts.preference_filter.wait_durable()

        assert (await wire.storage.retention.totals()).messages == 0


async def test_copies_stay_open_where_the_server_copies_no_message_of_ours(
    wire: Wire, grants: Examination, server: Server
) -> None:
    server.without_copies = True
    await grant(wire, HOST, OTHER_HOST, version=PRIVILEGE_1)

    assert (await examined(grants))["copies"].severity is Severity.SKIPPED


async def test_query_of_a_user_without_a_copy_shows_that_no_copies_come(
    wire: Wire, grants: Examination, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """mod_service_log copies queries too, and before they are delegated."""
    await grant(wire, HOST, OTHER_HOST, version=PRIVILEGE_1)
    await examined(grants)
    caplog.clear()
    for id in ("q1", "q2"):
        wire.peer.send(
            f"<iq type='set' from='{HOST}' to='{COMPONENT}' id='{id}'>"
            f"<delegation xmlns='{DELEGATION_1}'><forwarded xmlns='{NS_FORWARD}'>"
            f"<iq xmlns='jabber:client' type='set' from='{ALICE_PHONE}' id='a'>"
            f"<query xmlns='{NS_MAM}'/></iq></forwarded></delegation></iq>"
        )
    await until(lambda: bool(caplog.records))
    await asyncio.sleep(0.2)

    assert [r.message for r in caplog.records if r.levelno == logging.WARNING] == [
        next(f for f in grants.findings if f.id == "copies").line
    ]
    assert f"{HOST}: messages are not copied" in caplog.text


async def test_own_message_that_does_not_come_back_shows_another_connection(
    wire: Wire, grants: Examination, server: Server
) -> None:
    server.lost = 4
    await grant(wire, HOST, OTHER_HOST)

    findings = await examined(grants)

    assert faults(findings) == {"global-routes"}
    assert "4 did not come" in findings["global-routes"].seen


async def test_lost_answer_to_the_ping_shows_another_connection_too(
    wire: Wire, grants: Examination, server: Server
) -> None:
    server.lost = 4
    server.unanswered = 1
    await grant(wire, HOST, OTHER_HOST)

    assert faults(await examined(grants)) == {"global-routes"}


async def test_stanza_for_another_domain_shows_global_routes(
    wire: Wire, grants: Examination, server: Server
) -> None:
    await grant(wire, HOST, OTHER_HOST)
    wire.peer.send(f"<message from='{HOST}' to='transport.test'><body>hi</body></message>")

    findings = await examined(grants)

    assert faults(findings) == {"global-routes"}
    assert "transport.test" in findings["global-routes"].seen


async def test_host_that_is_not_served_has_one_fault(
    wire: Wire, grants: Examination, server: Server
) -> None:
    server.unserved = frozenset({OTHER_HOST})
    await grant(wire, HOST)

    findings = await examined(grants)

    assert faults(findings) == {"virtual-host"}
    assert OTHER_HOST in findings["virtual-host"].seen


async def test_grant_of_an_unknown_host_is_told(
    wire: Wire, grants: Examination, server: Server
) -> None:
    await grant(wire, HOST, OTHER_HOST, "third.test")

    assert faults(await examined(grants)) == {"virtual-host"}


async def test_mod_mam_is_known_by_the_older_version_that_it_announces(
    wire: Wire, grants: Examination, server: Server
) -> None:
    server.features = {HOST: "urn:xmpp:mam:1", OTHER_HOST: NS_MAM}
    await grant(wire, HOST, OTHER_HOST)

    findings = await examined(grants)

    assert faults(findings) == {"mod-mam"}
    assert OTHER_HOST not in findings["mod-mam"].seen


async def test_fault_is_logged_once_for_each_connection(
    wire: Wire, grants: Examination, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await grant(wire, HOST)
    for _ in range(2):
        await examined(grants)

    lines = [r.message for r in caplog.records if r.message.startswith("delegation: ")]
    assert len(lines) == 1
    assert OTHER_HOST in lines[0]
    assert "mod_delegation" in lines[0]


async def test_late_grant_mends_the_findings(
    wire: Wire, grants: Examination, server: Server
) -> None:
    await grant(wire, HOST)
    assert "delegation" in faults(await examined(grants))
    await grant(wire, OTHER_HOST)

    await until(lambda: not any(finding.is_fault for finding in grants.findings))


async def test_findings_end_with_the_connection(
    wire: Wire, grants: Examination, server: Server
) -> None:
    await examined(grants)
    assert grants.findings
    await wire.peer.close()
    await until(lambda: not wire.stream.is_up)

    assert grants.findings == ()


async def test_examination_without_a_connection_is_an_error(
    wire: Wire, grants: Examination
) -> None:
    await wire.peer.close()
    await until(lambda: not wire.stream.is_up)

    findings = await examined(grants)

    assert faults(findings) == {"link"}
    assert "no connection" in findings["link"].seen


async def test_connection_that_is_lost_during_the_examination_is_an_error(
    wire: Wire, grants: Examination
) -> None:
    """The server answers nothing and goes."""
    examining = asyncio.create_task(examined(grants))
    await wire.next_sent()
    await wire.peer.close()

    findings = await examining

    assert faults(findings) == {"link"}
    assert "was lost" in findings["link"].seen
