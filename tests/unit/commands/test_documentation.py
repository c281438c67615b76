"""docs/operations.md lists exactly the commands of the program."""

from __future__ import annotations

import re
from pathlib import Path

from component.core.commands.dispatch import COMMANDS

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"

ADMIN = "http://jabber.org/protocol/"


def test_every_command_is_in_the_table_of_the_docs() -> None:
    row = r"^\| `([\w-]+)` \| `(\S+#\S+)` \| (reader|admin) \| ([^|]+) \|$"
    rows = re.findall(row, PAGE.read_text(), re.MULTILINE)

    assert rows == [
        (
            command.name,
            command.node.removeprefix(ADMIN),
            command.role.value,
            f"{command.title[0].lower()}{command.title[1:]}",
        )
        for command in COMMANDS
    ]
