"""Real servers for all tests: one ejabberd of each release, each with one Muniment.

Both run as processes of their own and belong to no event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from support.releases import Release
from support.server import Server
from support.server_fixtures import (
    idle_ejabberds,
    own_server,
    pytest_runtest_makereport,
    release,
)

__all__ = ["idle_ejabberds", "own_server", "pytest_runtest_makereport", "release"]


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Release], Server]]:
    # The server of each release runs to the end of the session: tests of releases alternate.
    with ExitStack() as stack:

        @cache
        def running(release: Release) -> Server:
            folder = tmp_path_factory.mktemp("server")
            return stack.enter_context(Server.running(folder, release))

        yield running


@pytest.fixture(scope="session")
def server(release: Release, _servers: Callable[[Release], Server]) -> Server:
    """ejabberd and Muniment, which all tests of a release share."""
    return _servers(release)
