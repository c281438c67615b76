"""An API of ejabberd that only pretends to be one: it always answers the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from component.clients.ejabberd_accounts import EjabberdAccounts
from component.clients.ejabberd_http import EjabberdApi


@asynccontextmanager
async def answering(body: str) -> AsyncIterator[EjabberdAccounts]:
    """Ask for accounts where every command is answered with the same JSON."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/api/{command}", answer)
    async with TestServer(app) as server, EjabberdApi(str(server.make_url("/api"))) as api:
        yield EjabberdAccounts(api)
