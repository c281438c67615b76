"""Turns of requests over HTTP: many requests of one user do not delay those of others."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

from component.core.access.principals import SERVER, User
from component.core.turns import TurnLimits, Turns
from component.web import keys
from component.web.server import errors
from component.web.server.turns import in_turn

LIMITS = TurnLimits(at_once=10, at_once_each=2, pending_each=5)


class Handlers:
    """Handlers that answer when they may."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_answer = asyncio.Event()
        self.has_begun = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.begun.append(request.headers["User"])
        self.has_begun.set()
        await self.may_answer.wait()
        return web.Response()

    async def stream(self, request: web.Request) -> web.Response:
        return await self.answer(request)


@pytest.fixture
async def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def client(handlers: Handlers, aiohttp_client: AiohttpClient) -> TestClient:
    """Return a client that names its user in a header."""

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.headers["User"]
        request[keys.principal] = SERVER if name == "server" else User(name)
        return await handler(request)

    app = web.Application(middlewares=[errors.middleware(), authenticate, in_turn])
    app[keys.turns] = Turns(LIMITS)
    app[keys.streaming_handlers] = frozenset({handlers.stream})
    app.router.add_get("/answer", handlers.answer)
    app.router.add_get("/stream", handlers.stream)
    return await aiohttp_client(app)


class Asking:
    """Requests that are under way."""

    def __init__(self, client: TestClient, handlers: Handlers) -> None:
        self._client = client
        self._handlers = handlers
        self._tasks: list[asyncio.Task[int]] = []

    def ask(self, user: str, count: int = 1, path: str = "/answer") -> None:
        """Send requests without waiting for their answers."""
        self._tasks += [asyncio.create_task(self._status(user, path)) for _ in range(count)]

    async def begun(self, count: int) -> list[str]:
        """Return the users whose requests have begun, once there are so many of them."""
        while len(self._handlers.begun) < count:
            self._handlers.has_begun.clear()
            await self._handlers.has_begun.wait()
        return self._handlers.begun

    async def refused(self) -> None:
        """Wait until a request is answered, while no handler answers."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def statuses(self) -> list[int]:
        """Let all requests be answered, and return their statuses."""
        self._handlers.may_answer.set()
        return await asyncio.gather(*self._tasks)

    async def _status(self, user: str, path: str) -> int:
        async with self._client.get(path, headers={"User": user}) as answer:
            return answer.status


@pytest.fixture
async def asking(client: TestClient, handlers: Handlers) -> Asking:
    return Asking(client, handlers)


async def test_request_of_another_user_begins_while_those_of_one_wait(asking: Asking) -> None:
    asking.ask("mallory", 5)
    assert await asking.begun(2) == ["mallory"] * 2

    asking.ask("alice")

    assert await asking.begun(3) == ["mallory", "mallory", "alice"]
    assert await asking.statuses() == [200] * 6


async def test_stream_gives_its_turn_to_the_next_request_when_it_begins(asking: Asking) -> None:
    asking.ask("mallory", 4, "/stream")

    assert await asking.begun(4) == ["mallory"] * 4
    assert await asking.statuses() == [200] * 4


async def test_requests_of_the_server_have_no_turns(asking: Asking) -> None:
    asking.ask("server", 9)

    assert await asking.begun(9) == ["server"] * 9
    assert await asking.statuses() == [200] * 9


async def test_request_beyond_those_that_may_wait_is_refused(asking: Asking) -> None:
    asking.ask("mallory", 6)
    await asking.refused()

    # One of these six comes last, whichever it is.
    assert sorted(await asking.statuses()) == [200] * 5 + [429]
