"""Clients of the HTTP server over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.declared import Declarations, watching
from support.http_services import SECRET_HEADERS, SETTINGS, open_services

from component.web.app import make_app
from component.web.server.family import Family
from component.web.server.settings import Services


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        yield opened


@pytest.fixture
async def api(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    """A client that sends the secret."""
    return await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)


@pytest.fixture
async def stranger(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    """A client that sends no secret."""
    return await aiohttp_client(make_app(SETTINGS, services))


@pytest.fixture(autouse=True)
def declarations(monkeypatch: pytest.MonkeyPatch) -> Iterator[Declarations]:
    """Compare each answer of each test with what its handler declares for the document."""
    made = Declarations()
    monkeypatch.setattr(Family, "app", watching(made, Family.app))
    yield made
    assert made.differences == []
