"""The OpenAPI document as a page of HTML, which needs no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from component.web.pages.templates import environment_of

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"

_PREFIX = "#/components/schemas/"

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the name of a type; the name of a schema is a link to it."""

    text: str
    is_schema: bool = False


Type = Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A parameter, or a key of an object."""

    name: str
    place: str = ""  #: of a parameter: path, query or header
    type: Type
    is_required: bool
    description: str
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body of one or several media types."""

    media: str
    type: Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer."""

    status: str
    description: str
    bodies: Sequence[Body]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method of a path."""

    id: str
    method: str
    path: str
    summary: str
    callers: str
    parameters: Sequence[Field]
    bodies: Sequence[Body]
    responses: Sequence[Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The operations of an API."""

    id: str
    name: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A named schema: the keys of an object, or another type."""

    name: str
    description: str
    fields: Sequence[Field]
    type: Type


def page_of(document: Fields) -> str:
    """Return the page of a document."""
    components = document["components"]
    return (
        _environment()
        .get_template("docs.html")
        .render(
            info=document["info"],
            apis=_apis(document),
            schemes=components["securitySchemes"],
            schemas=[_schema(*item) for item in components["schemas"].items()],
        )
    )


@cache
def _environment() -> Environment:
    # Relative, so that the page works behind a proxy that serves it at another path.
    return environment_of(_TEMPLATES, base="docs")


def _apis(document: Fields) -> list[Api]:
    responses = document["components"]["responses"]
    operations: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, fields in methods.items():
            made = _operation(method.upper(), path, fields, responses)
            operations[fields["tags"][0]].append(made)
    return [
        Api(id=f"api-{name.replace(' ', '-')}", name=name, operations=listed)
        for name, listed in operations.items()
    ]


def _operation(method: str, path: str, fields: Fields, faults: Fields) -> Operation:
    return Operation(
        id=fields["operationId"],
        method=method,
        path=path,
        summary=fields["summary"],
        callers=_callers(fields["security"]),
        parameters=[_parameter(parameter) for parameter in fields["parameters"]],
        bodies=_bodies(fields.get("requestBody", {})),
        responses=[
            _response(status, _resolved(answer, faults))
            for status, answer in fields["responses"].items()
        ],
    )


def _callers(security: Iterable[Fields]) -> str:
    names = [next(iter(requirement), "nothing") for requirement in security]
    return " or ".join(names)


def _resolved(answer: Fields, faults: Fields) -> Fields:
    reference = answer.get("$ref")
    return answer if reference is None else faults[reference.rpartition("/")[2]]


def _parameter(parameter: Fields) -> Field:
    return Field(
        name=parameter["name"],
        place=parameter["in"],
        type=_type(parameter["schema"]),
        is_required=parameter.get("required", False),
        description=parameter.get("description", ""),
        default=_default(parameter["schema"]),
    )


def _bodies(container: Fields) -> list[Body]:
    return [
        Body(media=media, type=_type(content["schema"]))
        for media, content in container.get("content", {}).items()
    ]


def _response(status: str, answer: Fields) -> Response:
    shown = "else" if status == "default" else status
    return Response(status=shown, description=answer["description"], bodies=_bodies(answer))


def _schema(name: str, schema: Fields) -> Schema:
    required = schema.get("required", ())
    return Schema(
        name=name,
        description=schema.get("description", ""),
        fields=[
            Field(
                name=key,
                type=_type(field),
                is_required=key in required,
                description=field.get("description", ""),
                default=_default(field),
            )
            for key, field in schema.get("properties", {}).items()
        ],
        type=() if "properties" in schema else _type(schema),
    )


def _default(schema: Fields) -> str:
    value = schema.get("default")
    if value is None or value in ("", []):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(schema: Fields) -> Type:
    """Return the name of the type of a schema."""
    if "$ref" in schema:
        return (Part(schema["$ref"].removeprefix(_PREFIX), is_schema=True),)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return _joined([_type(choice) for choice in choices])
    if "const" in schema:
        return (Part(f"“{schema['const']}”"),)
    if "enum" in schema:
        return _joined([(Part(f"“{value}”"),) for value in schema["enum"]])
    if schema.get("type") == "array":
        return (Part("list of "), *_type(schema.get("items", {})))
    values = schema.get("additionalProperties")
    if schema.get("type") == "object" and isinstance(values, Mapping):
        return (Part("object of "), *_type(values))
    return (Part(f"{schema.get('type', 'any value')}{_range(schema)}"),)


def _range(schema: Fields) -> str:
    """Return the limits of a value, in words."""
    limits = (
        ("minLength", "at least {} characters"),
        ("maxLength", "up to {} characters"),
        ("minimum", "{} or more"),
        ("maximum", "up to {}"),
    )
    words = [text.format(schema[key]) for key, text in limits if schema.get(key) not in (None, 1)]
    return f" ({', '.join(words)})" if words else ""


def _joined(types: Sequence[Type]) -> Type:
    parts: list[Part] = []
    for type_ in types:
        parts += [*([Part(" or ")] if parts else []), *type_]
    return parts
