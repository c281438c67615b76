"""What Muniment is meant to reach, and what was measured of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.contenders import A, B, C, D, E, F
from benchmarks.parts.http import djabberd_with
from benchmarks.plan import LARGEST
from benchmarks.samples import Results
from benchmarks.servers.gunicorn import WORKERS

#: The size and the number of clients that goals for pages are about.
PAGES = "100000/8"
WAYS = ("last", "back", "forward", "with+start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One goal with what was measured."""

    goal: str
    wanted: str
    measured: float | None  #: None where it was not measured
    unit: str = ""
    is_met: bool = False


@dataclass(frozen=True, slots=True)
class _Goal:
    text: str
    measure: Callable[[Results], float | None]
    bound: float
    at_least: bool
    unit: str = ""

    def outcome(self, results: Results) -> Outcome:
        measured = self.measure(results)
        met = measured is not None and (
            measured >= self.bound if self.at_least else measured <= self.bound
        )
        sign = "≥" if self.at_least else "≤"
        return Outcome(
            goal=self.text,
            wanted=f"{sign} {self.bound:g}{self.unit}",
            measured=measured,
            unit=self.unit,
            is_met=met,
        )


def outcomes(results: Results) -> list[Outcome]:
    """Return every goal, in the order they are printed in."""
    return [goal.outcome(results) for goal in _goals()]


def _goals() -> Iterator[_Goal]:
    def ingest(results: Results) -> float | None:
        return results.ratio("ingest", "messages_per_second", (D.key, ""), (B.key, ""))

    def cpu(results: Results) -> float | None:
        return results.ratio("ingest", "cpu_seconds_per_1000", (D.key, ""), (A.key, ""))

    yield _Goal("Ingest, ratio to ejabberd + PostgreSQL", ingest, 1.25, True, " x")
    yield _Goal("Messages lost", _lost, 0, False)
    yield _Goal("Delivery time added at p99", _added, 2, False, " ms")
    for peer, bound in ((A, 1.5), (C, 2), (B, 1)):
        text = f"Pages at 100k, 8 clients, slowest way, ratio to {peer.name}"
        yield _Goal(text, _pages(peer.key), bound, True, " x")
    yield _Goal("The same, part of what the way through ejabberd allows", _limit, 0.85, True, " x")
    yield _Goal("Page inside our process, largest to smallest archive", _flat, 1.3, False, " x")
    yield _Goal("Page inside our process, costliest", _costliest, 2, False, " ms")
    for workers in WORKERS:
        yield _Goal(f"HTTP pages, ratio to djabberd, {workers}", _http(workers), 3, True, " x")
    yield _Goal("CPU per message, ratio to ejabberd + SQLite", cpu, 1, False, " x")
    yield _Goal("Memory with a million messages", _memory, 120, False, " MiB")
    yield _Goal("Start", _start, 1, False, " s")
    yield _Goal("Archive behind after a burst", _behind, 2, False, " s")


def _lost(results: Results) -> float | None:
    lost = [results.worst(part, D.key, "", "lost") for part in ("ingest", "burst")]
    return sum(filter(None, lost)) if any(one is not None for one in lost) else None


def _added(results: Results) -> float | None:
    ours = results.by_round("delivery", D.key, "", "p99_ms")
    bare = results.by_round("delivery", E.key, "", "p99_ms")
    rounds = ours.keys() & bare.keys()
    return median(ours[n] - bare[n] for n in rounds) if rounds else None


def _pages(peer: str) -> Callable[[Results], float | None]:
    def slowest(results: Results) -> float | None:
        cases = [f"{way}/{PAGES}" for way in WAYS]
        return _least(
            results.ratio("pages", "pages_per_second", (D.key, case), (peer, case))
            for case in cases
        )

    return slowest


def _limit(results: Results) -> float | None:
    return _least(
        results.ratio(
            "pages", "pages_per_second", (D.key, f"{way}/{PAGES}"), (F.key, "last/constant/8")
        )
        for way in WAYS
    )


def _inside(results: Results) -> dict[str, dict[int, float]]:
    """Return the CPU time of a page by way and size."""
    found: dict[str, dict[int, float]] = {}
    for case in results.cases("inside"):
        way, size = case.split("/")
        value = results.median("inside", D.key, case, "cpu_ms")
        if value is not None:
            found.setdefault(way, {})[int(size)] = value
    return found


def _flat(results: Results) -> float | None:
    growth = [sizes[max(sizes)] / sizes[min(sizes)] for sizes in _inside(results).values()]
    return max(growth, default=None)


def _costliest(results: Results) -> float | None:
    return max((v for sizes in _inside(results).values() for v in sizes.values()), default=None)


def _http(workers: str) -> Callable[[Results], float | None]:
    peer = (djabberd_with(workers), "")
    return lambda results: results.ratio("http", "pages_per_second", (D.key, ""), peer)


def _memory(results: Results) -> float | None:
    return results.worst("pages", D.key, f"after {LARGEST}", "rss_muniment")


def _start(results: Results) -> float | None:
    return results.median("start", D.key, "", "seconds")


def _behind(results: Results) -> float | None:
    return results.median("burst", D.key, "", "behind_seconds")


def _least(values: Iterator[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
