"""Check: mod_service_log copies what users send and receive to the component."""

from __future__ import annotations

from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, fault, named, ok, skipped

ID = "copies"


def check(facts: ServerFacts) -> Finding:
    """Return the finding."""
    missing = [host for host in facts.served if host.has_copies is False]
    if missing:
        return fault(
            ID,
            missing,
            others=[host for host in facts.served if host.has_copies],
            seen="messages are not copied to Muniment, so nothing is archived",
            change="mod_service_log of ejabberd.yml has to name the component",
            options={
                "modules": {
                    "mod_service_log": {
                        "loggers": list(facts.needs.processes or (facts.component,))
                    }
                }
            },
        )
    unknown = [host for host in facts.served if host.has_copies is None]
    if not unknown:
        return ok(ID, f"{named(facts.served)}: messages are copied to Muniment")
    if facts.lost_probes:
        reason = "a message of ours may have gone to another connection"
    elif not all(host.sends_messages for host in unknown):
        reason = "this can be tested once Muniment may send messages"
    elif facts.has_iq_privilege:
        reason = "ejabberd did not answer in time"
    else:
        reason = (
            "nothing was copied since Muniment connected, and before 24.10 ejabberd copies no "
            "message of Muniment's own: check again after a user has logged in"
        )
    return skipped(ID, f"{named(unknown)}: {reason}")
