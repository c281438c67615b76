"""Answers and failures of mod_http_api, as callers of the API see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from support.ports import LOOPBACK, free_port

from component.clients.ejabberd_commands import EjabberdCommands
from component.clients.ejabberd_http import EjabberdApi
from component.core.ejabberd_api.native.backend import Reply
from component.core.ejabberd_api.refusals import (
    Disallowed,
    MissingCommand,
    Unanswered,
    Unreachable,
)


@asynccontextmanager
async def answering(status: int, text: str | None) -> AsyncIterator[EjabberdCommands]:
    """Yield a client of a server with one answer; None: it closes the connection."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        if text is None:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status, text=text, content_type="application/json")

    app = web.Application()
    app.router.add_post("/api/{command}", answer)
    async with TestServer(app) as server, EjabberdApi(str(server.make_url("/api"))) as api:
        yield EjabberdCommands(api)


async def test_refusal_of_a_command_is_an_answer() -> None:
    async with answering(400, '"Unknown virtual host"') as commands:
        assert await commands.request("register", {}) == Reply(400, "Unknown virtual host")


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (200, None, Unanswered),
        (502, "<html>", Unanswered),
        (404, "<html>", Unreachable),
        (404, '{"status":"error","code":40,"message":"Endpoint not found."}', MissingCommand),
        (403, '{"status":"error","code":32,"message":"AccessRules"}', Disallowed),
        (401, '{"status":"error","code":10,"message":"You are not authorized"}', Disallowed),
    ],
)
async def test_failure_says_whether_the_command_may_have_run(
    status: int, text: str | None, error: type[Unreachable]
) -> None:
    async with answering(status, text) as commands:
        with pytest.raises(Unreachable) as raised:
            await commands.request("register", {})

    assert type(raised.value) is error


async def test_server_that_is_not_there_runs_nothing() -> None:
    async with EjabberdApi(f"http://{LOOPBACK}:{free_port()}/api") as api:
        with pytest.raises(Unreachable) as raised:
            await EjabberdCommands(api).request("register", {})

    assert type(raised.value) is Unreachable
    assert raised.value.status == 502


async def test_api_without_an_address_runs_nothing() -> None:
    with pytest.raises(Unreachable, match=r"accounts\.api_url"):
        await EjabberdCommands(None).request("register", {})
