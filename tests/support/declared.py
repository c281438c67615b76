"""Compare requests and answers of the HTTP server with the operations of its handlers."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web
from pydantic import BaseModel, TypeAdapter, ValidationError

from component.web.drf.paths import redirect
from component.web.openapi.routes import Route, declared_routes
from component.web.server.body import JSON
from component.web.server.family import Family
from component.web.server.operation import Content, Operation

#: Query parameters that authenticate, or that schemes of security have.
_OF_SCHEMES = {"ticket"}

#: Answers of these methods have no body.
_HEAD = "HEAD"


class Declarations:
    """Checks each answer of the applications that it watches, and collects what differs."""

    def __init__(self) -> None:
        self.differences: list[str] = []
        self._adapters: dict[str, TypeAdapter[Any]] = {}

    def watch(self, family: Family, app: web.Application) -> None:
        """Check each answer of a family from now on."""
        if not family.is_api:
            return
        routes = {(route.method, route.path): route for route in declared_routes([(family, app)])}

        async def check(request: web.Request, response: web.StreamResponse) -> None:
            route = _route_of(request, routes)
            if route is not None:
                await self._check(request, response, route)

        app.on_response_prepare.append(check)

    async def _check(
        self, request: web.Request, response: web.StreamResponse, route: Route
    ) -> None:
        declared, status = route.operation, response.status
        where = f"{request.method} {route.path} ({declared.id}), {status}"
        try:
            if status in declared.answers:
                self._check_answer(response, declared.answers[status], request.method)
            elif status < 400:
                raise AssertionError("this status is not declared")
            elif request.method != _HEAD:
                self._validate(route.family.error_body, _bytes(response))
            if status < 300:
                await self._check_request(request, declared)
        except (AssertionError, ValidationError) as error:
            self.differences.append(f"{where}: {error}")

    def _check_answer(self, response: web.StreamResponse, answer: Any, method: str) -> None:
        if answer is None:
            # A WebSocket has frames, and no body.
            is_socket = response.status == HTTPStatus.SWITCHING_PROTOCOLS
            assert is_socket or not _bytes(response), "there is a body, and none is declared"
            return
        contents = answer if isinstance(answer, tuple) else (answer,)
        if isinstance(contents[0], Content):
            types = [content.type for content in contents]
            assert any(_matches(response.content_type, type_) for type_ in types), (
                f"{response.content_type} is not declared"
            )
        elif method != _HEAD:
            assert response.content_type == JSON, response.content_type
            self._validate(answer, _bytes(response))

    async def _check_request(self, request: web.Request, declared: Operation) -> None:
        # Where a body may be a form, the parameters may be in the query too.
        query = declared.query or (declared.body if declared.takes_forms else None)
        known = set() if query is None else _names(query)
        unknown = set(request.query) - known - _OF_SCHEMES
        assert not unknown or not _forbids_more(query), f"undeclared parameters {unknown}"
        # A handler that reads no body does not wait for it either.
        is_whole = request.can_read_body and request.content.is_eof()
        body = await request.read() if is_whole else b""
        if not body.strip() or request.method == hdrs.METH_GET:
            # The body of a GET means nothing (RFC 9110 section 9.3.1).
            return
        assert declared.body is not None, "there is a body, and none is declared"
        if not isinstance(declared.body, Content) and request.content_type == JSON:
            self._validate(declared.body, body)

    def _validate(self, type_: Any, body: bytes) -> None:
        key = repr(type_)
        if key not in self._adapters:
            self._adapters[key] = TypeAdapter(type_)
        self._adapters[key].validate_json(body)


def _route_of(request: web.Request, routes: dict[tuple[str, str], Route]) -> Route | None:
    """Return the declared route of a request, None if there is none, or only a redirection."""
    resource = request.match_info.route.resource
    if resource is None or request.match_info.handler is redirect:
        return None
    method = "GET" if request.method == _HEAD else request.method
    path = resource.canonical
    command = request.match_info.get("command", "")
    for candidate in (path, path.rstrip("/"), path.replace("{command}", command).rstrip("/")):
        for name in (method, request.method):
            if (name, candidate) in routes:
                return routes[name, candidate]
    return None


def _bytes(response: web.StreamResponse) -> bytes:
    assert isinstance(response, web.Response)
    assert response.body is None or isinstance(response.body, bytes)
    return response.body or b""


def _matches(type_: str, declared: str) -> bool:
    return type_ == declared or (
        declared.endswith("/*") and type_.startswith(declared.removesuffix("*"))
    )


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _forbids_more(model: type[BaseModel] | None) -> bool:
    return model is None or model.model_config.get("extra") == "forbid"


def watching(
    declarations: Declarations, make: Callable[..., web.Application]
) -> Callable[..., web.Application]:
    """Return `Family.app` with its answers checked."""

    def app(self: Family, *args: Any) -> web.Application:
        made = make(self, *args)
        declarations.watch(self, made)
        return made

    return app
