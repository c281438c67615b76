"""A program with operators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.operator_commands import Operated, open_operated


@pytest.fixture
async def operated(tmp_path: Path) -> AsyncIterator[Operated]:
    async with open_operated(tmp_path) as opened:
        yield opened
