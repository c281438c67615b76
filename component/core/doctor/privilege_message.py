"""Check: each virtual host lets the component send messages as its users (XEP-0356)."""

from __future__ import annotations

from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, fault, named, ok
from component.core.ejabberd_options import NAME, for_component

ID = "privilege-message"


def check(facts: ServerFacts) -> Finding:
    """Return the finding."""
    missing = [host for host in facts.served if not host.sends_messages]
    if not missing:
        return ok(ID, f"{named(facts.served)}: Muniment may send messages as users")
    is_denied = all(host.has_privileges for host in missing)
    reason = "mod_privilege does not let" if is_denied else "nothing lets"
    return fault(
        ID,
        missing,
        others=[host for host in facts.served if host.sends_messages],
        seen=f"{reason} Muniment send messages as users, so archive queries have no results",
        change="mod_privilege of ejabberd.yml has to let the component send messages",
        options=for_component(
            facts.component,
            facts.needs.processes,
            {"mod_privilege": {"message": {"outgoing": NAME}}},
        ),
    )
