"""The OpenAPI document of a listener, and its page: /openapi.json and /docs."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web

from component.web.openapi.document import ApiDocument
from component.web.pages import policy
from component.web.pages.files import StaticFile, packaged, static_file
from component.web.pages.routes import EACH_TIME, asset_route, file_response
from component.web.server.family import Family
from component.web.server.settings import Listener, Services, WebSettings

#: In the application of a listener: its document.
DOCUMENT = web.AppKey("document", ApiDocument)

_LOCK = web.AppKey("lock", asyncio.Lock)
_FILES = web.AppKey("files", dict[str, StaticFile])

_JSON, _PAGE = ".json", ".html"


async def document(request: web.Request) -> web.Response:
    """GET /openapi.json: the OpenAPI document of this listener."""
    return await _file(request, _JSON)


async def page(request: web.Request) -> web.Response:
    """GET /docs: the same as a page."""
    return await _file(request, _PAGE)


async def _file(request: web.Request, suffix: str) -> web.Response:
    files = request.app[_FILES]
    async with request.app[_LOCK]:
        if not files:
            # In a thread, because it takes a second where there are all APIs.
            files.update(await asyncio.to_thread(_made, request.config_dict[DOCUMENT]))
    headers = {**policy.headers(), hdrs.CACHE_CONTROL: EACH_TIME}
    return file_response(request, files[suffix], headers)


def _made(document: ApiDocument) -> dict[str, StaticFile]:
    # Imported here, because a start need not wait for it.
    from component.web.openapi.page import page_of

    page = page_of(document.fields)
    return {_JSON: static_file(document.json, _JSON), _PAGE: static_file(page.encode(), _PAGE)}


def _make_app(routes: list[web.RouteDef]) -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    app[_LOCK] = asyncio.Lock()
    app[_FILES] = {}
    return app


def _routes(prefix: str) -> list[web.RouteDef]:
    return [
        web.get(f"{prefix}/openapi.json", document),
        web.get(f"{prefix}/docs", page),
        asset_route(f"{prefix}/docs", packaged(), policy.headers()),
    ]


def _private(prefix: str, settings: WebSettings, _: Services) -> web.Application:
    return _make_app(_routes(prefix) if settings.docs else [])


def _public(prefix: str, settings: WebSettings, _: Services) -> web.Application:
    return _make_app(_routes(prefix) if settings.public.docs else [])


#: Anybody who may connect reads what the listener offers: it is in the docs of the program too.
DOCS = Family(
    name="docs",
    listener=Listener.PRIVATE,
    prefix="",
    authenticate=None,
    is_api=False,
    make_app=_private,
)

PUBLIC_DOCS = Family(
    name="public docs",
    listener=Listener.PUBLIC,
    prefix="",
    authenticate=None,
    is_api=False,
    make_app=_public,
)
