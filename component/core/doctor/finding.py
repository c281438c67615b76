"""The finding of a check: an observation, its severity, and a change that mends a fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from component.core.doctor.facts import HostFacts
from component.core.ejabberd_options import Options, in_one_line


class Severity(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    SKIPPED = "skipped"  #: the check was not needed, or could not be made
    WARNING = "warning"  #: a part of the users, or a part of the work, may be affected
    ERROR = "error"  #: messages are not archived, or archives cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check."""

    id: str  #: the stable name of the check
    severity: Severity
    seen: str
    change: str = ""  #: what to do about it, "" where nothing has to change
    #: the options of ejabberd.yml that mend it, as nested mappings
    options: Options = field(default_factory=dict)

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return the finding of a JSON object. Raises KeyError, TypeError, ValueError."""
        return cls(
            id=str(fields["check"]),
            severity=Severity(fields["severity"]),
            seen=str(fields["seen"]),
            change=str(fields["change"]),
            options=dict(fields["options"]),
        )

    @property
    def fields(self) -> dict[str, object]:
        """The finding as a JSON object."""
        return {
            "check": self.id,
            "severity": self.severity,
            "seen": self.seen,
            "change": self.change,
            "options": self.options,
        }

    @property
    def is_fault(self) -> bool:
        """Whether an operator has to change something."""
        return self.severity in (Severity.WARNING, Severity.ERROR)

    @property
    def line(self) -> str:
        """The finding on one line, for the log."""
        if not self.change:
            return f"{self.id}: {self.seen}"
        advice = f"{self.change}: {in_one_line(self.options)}" if self.options else self.change
        return f"{self.id}: {self.seen}; {advice}"


def ok(id: str, seen: str) -> Finding:
    """Return the finding of a check that found no fault."""
    return Finding(id=id, severity=Severity.OK, seen=seen)


def skipped(id: str, seen: str) -> Finding:
    """Return the finding of a check that was not made; `seen` is the reason."""
    return Finding(id=id, severity=Severity.SKIPPED, seen=seen)


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
