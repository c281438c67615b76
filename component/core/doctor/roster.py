"""Check: each virtual host lets the component read rosters (XEP-0356)."""

from __future__ import annotations

from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, Severity, named, ok, skipped
from component.core.ejabberd_options import NAME, for_component

ID = "roster"


def check(facts: ServerFacts) -> Finding:
    """Return the finding."""
    if not facts.needs.rosters:
        return skipped(ID, "rosters are not read from ejabberd")
    missing = [host for host in facts.served if not host.reads_rosters]
    if not missing:
        return ok(ID, f"{named(facts.served)}: Muniment may read rosters")
    consequence = (
        "so users without preferences have everything archived"
        if facts.needs.roster_default
        else "so users who want only contacts archived have everything archived"
    )
    return Finding(
        id=ID,
        severity=Severity.ERROR if facts.needs.roster_default else Severity.WARNING,
        seen=f"{named(missing)}: Muniment may not read rosters, {consequence}",
        change="mod_privilege of ejabberd.yml has to let the component read rosters",
        options=for_component(
            facts.component, facts.needs.processes, {"mod_privilege": {"roster": {"get": NAME}}}
        ),
    )
