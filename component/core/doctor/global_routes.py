"""Check: ejabberd gives the component all of its stanzas, and none of another component."""

from __future__ import annotations

from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, Severity, ok, skipped
from component.core.wording import count_of

ID = "global-routes"


def check(facts: ServerFacts) -> Finding:
    """Return the finding."""
    if facts.misdirected:
        seen = f"ejabberd gives Muniment stanzas for {facts.misdirected}"
    elif facts.lost_probes:
        sent = count_of(facts.sent_probes, "message")
        seen = (
            f"of {sent} that Muniment sent to itself, {facts.lost_probes} did not come: another "
            f"connection receives stanzas for {facts.component}"
        )
    elif facts.lost_probes is None:
        return skipped(ID, "ejabberd did not answer in time")
    else:
        return ok(ID, f"all stanzas for {facts.component} come here, and no others")
    return Finding(
        id=ID,
        severity=Severity.ERROR,
        seen=seen,
        change="Set global_routes: false at ejabberd_service in ejabberd.yml, let no second "
        "program connect by this name, and reconnect all components of that listener",
        options={"listen": [{"module": "ejabberd_service", "global_routes": False}]},
    )
