"""The health routes name the failing part, without a secret."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import entries
from support.databases import read_only
from support.http_services import SETTINGS, FakeGrants, FakeLink

from component.core.background import Background
from component.core.doctor.finding import Finding, Severity
from component.web.app import make_app
from component.web.server.settings import Services


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_is_answered_without_a_secret(stranger: TestClient, path: str) -> None:
    assert (await stranger.get(path)).status == 200
    assert (await stranger.head(path)).status == 200


async def test_running_process_is_live(stranger: TestClient) -> None:
    answer = await stranger.get("/health/live")

    assert await answer.json() == {"status": "live"}


async def test_process_is_ready_if_each_part_is(stranger: TestClient) -> None:
    answer = await stranger.get("/health/ready")

    assert await answer.json() == {
        "status": "ready",
        "parts": {
            "storage": {"ok": True},
            "link": {"ok": True},
            "grants": {"ok": True, "missing": []},
            "writer": {"ok": True, "backlog": 0},
            "retention": {"ok": True, "confirmed": True},
            "tasks": {"ok": True, "failed": []},
        },
    }


async def unready(aiohttp_client: AiohttpClient, services: Services) -> list[str]:
    client = await aiohttp_client(make_app(SETTINGS, services))
    answer = await client.get("/health/ready")
    assert answer.status == 503
    state = await answer.json()
    assert state["status"] == "unready"
    return [name for name, part in state["parts"].items() if not part["ok"]]


async def test_process_without_ejabberd_is_not_ready(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    cut_off = replace(services, link=FakeLink(is_up=False))

    assert await unready(aiohttp_client, cut_off) == ["link"]


async def test_process_without_a_grant_that_it_needs_is_not_ready(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    fault = Finding(
        id="copies",
        severity=Severity.ERROR,
        seen="nothing is copied",
        change="name the component",
        options={"modules": {"mod_service_log": {"loggers": ["archive.test"]}}},
    )
    withheld = replace(services, grants=FakeGrants((fault,)))

    assert await unready(aiohttp_client, withheld) == ["grants"]


async def test_warning_about_grants_keeps_a_process_ready(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    """A virtual host may lack on purpose what others have."""
    warning = Finding(id="delegation", severity=Severity.WARNING, seen="one host", change="it")
    fine = Finding(id="copies", severity=Severity.OK, seen="copied")
    client = await aiohttp_client(
        make_app(SETTINGS, replace(services, grants=FakeGrants((warning, fine))))
    )

    answer = await client.get("/health/ready")

    assert answer.status == 200
    assert (await answer.json())["parts"]["grants"] == {
        "ok": True,
        "missing": [
            {
                "check": "delegation",
                "severity": "warning",
                "seen": "one host",
                "change": "it",
                "options": {},
            }
        ],
    }


async def test_process_with_a_read_only_store_is_not_ready(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    async with read_only(services.storage):
        assert await unready(aiohttp_client, services) == ["storage"]


async def test_process_with_a_failing_writer_is_not_ready(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    async with read_only(services.storage):
        services.writer.put(entries(1))
        async with asyncio.timeout(10):
            while services.writer.is_healthy:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.01)

        assert await unready(aiohttp_client, services) == ["storage", "writer"]
    await services.writer.wait_durable()


async def test_process_with_a_failed_task_is_not_ready(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    async def fail() -> None:
        raise RuntimeError

    async with Background() as background:
        background.start("rooms", fail())

    assert await unready(aiohttp_client, replace(services, background=background)) == ["tasks"]
