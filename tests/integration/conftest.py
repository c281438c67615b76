"""Real servers for all tests: one ejabberd of each release, each with one Muniment.

Both run as processes of their own and belong to no event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from support.pool import stop_idle
from support.releases import Release, Unavailable, unpacked
from support.server import Server


@pytest.fixture(scope="session")
def release(release_version: str, missing: Callable[[object], NoReturn]) -> Release:
    """The release of ejabberd that a test runs on."""
    try:
        return unpacked(release_version)
    except Unavailable as error:
        missing(error)


@pytest.fixture(scope="session", autouse=True)
def _idle_ejabberds() -> Iterator[None]:
    yield
    stop_idle()


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


@pytest.fixture
def own_server(
    tmp_path: Path, release: Release, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """ejabberd and Muniment for one test, which may stop, freeze and kill them.

    An indirect parameter holds further options of Muniment.
    """
    with Server.running(tmp_path, release, getattr(request, "param", None)) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the programs below a test that failed."""
    report = yield
    if report.failed and call.when == "call":
        for name in ("server", "own_server", "room_server"):
            server = getattr(item, "funcargs", {}).get(name)
            if isinstance(server, Server):
                report.sections.append(("muniment", server.muniment.tail))
                report.sections.append(("ejabberd", server.ejabberd.tail))
    return report
