"""Parameters of operations: the parts of paths, queries and headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Fields = dict[str, Any]

_NUMBER: Fields = {"type": "integer", "minimum": 0}

_TEXT: Fields = {"type": "string", "minLength": 1}

#: The variable parts of paths by their names: what they are, and their schemas.
PATH: Mapping[str, tuple[str, Fields]] = {
    "command": ("The name of a command.", {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}),
    "contact": ("The JID of a contact.", _TEXT),
    "contact_id": ("The id of a contact.", _TEXT),
    "host": ("A virtual host; without it the first one.", _TEXT),
    "id": ("An id that this API has given.", _TEXT),
    "jid": ("The bare JID of a user or a room.", _TEXT),
    "member": ("The bare JID of a member.", _TEXT),
    "message_id": ("The id of a message.", _TEXT),
    "name": ("The name of a command.", _TEXT),
    "owner": ("The bare JID of the owner of an archive.", _TEXT),
    "picture": ("A signed name, from an address that this API has given.", _TEXT),
    "room": ("The bare JID of a room.", _TEXT),
    "room_id": ("The id of a room.", _NUMBER),
    "session_id": ("The id of a session.", _TEXT),
    "subject": ("The bare JID of a user, or a host.", _TEXT),
    "uri": ("The URI of a chat.", _TEXT),
    "user": ("The name of a user: the local part of the JID.", _TEXT),
    "user_id": ("The id of a user.", _NUMBER),
    "version": (
        "An API version of ejabberd.",
        {"type": "string", "pattern": "^v[0-9]{1,9}$", "examples": ["v2"]},
    ),
}


def in_path(name: str) -> Fields:
    """Return the parameter of a variable part of a path. Raises KeyError."""
    description, schema = PATH[name]
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def in_header(name: str, description: str) -> Fields:
    """Return the parameter of a header, which may be left out."""
    return {
        "name": name,
        "in": "header",
        "description": description,
        "schema": {"type": "string"},
    }


def in_query(schema: Mapping[str, Any]) -> list[Fields]:
    """Return the parameters of a query, whose model has this schema."""
    required = schema.get("required", ())
    return [
        _of_query(name, dict(field), is_required=name in required)
        for name, field in schema.get("properties", {}).items()
    ]


def _of_query(name: str, schema: Fields, *, is_required: bool) -> Fields:
    parameter: Fields = {"name": name, "in": "query"}
    if is_required:
        parameter["required"] = True
    description = schema.pop("description", None)
    if description:
        parameter["description"] = description
    schema = _without_null(schema)
    if schema.get("type") == "array":
        # A list is written with commas, or by repeating its name.
        parameter |= {"style": "form", "explode": False}
    return {**parameter, "schema": schema}


def _without_null(schema: Fields) -> Fields:
    """Return a schema without null, which a query cannot have."""
    if schema.get("default", ...) is None:
        del schema["default"]
    choices = [choice for choice in schema.pop("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**schema, **choices[0]}
    return {**schema, "anyOf": choices} if choices else schema
