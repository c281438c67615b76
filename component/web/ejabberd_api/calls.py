"""Calls of commands: in the document's dialect, and in the API versions of ejabberd."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from component.core.ejabberd_api.arguments import Given
from component.core.ejabberd_api.calls import CallOptions
from component.core.ejabberd_api.native.sending import Confirmation, Outcome
from component.core.ejabberd_api.refusals import bad_argument
from component.core.ejabberd_api.results import documented, versioned
from component.web import keys
from component.web.ejabberd_api.authentication import AUTHENTICATED, version_of
from component.web.ejabberd_api.responses import response
from component.web.server.operation import operation
from component.web.server.paths import routes_at

_COMMAND = "{command:[a-z][a-z0-9_]*}"
_VERSION = "{version:v[0-9]{1,9}}"

#: The options of a call, which the query has.
_OPTIONS = ("dry_run", "confirm", "id")

_FLAGS = {"1": True, "true": True, "0": False, "false": False}

_MESSAGE_ID = re.compile(r"[A-Za-z0-9._~:@+=-]{1,128}")


def documented_routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes of the document's dialect."""
    return [
        *routes_at(web.post, f"{prefix}/{_COMMAND}", post),
        *routes_at(web.get, f"{prefix}/{_COMMAND}", get, allow_head=False),
    ]


def versioned_routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes of the API versions of ejabberd, which stand at either place."""
    return [
        route
        for path in (f"{prefix}/{_VERSION}/{_COMMAND}", f"{prefix}/{_COMMAND}/{_VERSION}")
        for route in (
            *routes_at(web.post, path, post),
            *routes_at(web.get, path, get, allow_head=False),
        )
    ]


@operation("ejabberd_api.get", answers={200: Any})
async def get(request: web.Request) -> web.Response:
    """GET {prefix}/{command}: call a command with the arguments of the query.

    In ejabberd the query has nothing but arguments. In the document's dialect it may have options.
    """
    given = request[AUTHENTICATED].given
    if version_of(request) is not None:
        return await _call(request, given, CallOptions())
    arguments = [item for item in given if item[0] not in _OPTIONS]
    return await _call(request, arguments, await _options(request))


@operation("ejabberd_api.post", body=dict[str, Any], answers={200: Any, 202: Any})
async def post(request: web.Request) -> web.Response:
    """POST {prefix}/{command}: call a command with the arguments of the body."""
    return await _call(request, request[AUTHENTICATED].given, await _options(request))


async def _call(request: web.Request, given: Given, options: CallOptions) -> web.Response:
    service, authenticated = request.app[keys.ejabberd_api], request[AUTHENTICATED]
    command, version = request.match_info["command"], version_of(request)
    definition = service.find(command)
    if definition is None:
        data = await service.pass_on(
            authenticated.caller,
            command,
            given,
            version=version,
            options=options,
        )
        return response({"result": data} if version is None else data, version)
    value = await service.run(
        authenticated.caller,
        definition,
        given,
        version=version,
        options=options,
        password=authenticated.password,
    )
    if isinstance(value, Confirmation):
        status = 202 if value.outcome is Outcome.UNCONFIRMED else 200
        data = value.fields
        return response({"result": data} if version is None else data, version, status=status)
    if options.is_dry_run:
        return response({"result": value} if version is None else value, version)
    result = definition.result
    data = documented(result, value) if version is None else versioned(result, value, version)
    return response(data, version)


async def _options(request: web.Request) -> CallOptions:
    """Return what the query asks for beside the call. Raises ApiRefusal."""
    if not request.query_string:
        return CallOptions()
    service, caller = request.app[keys.ejabberd_api], request[AUTHENTICATED].caller
    async with service.audited_refusals(caller, request.match_info["command"]):
        id = _option(request, "id")
        if id is not None and _MESSAGE_ID.fullmatch(id) is None:
            raise bad_argument("id: expected 1 to 128 letters, digits and . _ ~ : @ + = -")
        return CallOptions(
            is_dry_run=_flag(request, "dry_run"),
            is_confirmed=_flag(request, "confirm"),
            message_id=id,
        )


def _flag(request: web.Request, name: str) -> bool:
    text = (_option(request, name) or "0").lower()
    if text not in _FLAGS:
        raise bad_argument(f"{name}: expected 1 or 0")
    return _FLAGS[text]


def _option(request: web.Request, name: str) -> str | None:
    """Return an option of the query, None if it is not there."""
    values = request.query.getall(name, [])
    if len(values) > 1:
        raise bad_argument(f"{name}: this option may be given once")
    return values[0] if values else None
