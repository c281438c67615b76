"""One ejabberd with one Muniment for all tests: real programs, which belong to no event loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from support.ejabberd import NotInstalled, installed
from support.server import Server


@pytest.fixture(scope="session")
def _installed(missing: Callable[[object], NoReturn]) -> None:
    try:
        installed()
    except NotInstalled as error:
        missing(error)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, _installed: None) -> Iterator[Server]:
    """ejabberd and Muniment, as they are when both have been up for a while."""
    with Server.running(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def own_server(
    tmp_path: Path, _installed: None, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """A pair of them for one test, which may stop, freeze and kill them.

    Parametrized indirectly with further options of Muniment.
    """
    with Server.running(tmp_path, getattr(request, "param", None)) as running:
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
