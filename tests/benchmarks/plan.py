"""The plan of a run: sizes and durations."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

_Candidate = TypeVar("_Candidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes and durations of a run."""

    rounds: int = 5
    seed: int = 0  #: decides the order of the candidates in each round
    pairs: int = 10
    under_way: int = 200
    ingest_seconds: float = 8.0
    people_seconds: float = 8.0
    rate: float = 100.0  #: messages a second, for delivery times without queues
    rate_seconds: float = 20.0
    burst: int = 20_000
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)  #: messages in an archive
    clients: tuple[int, ...] = (1, 8)
    page_seconds: float = 2.0
    http_seconds: float = 5.0
    inside_pages: int = 2_000
    polls: int = 2_000
    streams: int = 1_000
    sessions: int = 500
    poll_seconds: float = 60.0  #: at `rate`
    commands: int = 2_000  #: calls of each command of ejabberd's API, in each way
    fair_windows: int = 4  #: with a flood, and as many without it, for each flood
    fair_seconds: float = 0.5  #: of each of these windows
    #: numbers of archives with their sizes, a store for each pair
    growth: tuple[tuple[int, int], ...] = ((1_000, 1_000), (10, 100_000), (1, 1_000_000))

    def order(self, part: str, number: int, candidates: Iterable[_Candidate]) -> list[_Candidate]:
        """Return the candidates in the order of their turns in a round of a part."""
        shuffled = list(candidates)
        random.Random(f"{self.seed} {part} {number}").shuffle(shuffled)  # noqa: S311 - no secret
        return shuffled


FULL = Plan()

#: The same archives, loads and numbers of clients, most of them for a shorter time.
SHORT = Plan(
    rounds=3,
    people_seconds=4.0,
    rate_seconds=6.0,
    page_seconds=0.7,
    http_seconds=2.0,
    inside_pages=300,
    poll_seconds=20.0,
    commands=500,
)

#: Enough to see that everything works; its figures mean little.
QUICK = Plan(
    rounds=1,
    ingest_seconds=2.0,
    people_seconds=2.0,
    rate_seconds=3.0,
    burst=2_000,
    sizes=(1_000, 10_000),
    page_seconds=0.5,
    http_seconds=1.0,
    inside_pages=300,
    polls=40,
    streams=20,
    sessions=20,
    poll_seconds=3.0,
    commands=200,
    fair_windows=1,
    fair_seconds=0.3,
    growth=((20, 1_000), (1, 10_000)),
)

LARGEST = 1_000_000

#: The stores of `growth` in full: 10, 10 and 3 million messages.
LARGE_STORES = ((10_000, 1_000), (100, 100_000), (3, LARGEST))


def large(plan: Plan) -> Plan:
    """Return the plan with archives of a million messages, too, and with stores in full."""
    return replace(plan, sizes=(*plan.sizes, LARGEST), growth=LARGE_STORES)
