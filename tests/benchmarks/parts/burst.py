"""The backlog of the archive after a burst of messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

from benchmarks.contenders import D, Running
from benchmarks.parts.ingest import backlog
from benchmarks.parts.proof import complete
from benchmarks.parts.turns import each_round
from benchmarks.parts.users import new_pairs
from benchmarks.plan import Plan
from benchmarks.samples import Sample
from benchmarks.traffic import Traffic
from benchmarks.usage import Meter
from benchmarks.workspace import Workspace

PART = "burst"


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Send all messages at once, with empty archives in each round."""
    async for turn in each_round(PART, (D,), _turn, plan, space):
        yield turn


async def _turn(plan: Plan, server: Running) -> dict[str, float]:
    async with new_pairs(server.port, plan.pairs) as pairs:
        meter = Meter(server.pids)
        traffic = Traffic(pairs)
        await traffic.at_once(plan.burst)
        figures = backlog(server, traffic)
        sessions = [session for pair in pairs for session in pair]
        archived, missing = await complete(sessions, traffic.expected())
        figures |= meter.memory()
    return {
        "messages_per_second": traffic.delivered / (traffic.last_delivered - traffic.sent_at[0]),
        "behind_seconds": archived - traffic.last_delivered,
        "lost": missing + len(traffic.sent_at) - traffic.delivered,
        **figures,
    }
