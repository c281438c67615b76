"""The parser of arguments: examples in the help, and the nearest name after a typing error."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, NoReturn, Protocol, cast

from component.core.wording import did_you_mean

#: Columns of the help.
WIDTH = 79

#: The beginning of the examples in the text below the options.
EXAMPLES = "examples:\n"

#: How argparse words a value that is none of several; releases of Python differ in the quotes.
_WRONG_CHOICE = re.compile(r"(.*invalid choice: )'?(.*?)'? \(choose from (.*)\)", re.DOTALL)

_UNKNOWN = "unrecognized arguments: "


def _wrapped(line: str) -> str:
    return fill(line, WIDTH) if len(line) > WIDTH else line


class Parsers(Protocol):
    """The subcommands of a command."""

    dest: str  #: the attribute of the options that has the name of the given one
    choices: Mapping[str, Parser]  #: by their names

    def add_parser(
        self,
        name: str,
        *,
        help: str,
        description: str | None = None,
        parents: Sequence[argparse.ArgumentParser] = (),
        epilog: str | None = None,
        examples: Sequence[str] = (),
    ) -> Parser:
        """Add a subcommand, and return its parser."""
        ...


class WrongUsage(Exception):
    """The arguments are wrong; the message says how."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.message = message
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """A parser that raises WrongUsage, and shows examples below its options."""

    def __init__(
        self,
        prog: str | None = None,
        *,
        description: str | None = None,
        epilog: str | None = None,
        examples: Sequence[str] = (),
        **options: Any,
    ) -> None:
        """`examples` are command lines."""
        parts = ["\n".join(map(_wrapped, epilog.splitlines()))] if epilog else []
        if examples:
            parts.append(EXAMPLES + "".join(f"  {example}\n" for example in examples))
        options["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(
            prog,
            description=None if description is None else fill(description, WIDTH),
            epilog="\n\n".join(part.strip("\n") for part in parts) or None,
            **options,
        )
        self.examples = tuple(examples)
        self.subcommands: Parsers | None = None

    def add_subcommands(self, dest: str, metavar: str) -> Parsers:
        """Let the command have subcommands, one of which has to be given."""
        self.epilog = self.epilog or f"{self.prog} {metavar} --help has the options of each."
        self.subcommands = cast(
            Parsers,
            self.add_subparsers(dest=dest, required=True, metavar=metavar, parser_class=Parser),
        )
        return self.subcommands

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Return the options. Raises WrongUsage, with the nearest names that there are."""
        options, rest = self.parse_known_args(arguments)
        if rest:
            parser = self._innermost(options)
            parser.error(_UNKNOWN + " ".join(rest))
        return options

    def error(self, message: str) -> NoReturn:
        """Raise WrongUsage."""
        raise WrongUsage(self._with_suggestion(message), self.format_usage())

    def _innermost(self, options: argparse.Namespace) -> Parser:
        """Return the parser of the subcommand that was given."""
        parser = self
        while parser.subcommands is not None:
            parser = parser.subcommands.choices[getattr(options, parser.subcommands.dest)]
        return parser

    def _with_suggestion(self, message: str) -> str:
        if wrong := _WRONG_CHOICE.fullmatch(message):
            choices = re.findall(r"[^\s,']+", wrong[3])
            hint = did_you_mean(wrong[2], choices)
            # A list of fifty commands would hide the answer.
            known = "" if hint else f" (choose from {', '.join(choices)})"
            return f"{wrong[1]}{wrong[2]}{hint}{known}"
        if message.startswith(_UNKNOWN):
            first = message.removeprefix(_UNKNOWN).split()[0].partition("=")[0]
            # The usage has all options.
            options = set(re.findall(r"--[\w-]+", self.format_usage()))
            return f"{message}{did_you_mean(first, options)}"
        return message


def common_options(*, default: Any = None) -> argparse.ArgumentParser:
    """Return a parser of the options that all commands have.

    `default` is that of --config: SUPPRESS for a subcommand of a command that has it too.
    """
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, metavar="PATH", default=default, help="the configuration file"
    )
    return common


def add_json(parser: argparse.ArgumentParser, help: str = "print JSON, for programs") -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help=help)
