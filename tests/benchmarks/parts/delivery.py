"""The time that an archive adds to a delivery, at a rate that causes no queues."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

from benchmarks.contenders import ARCHIVES, E, Running
from benchmarks.parts.turns import each_round
from benchmarks.parts.users import new_pairs
from benchmarks.plan import Plan
from benchmarks.samples import Sample, percentile
from benchmarks.traffic import Traffic
from benchmarks.usage import Meter
from benchmarks.workspace import Workspace

PART = "delivery"
SETTLE_SECONDS = 1.0
PERCENTILES = (50, 99)


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Give each contender its turn in every round."""
    async for turn in each_round(PART, (E, *ARCHIVES), _turn, plan, space):
        yield turn


async def _turn(plan: Plan, server: Running) -> dict[str, float]:
    async with new_pairs(server.port, plan.pairs) as pairs:
        # The first messages find empty caches.
        warm = Traffic(pairs)
        await warm.at_rate(plan.rate, 1)
        await asyncio.sleep(SETTLE_SECONDS)
        traffic = Traffic(pairs)
        meter = Meter(server.pids)
        gc.disable()
        await traffic.at_rate(plan.rate, plan.rate_seconds)
        gc.enable()
        noise = meter.noise()
        resident = meter.memory()
    times = {f"p{n}_ms": percentile(traffic.seconds, n) * 1000 for n in PERCENTILES}
    return times | resident | {"others_cpu": noise}
