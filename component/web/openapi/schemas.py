"""JSON schemas of types of Python, which share one set of definitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

#: Where the document has the definitions.
TEMPLATE = "#/components/schemas/{model}"

_PREFIX = TEMPLATE.format(model="")


class _Generator(GenerateJsonSchema):
    """Makes schemas without titles, which would repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        """Return the schema of a model, which has its name in the definitions."""
        made = super().model_schema(schema)
        made.pop("title", None)
        return made

    def enum_schema(self, schema: core_schema.EnumSchema) -> dict[str, Any]:
        """Return the schema of an enumeration."""
        made = super().enum_schema(schema)
        made.pop("title", None)
        return made


class Schemas:
    """The schemas of types, by the types."""

    def __init__(self, types: Iterable[Any]) -> None:
        self._keys = {repr(type_): type_ for type_ in types}
        made, rest = TypeAdapter.json_schemas(
            [(key, "validation", TypeAdapter(type_)) for key, type_ in self._keys.items()],
            ref_template=TEMPLATE,
            schema_generator=_Generator,
        )
        self._schemas = {key: schema for (key, _), schema in made.items()}
        self._definitions: dict[str, Any] = rest.get("$defs", {})

    def of(self, type_: Any) -> dict[str, Any]:
        """Return the schema of a type, a reference if it is a model."""
        return dict(self._schemas[repr(type_)])

    def resolved(self, type_: Any) -> dict[str, Any]:
        """Return the schema of a model itself."""
        schema = self.of(type_)
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].removeprefix(_PREFIX)]
        return schema

    def used(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the definitions that a document refers to, by name."""
        used: dict[str, Any] = {}
        waiting = [*_references(document)]
        while waiting:
            name = waiting.pop()
            if name not in used:
                used[name] = self._definitions[name]
                waiting += _references(used[name])
        return dict(sorted(used.items()))


def _references(value: object) -> list[str]:
    if isinstance(value, Mapping):
        own = value.get("$ref")
        named = (
            [own.removeprefix(_PREFIX)] if isinstance(own, str) and own.startswith(_PREFIX) else []
        )
        return [*named, *(name for part in value.values() for name in _references(part))]
    if isinstance(value, list):
        return [name for part in value for name in _references(part)]
    return []
