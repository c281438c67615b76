"""The text of `muniment --help`: the commands in groups, a line for each."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from textwrap import fill

from component.cli.exit_codes import CONFIGURATION, NAMES
from component.cli.parsers import EXAMPLES, WIDTH, Parser
from component.core.commands.accounts import ACCOUNT_COMMANDS
from component.core.commands.archives import ARCHIVE_COMMANDS
from component.core.commands.ejabberd_api import EJABBERD_API_COMMANDS
from component.core.commands.rosters import ROSTER_COMMANDS
from component.core.commands.service import SERVICE_COMMANDS
from component.core.commands.sign_ins import SIGN_IN_COMMANDS

_COLUMN = 22

#: Groups of commands. A command that is in none of them is in the last one.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "set up": (
        *("init", "ejabberd-config", "check-config", "doctor", "token-key", "push-key"),
        "permissions",
    ),
    "run": ("serve", "extauth", "health"),
    "look after archives": (*(command.name for command in ARCHIVE_COMMANDS), "export-person"),
    "move and keep": ("import", "compare", "copy-store", "backup", "verify"),
    "accounts": tuple(
        command.name for command in (*ACCOUNT_COMMANDS, *SIGN_IN_COMMANDS, *ROSTER_COMMANDS)
    ),
    "the running program": tuple(command.name for command in SERVICE_COMMANDS),
    "on behalf of users (as in ejabberd's API)": tuple(
        command.name for command in EJABBERD_API_COMMANDS
    ),
    "other": (),
}

_EXAMPLES = (
    "muniment init --host chat.example",
    "muniment doctor",
    "muniment count alice@chat.example",
)


class MainParser(Parser):
    """The parser of the whole command."""

    def format_help(self) -> str:
        """Return the help, with the commands in groups."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        helps = self._helps()
        yield f"usage: {self.prog} COMMAND [OPTION...]"
        yield ""
        yield self.description or ""
        named = {name for names in GROUPS.values() for name in names}
        for title, names in GROUPS.items():
            members = [name for name in names if name in helps]
            if title == "other":
                members = [name for name in helps if name not in named]
            if members:
                yield f"\n{title}:"
            for name in members:
                yield fill(
                    helps[name],
                    WIDTH,
                    initial_indent=f"  {name:<{_COLUMN - 3}} ",
                    subsequent_indent=" " * _COLUMN,
                )
        yield "\n`muniment COMMAND --help` has the options of a command, and examples."
        yield "`muniment --version` prints the version.\n"
        yield EXAMPLES + "".join(f"  {example}\n" for example in _EXAMPLES)
        yield "exit codes:"
        yield from (f"  {code:<4} {name.replace('-', ' ')}" for code, name in NAMES.items())
        yield f"\n{CONFIGURATION}"

    def _helps(self) -> dict[str, str]:
        """Return the line about each command, by its name."""
        return {
            choice.dest: str(choice.help)
            for action in self._get_positional_actions()
            if isinstance(action, argparse._SubParsersAction)
            for choice in action._get_subactions()
        }
