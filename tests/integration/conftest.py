"""One ejabberd with one Muniment for all tests: real programs, which belong to no event loop."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from support.ejabberd import Account, Ejabberd, NotInstalled, installed
from support.muniment import Muniment, Options
from support.raw import Client


@dataclass(frozen=True)
class Server:
    """What an installation consists of."""

    ejabberd: Ejabberd
    muniment: Muniment

    def accounts(self, *names: str) -> list[Account]:
        """Make accounts nobody has used before: "bob" on the first host, "bob@2" on the second."""
        made = [self._account(*name.split("@")) for name in names]
        self.ejabberd.register(*made)
        return made

    def account(self, name: str) -> Account:
        """Make one of them."""
        return self.accounts(name)[0]

    def client(self, account: Account, resource: str = "phone") -> Client:
        """Return a raw client, for `async with`."""
        return Client(account, self.ejabberd.ports.c2s, resource)

    def _account(self, name: str, number: str = "1") -> Account:
        host = self.ejabberd.hosts[int(number) - 1]
        return Account(f"{name}-{secrets.token_hex(3)}", host, secrets.token_hex(8))


@pytest.fixture(scope="session")
def _installed(missing: Callable[[object], NoReturn]) -> None:
    try:
        installed()
    except NotInstalled as error:
        missing(error)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, _installed: None) -> Iterator[Server]:
    """ejabberd and Muniment, as they are when both have been up for a while."""
    yield from _running(tmp_path_factory.mktemp("server"))


@pytest.fixture
def own_server(
    tmp_path: Path, _installed: None, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """A pair of them for one test, which may stop, freeze and kill them.

    Parametrized indirectly with further options of Muniment.
    """
    yield from _running(tmp_path, getattr(request, "param", None))


def _running(folder: Path, options: Options | None = None) -> Iterator[Server]:
    with (
        Ejabberd(folder / "ejabberd") as ejabberd,
        Muniment(folder / "muniment", ejabberd, options=options) as muniment,
    ):
        yield Server(ejabberd, muniment)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the programs below a test that failed."""
    report = yield
    if report.failed and call.when == "call":
        for name in ("server", "own_server"):
            server = getattr(item, "funcargs", {}).get(name)
            if isinstance(server, Server):
                report.sections.append(("muniment", server.muniment.tail))
                report.sections.append(("ejabberd", server.ejabberd.tail))
    return report
