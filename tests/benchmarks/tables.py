"""Results as tables: one set of rows, for the terminal and for Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.contenders import ARCHIVES, BY_KEY, ON_POSTGRES, SECOND, D, F
from benchmarks.goals import INGEST_KEPT, NOT_MEASURED, PAGE_SLOWER, outcomes
from benchmarks.plan import FULL
from benchmarks.samples import Results

#: The text in the place of a missing figure.
NONE = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the names of the columns, and rows of text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def terminal(self) -> str:
        """Return the table as text in aligned columns."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = (
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in (self.head, *self.rows)
        )
        return "\n".join([self.title, "-" * len(self.title), *lines, ""])

    def markdown(self) -> str:
        """Return the table as Markdown below a heading."""
        rule = ["---", *("---:" for _ in self.head[1:])]
        lines = ("| " + " | ".join(row) + " |" for row in (self.head, rule, *self.rows))
        return "\n".join([f"### {self.title}", "", *lines, ""])


def tables(results: Results) -> list[Table]:
    """Return all tables: goals and ratios first, then the absolute figures of this machine.

    If several versions of ejabberd were measured, each has tables of its own, the oldest first.
    """
    releases = results.releases
    all_tables = [
        table
        for release in releases
        for table in _of_release(results.on(release), release, releases)
    ]
    return [table for table in (*all_tables, _plans(results)) if table.rows]


def _of_release(results: Results, release: str, releases: Sequence[str]) -> Iterator[Table]:
    """Yield the tables of one of the versions; only some parts of the later ones are measured."""
    ratios = (_ratios(results, title, parts) for title, parts in _RATIOS.items())
    suffix = f", ejabberd {release}" if release and len(releases) > 1 else ""
    for table in (
        _goals(results),
        *ratios,
        _on_postgres(results),
        _fairness(results),
        *_absolute(results),
    ):
        rows = [row for row in table.rows if release == releases[0] or row[-1] != NOT_MEASURED]
        yield Table(f"{table.title}{suffix}", table.head, rows)


def number(value: float | None) -> str:
    """Return a figure with its significant digits."""
    if value is None:
        return NONE
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _goals(results: Results) -> Table:
    rows = [
        (
            outcome.goal,
            outcome.bound,
            NONE if outcome.measured is None else f"{number(outcome.measured)}{outcome.unit}",
            _range(list(outcome.rounds.values())),
            str(len(outcome.rounds)),
            outcome.verdict,
        )
        for outcome in outcomes(results)
    ]
    return Table("Goals", ("goal", "target", "measured", "range", "rounds", ""), rows)


def _range(values: Sequence[float]) -> str:
    return f"{number(min(values))} to {number(max(values))}" if values else NONE


#: Tables of ratios by their title, and the metric of each part that they compare.
_RATIOS = {
    "Ratios of the same rounds: messages or pages a second (more is better for Muniment)": {
        "ingest": "messages_per_second",
        "people": "messages_per_second",
        "pages": "pages_per_second",
    },
    "Ratios of the same rounds: CPU of all processes, a message or a page (less is better)": {
        "ingest": "cpu_seconds_per_1000",
        "people": "cpu_seconds_per_1000",
        "pages": "cpu_ms",
    },
}


def _ratios(results: Results, title: str, parts: Mapping[str, str]) -> Table:
    """Return the table of the ratios of Muniment to each peer."""
    peers = [contender for contender in ARCHIVES if contender is not D]
    rows = []
    for part, metric in parts.items():
        for case in results.cases(part):
            ratios = [
                results.ratio(part, metric, (D.key, case), (peer.key, case)) for peer in peers
            ]
            if any(ratio is not None for ratio in ratios):
                cells = [f"{number(r)} x" if r is not None else NONE for r in ratios]
                rows.append((f"{part} {case}".strip(), *cells))
    head = ("Muniment to", *(peer.name for peer in peers))
    return Table(title, head, rows)


#: The figures about other accounts, and whether the constant page has them as well.
_OTHERS = (("xmpp_p50", True), ("xmpp_p99", True), ("http_p50", False), ("http_p99", False))


def _fairness(results: Results) -> Table:
    """Return what one account does to others by each of its floods, the worst one first."""
    head = ["while one account sends"]
    for name in ("MAM page", "MAM page p99", "HTTP page", "HTTP page p99", "ingest"):
        head.append(f"{name} of others")
        if not name.startswith("HTTP"):
            head.append("without Muniment")
    rows: dict[str, Sequence[str]] = {}
    for flood in results.cases("fairness"):
        cells = [flood]
        for metric, is_compared in (*_OTHERS, ("ingest", True)):
            keys = (D.key, F.key) if is_compared else (D.key,)
            cells += [_disturbed(results, flood, key, metric) for key in keys]
        rows[flood] = cells
    ordered = sorted(rows, key=lambda flood: _harm(results, flood), reverse=True)
    title = "One account that floods: the same figure of other accounts with and without the flood"
    return Table(title, head, [rows[flood] for flood in ordered])


def _disturbed(results: Results, flood: str, contender: str, metric: str) -> str:
    """Return a ratio; that of a median, or of a rate, with the range over all windows."""
    ratio = results.median("fairness", contender, flood, f"{metric}_ratio")
    if ratio is None:
        return NONE
    least, most = (
        results.by_round("fairness", contender, flood, f"{metric}_{end}").values()
        for end in ("from", "to")
    )
    interval = f" ({number(min(least))} to {number(max(most))})" if least and most else ""
    return f"{number(ratio)} x{interval}"


def _harm(results: Results, flood: str) -> float:
    """Return how far a flood is beyond a goal, 1 at the goal."""
    pages = [
        (results.median("fairness", D.key, flood, f"{metric}_ratio") or 0) / PAGE_SLOWER
        for metric, _ in _OTHERS
    ]
    ingest = results.median("fairness", D.key, flood, "ingest_ratio")
    return max(*pages, INGEST_KEPT / ingest if ingest else 0)


def _on_postgres(results: Results) -> Table:
    """Return the table of the ratios of Muniment on PostgreSQL to Muniment on SQLite."""
    rows = []
    for part, metric in (("ingest", "messages_per_second"), ("pages", "pages_per_second")):
        for case in results.cases(part):
            ratios = [
                results.ratio(part, metric, (contender.key, case), (D.key, case))
                for contender in ON_POSTGRES
            ]
            if any(ratio is not None for ratio in ratios):
                cells = [f"{number(r)} x" if r is not None else NONE for r in ratios]
                rows.append((f"{part} {case}".strip(), *cells))
    title = (
        "Ratios of the same rounds: Muniment on PostgreSQL to Muniment on SQLite (more is better)"
    )
    return Table(title, ("", *(contender.name for contender in ON_POSTGRES)), rows)


#: Part, title, and metrics with their names: the absolute tables.
_PARTS = (
    (
        "ingest",
        "Ingest, 200 messages under way",
        {
            "messages_per_second": "messages/s",
            "delivery_p50_ms": "p50 ms",
            "delivery_p99_ms": "p99 ms",
            "behind_seconds": "behind s",
            "backlog": "backlog",
            "lost": "lost",
            "cpu_seconds_per_1000": "CPU s/1000",
            "cpu_muniment": "of which Muniment",
            f"cpu_{SECOND}": "of which a second Muniment",
            "cpu_postgres": "of which PostgreSQL",
            "cpu_ejabberd": "of which ejabberd",
        },
    ),
    (
        "people",
        "As people write",
        {
            "messages_per_second": "messages/s",
            "stanzas_per_second": "stanzas/s",
            "delivery_p50_ms": "p50 ms",
            "delivery_p99_ms": "p99 ms",
            "behind_seconds": "behind s",
            "lost": "lost",
            "cpu_seconds_per_1000": "CPU s/1000",
            "cpu_muniment": "of which Muniment",
            "cpu_ejabberd": "of which ejabberd",
        },
    ),
    ("delivery", "Delivery at 100 messages/s", {"p50_ms": "p50 ms", "p99_ms": "p99 ms"}),
    (
        "burst",
        "Burst",
        {
            "messages_per_second": "messages/s",
            "behind_seconds": "behind s",
            "backlog": "backlog",
            "lost": "lost",
        },
    ),
    (
        "pages",
        "MAM pages of 50: way/archive/clients",
        {
            "pages_per_second": "pages/s",
            "page_p50_ms": "p50 ms",
            "page_p99_ms": "p99 ms",
            "cpu_ms": "CPU ms",
            "cpu_ms_muniment": "of which Muniment",
            "cpu_ms_postgres": "of which PostgreSQL",
            "cpu_ms_ejabberd": "of which ejabberd",
            "resident_mib": "MiB in memory before",
        },
    ),
    (
        "http",
        "HTTP pages of 50",
        {"pages_per_second": "pages/s", "page_p50_ms": "p50 ms", "cpu_ms": "CPU ms"},
    ),
    (
        "polls",
        "Waiting polls, 100 messages/s",
        {
            "p50_ms": "p50 ms",
            "p99_ms": "p99 ms",
            "max_ms": "maximum ms",
            "lost": "lost",
            "cpu_ms_muniment": "CPU ms of Muniment, a message",
            "cpu_share_muniment": "cores of Muniment",
            "cpu_share_ejabberd": "cores of ejabberd",
            "load_average": "load average before",
            "seconds": "s to open all",
        },
    ),
    (
        "streams",
        "Ingest beside users who wait",
        {
            "messages_per_second": "messages/s",
            "behind_seconds": "behind s",
            "lost": "lost",
            "delivery_p50_ms": "p50 ms",
            "delivery_p99_ms": "p99 ms",
            "cpu_muniment": "CPU s/1000 of Muniment",
            "on_streams": "messages on streams",
            "in_polls": "messages in polls",
        },
    ),
    (
        "page",
        "The chat page in a browser",
        {
            "first_paint_ms": "first paint ms",
            "p50_ms": "click to 50 messages, p50 ms",
            "p99_ms": "p99 ms",
        },
    ),
    (
        "commands",
        "Commands of ejabberd's API, one caller",
        {
            "commands_per_second": "commands/s",
            "command_p50_ms": "p50 ms",
            "command_p99_ms": "p99 ms",
            "added_ms": "added p50 ms",
            "added_from_ms": "from",
            "added_to_ms": "to",
            "added_to_password_ms": "to one by password",
        },
    ),
    (
        "fairness",
        "Others while one account floods",
        {
            "xmpp_p50_calm_ms": "MAM page before, p50 ms",
            "xmpp_p50_ms": "during",
            "xmpp_p99_calm_ms": "before, p99 ms",
            "xmpp_p99_ms": "during",
            "http_p50_calm_ms": "HTTP page before, p50 ms",
            "http_p50_ms": "during",
            "http_p99_calm_ms": "before, p99 ms",
            "http_p99_ms": "during",
            "xmpp_refused": "MAM pages refused",
            "http_refused": "HTTP pages refused",
            "answers_per_second": "answers/s to the flood",
            "served_per_second": "no refusals",
        },
    ),
    ("inside", "The core of Muniment alone, one page: way/archive", {"cpu_ms": "CPU ms"}),
    (
        "search",
        "The core of Muniment alone, one search: words/archive",
        {"cpu_ms": "CPU ms"},
    ),
    ("start", "Start of Muniment", {"seconds": "s", "rss_muniment": "RSS MiB"}),
    (
        "growth",
        "Growth: archives of a number of messages, CPU of one read inside Muniment",
        {
            "newest_cpu_ms": "newest page ms",
            "middle_cpu_ms": "middle page ms",
            "rare_word_cpu_ms": "search, rare word ms",
            "common_word_cpu_ms": "search, common word ms",
            "conversations_cpu_ms": "conversations ms",
            "sweep_cpu_us_archive": "sweep µs an archive",
            "sweep_seconds": "whole sweep s",
            "delete_ms": "deletion of a message ms",
            "scrub_seconds": "traces out of the index s",
        },
    ),
    (
        "growth",
        "Growth: start, memory and file",
        {
            "seconds": "start s",
            "start_cpu_seconds": "CPU of the start s",
            "rss_muniment": "RSS MiB",
            "gib": "file GiB",
            "bytes_per_message": "bytes a message",
            "load_seconds": "loaded in s",
        },
    ),
)


def _absolute(results: Results) -> Iterator[Table]:
    for part, title, metrics in _PARTS:
        rows = [row for row in _rows(results, part, list(metrics)) if set(row[1:]) != {NONE}]
        yield Table(f"{title} (absolute figures of this machine)", ("", *metrics.values()), rows)
    yield Table(
        "Other work on the machine during the measurement (share of all processors)",
        ("part", "median", "maximum"),
        list(_noise(results)),
    )
    head = ("", "RSS before", "RSS after", "growth", "peak RSS", "PSS after")
    yield Table(
        "Memory of each process (MiB, maximum of all rounds)", head, list(_memory(results))
    )


def _plans(results: Results) -> Table:
    head = ("part", "day", "commit", "rounds", "seed", "options other than the defaults")
    return Table("How these figures were measured", head, list(_plan_rows(results)))


def _plan_rows(results: Results) -> Iterator[Sequence[str]]:
    columns = ("day", "commit", "rounds", "seed")
    defaults = {name: json.dumps(value) for name, value in asdict(FULL).items()}
    for part, plan in results.plan.items():
        changes = [
            f"{name} {json.dumps(value)}"
            for name, value in plan.items()
            if name not in columns and json.dumps(value) != defaults.get(name)
        ]
        yield part, *(str(plan.get(name, NONE)) for name in columns), ", ".join(changes) or NONE


def _rows(results: Results, part: str, metrics: Sequence[str]) -> Iterator[Sequence[str]]:
    for case in results.cases(part):
        for contender in dict.fromkeys(s.contender for s in results.samples if s.part == part):
            cells = [number(results.median(part, contender, case, m)) for m in metrics]
            yield (f"{case} {_name(contender)}".strip(), *cells)


def _noise(results: Results) -> Iterator[Sequence[str]]:
    shares: dict[str, list[float]] = {}
    for sample in results.samples:
        if sample.metric == "others_cpu":
            shares.setdefault(sample.part, []).append(sample.value)
    for part, values in shares.items():
        yield part, f"{median(values):.0%}", f"{max(values):.0%}"


def _memory(results: Results) -> Iterator[Sequence[str]]:
    keys = dict.fromkeys(
        (s.part, s.contender, s.case, s.metric.removeprefix("rss_"))
        for s in results.samples
        if s.metric.startswith("rss_")
    )
    for part, contender, case, process in keys:
        before, after, peak, shared = (
            results.by_round(part, contender, case, f"{kind}_{process}")
            for kind in ("before", "rss", "peak", "pss")
        )
        grown = {n: after[n] - before[n] for n in before}
        figures = [
            max(values.values(), default=None) for values in (before, after, grown, peak, shared)
        ]
        label = f"{part} {case}".strip()
        yield f"{label}: {_name(contender)}, {process}", *map(number, figures)


def _name(contender: str) -> str:
    return BY_KEY[contender].name if contender in BY_KEY else contender
