"""docs/ejabberd-api.md has the commands as they are defined."""

from __future__ import annotations

import re
from pathlib import Path

from component.core.ejabberd_api.catalogue import DEFINITIONS
from component.core.ejabberd_api.definitions import ApiRole, Argument, ArgumentType

DOCS = Path(__file__).parents[3] / "docs/ejabberd-api.md"

TYPES = {
    ArgumentType.TEXT: "",
    ArgumentType.INTEGER: " (number)",
    ArgumentType.LIST: " (list)",
}


def written(argument: Argument) -> str:
    names = " or ".join(f"`{name}`" for name in (argument.name, *argument.former_names))
    optional = " (optional)" if argument.is_optional else ""
    return f"{names}{TYPES[argument.type]}{optional}"


def test_table_has_each_command_as_it_is_defined() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", DOCS.read_text(), re.MULTILINE)

    assert rows == [
        (
            definition.name,
            definition.description,
            ", ".join(map(written, definition.signatures[-1].arguments)) or "none",
            ", ".join(
                role for role in ApiRole if role is ApiRole.ADMIN or role in definition.roles
            ),
        )
        for definition in DEFINITIONS
    ]


def test_each_command_is_defined_once() -> None:
    names = [definition.name for definition in DEFINITIONS]

    assert len(names) == len(set(names))
