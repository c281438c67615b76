"""The commands of ejabberd's API as operations of the OpenAPI document, from their definitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel, create_model

from component.core.ejabberd_api.catalogue import DEFINITIONS
from component.core.ejabberd_api.definitions import (
    Argument,
    ArgumentType,
    Definition,
    Result,
    ResultKind,
)
from component.core.ejabberd_api.service import SEND_MESSAGE
from component.web.server.operation import Answer, Operation

_TYPES: dict[ArgumentType, Any] = {
    ArgumentType.TEXT: str,
    ArgumentType.INTEGER: int,
    ArgumentType.LIST: list[str],
}

_RESULTS: dict[ResultKind, Any] = {
    ResultKind.CODE: int,
    ResultKind.MESSAGE: str,
    ResultKind.INTEGER: int,
    ResultKind.TEXT: str,
    ResultKind.LIST: list[str],
    ResultKind.ROWS: list[dict[str, JsonValue]],
    ResultKind.ROW: dict[str, JsonValue],
    ResultKind.PAIRS: dict[str, JsonValue],
}

_CONFIG = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class DocumentedFault(Answer):
    """A refusal or a fault, in the document's dialect."""

    error: str
    message: str


class VersionedFault(Answer):
    """A refusal or a fault, in the API versions of ejabberd."""

    status: Literal["error"]
    code: int
    message: str


class VersionedError(RootModel[VersionedFault | str]):
    """A refusal or a fault, in the API versions of ejabberd; some are one text."""


class CallParameters(BaseModel):
    """What a call may ask for beside the command."""

    model_config = _CONFIG

    dry_run: Annotated[
        Literal["1", "0", "true", "false"] | None,
        Field(description="1: say what would be done, and do nothing."),
    ] = None


class SendingParameters(CallParameters):
    """What a call of send_message may ask for beside the command."""

    confirm: Annotated[
        Literal["1", "0", "true", "false"] | None,
        Field(description="1: wait until the message has arrived, or was refused."),
    ] = None
    id: Annotated[
        str | None,
        Field(
            pattern="^[A-Za-z0-9._~:@+=-]{1,128}$",
            description="An id of the message: a message with the id is sent once.",
        ),
    ] = None


def operations(declared: Operation, *, is_get: bool) -> Iterator[tuple[Definition, Operation]]:
    """Return the operation of each command, in the document's dialect.

    `declared` is the operation of the handler of all commands.
    """
    for definition in DEFINITIONS:
        answers = {200: _answer(definition)}
        if definition.name == SEND_MESSAGE:
            answers[202] = answers[200]
        options = SendingParameters if definition.name == SEND_MESSAGE else CallParameters
        arguments = definition.signatures[-1].arguments
        yield (
            definition,
            replace(
                declared,
                id=f"ejabberd_api.{definition.name}{'.get' if is_get else ''}",
                summary=definition.description,
                query=_model(definition, arguments, options) if is_get else options,
                body=None if is_get else _model(definition, arguments, None),
                answers=answers,
            ),
        )


@cache
def _model(
    definition: Definition, arguments: tuple[Argument, ...], base: type[BaseModel] | None
) -> type[BaseModel]:
    """Return the model of the arguments of a command; with `base`, as parameters of a query."""
    fields: dict[str, Any] = {}
    for argument in arguments:
        type_ = str if base is not None else _TYPES[argument.type]
        is_optional = argument.is_optional or argument.type is ArgumentType.LIST
        fields[argument.name] = (type_ | None, None) if is_optional else (type_, ...)
    name = _camel(definition.name)
    doc = f"The arguments of {definition.name}."
    if base is not None:
        return create_model(f"{name}Parameters", __base__=base, __doc__=doc, **fields)
    return create_model(f"{name}Arguments", __config__=_CONFIG, __doc__=doc, **fields)


@cache
def _answer(definition: Definition) -> type[BaseModel]:
    """Return the model of the answer of a command; a dry run answers an object."""
    return create_model(
        f"{_camel(definition.name)}Result",
        __base__=Answer,
        __doc__=f"The result of {definition.name}; of a dry run, what would be done.",
        result=(_result(definition.result) | dict[str, JsonValue], ...),
    )


def _result(result: Result) -> Any:
    return Literal["ok"] if result.is_acknowledgement else _RESULTS[result.kind]


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
