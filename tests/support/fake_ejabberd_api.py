"""A fake of ejabberd's HTTP API that gives the same answer to every command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from component.clients.ejabberd_accounts import EjabberdAccounts
from component.clients.ejabberd_http import EjabberdApi


@asynccontextmanager
async def fake_accounts(body: str) -> AsyncIterator[EjabberdAccounts]:
    """Return accounts over an API that answers every command with this JSON."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/api/{command}", answer)
    async with TestServer(app) as server, EjabberdApi(str(server.make_url("/api"))) as api:
        yield EjabberdAccounts(api)
