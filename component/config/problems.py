"""How the configuration's mistakes are worded: by full name, what is expected, what was given."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

#: Enough of a value to recognise it, and no more of it in a log.
SHOWN_CHARACTERS = 40

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a string"),
    (list, "a list"),
    (dict, "a section"),
)


class ConfigError(Exception):
    """The configuration is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Take every problem, one a line."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, and where it was made."""

    option: str  #: by its full name; a section where all of it is meant
    problem: str
    item: str = ""  #: which one of a list


def unknown(what: str, name: str, right: Iterable[str]) -> str:
    """Say that this key, section or variable does not exist, and which one may be meant."""
    nearest = get_close_matches(name, list(right), n=1)
    return f"unknown {what}" + (f", did you mean {nearest[0]}?" if nearest else "")


def wrong(error: ErrorDetails, field: FieldInfo) -> str:
    """Say what is wrong with the value of a field that exists."""
    if error["type"] == "missing":
        return "required, but missing"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return f"expected {expected(field)}, given {given(error['input'])}"


def expected(field: FieldInfo) -> str:
    """Describe the values a field takes."""
    kind_of_field = _type(field.annotation)
    if get_origin(kind_of_field) is Literal:
        return "one of " + ", ".join(map(given, get_args(kind_of_field)))
    if kind_of_field is bool:
        return "true or false"
    if kind_of_field in (int, float):
        low = next(limit.ge for limit in field.metadata if isinstance(limit, Ge))
        high = next(limit.le for limit in field.metadata if isinstance(limit, Le))
        return f"a {'whole ' if kind_of_field is int else ''}number from {low} to {high}"
    return "a list of strings"


def _type(annotation: Any) -> Any:
    """Return the type of a field without None, which no file can hold."""
    if get_origin(annotation) in (Union, UnionType):
        return next(one for one in get_args(annotation) if one is not NoneType)
    return annotation


def given(value: Any) -> str:
    """Show a value that is not a secret, shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)[:SHOWN_CHARACTERS]
    if isinstance(value, str):
        shown = value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}..."
        # JSON escapes what a terminal or a log could take for something else.
        return json.dumps(shown)
    return kind(value)


def kind(value: object) -> str:
    """Name the kind of a value without showing it."""
    return next((name for types, name in _KINDS if isinstance(value, types)), "something else")
