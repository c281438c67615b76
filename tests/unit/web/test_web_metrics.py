"""Metrics are exposed without a secret, and documented; dashboard and alerts use exposed ones."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pytest_aiohttp import AiohttpClient
from support.builders import entries
from support.databases import blocked, read_only
from support.http_services import SETTINGS, FakeLink

from component.core.metrics import PREFERENCES, Metrics
from component.web.app import make_app
from component.web.metrics.state import ProgramState
from component.web.server.settings import Listener, Services

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "packaging/alerts.yml"
DASHBOARD = ROOT / "packaging/grafana-dashboard.json"

#: The suffixes of the samples of a histogram.
SUFFIXES = ("_bucket", "_sum", "_count")


async def samples(client: TestClient) -> dict[str, float]:
    """Return the value of each sample by its name, with its labels if it has some."""
    answer = await client.get("/metrics")
    assert answer.status == 200
    found = {}
    for family in text_string_to_metric_families(await answer.text()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_metrics_are_answered_without_a_secret(stranger: TestClient) -> None:
    answer = await stranger.get("/metrics")

    assert answer.status == 200
    assert answer.content_type == "text/plain"
    assert (await stranger.head("/metrics")).status == 200


async def test_openmetrics_is_answered_if_it_is_accepted(stranger: TestClient) -> None:
    answer = await stranger.get("/metrics", headers={"Accept": "application/openmetrics-text"})

    assert answer.content_type == "application/openmetrics-text"
    assert (await answer.text()).endswith("# EOF\n")


async def test_public_listener_has_no_metrics(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    public = await aiohttp_client(make_app(SETTINGS, services, Listener.PUBLIC))

    assert (await public.get("/metrics")).status == 404


async def test_messages_and_requests_are_counted(api: TestClient, services: Services) -> None:
    services.writer.put(entries(3))
    await services.writer.wait_durable()
    read = await api.get("/api/v1/archives/alice@example.org/messages")
    assert read.status == 200
    missing = await api.get("/api/v1/archives/alice@nowhere.example/messages")
    assert missing.status == 404

    found = await samples(api)

    archived = sum(v for k, v in found.items() if k.startswith("muniment_messages_archived_total"))
    assert archived == found["muniment_archive_messages"] == 3
    assert found["muniment_commit_seconds_count"] >= 1
    assert found["muniment_query_seconds_count{kind=page,via=http}"] == 1
    assert found["muniment_http_requests_total{family=archive,status=200}"] == 1
    assert found["muniment_http_requests_total{family=archive,status=404}"] == 1
    assert found["muniment_http_request_seconds_count{family=archive}"] == 2
    assert found["muniment_queue_bytes"] == found["muniment_queue_entries"] == 0


async def test_no_label_has_an_address_or_a_path(api: TestClient, services: Services) -> None:
    services.writer.put(entries(3))
    await services.writer.wait_durable()
    for path in ("/alice@example.org/messages", "/alice@nowhere.example", "/@/@", "/x/stream"):
        await api.get(f"/api/v1/archives{path}")
    await api.post("/api/v1/commands/count", json={"owner": "alice@example.org"})

    text = await (await api.get("/metrics")).text()

    values = re.findall(r'\w+="([^"]*)"', text)
    assert len(values) > 50
    assert not [value for value in values if re.search(r"[@/]|example|alice", value)]


async def test_metrics_are_answered_while_the_store_is_blocked(
    stranger: TestClient, services: Services
) -> None:
    async with blocked(services.storage):
        services.writer.put(entries(5))
        async with asyncio.timeout(30):
            found = await samples(stranger)

        assert found["muniment_queue_entries"] == 5
        assert found["muniment_queue_bytes"] > 0
    await services.writer.wait_durable()


async def test_lost_connection_is_shown(aiohttp_client: AiohttpClient, services: Services) -> None:
    cut_off = replace(services, link=FakeLink(is_up=False))
    client = await aiohttp_client(make_app(SETTINGS, cut_off))

    assert (await samples(client))["muniment_link_up"] == 0


async def test_store_that_cannot_be_written_is_shown(
    stranger: TestClient, services: Services
) -> None:
    async with read_only(services.storage):
        services.writer.put(entries(1))
        async with asyncio.timeout(30):
            while services.writer.is_healthy:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.01)
        found = await samples(stranger)

    assert found["muniment_writable"] == 0
    assert found["muniment_commit_failures_total"] >= 1
    assert found["muniment_queue_bytes"] > 0
    await services.writer.wait_durable()


async def test_unknown_type_of_a_message_makes_no_new_label() -> None:
    metrics = Metrics()

    metrics.note_archived(entry._replace(type="invented") for entry in entries(2))

    labels = {"type": "normal"}
    assert metrics.registry.get_sample_value("muniment_messages_archived_total", labels) == 2


@pytest.fixture
async def exposed(services: Services) -> dict[str, tuple[str, frozenset[str]]]:
    """Return kind and labels of each metric by its name, after an event for each of them."""
    make_app(SETTINGS, services)
    metrics, janitor = services.metrics, services.administration.janitor
    metrics.note_archived(entries(1))
    metrics.note_skipped(PREFERENCES)
    metrics.http_requests.labels("archive", "200").inc()
    metrics.http_request_seconds.labels("archive").observe(0.1)
    metrics.pushes.labels("accepted").inc()
    with metrics.query("http", "page"):
        pass
    # The first purge starts by itself.
    async with asyncio.timeout(30):
        while janitor.last is None:  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.01)
    state = ProgramState(services)
    await state.read_totals()
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in state.collect()
    }


def test_each_exposed_metric_is_documented_with_its_kind_and_labels(
    exposed: dict[str, tuple[str, frozenset[str]]],
) -> None:
    table = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )

    assert len(table) == len(exposed)
    assert exposed == {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in table
    }


def samples_of(exposed: dict[str, tuple[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    """Return the labels of the samples that an expression may name."""
    labels_of: dict[str, frozenset[str]] = {}
    for name, (kind, labels) in exposed.items():
        if kind == "histogram":
            labels_of |= {name + suffix: labels for suffix in SUFFIXES}
        else:
            labels_of[name] = labels
    return labels_of


def expressions_of_dashboard() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def expressions_of_alerts() -> list[str]:
    return re.findall(r"^ +expr: (.+)$", ALERTS.read_text(), re.MULTILINE)


@pytest.mark.parametrize("source", [expressions_of_dashboard, expressions_of_alerts])
def test_dashboard_and_alerts_name_exposed_metrics_and_labels(
    exposed: dict[str, tuple[str, frozenset[str]]], source: Callable[[], list[str]]
) -> None:
    labels_of, expressions = samples_of(exposed), source()

    assert len(expressions) > 10
    for expression in expressions:
        names = re.findall(r"\b(?:(?:muniment|process)_\w+|up\b)", expression)
        assert names, expression
        assert set(names) <= {"up", *labels_of}, expression
        # The job and the instance are labels that Prometheus adds itself.
        known = {"job", "instance", "le"}.union(*(labels_of.get(name, set()) for name in names))
        matched = re.findall(r"(\w+)=~?\"", expression)
        grouped = re.findall(r"by \(([\w, ]+)\)", expression)
        assert {*matched, *", ".join(grouped).split(", ")} - {""} <= known, expression


def test_each_alert_has_an_expression_and_a_summary() -> None:
    text = ALERTS.read_text()

    alerts = text.split("- alert: ")[1:]

    assert len(alerts) == len(expressions_of_alerts())
    for alert in alerts:
        assert "severity: " in alert
        assert "summary: " in alert
