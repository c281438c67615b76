"""Check: this ejabberd has the virtual hosts of xmpp.hosts, and delegates for no others."""

from __future__ import annotations

from component.core.doctor.facts import ServerFacts
from component.core.doctor.finding import Finding, Severity, named, ok

ID = "virtual-host"


def check(facts: ServerFacts) -> Finding:
    """Return the finding."""
    missing = [host for host in facts.hosts if not host.is_served]
    if missing:
        return Finding(
            id=ID,
            severity=Severity.ERROR,
            seen=f"{named(missing)}: named in xmpp.hosts, but no virtual host of this ejabberd",
            change="Set xmpp.hosts in muniment.toml to names below hosts in ejabberd.yml",
        )
    if facts.unknown_hosts:
        return Finding(
            id=ID,
            severity=Severity.WARNING,
            seen=f"{', '.join(facts.unknown_hosts)}: ejabberd lets Muniment serve this virtual "
            "host, but xmpp.hosts does not name it, so its users have no archive",
            change="Add it to xmpp.hosts in muniment.toml, or grant nothing there, by "
            "append_host_config of ejabberd.yml",
        )
    return ok(ID, f"ejabberd has {named(facts.hosts)}")
