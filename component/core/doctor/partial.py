"""Faults that all virtual hosts have, or only some of them."""

from __future__ import annotations

from collections.abc import Sequence

from component.core.doctor.facts import HostFacts
from component.core.doctor.finding import Finding, Severity
from component.core.doctor.options import Options


def named(hosts: Sequence[HostFacts]) -> str:
    """Return the names of virtual hosts for a sentence."""
    return ", ".join(host.host for host in hosts)


def fault(
    id: str,
    affected: Sequence[HostFacts],
    *,
    others: Sequence[HostFacts],
    seen: str,
    change: str,
    options: Options,
) -> Finding:
    """Return a fault: a warning if other virtual hosts surely do not have it, else an error.

    A virtual host may lack on purpose what others have.
    """
    return Finding(
        id=id,
        severity=Severity.WARNING if others else Severity.ERROR,
        seen=f"{named(affected)}: {seen}",
        change=change,
        options=options,
    )
