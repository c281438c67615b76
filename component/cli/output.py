"""Print the outcome of a command as text or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from component.core.wording import size_of

GAP = "  "

#: Rows with more columns are printed one below the other, a line for each value.
COLUMNS_MAX = 8


class NoOutcome(Exception):
    """The answer is not the outcome of a command."""


def print_outcome(data: Any, *, in_json: bool, arguments: Collection[str] = ()) -> None:
    """Print an outcome. If it has data, its message goes to standard error.

    `arguments` has the names of the fields that the user gave. A list that repeats one of them is
    not printed as the only result. Raises NoOutcome.
    """
    text = message(data)
    if in_json:
        print(json.dumps(data, ensure_ascii=False))
        return
    values = {name: value for name, value in data["values"].items() if name != "next"}
    lists = [
        value
        for name, value in values.items()
        if isinstance(value, list) and name not in arguments
    ]
    if lists and len(values) == 1 and not data["rows"]:
        # The only list is printed with one item per line, for pipes to other programs.
        lines = [_visible(str(item)) for item in lists[0]]
    else:
        lines = [*_values(values), *_table(data["rows"])]
    for line in lines:
        print(line)
    print(text, file=sys.stderr if lines else sys.stdout)


def message(data: Any) -> str:
    """Return the message of an outcome. Raises NoOutcome."""
    if not isinstance(data, dict) or not {"message", "values", "rows"} <= data.keys():
        raise NoOutcome
    return _visible(str(data["message"]))


def _values(values: Mapping[str, Any]) -> list[str]:
    width = max(map(len, values), default=0)
    return [f"{name:<{width}}{GAP}{_cell(name, value)}" for name, value in values.items()]


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0])
    if len(names) > COLUMNS_MAX:
        return [line for row in rows for line in ("", *_values(row))][1:]
    cells = [[_cell(name, row[name]) for name in names] for row in rows]
    table = [[name.upper() for name in names], *cells]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    is_number = [type(rows[0][name]) is int for name in names]
    return [
        GAP.join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in table
    ]


def _cell(name: str, value: Any) -> str:
    if type(value) is int and name.split("_")[-1] == "bytes":
        return size_of(value)
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return _visible(", ".join(map(str, value)))
    return _visible(str(value))


def _visible(text: str) -> str:
    """Return text without control characters, because users wrote parts of it."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
