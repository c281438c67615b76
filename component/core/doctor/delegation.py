"""Check: each virtual host delegates archive queries to the component (XEP-0355)."""

from __future__ import annotations

from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, fault, named, ok
from component.core.ejabberd_options import NS_MAM, for_queries

ID = "delegation"


def check(facts: ServerFacts) -> Finding:
    """Return the finding."""
    missing = [host for host in facts.served if not host.delegates]
    if not missing:
        return ok(ID, f"{named(facts.served)}: {NS_MAM} is delegated to Muniment")
    return fault(
        ID,
        missing,
        others=[host for host in facts.served if host.delegates],
        seen=f"{NS_MAM} is not delegated to Muniment, so no client can read an archive",
        change="mod_delegation of ejabberd.yml has to delegate it to the component",
        options=for_queries(facts.component, facts.needs.processes, NS_MAM),
    )
