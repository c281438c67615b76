"""What operators have done by commands: {prefix}/v1/commands."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from component.core.commands.spec import Cell, Command, Field, Outcome, Table
from component.core.errors import BadRequest
from component.web.admin.models import CommandParameters
from component.web.archive.models import NoParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.checking import checked
from component.web.server.paths import at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *at(web.get, f"{prefix}/v1/commands", commands),
        *at(web.post, f"{prefix}/v1/commands/{{name}}", run),
    ]


async def commands(request: web.Request) -> web.Response:
    """GET {prefix}/v1/commands: the commands that the caller may give."""
    checked(NoParameters, body.parameters(request))
    known = request.app[keys.commands].available_to(authenticate.principal(request))
    return body.answer({"commands": [_command(command) for command in known]})


async def run(request: web.Request) -> web.Response:
    """POST {prefix}/v1/commands/{name}: have one done, or told what it would take away."""
    service = request.app[keys.commands]
    command = service.find(request.match_info["name"])
    caller = authenticate.principal(request)
    service.authorize(caller, command)
    asked = checked(CommandParameters, body.parameters(request))
    given = _strings(await body.fields(request) if request.can_read_body else {})
    do = service.preview if asked.preview else service.run
    return body.answer(_outcome(await do(caller, command, given)))


def _strings(given: Mapping[str, object]) -> dict[str, list[str]]:
    """Return what was given as commands take it. Raises BadRequest."""
    return {name: _values(name, said) for name, said in given.items() if said is not None}


def _values(name: str, said: object) -> list[str]:
    found = said if isinstance(said, list) else [said]
    if not all(isinstance(one, str | int) for one in found):
        raise BadRequest(
            f"{name[:40]}: expected a string, a whole number, true or false, or a list of them"
        )
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in found]


def _command(command: Command) -> dict[str, object]:
    return {
        "name": command.name,
        "title": command.title,
        "help": command.help,
        "role": command.role,
        "preview": command.preview is not None,
        "fields": [_field(field) for field in command.fields],
    }


def _field(field: Field) -> dict[str, object]:
    return {
        "name": field.name,
        "label": field.label,
        "kind": field.kind,
        "required": field.is_required,
        "many": field.is_multiple,
        "default": field.default or None,
        "choices": [value for value, _ in field.choices],
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "message": outcome.message,
        "values": {value.name: value.content for value in outcome.values},
        "rows": _rows(outcome.table) if outcome.table else [],
    }


def _rows(table: Table) -> list[dict[str, Cell | tuple[str, ...]]]:
    names = [name for name, _ in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]
