"""The commands of operators: {prefix}/v1/commands."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from component.core.commands.spec import Cell, Command, Field, Outcome, Table
from component.core.errors import BadRequest
from component.web import keys
from component.web.admin.answers import CommandList, CommandOutcome
from component.web.admin.models import CommandParameters, CommandValues
from component.web.archive.models import NoParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}/commands", commands),
        *routes_at(web.post, f"{prefix}/commands/{{name}}", run),
    ]


@operation("admin.commands.list", answers={200: CommandList})
async def commands(request: web.Request) -> web.Response:
    """GET {prefix}/v1/commands: the commands that the caller may run."""
    checked(NoParameters, body.parameters(request))
    principal = authenticate.principal(request)
    available = request.app[keys.commands].available_to(principal)
    return body.json_response({"commands": [_command(command) for command in available]})


@operation(
    "admin.commands.run",
    query=CommandParameters,
    body=CommandValues,
    is_body_required=False,
    answers={200: CommandOutcome},
)
async def run(request: web.Request) -> web.Response:
    """POST {prefix}/v1/commands/{name}: run a command, or preview its deletions."""
    service = request.app[keys.commands]
    command = service.find(request.match_info["name"])
    caller = authenticate.principal(request)
    service.authorize(caller, command)
    parameters = checked(CommandParameters, body.parameters(request))
    fields = _strings(await body.fields(request) if request.can_read_body else {})
    do = service.preview if parameters.preview else service.run
    return body.json_response(_outcome(await do(caller, command, fields)))


def _strings(fields: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the fields of a body as the lists of strings that commands take.

    Raises BadRequest.
    """
    return {name: _values(name, value) for name, value in fields.items() if value is not None}


def _values(name: str, value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int) for item in values):
        raise BadRequest(
            f"{name[:40]}: expected a string, a whole number, true or false, or a list of them"
        )
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]


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
