"""`muniment NAME ...`: what operators have done by commands, asked of the running program."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from component.cli import export, tables, terminal
from component.cli.exits import FAILED, OK, UNCONFIRMED, UNREACHABLE, USAGE
from component.config import Http
from component.core.commands.dispatch import COMMANDS
from component.core.commands.spec import SUBJECT_KINDS, Command, Field, FieldKind

if TYPE_CHECKING:
    from component.clients.muniment_http import Answer, Client

    Parsers = argparse._SubParsersAction[argparse.ArgumentParser]

#: The field by which new bounds are confirmed; whoever is asked and goes on confirms them.
CONFIRM = "confirm"

#: Has a command told what it would take away, and nothing done.
PREVIEW = {"preview": "true"}

BY_NAME = {command.name: command for command in COMMANDS}

_METAVARS = {
    FieldKind.TEXT: "TEXT",
    FieldKind.OWNER: "JID",
    FieldKind.ACCOUNT: "JID",
    FieldKind.HOST: "HOST",
    FieldKind.NUMBER: "NUMBER",
}

_OF_PASSWORDS = (
    "The password is asked for on the terminal; where there is none, it is the first line of "
    "standard input."
)


def add_parsers(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add a parser for each command."""
    for command in COMMANDS:
        asks = any(field.kind is FieldKind.PASSWORD for field in command.fields)
        # Here no archive is too large.
        more = "" if command.name == export.NAME else command.help
        parser = parsers.add_parser(
            command.name,
            parents=[common],
            help=f"{command.title[0].lower()}{command.title[1:]}",
            description=f"{command.title}. {more}".strip(),
            epilog=_OF_PASSWORDS if asks else None,
        )
        for field in command.fields:
            if field.kind is not FieldKind.PASSWORD:
                _add_argument(parser, field)
        if command.preview is not None:
            parser.add_argument("--yes", action="store_true", help="take it away without asking")
        if command.name == export.NAME:
            export.add_arguments(parser)
        else:
            parser.add_argument("--json", action="store_true", help="answer in JSON, for programs")


def _add_argument(parser: argparse.ArgumentParser, field: Field) -> None:
    help = f"{field.label} (default: {field.default})" if field.default else field.label
    choices = [value for value, _ in field.choices] or None
    metavar = _METAVARS.get(field.kind)
    if field.kind is FieldKind.FLAG:
        parser.add_argument(
            f"--{field.name}", action="store_const", const=True, help=f"{help}; without asking"
        )
    elif field.is_required and field.is_multiple:
        parser.add_argument(field.name, nargs="+", metavar=metavar, help=help)
    elif field.is_required:
        parser.add_argument(field.name, metavar=metavar, help=help)
    else:
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, dest=field.name, metavar=metavar, choices=choices, help=help)


def run(chosen: argparse.Namespace, http: Http) -> int:
    """Have a command done, and return an exit code."""
    command = BY_NAME[chosen.command]
    try:
        if command.name == export.NAME:
            return asyncio.run(_asked(http, lambda client: export.take(client, chosen)))
        given = {**_given(chosen, command), **_passwords(command)}
        if command.preview is not None and not (chosen.yes or given.get(CONFIRM)):
            code = asyncio.run(_previewed(http, command, given))
            if code != OK:
                return code
            given |= {field.name: True for field in command.fields if field.name == CONFIRM}
        path = "v1", "commands", command.name
        ask = _asked(
            http,
            lambda client: client.ask("POST", *path, data=given),
            lambda answer: tables.told(answer.data, in_json=chosen.json, asked=given),
        )
        return asyncio.run(ask)
    except tables.NoOutcome:
        return _failed("What answers there is not Muniment.", UNREACHABLE)
    except UnicodeError:
        # Python makes strings of any bytes at all, but not all of them can be sent.
        return _failed("An argument or the password is not in UTF-8.", USAGE)
    except terminal.NoPassword as error:
        return _failed(str(error), USAGE)
    except export.NotWritten as error:
        return _failed(str(error), FAILED)


async def _previewed(http: Http, command: Command, given: Mapping[str, object]) -> int:
    """Tell what a command would take away, and ask whether to go on; OK where it is."""
    name = "v1", "commands", command.name
    message = ""

    def told(answer: Answer) -> None:
        nonlocal message
        message = tables.message(answer.data)

    code = await _asked(
        http, lambda client: client.ask("POST", *name, query=PREVIEW, data=given), told
    )
    if code != OK:
        return code
    if not terminal.is_there():
        return _failed(f"{message} Nothing was taken away: say --yes to go on.", UNCONFIRMED)
    print(message, file=sys.stderr)
    if not terminal.confirms(_wanted(command, given)):
        return _failed("Nothing was taken away.", UNCONFIRMED)
    return OK


def _wanted(command: Command, given: Mapping[str, object]) -> str:
    """Return what has to be typed: the address that is meant, where it is one."""
    named: list[object] = []
    for field in command.fields:
        if field.kind in SUBJECT_KINDS:
            said = given.get(field.name, [])
            named += said if isinstance(said, list) else [said]
    return str(named[0]) if len(named) == 1 else "yes"


def _given(chosen: argparse.Namespace, command: Command) -> dict[str, object]:
    said = {
        field.name: getattr(chosen, field.name)
        for field in command.fields
        if field.kind is not FieldKind.PASSWORD
    }
    return {name: value for name, value in said.items() if value is not None}


def _passwords(command: Command) -> dict[str, object]:
    """Ask for what no argument may be: everybody on the machine can read those."""
    return {
        field.name: terminal.password()
        for field in command.fields
        if field.kind is FieldKind.PASSWORD and field.is_required
    }


async def _asked(
    http: Http,
    ask: Callable[[Client], Awaitable[Answer]],
    tell: Callable[[Answer], None] = lambda _: None,
) -> int:
    """Ask the running program, tell what it answers, and return an exit code."""
    # Imported where it is run: --help does not have to wait for it.
    from component.clients.muniment_http import Client, NotRunning
    from component.wiring import settings

    async with Client(settings.client(http)) as client:
        try:
            answer = await ask(client)
        except NotRunning as error:
            return _failed(str(error), UNREACHABLE)
    if not answer.is_good:
        return _failed(answer.message, USAGE if answer.status == 400 else FAILED)
    tell(answer)
    return OK


def _failed(message: str, code: int) -> int:
    print(f"muniment: {message}", file=sys.stderr)
    return code
