"""Fixtures: a release of ejabberd, and servers of one test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
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
def idle_ejabberds() -> Iterator[None]:
    """Stop the ejabberds that were lent to tests, after all tests."""
    yield
    stop_idle()


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
        for server in getattr(item, "funcargs", {}).values():
            if isinstance(server, Server):
                report.sections.append(("muniment", server.muniment.tail))
                report.sections.append(("ejabberd", server.ejabberd.tail))
    return report
