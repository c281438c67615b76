"""Turns of contenders, each of which begins with empty archives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from benchmarks.contenders import Contender, Running
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn
from benchmarks.workspace import Workspace

Turn = Callable[[Plan, Running], Awaitable[dict[str, float]]]


async def each_round(
    part: str, contenders: Sequence[Contender], turn: Turn, plan: Plan, space: Workspace
) -> AsyncIterator[list[Sample]]:
    """Give each contender a turn in every round."""
    for number in range(plan.rounds):
        for contender in plan.order(part, number, contenders):
            with space.fresh(contender.key) as folder, contender.start(folder) as server:
                figures = await turn(plan, server)
            yield of_turn(part, contender.key, number, figures)
