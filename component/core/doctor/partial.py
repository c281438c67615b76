"""Faults that all virtual hosts have, or only some of them."""

from __future__ import annotations

from collections.abc import Sequence

from component.core.doctor.facts import HostFacts, ServerFacts
from component.core.doctor.finding import Finding, Severity
from component.core.doctor.options import Options


def named(hosts: Sequence[HostFacts]) -> str:
    """Return the names of virtual hosts for a sentence."""
    return ", ".join(host.host for host in hosts)


def fault(
    id: str,
    facts: ServerFacts,
    affected: Sequence[HostFacts],
    *,
    seen: str,
    change: str,
    options: Options,
) -> Finding:
    """Return a fault: an error if all virtual hosts have it, a warning if only some have it.

    A virtual host may lack on purpose what others have.
    """
    is_everywhere = len(affected) == len(facts.served)
    return Finding(
        id=id,
        severity=Severity.ERROR if is_everywhere else Severity.WARNING,
        seen=f"{named(affected)}: {seen}",
        change=change,
        options=options,
    )
