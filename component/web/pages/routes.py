"""The routes of a page: the page itself, and the files that it loads."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from component.core.errors import ItemNotFound
from component.web.pages.files import ASSETS, StaticFile, StaticFiles

#: A file whose path has its version never changes. Everything else is asked for each time.
FOR_EVER = "public, max-age=31536000, immutable"
EACH_TIME = "no-cache"


def page_routes(
    prefix: str, page: StaticFile, files: StaticFiles, headers: Mapping[str, str]
) -> list[web.RouteDef]:
    """Return the routes of a page at `prefix`, all of whose responses have these headers."""

    async def document(request: web.Request) -> web.Response:
        """GET {prefix}/: the page."""
        return file_response(request, page, {**headers, hdrs.CACHE_CONTROL: EACH_TIME})

    return [web.get(f"{prefix}/", document), asset_route(prefix, files, headers)]


def asset_route(prefix: str, files: StaticFiles, headers: Mapping[str, str]) -> web.RouteDef:
    """Return the route of the files that pages below `prefix` load."""
    return web.get(f"{prefix}/{ASSETS}/{{version}}/{{path:.+}}", _asset(files, headers))


def _asset(files: StaticFiles, headers: Mapping[str, str]) -> Handler:
    async def asset(request: web.Request) -> web.Response:
        """GET {prefix}/assets/{version}/{path}: a file; of another version the present one."""
        file = files.files.get(request.match_info["path"])
        if file is None or file.type == "text/html":
            raise ItemNotFound("There is no such file.")
        is_present = request.match_info["version"] == files.version
        caching = FOR_EVER if is_present else EACH_TIME
        return file_response(request, file, {**headers, hdrs.CACHE_CONTROL: caching})

    return asset


def file_response(
    request: web.Request, file: StaticFile, headers: Mapping[str, str]
) -> web.Response:
    """Return a file, or 304 without it if the browser has it already (RFC 9110 section 13.1.2)."""
    response = web.Response(headers=headers)
    response.etag = file.tag
    tags = request.if_none_match or ()
    if any(tag.value in (file.tag, "*") for tag in tags):
        response.set_status(304)
    else:
        response.content_type = file.type
        response.charset = "utf-8"
        response.body = file.content
    return response
