"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes and durations of a run."""

    rounds: int = 3
    pairs: int = 10
    under_way: int = 200
    ingest_seconds: float = 8.0
    rate: float = 100.0  #: messages a second, for delivery times without queues
    rate_seconds: float = 20.0
    burst: int = 20_000
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)  #: messages in an archive
    clients: tuple[int, ...] = (1, 8)
    page_seconds: float = 2.0
    http_seconds: float = 5.0
    inside_pages: int = 2_000


FULL = Plan()

#: Enough to see that everything works; its figures mean little.
QUICK = Plan(
    rounds=1,
    ingest_seconds=2.0,
    rate_seconds=3.0,
    burst=2_000,
    sizes=(1_000, 10_000),
    page_seconds=0.5,
    http_seconds=1.0,
    inside_pages=300,
)

LARGEST = 1_000_000


def large(plan: Plan) -> Plan:
    """Return the plan with archives of a million messages, too."""
    return replace(plan, sizes=(*plan.sizes, LARGEST))
