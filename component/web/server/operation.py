"""What an HTTP route takes and answers, declared on its handler, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict

_Handler = TypeVar("_Handler", bound=Handler)

_ATTRIBUTE = "__operation__"

JSON = "application/json"


def _allow_more(schema: dict[str, Any]) -> None:
    # Later releases may add keys, and clients have to ignore those that they do not know.
    schema.pop("additionalProperties", None)


class Answer(BaseModel):
    """The body of an answer. Tests accept no key that is not declared."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=_allow_more, defer_build=True
    )


class ErrorBody(Answer):
    """A refusal or a fault, in the form of the own APIs."""

    error: str  #: a condition of RFC 6120; it stays the same in later versions
    message: str  #: for people
    status: int


class Scheme(StrEnum):
    """How the caller of an API proves who it is; the value is the name in the document."""

    SECRET = "secret"  # noqa: S105 - the name of a scheme, no secret
    API_KEY = "apiKey"
    ACCESS_TOKEN = "accessToken"  # noqa: S105
    TICKET = "ticket"
    ACCOUNT = "account"
    GATEWAY_SESSION = "gatewaySession"


@dataclass(frozen=True, slots=True)
class Content:
    """A body that is not JSON."""

    type: str  #: its media type, or a range of them like image/*
    schema: Any = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a route takes and answers."""

    id: str  #: stable; its first part is the API
    summary: str
    query: type[BaseModel] | None = None
    body: Any = None  #: a type of JSON that pydantic knows, or Content; None: there is no body
    is_body_required: bool = True
    takes_forms: bool = False  #: whether the body may be a form too
    #: by status: a type of JSON that pydantic knows, Content, or None without a body; errors of
    #: the form of the API are not in it
    answers: Mapping[int, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)  #: of requests, with descriptions


def operation(
    id: str,
    *,
    answers: Mapping[int, Any],
    query: type[BaseModel] | None = None,
    body: Any = None,
    is_body_required: bool = True,
    takes_forms: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Callable[[_Handler], _Handler]:
    """Return a decorator that declares the operation of a handler.

    The summary is in the docstring of the handler, behind its method and path.
    """

    def declare(handler: _Handler) -> _Handler:
        _, _, summary = (handler.__doc__ or "").partition("\n")[0].partition(": ")
        declared = Operation(
            id=id,
            summary=f"{summary[:1].upper()}{summary[1:]}",
            query=query,
            body=body,
            is_body_required=is_body_required,
            takes_forms=takes_forms,
            answers=answers,
            headers=headers or {},
        )
        setattr(handler, _ATTRIBUTE, declared)
        return handler

    return declare


def operation_of(handler: object) -> Operation | None:
    """Return the operation that a handler has declared, None if it has none."""
    declared = getattr(handler, _ATTRIBUTE, None)
    return declared if isinstance(declared, Operation) else None
