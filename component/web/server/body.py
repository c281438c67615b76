"""Bodies: JSON of responses, and JSON or form fields of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from component.core.errors import BadRequest
from component.web import keys

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

_IDENTITY = "identity"

MAX_FORM_FIELDS = 100


def json_response(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a JSON response that no cache may keep."""
    return web.json_bytes_response(
        data,
        dumps=orjson.dumps,
        status=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def page(
    request: web.Request, data: dict[str, object], *, cursor: str, next: str | int | None
) -> web.Response:
    """Return a page of a list; `next` is the position of the next page, None on the last page.

    `cursor` is the parameter of the query that has this position.
    """
    headers = {}
    if next is not None:
        # The link is relative, so it is valid behind a proxy that serves us at another path.
        url = request.rel_url.update_query({cursor: str(next)})
        headers["Link"] = f'<?{url.raw_query_string}>; rel="next"'
    return json_response({**data, "next": next, "complete": next is None}, headers=headers)


def query(request: web.Request) -> dict[str, str]:
    """Return the parameters of the query; of a repeated parameter the last value."""
    return dict(request.query.items())


def parameters(request: web.Request, *lists: str) -> dict[str, str | list[str]]:
    """Return the parameters of the query, in which only `lists` may be repeated.

    A list is written with commas, or by repeating its name. Raises BadRequest.
    """
    parameters: dict[str, str | list[str]] = {}
    for name in request.query:
        values = request.query.getall(name)
        if name in lists:
            parameters[name] = [part for value in values for part in value.split(",")]
        elif len(values) == 1:
            parameters[name] = values[0]
        else:
            raise BadRequest(f"{name}: given more than once")
    return parameters


async def fields(request: web.Request) -> dict[str, object]:
    """Return the fields of the request body, JSON or a form. Raises BadRequest."""
    if request.content_type not in (JSON, FORM):
        raise web.HTTPUnsupportedMediaType(text=f"Send {JSON}.")
    encoding = request.headers.get("Content-Encoding", _IDENTITY)
    if encoding.strip().lower() != _IDENTITY:
        raise web.HTTPUnsupportedMediaType(text="Send the body without a Content-Encoding.")
    raw = await read(request)
    return _form(raw) if request.content_type == FORM else _json(raw)


async def json_fields(request: web.Request) -> dict[str, object]:
    """Return the fields of a JSON body, whatever its media type says. Raises BadRequest."""
    return _json(await read(request))


def _json(raw: bytes) -> dict[str, object]:
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The request body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadRequest("The request body has to be a JSON object.")
    return data


def _form(raw: bytes) -> dict[str, object]:
    try:
        text = raw.decode()
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS
        )
    except ValueError as error:
        raise BadRequest("The request body is not a form in UTF-8.") from error
    return dict(pairs)


async def read(request: web.Request) -> bytes:
    """Return the bytes of the request body. Raises BadRequest."""
    limits = request.app[keys.limits]
    if (request.content_length or 0) > limits.max_body_bytes:
        raise web.HTTPRequestEntityTooLarge(
            max_size=limits.max_body_bytes, actual_size=request.content_length or 0
        )
    try:
        async with asyncio.timeout(limits.body_timeout_seconds):
            return await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="The request body did not arrive in time.") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise BadRequest("The request body cannot be read.") from error
