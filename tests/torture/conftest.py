"""Fixtures: servers, and what only root can do to a machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from support.server_fixtures import (
    idle_ejabberds,
    own_server,
    pytest_runtest_makereport,
    release,
)

from torture.disks import Disk

__all__ = ["idle_ejabberds", "own_server", "pytest_runtest_makereport", "release"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder time for their faults."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture
def disk(tmp_path: Path, missing: Callable[[object], NoReturn]) -> Iterator[Disk]:
    """A disk for the store, which the test may fill and break."""
    if os.geteuid() != 0:
        missing("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    with Disk.mounted(folder) as mounted:
        yield mounted
