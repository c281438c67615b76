"""Messages a second, from the sending of the first to the proof that both archives have all."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping

from benchmarks.contenders import ARCHIVES, ON_POSTGRES, E, Running
from benchmarks.parts.proof import complete, differences
from benchmarks.parts.turns import each_round
from benchmarks.parts.users import new_pairs
from benchmarks.plan import Plan
from benchmarks.samples import Sample, percentile
from benchmarks.traffic import Traffic
from benchmarks.usage import Meter
from benchmarks.workspace import Workspace

PART = "ingest"
SETTLE_SECONDS = 1.0


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Give each contender a turn in every round, each time with empty archives."""
    async for samples in each_round(PART, (*ARCHIVES, *ON_POSTGRES, E), turn, plan, space):
        yield samples


async def turn(plan: Plan, server: Running) -> dict[str, float]:
    """Have new users write to each other, and return the figures."""
    async with new_pairs(server.port, plan.pairs) as pairs:
        await asyncio.sleep(SETTLE_SECONDS)
        meter = Meter(server.pids)
        traffic = Traffic(pairs)
        gc.disable()
        await traffic.keep_under_way(plan.under_way, plan.ingest_seconds)
        gc.enable()
        figures = backlog(server, traffic)
        sessions = [session for pair in pairs for session in pair]
        archived, missing, wrong = traffic.last_delivered, 0, 0
        if server.has_archive:
            archived, missing = await complete(sessions, traffic.expected())
        figures |= meter.memory()
        spent, noise = meter.spent(), meter.noise()
        thousands = len(traffic.sent_at) / 1000
        figures |= cpu_of_row(server, spent)
        if server.has_archive:
            wrong = sum(
                [await differences(session, traffic.ids(session.user)) for session in pairs[0]]
            )
    return {
        "messages_per_second": len(traffic.sent_at) / (archived - traffic.sent_at[0]),
        "messages": len(traffic.sent_at),
        "lost": missing + wrong + len(traffic.sent_at) - traffic.delivered,
        "behind_seconds": archived - traffic.last_delivered,
        "delivery_p50_ms": percentile(traffic.seconds, 50) * 1000,
        "delivery_p99_ms": percentile(traffic.seconds, 99) * 1000,
        "cpu_seconds_per_1000": sum(spent.values()) / thousands,
        **{f"cpu_{name}": seconds / thousands for name, seconds in spent.items()},
        "others_cpu": noise,
        **figures,
    }


def cpu_of_row(server: Running, spent: Mapping[str, float]) -> dict[str, float]:
    """Return the CPU time of our process for each message in an archive."""
    if server.archived is None:
        return {}
    return {"cpu_ms_of_row": spent["muniment"] / server.archived() * 1000}


def backlog(server: Running, traffic: Traffic) -> dict[str, float]:
    """Return the number of delivered messages that the archives do not have yet."""
    if server.archived is None:
        return {}
    return {"backlog": sum(traffic.expected().values()) - server.archived()}
