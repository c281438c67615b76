"""The operations that a listener serves: its route tables, with what its handlers declare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aiohttp import web
from aiohttp.typedefs import Handler

from component.web.drf.paths import redirect
from component.web.ejabberd_api import operations as ejabberd_api
from component.web.ejabberd_api.family import EJABBERD_API, VERSIONED_EJABBERD_API
from component.web.server.family import Family
from component.web.server.operation import Operation, operation_of

_VARIABLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path."""

    family: Family
    method: str
    path: str
    operation: Operation
    takes_ticket: bool = False  #: instead of an access token

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variable parts of the path."""
        return tuple(_VARIABLE.findall(self.path))


def declared_routes(apps: Sequence[tuple[Family, web.Application]]) -> list[Route]:
    """Return the routes of all APIs, each once, with unique ids of operations.

    Raises LookupError for a route whose handler declares nothing.
    """
    routes: dict[tuple[str, str], Route] = {}
    ids: dict[str, Route] = {}
    for family, app in apps:
        if not family.is_api:
            continue
        for route in _routes(family, app):
            # The first family that has a route answers the request.
            if (route.method, route.path) in routes:
                continue
            unique = _with_unique_id(route, ids.get(route.operation.id))
            ids[unique.operation.id] = unique
            routes[route.method, route.path] = unique
    return list(routes.values())


def _with_unique_id(route: Route, first: Route | None) -> Route:
    """Return a route whose id says what distinguishes it from the first one of its handler."""
    if first is None:
        return route
    other = [name for name in route.variables if name not in first.variables]
    suffix = other[0] if other else route.method.lower()
    return replace(route, operation=replace(route.operation, id=f"{route.operation.id}.{suffix}"))


def _routes(family: Family, app: web.Application) -> Iterator[Route]:
    served = {
        (route.method, route.resource.canonical): route.handler
        for route in app.router.routes()
        if route.resource is not None
    }
    for (method, path), handler in served.items():
        if _is_repeated(method, path, handler, served):
            continue
        operation = operation_of(handler)
        if operation is None:
            raise LookupError(f"{method} {path}: its handler has no @operation")
        route = Route(
            family=family,
            method=method,
            path=path,
            operation=operation,
            takes_ticket=handler in family.ticket_handlers,
        )
        if family is EJABBERD_API:
            yield from _of_commands(route)
        elif family is VERSIONED_EJABBERD_API:
            yield _of_version(route)
        else:
            yield route


def _is_repeated(
    method: str, path: str, handler: Handler, served: dict[tuple[str, str], Handler]
) -> bool:
    """Return whether a route is another way to write one: HEAD, or a slash more or less."""
    if handler is redirect or (method == "HEAD" and ("GET", path) in served):
        return True
    return (
        path != "/"
        and served.get((method, path.removesuffix("/"))) is handler
        and (path.endswith("/"))
    )


def _of_commands(route: Route) -> Iterator[Route]:
    """Return a route for each command of ejabberd's API."""
    is_get = route.method == "GET"
    for definition, operation in ejabberd_api.operations(route.operation, is_get=is_get):
        path = route.path.replace("{command}", definition.name)
        yield replace(route, path=path, operation=operation)


def _of_version(route: Route) -> Route:
    """Return a route for all commands in an API version of ejabberd."""
    place = "last" if route.path.endswith("{version}") else "first"
    id = f"ejabberd_api.version_{place}.{route.method.lower()}"
    return replace(route, operation=replace(route.operation, id=id))
