"""The parts of the program over a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.http_services import open_services

from component.web.server.settings import Services


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        yield opened
