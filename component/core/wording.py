"""Wording of error messages: wrong values, wrong names, and numbers with their nouns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from types import NoneType

#: Maximum number of characters of a value in an error or a log line.
SHOWN_CHARACTERS = 40

_TYPE_NAMES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a string"),
    (list, "a list"),
    (dict, "keys with values"),
    (NoneType, "null"),
)


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return ", did you mean X?" with the valid name nearest to `name`, "" if none is near."""
    nearest = get_close_matches(name, list(valid), n=1)
    return f", did you mean {nearest[0]}?" if nearest else ""


def count_of(number: int, noun: str) -> str:
    """Return a number and its noun: "1 archive", "2 archives"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown(value: object) -> str:
    """Return a shortened display of a value; never use it for a secret."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)[:SHOWN_CHARACTERS]
    if isinstance(value, str):
        shown = value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}..."
        # JSON escapes control characters, which a terminal could obey.
        return json.dumps(shown)
    return type_name(value)


def type_name(value: object) -> str:
    """Return the name of the type of a value, as a user knows it, without the value."""
    return next(
        (name for types, name in _TYPE_NAMES if isinstance(value, types)), "something else"
    )
