"""One browser, one ejabberd and one Muniment, which all tests of pages in a process share.

All of them run in one event loop, because the browser belongs to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from support.browser import SECONDS, Opened, Visit, Visitor, missing_parts, visitor
from support.chat_server import chat_server
from support.converse import chromium
from support.operators import CHIEF
from support.releases import Unavailable, unpacked, versions
from support.sign_in_server import SigningIn

HERE = Path(__file__).parent

expect.set_options(timeout=SECONDS * 1000)

OPTION = "--screenshots"

#: The origin of the upload service, where an installation has a proxy with TLS.
UPLOADS = "https://one.test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes pictures."""
    parser.addoption(OPTION, action="store_true", help="write the pictures of docs/pictures anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests of this folder in the loop of the browser, and give them time to start it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.timeout(240))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests that need an ejabberd with the newest one, which their ids have."""
    if "newest_version" in metafunc.fixturenames:
        metafunc.parametrize("newest_version", [versions()[-1]], scope="session")


@pytest.fixture(scope="session")
def signing_in(
    newest_version: str,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[object], NoReturn],
) -> Iterator[SigningIn]:
    """The newest ejabberd, and Muniment with the chat page."""
    try:
        release = unpacked(newest_version)
    except Unavailable as error:
        missing(error)
    with chat_server(tmp_path_factory.mktemp("pages"), release) as running:
        muniment = running.server.muniment
        muniment.configure("chat", sign_up=True)
        muniment.configure("pages", upload_origins=[UPLOADS])
        muniment.configure("operators.chief", role="admin", secret=CHIEF.secret)
        muniment.restart()
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(missing: Callable[[object], NoReturn]) -> AsyncIterator[Browser]:
    """The browser."""
    if parts := missing_parts():
        missing(f"install {' and '.join(parts)}")
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, signing_in: SigningIn) -> AsyncIterator[Visit]:
    """Return a function that lets a visitor come, who may meet no unexpected error."""
    visitors: list[Visitor] = []
    async with AsyncExitStack() as stack:

        async def come(**options: object) -> Visitor:
            visitors.append(
                await stack.enter_async_context(visitor(browser, signing_in.url, **options))
            )
            return visitors[-1]

        yield come
    unexpected = [problem for visitor in visitors for problem in visitor.unexpected]
    assert not unexpected, "\n".join(unexpected)


@pytest_asyncio.fixture(loop_scope="session")
async def opened(visit: Visit, signing_in: SigningIn) -> Opened:
    """Ann, who has opened her empty conversation with Ben."""
    return await Opened.by(await visit(), *signing_in.server.accounts("ann", "ben"))


@pytest_asyncio.fixture(loop_scope="session")
async def people(visit: Visit, opened: Opened) -> tuple[Opened, Opened]:
    """Ann and Ben, who have both opened their conversation."""
    return opened, await Opened.by(await visit(), opened.contact, opened.own)
