"""All checks of `muniment doctor`: their ids, and those about ejabberd as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from component.core.doctor import (
    copies,
    delegation,
    global_routes,
    mod_mam,
    privilege_message,
    rooms,
    roster,
    virtual_host,
)
from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, skipped

#: Checks of this machine, which need no connection to ejabberd but for the last one.
CONFIG, STORE, RETENTION, ACCOUNTS, HTTP, LINK = (
    "config",
    "store",
    "retention",
    "accounts",
    "http",
    "link",
)
LOCAL = (CONFIG, STORE, RETENTION, ACCOUNTS, HTTP, LINK)

#: Checks of what ejabberd grants and does, by id, in the order of reports.
SERVER: Mapping[str, Callable[[ServerFacts], Finding]] = MappingProxyType(
    {
        module.ID: module.check
        for module in (
            virtual_host,
            global_routes,
            delegation,
            privilege_message,
            copies,
            mod_mam,
            rooms,
            roster,
        )
    }
)

#: Checks that say something about a server without our virtual hosts.
_OF_EVERY_SERVER = (virtual_host.ID, global_routes.ID)

IDS = (*LOCAL, *SERVER)


def examine(facts: ServerFacts) -> tuple[Finding, ...]:
    """Return the finding of each check about ejabberd.

    While another connection receives a part of our stanzas, other checks may report faults that do
    not exist.
    """
    findings = {id: _finding(id, facts) for id in SERVER}
    if findings[global_routes.ID].is_fault:
        for id, finding in findings.items():
            if id != global_routes.ID and finding.is_fault:
                findings[id] = skipped(id, f"cannot be seen before {global_routes.ID} is mended")
    return tuple(findings.values())


def unexamined(reason: str) -> tuple[Finding, ...]:
    """Return a skipped finding for each check about ejabberd."""
    return tuple(skipped(id, reason) for id in SERVER)


def _finding(id: str, facts: ServerFacts) -> Finding:
    if id in facts.needs.ignored:
        return skipped(id, "xmpp.ignored_checks names it")
    if id not in _OF_EVERY_SERVER and not facts.served:
        return skipped(id, "this ejabberd has no virtual host of xmpp.hosts")
    return SERVER[id](facts)
