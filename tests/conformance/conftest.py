"""Fixtures: a component connected to a server that the test plays."""

from __future__ import annotations

from itertools import count

import pytest
from support.wire_fixtures import wire

from component.core.xml.times import parse_time

__all__ = ["wire"]


@pytest.fixture
def january(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock to noon of 9 January 2026; each reading is a microsecond later."""
    clock = count(parse_time("2026-01-09T12:00:00Z"))
    monkeypatch.setattr("component.xmpp.copies.service_log.now", lambda: next(clock))
    # The component has known its users since then.
    start = parse_time("2026-01-01T00:00:00Z")
    monkeypatch.setattr("component.wiring.compose.now", lambda: start)
