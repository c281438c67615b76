"""Full-text search: a place for it. The program has none yet, so nothing is measured.

Of the peers none can be compared with: ejabberd's `withtext` is a query that only MySQL takes, and
Prosody has no such field.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from benchmarks.plan import Plan
from benchmarks.samples import Sample
from benchmarks.workspace import Workspace

PART = "search"


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Measure nothing."""
    nothing: tuple[list[Sample], ...] = ()
    for turn in nothing:
        yield turn
