"""The state of the program as metrics: read from its parts when they are asked for."""

from __future__ import annotations

import asyncio
import logging
import platform
import time
from collections import Counter
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

import component
from component.core.doctor.finding import Severity
from component.core.errors import Refused
from component.core.retention.purge import State
from component.core.xml.times import now
from component.web.server.settings import Services
from storage.rows import GapState, Totals

log = logging.getLogger(__name__)

#: Seconds for which the size of the store is remembered: anybody may ask.
REMEMBERED_SECONDS = 10.0

#: Seconds after which the store counts as unreadable. The other metrics do not wait longer.
TIMEOUT_SECONDS = 2.0

MICROSECONDS = 1_000_000


class ProgramState(Collector):
    """Collects the counters of the program, and the state of its parts."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._totals: Totals | None = None  #: None: the store cannot be read

    async def read_totals(self) -> None:
        """Read the size of the store, at most once in REMEMBERED_SECONDS."""
        async with self._lock:
            if time.monotonic() - self._read_at < REMEMBERED_SECONDS:
                return
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    self._totals = await self._services.administration.totals()
            except (Refused, TimeoutError) as error:
                log.warning("the store cannot be read: %s", str(error) or "it does not answer")
                self._totals = None
            self._read_at = time.monotonic()

    def collect(self) -> Iterator[Metric]:
        """Return all metrics of the program."""
        yield from self._services.metrics.registry.collect()
        yield _labelled(
            "muniment_build_info",
            "1; the labels have the versions",
            ("version", "python"),
            {(component.__version__, platform.python_version()): 1},
        )
        yield from self._connection()
        yield from self._writing()
        yield from self._store()
        yield from self._retention()

    def _connection(self) -> Iterator[Metric]:
        services = self._services
        yield _gauge(
            "muniment_link_up", "Whether the connection to ejabberd is up", services.link.is_up
        )
        faults = Counter(finding.severity for finding in services.grants.findings)
        yield _labelled(
            "muniment_ejabberd_faults",
            "Faults that the doctor has found in ejabberd, by severity",
            ("severity",),
            {(level,): faults[level] for level in (Severity.WARNING, Severity.ERROR)},
        )
        gaps = services.gaps.unfilled()
        yield _gauge("muniment_gaps_unfilled", "Times in which messages may be missing", len(gaps))
        states = Counter(gap.state for gap in services.gaps.all())
        yield _labelled(
            "muniment_gaps",
            "Times in which no copies were received, by state",
            ("state",),
            {(state.value,): states[state] for state in GapState},
        )
        lengths = [(gap.ends_at or now()) - gap.begins_at for gap in gaps]
        yield _gauge("muniment_gaps_unfilled_seconds", "Their length", sum(lengths) / MICROSECONDS)

    def _writing(self) -> Iterator[Metric]:
        writer, background = self._services.writer, self._services.background
        yield _gauge("muniment_writable", "Whether the last commit succeeded", writer.is_healthy)
        yield _gauge("muniment_queue_entries", "Messages that are not durable yet", writer.backlog)
        yield _gauge("muniment_queue_bytes", "Their approximate memory", writer.pressure.bytes)
        yield _gauge(
            "muniment_queue_capacity_bytes",
            "The memory at which Muniment stops reading from ejabberd",
            writer.pressure.capacity,
        )
        yield _gauge(
            "muniment_tasks_failed", "Permanent tasks that ended early", len(background.failed)
        )

    def _store(self) -> Iterator[Metric]:
        totals = self._totals
        yield _gauge(
            "muniment_store_readable", "Whether the store can be read", totals is not None
        )
        if totals is not None:
            yield _gauge("muniment_archives", "Archives in the store", totals.archives)
            yield _gauge("muniment_archive_messages", "Messages in the store", totals.messages)
            yield _gauge("muniment_archive_bytes", "XML of these messages", totals.bytes)

    def _retention(self) -> Iterator[Metric]:
        administration = self._services.administration
        yield _gauge("muniment_holds", "Legal holds", len(administration.holds.all()))
        yield _gauge(
            "muniment_retention_unconfirmed",
            "Whether new retention limits have to be confirmed before a purge",
            administration.approval.unconfirmed is not None,
        )
        janitor = administration.janitor
        yield _gauge("muniment_purge_running", "Whether a purge runs", janitor.current is not None)
        last = janitor.last
        if last is not None and last.finished is not None:
            yield _gauge(
                "muniment_purge_last_timestamp_seconds",
                "The time at which the last purge ended, since the epoch",
                last.finished / MICROSECONDS,
            )
            yield _gauge(
                "muniment_purge_last_failed",
                "Whether the last purge failed",
                last.state is State.FAILED,
            )


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=float(value))


def _labelled(
    name: str, documentation: str, labels: tuple[str, ...], values: dict[tuple[str, ...], float]
) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
