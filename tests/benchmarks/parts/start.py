"""The time from the start of Muniment's command until all its parts are ready."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from benchmarks.contenders import D
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn
from benchmarks.usage import Meter
from benchmarks.workspace import Workspace

PART = "start"


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Start Muniment several times beside a running ejabberd.

    An earlier start has written the bytecode of all modules, as an installation does.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with space.fresh(D.key) as folder, D.start(folder):
        pass
    for number in range(plan.rounds):
        with space.fresh(D.key) as folder, D.start(folder) as server:
            figures = {"seconds": server.start_seconds, **Meter(server.pids).memory()}
        yield of_turn(PART, D.key, number, figures)
