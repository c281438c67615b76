"""The goals of Muniment, and the measured figures for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

from benchmarks.contenders import ON_POSTGRES, A, B, C, D, E, F, G, H
from benchmarks.parts.commands import BY_ADDRESS, BY_PASSWORD, COMMANDS
from benchmarks.parts.http import ARCHIVE_API, djabberd_with
from benchmarks.parts.pages import WAYS, case
from benchmarks.parts.streams import BESIDE
from benchmarks.plan import LARGEST
from benchmarks.samples import Results
from benchmarks.servers.gunicorn import TWO_WORKERS, WORKERS

#: The number of messages in the archives, and of clients, of the goals for pages.
SIZES = (1_000, 10_000, 100_000)
CLIENTS = (1, 8)

#: The smaller of two sizes between which the time of a page has to stay the same.
FLAT_FROM = 10_000

#: The minimum ratio of pages to those of each peer: large archives with many clients, all others.
LARGE = {A: 1.5, B: 1.0, C: 2.0}
OTHER_BOUNDS = {A: 1.0, B: 1.0, C: 1.0}

#: While one account floods: how much slower a page of others may be, and the share of messages of
#: others that has to be archived as before.
PAGE_SLOWER, INGEST_KEPT = 2.0, 0.9

#: The minimum ratio of pages to those of a component that does almost nothing.
OF_CONSTANT = {1_000: 0.9, 10_000: 0.9, 100_000: 0.85}
#: What stays the same however large a store and its archives are, with its metric.
GROWTH = {
    "the newest page, CPU": "newest_cpu_ms",
    "a page from the middle, CPU": "middle_cpu_ms",
    "a search for a rare word, CPU": "rare_word_cpu_ms",
    "a search for a common word, CPU": "common_word_cpu_ms",
    "a list of conversations, CPU": "conversations_cpu_ms",
    "start, CPU": "start_cpu_seconds",
    "memory of our process": "rss_muniment",
    "bytes of the file, a message": "bytes_per_message",
}

MET, NOT_MET, UNDECIDED, NOT_MEASURED = "met", "not met", "undecided", "not measured"

#: By the number of each round, one figure.
Rounds = Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A goal with its measured figures."""

    goal: str
    bound: str
    unit: str = ""
    measured: float | None = None  #: None where it was not measured
    rounds: Rounds = field(default_factory=dict)
    verdict: str = NOT_MEASURED


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound for a measured figure."""

    text: str
    measure: Callable[[Results], Rounds]
    bound: float
    unit: str = ""
    at_least: bool = False  #: more is better
    is_of_worst: bool = False  #: one round beyond the bound is enough to miss it

    def outcome(self, results: Results) -> Outcome:
        """Return the outcome, which is undecided if rounds are on both sides of the bound."""
        rounds = self.measure(results)
        sign = "≥" if self.at_least else "≤"
        bound = f"{sign} {self.bound:g}{self.unit}"
        if not rounds:
            return Outcome(goal=self.text, bound=bound)
        values = [max(rounds.values())] if self.is_of_worst else list(rounds.values())
        within = {v >= self.bound if self.at_least else v <= self.bound for v in values}
        return Outcome(
            goal=self.text,
            bound=bound,
            unit=self.unit,
            measured=median(values),
            rounds=rounds,
            verdict=UNDECIDED if len(within) == 2 else MET if within == {True} else NOT_MET,
        )


def outcomes(results: Results) -> list[Outcome]:
    """Return the outcomes of all goals for one version of ejabberd, in the order of the report."""
    return [goal.outcome(results) for goal in _goals(results.releases[0])]


def _goals(release: str) -> Iterator[Goal]:
    yield _more("Ingest", B.name, _to("ingest", "messages_per_second", B.key), 1.25)
    yield _more("Sustained ingest", E.name, _to("ingest", "messages_per_second", E.key), 0.7)
    text = "CPU of an archived stanza as people write, our process, ratio to plain messages"
    yield Goal(text=text, measure=_dearer, bound=1.3, unit=" x")
    for peer in (A, B):
        text = f"CPU of a message, all processes, ratio to {peer.name}"
        measure = _to("ingest", "cpu_seconds_per_1000", peer.key)
        yield Goal(text=text, measure=measure, bound=1, unit=" x")
    yield Goal(text="Messages lost", measure=_lost, bound=0, is_of_worst=True)
    yield Goal(text="Delivery time added at p99", measure=_added, bound=2, unit=" ms")
    for part, text in (("ingest", "sustained ingest"), ("burst", "a burst")):
        behind = _own(part, "behind_seconds")
        yield Goal(text=f"Archive behind after {text}", measure=behind, bound=2, unit=" s")
    yield from _of_pages(release)
    for workers in WORKERS:
        peer_name = djabberd_with(workers)
        yield _more("HTTP pages", peer_name, _to("http", "pages_per_second", peer_name), 3)
    two_workers = djabberd_with(TWO_WORKERS)
    measure = _to("http", "pages_per_second", two_workers, ARCHIVE_API)
    yield _more("Pages of the archive API with their audit entry", two_workers, measure, 3)
    for metric, peer in (("added_to_password_ms", BY_PASSWORD), ("added_ms", BY_ADDRESS)):
        text = f"Time added to a command at the median, slowest command, to {peer}"
        yield Goal(text=text, measure=_added_to_commands(metric), bound=1.5, unit=" ms")
    text = "A message reaches a waiting poll, p99"
    yield Goal(text=text, measure=_own("polls", "p99_ms"), bound=50, unit=" ms")
    text = "Memory of our process with 2,000 waiting polls and 500 sessions, highest"
    measure = _own("polls", "peak_muniment")
    yield Goal(text=text, measure=measure, bound=400, unit=" MiB", is_of_worst=True)
    text = "Ingest beside 1,000 streams and 2,000 polls, ratio to ingest without them"
    yield Goal(text=text, measure=_beside_waiting, bound=0.9, unit=" x", at_least=True)
    text = "First paint of the chat page"
    yield Goal(text=text, measure=_own("page", "first_paint_ms"), bound=300, unit=" ms")
    text = "50 messages on the page after a click, slowest conversation"
    yield Goal(text=text, measure=_own("page", "p99_ms"), bound=150, unit=" ms")
    text = "Memory of our process, highest of all other parts"
    yield Goal(text=text, measure=_memory, bound=120, unit=" MiB", is_of_worst=True)
    yield Goal(text="Start", measure=_own("start", "seconds"), bound=1, unit=" s")
    yield from _of_floods()
    yield from _on_postgres()
    for text, metric in GROWTH.items():
        text = f"Growth: {text}, highest to lowest of the stores"
        yield Goal(text=text, measure=_growth(metric), bound=1.3, unit=" x")


def _of_pages(release: str) -> Iterator[Goal]:
    for size in SIZES:
        for clients in CLIENTS:
            bounds = LARGE if (size, clients) == (SIZES[-1], CLIENTS[-1]) else OTHER_BOUNDS
            client_count = f"{clients} clients" if clients > 1 else "1 client"
            text = f"Pages of {size:,}, {client_count}, slowest way"
            for peer, bound in (bounds | {F: OF_CONSTANT[size]}).items():
                yield _more(text, peer.name, _slowest(size, clients, peer.key), bound)
    text = "CPU of a page, the whole of our process, costliest case"
    yield Goal(text=text, measure=_costliest, bound=_page_cpu_ms(release), unit=" ms")
    text = "CPU of a page, the whole of our process, largest to smallest archive, steepest way"
    yield Goal(text=text, measure=_steepest, bound=1.3, unit=" x")


def _of_floods() -> Iterator[Goal]:
    for kind, name in (("xmpp", "MAM"), ("http", "HTTP")):
        for percent, of in ((50, "median"), (99, "p99")):
            text = f"{name} page of others while one account floods, {of}, worst flood"
            measure = _worst_flood(f"{kind}_p{percent}_ratio", max)
            yield Goal(text=text, measure=measure, bound=PAGE_SLOWER, unit=" x")
    yield Goal(
        text="Ingest of others while one account floods, worst flood",
        measure=_worst_flood("ingest_ratio", min),
        bound=INGEST_KEPT,
        unit=" x",
        at_least=True,
    )


def _worst_flood(metric: str, worst: Callable[..., Rounds]) -> Callable[[Results], Rounds]:
    """Return the figures of the flood with the worst median."""

    def measure(results: Results) -> Rounds:
        floods = results.cases("fairness")
        candidates = [results.by_round("fairness", D.key, flood, metric) for flood in floods]
        return worst(filter(None, candidates), key=lambda r: median(r.values()), default={})

    return measure


def _on_postgres() -> Iterator[Goal]:
    for contender, processes, bound in ((G, "one process", 1.0), (H, "two processes", 1.6)):
        measure = _between("ingest", "messages_per_second", contender.key, D.key)
        yield Goal(
            text=f"Ingest on PostgreSQL, {processes}, ratio to SQLite",
            measure=measure,
            bound=bound,
            unit=" x",
            at_least=True,
        )
    yield Goal(
        text="Messages lost on PostgreSQL", measure=_lost_on_postgres, bound=0, is_of_worst=True
    )
    text = "Time of a page on PostgreSQL, one process, slowest way and size, ratio to SQLite"
    yield Goal(text=text, measure=_slower_on_postgres, bound=1.3, unit=" x")
    for contender, store in ((D, "SQLite"), (G, "PostgreSQL")):
        text = f"Time of a page on {store}, archives of 1,000,000 to 10,000, steepest way"
        yield Goal(text=text, measure=_flat(contender.key), bound=1.3, unit=" x")


def _page_cpu_ms(release: str) -> float:
    """Return the goal for our CPU time of a page: from 23.10 on each result comes back twice."""
    return 2.5 if release >= "23.10" else 2.0


def _more(text: str, peer: str, measure: Callable[[Results], Rounds], bound: float) -> Goal:
    """Return the goal to reach `bound` times the figure of a peer."""
    return Goal(
        text=f"{text}, ratio to {peer}", measure=measure, bound=bound, unit=" x", at_least=True
    )


def _own(part: str, metric: str) -> Callable[[Results], Rounds]:
    return lambda results: results.by_round(part, D.key, "", metric)


def _to(part: str, metric: str, peer: str, case: str = "") -> Callable[[Results], Rounds]:
    return lambda results: results.ratios(part, metric, (D.key, case), (peer, ""))


def _dearer(results: Results) -> Rounds:
    """Return the cost of a row with all that people send, against that of plain messages."""
    people, plain = (
        results.by_round(part, D.key, "", "cpu_ms_of_row") for part in ("people", "ingest")
    )
    return {n: people[n] / plain[n] for n in people if plain.get(n)}


def _between(part: str, metric: str, ours: str, theirs: str) -> Callable[[Results], Rounds]:
    return lambda results: results.ratios(part, metric, (ours, ""), (theirs, ""))


def _beside_waiting(results: Results) -> Rounds:
    return results.ratios("streams", "messages_per_second", (D.key, BESIDE), (D.key, ""))


def _lost_on_postgres(results: Results) -> Rounds:
    lost = [results.by_round("ingest", contender.key, "", "lost") for contender in ON_POSTGRES]
    return {n: sum(rounds.get(n, 0) for rounds in lost) for rounds in lost for n in rounds}


def _slower_on_postgres(results: Results) -> Rounds:
    """Return the ratios of the times of a page, in the case with the highest median."""
    cases = [case(way, size, clients) for way in WAYS for size in SIZES for clients in CLIENTS]
    return _highest(
        results.ratios("pages", "pages_per_second", (D.key, same), (G.key, same)) for same in cases
    )


def _flat(contender: str) -> Callable[[Results], Rounds]:
    """Return the ratios of the times of a page in archives of two sizes, for the steepest way."""

    def measure(results: Results) -> Rounds:
        return _highest(
            results.ratios(
                "pages",
                "pages_per_second",
                (contender, case(way, FLAT_FROM, clients)),
                (contender, case(way, LARGEST, clients)),
            )
            for way in WAYS
            for clients in CLIENTS
        )

    return measure


def _growth(metric: str) -> Callable[[Results], Rounds]:
    """Return the highest to the lowest figure of all stores, for each round that has them all."""

    def measure(results: Results) -> Rounds:
        stores = [
            rounds
            for case in results.cases("growth")
            if (rounds := results.by_round("growth", D.key, case, metric))
        ]
        if len(stores) < 2:
            return {}
        complete = set.intersection(*map(set, stores))
        figures = {number: [rounds[number] for rounds in stores] for number in sorted(complete)}
        return {number: max(values) / min(values) for number, values in figures.items()}

    return measure


def _highest(candidates: Iterable[Rounds]) -> Rounds:
    """Return the rounds with the highest median; none if there are none."""
    return max(filter(None, candidates), key=lambda rounds: median(rounds.values()), default={})


def _lost(results: Results) -> Rounds:
    parts = [results.by_round(part, D.key, "", "lost") for part in ("ingest", "burst", "people")]
    return {n: sum(ratios.get(n, 0) for ratios in parts) for ratios in parts for n in ratios}


def _added(results: Results) -> Rounds:
    ours = results.by_round("delivery", D.key, "", "p99_ms")
    bare = results.by_round("delivery", E.key, "", "p99_ms")
    return {n: ours[n] - bare[n] for n in ours if n in bare}


def _added_to_commands(metric: str) -> Callable[[Results], Rounds]:
    """Return the added times of the command with the highest median."""

    def measure(results: Results) -> Rounds:
        candidates = [results.by_round("commands", D.key, case, metric) for case in COMMANDS]
        return max(filter(None, candidates), key=lambda added: median(added.values()), default={})

    return measure


def _slowest(size: int, clients: int, peer: str) -> Callable[[Results], Rounds]:
    """Return the ratios of the way through an archive with the worst median ratio."""

    def measure(results: Results) -> Rounds:
        candidates = []
        for way in WAYS:
            mine = (D.key, case(way, size, clients))
            same = case("last", None, clients) if peer == F.key else mine[1]
            candidates.append(results.ratios("pages", "pages_per_second", mine, (peer, same)))
        return min(
            filter(None, candidates), key=lambda ratios: median(ratios.values()), default={}
        )

    return measure


def _page(results: Results, way: str, size: int, clients: int) -> Rounds:
    return results.by_round("pages", D.key, case(way, size, clients), "cpu_ms_muniment")


def _costliest(results: Results) -> Rounds:
    """Return our CPU time of a page, in the case with the highest median."""
    candidates = [_page(results, way, s, n) for way in WAYS for s in SIZES for n in CLIENTS]
    return max(filter(None, candidates), key=lambda ratios: median(ratios.values()), default={})


def _steepest(results: Results) -> Rounds:
    """Return the ratio of the cost of a page of the largest archive to one of the smallest."""
    candidates = []
    for way in WAYS:
        for clients in CLIENTS:
            small, large = (_page(results, way, size, clients) for size in (SIZES[0], SIZES[-1]))
            candidates.append({n: large[n] / small[n] for n in large if small.get(n)})
    return max(filter(None, candidates), key=lambda ratios: median(ratios.values()), default={})


def _memory(results: Results) -> Rounds:
    """Return the maximum memory of our process in each round, where nobody waits for events."""
    highest: dict[int, float] = {}
    for sample in results.samples:
        if sample.part in ("polls", "streams"):
            continue
        if sample.metric in ("peak_muniment", "rss_muniment"):
            highest[sample.round] = max(sample.value, highest.get(sample.round, 0))
    return highest
