"""Wording for people: wrong values, wrong names, numbers with their nouns, sizes and times."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from types import NoneType

#: Maximum number of characters of a value in an error or a log line.
SHOWN_CHARACTERS = 40

_UNITS = ("bytes", "kB", "MB", "GB", "TB")

#: Units of time, with their lengths in seconds.
_DURATIONS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))

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
    """Return a number and its noun: "1 archive", "2,000 archives"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size_of(bytes: int) -> str:
    """Return a number of bytes in the largest fitting unit of the SI, like 1.2 MB.

    All sizes for people are in these units, as disks are sold; programs get bytes.
    """
    value, unit = float(bytes), _UNITS[0]
    for unit in _UNITS:
        # 999.96 kB would be shown as 1,000.0 kB.
        if round(value, 1) < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return count_of(bytes, "byte") if unit == _UNITS[0] else f"{value:,.1f} {unit}"


def duration_of(seconds: float) -> str:
    """Return a time in its two greatest units, like 2 hours 5 minutes."""
    left = round(seconds)
    if not left:
        return "less than 1 second"
    parts: list[str] = []
    for unit, length in _DURATIONS:
        number, left = divmod(left, length)
        if number or parts:
            parts.append(count_of(number, unit) if number else "")
    return " ".join(part for part in parts[:2] if part)


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
