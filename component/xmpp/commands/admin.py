"""What operators have done by commands, as ad-hoc commands (XEP-0050): forms in, forms out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from component.core.access.principals import Operator
from component.core.commands import spec
from component.core.commands.accounts import ADMIN
from component.core.commands.dispatch import CommandService
from component.core.commands.spec import Kind, Outcome
from component.core.rosters.stanzas import roster_xml
from component.xmpp.commands.adhoc import Command, Done
from component.xmpp.queries.exchange import Exchange
from component.xmpp.queries.forms import FORM_TYPE, Cell, Field, Form, Values, result_xml

_TYPES = {
    Kind.TEXT: "text-single",
    Kind.PASSWORD: "text-private",
    Kind.OWNER: "jid-single",
    Kind.ACCOUNT: "jid-single",
    Kind.HOST: "list-single",
    Kind.NUMBER: "text-single",
    Kind.CHOICE: "list-single",
    Kind.FLAG: "boolean",
}


def administration(desk: CommandService, operators: Sequence[Operator]) -> tuple[Command, ...]:
    """Return the commands that operators can give by their JIDs."""
    by_jid = {operator.jid: operator for operator in operators if operator.jid}
    return tuple(_command(desk, command, by_jid.get) for command in desk.commands)


def _command(
    desk: CommandService, command: spec.Command, known: Callable[[str], Operator | None]
) -> Command:
    async def form(exchange: Exchange) -> Form | None:
        desk.authorize(known(exchange.requester), command)
        return _form(desk, command) if command.fields else None

    async def run(exchange: Exchange, values: Values) -> Done:
        given = {name: said for name, said in values.items() if name != FORM_TYPE}
        return _done(command, await desk.run(known(exchange.requester), command, given))

    return Command(
        node=command.node,
        name=command.title,
        form=form,
        run=run,
        is_open_to=lambda jid: command in desk.available_to(known(jid)),
        has_errors=True,
    )


def _form(desk: CommandService, command: spec.Command) -> Form:
    return Form(
        title=command.title,
        instructions=command.help or f"{command.title}.",
        fields=tuple(_field(desk, field) for field in command.fields),
        form_type=_form_type(command),
    )


def _field(desk: CommandService, field: spec.Field) -> Field:
    options = field.choices
    if field.kind is Kind.HOST:
        options = (("", "All"), *((host, host) for host in desk.hosts))
    return Field(
        name=field.name,
        type="jid-multi" if field.is_many else _TYPES[field.kind],
        label=field.label,
        values=(field.default,) if field.default else (),
        options=options,
        is_required=field.is_required,
    )


def _done(command: spec.Command, outcome: Outcome) -> Done:
    table = outcome.table
    if not outcome.values and table is None:
        return Done(note=outcome.message)
    payload = result_xml(
        tuple(map(_told, outcome.values)),
        table.columns if table else (),
        [tuple(map(_cell, row)) for row in table.rows] if table else (),
        form_type=_form_type(command),
        # XEP-0133 section 4.8 has it among the fields.
        inside="" if outcome.roster is None else roster_xml(outcome.roster),
    )
    return Done(note=outcome.message, payload=payload)


def _told(value: spec.Value) -> Field:
    is_list = isinstance(value.content, tuple)
    return Field(
        name=value.name,
        type="text-multi" if is_list else "text-single",
        label=value.label,
        values=_cell(value.content),
    )


def _cell(content: spec.Cell | tuple[str, ...]) -> Cell:
    if content is None:
        return ()
    if isinstance(content, tuple):
        return content
    return (str(content).lower() if isinstance(content, bool) else str(content),)


def _form_type(command: spec.Command) -> str:
    return ADMIN if command.node.startswith(f"{ADMIN}#") else ""
