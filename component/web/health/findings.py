"""Findings of checks as JSON, for health and for the administration API."""

from __future__ import annotations

from component.core.doctor.finding import Finding


def finding_fields(finding: Finding) -> dict[str, object]:
    """Return a finding as a JSON object."""
    return {
        "check": finding.id,
        "severity": finding.severity,
        "seen": finding.seen,
        "change": finding.change,
        "options": finding.options,
    }
