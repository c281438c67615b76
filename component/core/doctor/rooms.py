"""Check: rooms can be asked who may read their archives."""

from __future__ import annotations

from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, Severity, ok, skipped
from component.core.ejabberd_options import NAME, NS_DISCO_INFO, for_component

ID = "rooms"


def check(facts: ServerFacts) -> Finding:
    """Return the finding."""
    services = facts.room_services
    if not services:
        return skipped(ID, "archive.room_services is empty: rooms have no archives")
    if facts.has_iq_privilege and not facts.may_ask_rooms:
        iq = {NS_DISCO_INFO: {"get": NAME}}
        return Finding(
            id=ID,
            severity=Severity.ERROR,
            seen="Muniment cannot ask rooms who may read their archives, so those are refused to "
            "everybody",
            change="mod_privilege of ejabberd.yml (24.10 and newer) has to grant these IQs",
            options=for_component(
                facts.component, facts.needs.processes, {"mod_privilege": {"iq": iq}}
            ),
        )
    wrong = [service.service for service in services if not service.is_for_rooms]
    if not wrong:
        return ok(ID, f"{', '.join(service.service for service in services)}: rooms can be asked")
    has_answer = any(service.is_answering for service in services if not service.is_for_rooms)
    reason = "it has no rooms" if has_answer else "it does not answer Muniment"
    return Finding(
        id=ID,
        severity=Severity.ERROR,
        seen=f"{', '.join(wrong)}: named in archive.room_services, but {reason}, so archives of "
        "its rooms are refused to everybody",
        change="Set archive.room_services in muniment.toml to hosts of mod_muc in ejabberd.yml",
    )
