"""Counters and histograms for Prometheus: the events that no other part counts.

No label has a JID, so the number of time series does not grow with the number of users.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from storage.rows import FillOutcome, NewMessage

#: Upper bounds of the buckets of histograms, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: Types of messages (RFC 6121 section 5.2.2); any other value counts as `normal`.
TYPES = frozenset({"chat", "error", "groupchat", "headline", "normal"})

#: The reason of messages that the preferences of their owners exclude (XEP-0441).
PREFERENCES = "preferences"

# The time at which a time series began doubles the number of series.
disable_created_metrics()


class Metrics:
    """The instruments of one program, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        # The memory, the CPU time and the open files of the process, from /proc.
        ProcessCollector(registry=registry)
        self.connections = Counter(
            "muniment_link_connections",
            "Connections to ejabberd that were made",
            registry=registry,
        )
        self.archived = Counter(
            "muniment_messages_archived",
            "Messages that were written, once for each archive",
            ["type"],
            registry=registry,
        )
        self.skipped = Counter(
            "muniment_messages_skipped",
            "Messages that were not archived, by reason",
            ["reason"],
            registry=registry,
        )
        self.duplicates = Counter(
            "muniment_duplicates",
            "Further copies of messages that were archived already",
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "muniment_commit_seconds",
            "Time of a commit of messages",
            buckets=BUCKETS,
            registry=registry,
        )
        self.commit_failures = Counter(
            "muniment_commit_failures",
            "Commits that failed; each is tried again",
            registry=registry,
        )
        self.backfilled = Counter(
            "muniment_backfill_messages",
            "Messages of gaps that were found in ejabberd's archive, by outcome",
            ["outcome"],
            registry=registry,
        )
        for outcome in FillOutcome:
            self.note_backfilled(outcome, 0)
        self.backfill_failures = Counter(
            "muniment_backfill_failures",
            "Attempts to read ejabberd's archive that failed; each is tried again",
            registry=registry,
        )
        self.query_seconds = Histogram(
            "muniment_query_seconds",
            "Time to read a page of an archive",
            ["via", "kind"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.http_requests = Counter(
            "muniment_http_requests",
            "HTTP requests that were answered",
            ["family", "status"],
            registry=registry,
        )
        self.http_request_seconds = Histogram(
            "muniment_http_request_seconds",
            "Time to answer an HTTP request, without streams, polls and exports",
            ["family"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.streams = Gauge(
            "muniment_streams", "Open streams and exports", ["listener"], registry=registry
        )
        self.polls = Gauge(
            "muniment_polls", "Polls that wait for events", ["listener"], registry=registry
        )
        self.sessions = Gauge(
            "muniment_sessions", "Open client sessions of users at ejabberd", registry=registry
        )
        self.pushes = Counter(
            "muniment_push_sent",
            "Requests to receivers of push, by result",
            ["result"],
            registry=registry,
        )

    def note_archived(self, messages: Iterable[NewMessage]) -> None:
        """Count messages that are durable."""
        types = Tally(message.type for message in messages)
        for type, count in types.items():
            self.archived.labels(type if type in TYPES else "normal").inc(count)

    def note_backfilled(self, outcome: FillOutcome, count: int = 1) -> None:
        """Count messages of gaps that were found elsewhere."""
        self.backfilled.labels(outcome.value.replace(" ", "-")).inc(count)

    def note_skipped(self, reason: str, count: int = 1) -> None:
        """Count messages that are not archived. `reason` is one of a few fixed texts."""
        if count:
            self.skipped.labels(reason).inc(count)

    @contextmanager
    def query(self, via: str, kind: str) -> Iterator[None]:
        """Measure the time of a read, whether it succeeds or not."""
        began = perf_counter()
        try:
            yield
        finally:
            self.query_seconds.labels(via, kind).observe(perf_counter() - began)
