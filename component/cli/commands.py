"""`muniment NAME ...`: commands of operators, which the running program executes."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from component.cli import export, export_person, output, prompts, waiting
from component.cli.exit_codes import FAILED, OK, UNCONFIRMED, UNREACHABLE, USAGE
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.config import Http
from component.core.commands.dispatch import COMMANDS
from component.core.commands.spec import SUBJECT_KINDS, Command, Field, FieldKind

if TYPE_CHECKING:
    from component.clients.muniment_http import Answer, Client

#: The field that confirms new bounds; a confirmation at the prompt sets it.
CONFIRM = "confirm"

#: The query of a preview: the program describes the deletion and deletes nothing.
PREVIEW = {"preview": "true"}

Result = TypeVar("Result")

BY_NAME = {command.name: command for command in COMMANDS}

#: Commands that write a file of any size, which is no answer of a command.
_EXPORTS: Mapping[str, Callable[[Client, argparse.Namespace], Awaitable[Answer]]] = {
    export.NAME: export.export,
    export_person.NAME: export_person.export_person,
}

NAMES = frozenset({*BY_NAME, *_EXPORTS})

_METAVARS = {
    FieldKind.TEXT: "TEXT",
    FieldKind.OWNER: "JID",
    FieldKind.ACCOUNT: "JID",
    FieldKind.HOST: "HOST",
    FieldKind.NUMBER: "NUMBER",
}

_HELP_ON_PASSWORDS = (
    "The password is read from the terminal, or from the first line of standard input if standard "
    "input is not a terminal."
)


class Failure(Exception):
    """A command failed, was refused or was not confirmed; the message says why."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def add_parsers(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add a parser for each command."""
    for command in COMMANDS:
        has_password = any(field.kind is FieldKind.PASSWORD for field in command.fields)
        # The help of the command describes a limit that a file does not have.
        more = export.HELP if command.name == export.NAME else command.help
        lines = command.examples or ("",)
        parser = parsers.add_parser(
            command.name,
            parents=[common],
            help=f"{command.title[0].lower()}{command.title[1:]}",
            description=f"{command.title}. {more}".strip(),
            epilog=_HELP_ON_PASSWORDS if has_password else None,
            examples=tuple(f"muniment {command.name} {line}".rstrip() for line in lines),
        )
        for field in command.fields:
            if field.kind is not FieldKind.PASSWORD:
                _add_argument(parser, field)
        if command.preview is not None:
            parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        if command.name == export.NAME:
            export.add_arguments(parser)
        else:
            add_json(parser)
        if command.name == waiting.NAME:
            waiting.add_arguments(parser)

    export_person.add_parser(parsers, common)


def _add_argument(parser: argparse.ArgumentParser, field: Field) -> None:
    help = f"{field.label} (default: {field.default})" if field.default else field.label
    choices = [value for value, _ in field.choices] or None
    metavar = _METAVARS.get(field.kind)
    if field.is_required and field.kind is FieldKind.TEXT:
        metavar = field.name.upper()
    if field.kind is FieldKind.FLAG:
        parser.add_argument(
            f"--{field.name}",
            action="store_const",
            const=True,
            help=f"{help}; do not ask for confirmation",
        )
    elif field.is_required and field.is_multiple:
        parser.add_argument(field.name, nargs="+", metavar=metavar, help=help)
    elif field.is_required:
        parser.add_argument(field.name, metavar=metavar, help=help)
    else:
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(
            option,
            dest=field.name,
            # A list is given by repeating the option.
            action="append" if field.is_multiple else "store",
            metavar=metavar,
            choices=choices,
            help=help,
        )


def run(options: argparse.Namespace, http: Http) -> int:
    """Run a command in the running program and return an exit code."""
    try:
        if options.command in _EXPORTS:
            asyncio.run(_ask(http, lambda client: _EXPORTS[options.command](client, options)))
            return OK
        return _run(BY_NAME[options.command], options, http)
    except output.NoOutcome:
        message, code = "The program that answers there is not Muniment.", UNREACHABLE
    except UnicodeError:
        # Python turns bytes that are not UTF-8 into lone surrogates, which JSON cannot carry.
        message, code = "An argument or the password is not in UTF-8.", USAGE
    except (prompts.NoPassword, export.NoFile) as error:
        message, code = str(error), USAGE
    except export.NotWritten as error:
        message, code = str(error), FAILED
    except Failure as error:
        message, code = str(error), error.code
    return fail(message, code, in_json=options.json)


def _run(command: Command, options: argparse.Namespace, http: Http) -> int:
    """Run a command; what it raises says how it failed."""
    values = {**_values(options, command), **_passwords(command)}
    if command.preview is not None and not (options.yes or values.get(CONFIRM)):
        _confirm(http, command, values)
        values |= {field.name: True for field in command.fields if field.name == CONFIRM}
    path = "v1", "commands", command.name
    answer = asyncio.run(_ask(http, lambda client: client.ask("POST", *path, data=values)))
    if command.name == waiting.NAME and options.wait:
        purge = asyncio.run(_in_client(http, lambda client: waiting.wait(client, answer.data)))
        output.print_outcome(purge.outcome, in_json=options.json)
        return OK if purge.is_done else FAILED
    output.print_outcome(answer.data, in_json=options.json, arguments=values)
    return OK


def _confirm(http: Http, command: Command, values: Mapping[str, object]) -> None:
    """Print a preview and ask for confirmation. Raises Failure unless the user confirms."""
    path = "v1", "commands", command.name
    answer = asyncio.run(
        _ask(http, lambda client: client.ask("POST", *path, query=PREVIEW, data=values))
    )
    message = output.message(answer.data)
    if not prompts.is_terminal():
        raise Failure(f"{message} Nothing was done. Use --yes to confirm.", UNCONFIRMED)
    print(message, file=sys.stderr)
    if not prompts.confirm(_confirmation(command, values)):
        raise Failure("Nothing was done.", UNCONFIRMED)


def _confirmation(command: Command, values: Mapping[str, object]) -> str:
    """Return the text that confirms a command: its address if it has one, or else "yes"."""
    subjects: list[object] = []
    for field in command.fields:
        if field.kind in SUBJECT_KINDS:
            value = values.get(field.name, [])
            subjects += value if isinstance(value, list) else [value]
    return str(subjects[0]) if len(subjects) == 1 else "yes"


def _values(options: argparse.Namespace, command: Command) -> dict[str, object]:
    values = {
        field.name: getattr(options, field.name)
        for field in command.fields
        if field.kind is not FieldKind.PASSWORD
    }
    return {name: value for name, value in values.items() if value is not None}


def _passwords(command: Command) -> dict[str, object]:
    """Ask for passwords, because every user of the machine can read arguments."""
    return {
        field.name: prompts.password()
        for field in command.fields
        if field.kind is FieldKind.PASSWORD and field.is_required
    }


async def _ask(http: Http, request: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """Send a request to the running program and return its good answer. Raises Failure."""
    answer = await _in_client(http, request)
    if not answer.is_good:
        raise Failure(answer.message, USAGE if answer.status == 400 else FAILED)
    return answer


async def _in_client(http: Http, call: Callable[[Client], Awaitable[Result]]) -> Result:
    """Call with a client of the running program. Raises Failure."""
    # Imported here, so that --help does not wait for it.
    from component.clients.muniment_http import Client, NotRunning
    from component.wiring.running_program import client_settings

    async with Client(client_settings(http)) as client:
        try:
            return await call(client)
        except NotRunning as error:
            raise Failure(str(error), UNREACHABLE) from error
