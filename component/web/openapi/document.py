"""The OpenAPI 3.1 document of a listener, made from its route tables and its models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

import component
from component.web.openapi import parameters
from component.web.openapi.level import API_LEVEL, HEADER
from component.web.openapi.parameters import Fields
from component.web.server.family import Family
from component.web.server.operation import JSON, Content, Operation, Scheme
from component.web.server.settings import Listener, WebSettings

if TYPE_CHECKING:
    from component.web.openapi.routes import Route
    from component.web.openapi.schemas import Schemas

VERSION = "3.1.1"

_FORM = "application/x-www-form-urlencoded"

_DESCRIPTIONS = {
    Listener.PRIVATE: "The APIs for servers and operators.",
    Listener.PUBLIC: "The APIs for end users.",
}

_ABOUT = (
    "A slash at the end of a path makes no difference, except where the path has one. HEAD is"
    " answered like GET. Clients have to ignore keys of answers that they do not know: new ones"
    " do not raise the level of the API."
)

_SCHEMES: dict[Scheme, Fields] = {
    Scheme.SECRET: {
        "type": "http",
        "scheme": "bearer",
        "description": "The secret of the server or of an operator.",
    },
    Scheme.API_KEY: {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "The same secret.",
    },
    Scheme.ACCESS_TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a sign-in.",
    },
    Scheme.TICKET: {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "A ticket, for one live stream.",
    },
    Scheme.ACCOUNT: {
        "type": "http",
        "scheme": "basic",
        "description": "The whole bare JID of an account, and its password.",
    },
    Scheme.GATEWAY_SESSION: {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of the session in the path.",
    },
}


class ApiDocument:
    """The document of a listener, which is made when it is asked for."""

    def __init__(
        self,
        listener: Listener,
        settings: WebSettings,
        apps: Sequence[tuple[Family, web.Application]],
    ) -> None:
        self.listener = listener
        self._settings = settings
        self._apps = apps

    @cached_property
    def json(self) -> bytes:
        """The document as JSON."""
        return orjson.dumps(self.fields)

    @cached_property
    def routes(self) -> Sequence[Route]:
        """The routes in the document."""
        # Imported here, because a start need not wait for it.
        from component.web.openapi.routes import declared_routes

        return declared_routes(self._apps)

    @cached_property
    def schemas(self) -> Schemas:
        """The schemas of all that the routes take and answer."""
        from component.web.openapi.schemas import Schemas

        return Schemas(type_ for route in self.routes for type_ in _types(route))

    @cached_property
    def fields(self) -> Fields:
        """The document."""
        paths: dict[str, Fields] = {}
        for route in self.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = self._operation(route)
        return {
            "openapi": VERSION,
            "info": self._info(),
            "tags": self._tags(),
            "paths": paths,
            "components": self._components(paths),
        }

    def _info(self) -> Fields:
        return {
            "title": f"Muniment, {self.listener.name.lower()} listener",
            "description": f"{_DESCRIPTIONS[self.listener]} {_ABOUT}",
            "license": {"name": "MIT", "identifier": "MIT"},
            "version": str(API_LEVEL),
            "x-api-level": API_LEVEL,
            "x-program-version": component.__version__,
        }

    def _tags(self) -> list[Fields]:
        limits = self._settings.listener(self.listener)
        families = dict.fromkeys(route.family.name for route in self.routes)
        return [
            {
                "name": name,
                "x-max-body-bytes": limits.max_body_bytes,
                "x-request-timeout-seconds": limits.request_timeout_seconds,
            }
            for name in families
        ]

    def _components(self, paths: Fields) -> Fields:
        families = {route.family.name: route.family for route in self.routes}
        faults = {
            _fault_name(family): {
                "description": "A refusal or a fault.",
                "headers": {
                    **_level(),
                    "Retry-After": {
                        "description": "Seconds after which the request may be repeated.",
                        "schema": {"type": "integer"},
                    },
                },
                "content": {JSON: {"schema": self.schemas.of(family.error_body)}},
            }
            for family in families.values()
        }
        used = {
            scheme
            for route in self.routes
            for requirement in _security(route, self._settings)
            for scheme in requirement
        }
        return {
            "schemas": self.schemas.used({"paths": paths, "faults": faults}),
            "responses": faults,
            "headers": {
                HEADER: {
                    "description": "The level of the APIs, as in `info`.",
                    "schema": {"type": "integer", "const": API_LEVEL},
                }
            },
            "securitySchemes": {
                str(name): fields for name, fields in _SCHEMES.items() if name in used
            },
        }

    def _operation(self, route: Route) -> Fields:
        operation = route.operation
        query = {} if operation.query is None else self.schemas.resolved(operation.query)
        fields: Fields = {
            "operationId": operation.id,
            "summary": operation.summary,
            "tags": [route.family.name],
            "security": _security(route, self._settings),
            "parameters": [
                *map(parameters.in_path, route.variables),
                *parameters.in_query(query),
                *(parameters.in_header(*item) for item in operation.headers.items()),
            ],
            "responses": {
                **{
                    str(status): self._response(status, answer, operation)
                    for status, answer in operation.answers.items()
                },
                "default": {"$ref": f"#/components/responses/{_fault_name(route.family)}"},
            },
        }
        if operation.body is not None:
            fields["requestBody"] = self._body(operation)
        return fields

    def _body(self, operation: Operation) -> Fields:
        body = operation.body
        if isinstance(body, Content):
            content = {body.type: {"schema": self._content_schema(body)}}
        else:
            types = (JSON, _FORM) if operation.takes_forms else (JSON,)
            content = {type_: {"schema": self.schemas.of(body)} for type_ in types}
        return {"required": operation.is_body_required, "content": content}

    def _response(self, status: int, answer: Any, operation: Operation) -> Fields:
        fields: Fields = {"description": HTTPStatus(status).phrase, "headers": _level()}
        if answer is None:
            return fields
        contents = answer if isinstance(answer, tuple) else (answer,)
        fields["content"] = {
            content.type if isinstance(content, Content) else JSON: {
                "schema": (
                    self._content_schema(content)
                    if isinstance(content, Content)
                    else self.schemas.of(content)
                )
            }
            for content in contents
        }
        return fields

    def _content_schema(self, content: Content) -> Fields:
        # The bytes of another media type have no schema (OpenAPI 3.1 section 4.8.14.3).
        return {} if content.schema is str else self.schemas.of(content.schema)


def _types(route: Route) -> list[Any]:
    operation = route.operation
    contents = [operation.query, operation.body, route.family.error_body]
    for answer in operation.answers.values():
        contents += answer if isinstance(answer, tuple) else [answer]
    types = [item.schema if isinstance(item, Content) else item for item in contents]
    return [item for item in types if item is not None]


def _security(route: Route, settings: WebSettings) -> list[Fields]:
    """Return the schemes of which a request has to satisfy one."""
    schemes = route.family.schemes
    if route.takes_ticket and Scheme.ACCESS_TOKEN in schemes:
        schemes = (*schemes, Scheme.TICKET)
    requirements: list[Fields] = [{str(scheme): []} for scheme in schemes]
    is_optional = settings.trusts_network and Scheme.SECRET in schemes
    return [*requirements, {}] if is_optional else requirements


def _fault_name(family: Family) -> str:
    return f"{family.name.replace(' ', '_').replace('-', '_')}_fault"


def _level() -> Fields:
    return {HEADER: {"$ref": f"#/components/headers/{HEADER}"}}
