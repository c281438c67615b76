"""Each check of `muniment doctor` about ejabberd: from facts to a finding."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from component.config.network import ServerCheck
from component.core.doctor.checks import IDS, SERVER, examine
from component.core.doctor.facts import HostFacts, Needs, RoomServiceFacts, ServerFacts
from component.core.doctor.finding import Finding, Severity
from component.core.ejabberd_options import as_yaml, in_one_line

COMPONENT = "archive.test"
ROOMS = "conference.one.test"

GOOD = HostFacts(
    host="one.test",
    delegates=True,
    has_privileges=True,
    sends_messages=True,
    reads_rosters=True,
    has_copies=True,
    has_mod_mam=False,
)
HEALTHY = ServerFacts(
    component=COMPONENT,
    needs=Needs(),
    hosts=(GOOD, replace(GOOD, host="two.test")),
    has_iq_privilege=True,
    may_ask_rooms=True,
    room_services=(RoomServiceFacts(service=ROOMS, is_answering=True, is_for_rooms=True),),
    sent_probes=12,
    lost_probes=0,
)


def everywhere(**changes: object) -> ServerFacts:
    """Return facts in which every virtual host differs from a healthy one."""
    return replace(HEALTHY, hosts=tuple(replace(host, **changes) for host in HEALTHY.hosts))  # type: ignore[arg-type]


def finding(id: str, facts: ServerFacts) -> Finding:
    return next(finding for finding in examine(facts) if finding.id == id)


def test_healthy_server_passes_every_check() -> None:
    assert [(f.id, f.severity) for f in examine(HEALTHY)] == [(id, Severity.OK) for id in SERVER]


@pytest.mark.parametrize(
    ("id", "facts", "severity", "words"),
    [
        ("virtual-host", everywhere(is_served=False), Severity.ERROR, "no virtual host of this"),
        (
            "virtual-host",
            replace(HEALTHY, unknown_hosts=("three.test",)),
            Severity.WARNING,
            "three.test",
        ),
        ("global-routes", replace(HEALTHY, misdirected="x.test"), Severity.ERROR, "for x.test"),
        ("global-routes", replace(HEALTHY, lost_probes=5), Severity.ERROR, "12 messages"),
        ("delegation", everywhere(delegates=False), Severity.ERROR, "not delegated"),
        (
            "privilege-message",
            everywhere(sends_messages=False),
            Severity.ERROR,
            "mod_privilege does not let",
        ),
        (
            "privilege-message",
            everywhere(sends_messages=False, has_privileges=False),
            Severity.ERROR,
            "nothing lets",
        ),
        ("copies", everywhere(has_copies=False), Severity.ERROR, "nothing is archived"),
        ("mod-mam", everywhere(has_mod_mam=True), Severity.WARNING, "loaded beside Muniment"),
        (
            "mod-mam",
            replace(HEALTHY, needs=Needs(backfill=True)),
            Severity.ERROR,
            "nothing keeps what passes",
        ),
        ("rooms", replace(HEALTHY, may_ask_rooms=False), Severity.ERROR, "cannot ask rooms"),
        ("roster", everywhere(reads_rosters=False), Severity.WARNING, "may not read rosters"),
        (
            "roster",
            replace(everywhere(reads_rosters=False), needs=Needs(roster_default=True)),
            Severity.ERROR,
            "without preferences",
        ),
    ],
)
def test_fault_is_named_with_what_to_change(
    id: str, facts: ServerFacts, severity: Severity, words: str
) -> None:
    result = finding(id, facts)

    assert result.severity is severity
    assert words in result.seen
    assert result.change


@pytest.mark.parametrize("has_answer", [True, False])
def test_domain_without_rooms_is_an_error(has_answer: bool) -> None:
    service = RoomServiceFacts(service=ROOMS, is_answering=has_answer, is_for_rooms=False)

    result = finding("rooms", replace(HEALTHY, room_services=(service,)))

    assert result.severity is Severity.ERROR
    assert ("it has no rooms" if has_answer else "it does not answer Muniment") in result.seen


@pytest.mark.parametrize(
    ("id", "change"),
    [
        ("delegation", {"delegates": False}),
        ("privilege-message", {"sends_messages": False}),
        ("copies", {"has_copies": False}),
    ],
)
def test_fault_of_one_host_only_is_a_warning(id: str, change: dict[str, object]) -> None:
    """It may be deliberate: ejabberd configures modules for each virtual host."""
    bad = replace(HEALTHY.hosts[1], **change)  # type: ignore[arg-type]

    result = finding(id, replace(HEALTHY, hosts=(GOOD, bad)))

    assert result.severity is Severity.WARNING
    assert result.seen.startswith("two.test: ")


def test_missing_copies_of_one_host_are_an_error_if_no_other_host_surely_copies() -> None:
    hosts = replace(GOOD, has_copies=False), replace(GOOD, host="two.test", has_copies=None)

    assert finding("copies", replace(HEALTHY, hosts=hosts)).severity is Severity.ERROR


def test_wrong_host_has_no_other_faults() -> None:
    wrong = HostFacts(host="wrong.test", is_served=False)

    findings = examine(replace(HEALTHY, hosts=(GOOD, wrong)))

    assert [f.id for f in findings if f.is_fault] == ["virtual-host"]


def test_other_faults_are_not_believed_while_stanzas_go_elsewhere() -> None:
    facts = replace(everywhere(delegates=False, has_copies=False), misdirected="x.test")

    findings = {finding.id: finding for finding in examine(facts)}

    assert [f.id for f in findings.values() if f.is_fault] == ["global-routes"]
    assert findings["delegation"].severity is Severity.SKIPPED
    assert findings["privilege-message"].severity is Severity.OK


def test_checks_of_hosts_are_skipped_where_none_is_served() -> None:
    findings = {f.id: f.severity for f in examine(everywhere(is_served=False))}

    assert findings.pop("virtual-host") is Severity.ERROR
    assert findings.pop("global-routes") is Severity.OK
    assert set(findings.values()) == {Severity.SKIPPED}


def test_hosts_that_do_not_answer_are_no_fault_while_stanzas_go_elsewhere() -> None:
    facts = replace(everywhere(is_served=False), lost_probes=3)

    assert [f.id for f in examine(facts) if f.is_fault] == ["global-routes"]


@pytest.mark.parametrize(
    ("id", "facts", "words"),
    [
        ("rooms", replace(HEALTHY, room_services=()), "room_services is empty"),
        (
            "roster",
            replace(everywhere(reads_rosters=False), needs=Needs(rosters=False)),
            "not read from ejabberd",
        ),
        ("global-routes", replace(HEALTHY, lost_probes=None), "did not answer in time"),
        ("mod-mam", everywhere(has_mod_mam=None), "no answer to a query for features"),
        ("copies", replace(everywhere(has_copies=None), lost_probes=3), "another connection"),
        ("copies", everywhere(has_copies=None, sends_messages=False), "may send messages"),
        ("copies", everywhere(has_copies=None), "did not answer in time"),
        (
            "copies",
            replace(everywhere(has_copies=None), has_iq_privilege=False),
            "after a user has logged in",
        ),
    ],
)
def test_check_that_cannot_be_made_says_why(id: str, facts: ServerFacts, words: str) -> None:
    result = finding(id, facts)

    assert result.severity is Severity.SKIPPED
    assert words in result.seen


def test_ignored_check_is_skipped() -> None:
    facts = replace(everywhere(has_copies=False), needs=Needs(ignored=frozenset({"copies"})))

    assert finding("copies", facts).severity is Severity.SKIPPED


def test_every_check_of_ejabberd_can_be_ignored_and_no_other() -> None:
    assert get_args(ServerCheck) == tuple(SERVER)
    assert len(set(IDS)) == len(IDS)


def test_options_are_yaml_in_lines_and_on_one_line() -> None:
    options = finding("delegation", everywhere(delegates=False)).options

    assert as_yaml(options) == (
        "acl:\n"
        "  muniment:\n"
        "    server: archive.test\n"
        "access_rules:\n"
        "  muniment:\n"
        "    allow: muniment\n"
        "modules:\n"
        "  mod_delegation:\n"
        "    namespaces:\n"
        '      "urn:xmpp:mam:2":\n'
        "        access: muniment"
    )
    assert in_one_line(options).endswith(
        'modules: {mod_delegation: {namespaces: {"urn:xmpp:mam:2": {access: muniment}}}}'
    )


def test_options_name_the_domains_of_all_processes() -> None:
    names = ("one.archive.test", "two.archive.test")
    queries = ["queries.one.archive.test", "queries.two.archive.test"]
    facts = replace(
        everywhere(delegates=False, has_copies=False, reads_rosters=False),
        needs=Needs(processes=names),
    )

    delegation, copies, roster = (
        finding(id, facts).options for id in ("delegation", "copies", "roster")
    )

    assert delegation["acl"] == {
        "muniment": {"server": [*names, *queries]},
        "muniment_queries": {"server": queries},
    }
    assert delegation["access_rules"]["muniment_queries"] == {"allow": "muniment_queries"}
    assert delegation["modules"] == {
        "mod_delegation": {"namespaces": {"urn:xmpp:mam:2": {"access": "muniment_queries"}}}
    }
    assert copies["modules"] == {"mod_service_log": {"loggers": list(names)}}
    assert roster["acl"] == {"muniment": {"server": [*names, *queries]}}


def test_mod_mam_that_fills_gaps_is_no_fault() -> None:
    facts = replace(everywhere(has_mod_mam=True), needs=Needs(backfill=True))

    assert finding("mod-mam", facts).severity is Severity.OK
