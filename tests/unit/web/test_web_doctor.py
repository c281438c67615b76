"""Admins have ejabberd examined over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import SECRET_HEADERS, SETTINGS, FakeGrants

from component.core.access.principals import Operator, Role
from component.core.doctor.finding import Finding, Severity
from component.web.app import make_app
from component.web.server.settings import Services

PATH = "/api/v1/doctor"

FAULT = Finding(
    id="copies",
    severity=Severity.ERROR,
    seen="nothing is copied",
    change="name the component",
    options={"modules": {"mod_service_log": {"loggers": ["archive.test"]}}},
)


@pytest.mark.parametrize(("query", "reconnects"), [("", 0), ("?reconnect=true", 1)])
async def test_findings_are_answered_after_reconnecting_if_that_is_asked(
    aiohttp_client: AiohttpClient, services: Services, query: str, reconnects: int
) -> None:
    grants = FakeGrants((FAULT,))
    app = make_app(SETTINGS, replace(services, grants=grants))
    client = await aiohttp_client(app, headers=SECRET_HEADERS)

    answer = await client.post(f"{PATH}{query}")

    assert answer.status == 200
    assert await answer.json() == {
        "findings": [
            {
                "check": "copies",
                "severity": "error",
                "seen": "nothing is copied",
                "change": "name the component",
                "options": {"modules": {"mod_service_log": {"loggers": ["archive.test"]}}},
            }
        ]
    }
    assert grants.reconnects == reconnects


async def test_unknown_parameter_is_refused(api: TestClient) -> None:
    assert (await api.post(f"{PATH}?again=true")).status == 400


async def test_stranger_and_reader_are_refused(
    aiohttp_client: AiohttpClient, services: Services, stranger: TestClient
) -> None:
    reader = Operator(name="reader", role=Role.READER, jid=None, secret="of the reader")
    app = make_app(replace(SETTINGS, operators=(reader,)), services)
    client = await aiohttp_client(app, headers={"X-Api-Key": "of the reader"})

    assert (await stranger.post(PATH)).status == 401
    assert (await client.post(PATH)).status == 403
