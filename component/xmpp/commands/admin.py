"""The commands of operators as ad-hoc commands (XEP-0050): fields and results are forms."""

from __future__ import annotations

from collections.abc import Callable, Collection

from component.core.access.principals import Operator, Principal, User, operator_with
from component.core.commands import spec
from component.core.commands.accounts import ADMIN
from component.core.commands.dispatch import CommandService
from component.core.commands.spec import FieldKind, Outcome
from component.core.rosters.stanzas import roster_xml
from component.xmpp.commands.adhoc import AdHocCommand, Completion
from component.xmpp.queries.exchange import Exchange
from component.xmpp.queries.forms import FORM_TYPE, Cell, Field, Form, Values, result_xml

_TYPES = {
    FieldKind.TEXT: "text-single",
    FieldKind.PASSWORD: "text-private",
    FieldKind.OWNER: "jid-single",
    FieldKind.ACCOUNT: "jid-single",
    FieldKind.HOST: "list-single",
    FieldKind.NUMBER: "text-single",
    FieldKind.CHOICE: "list-single",
    FieldKind.FLAG: "boolean",
}


def operator_commands(
    service: CommandService, operators: Collection[Operator]
) -> tuple[AdHocCommand, ...]:
    """Return the ad-hoc commands for the operators that have a JID."""

    def principal_of(jid: str) -> Principal:
        return operator_with(jid, operators) or User(jid)

    return tuple(_command(service, command, principal_of) for command in service.commands)


def _command(
    service: CommandService, command: spec.Command, principal_of: Callable[[str], Principal]
) -> AdHocCommand:
    async def form(exchange: Exchange) -> Form | None:
        service.authorize(principal_of(exchange.requester), command)
        return _form(service, command) if command.fields else None

    async def run(exchange: Exchange, values: Values) -> Completion:
        submitted = {name: texts for name, texts in values.items() if name != FORM_TYPE}
        return _completion(
            command, await service.run(principal_of(exchange.requester), command, submitted)
        )

    return AdHocCommand(
        node=command.node,
        name=command.title,
        form=form,
        run=run,
        is_open_to=lambda jid: command in service.available_to(principal_of(jid)),
        has_errors=True,
    )


def _form(service: CommandService, command: spec.Command) -> Form:
    return Form(
        title=command.title,
        instructions=command.help or f"{command.title}.",
        fields=tuple(_field(service, field) for field in command.fields),
        form_type=_form_type(command),
    )


def _field(service: CommandService, field: spec.Field) -> Field:
    options = field.choices
    if field.kind is FieldKind.HOST:
        options = (("", "All"), *((host, host) for host in service.context.hosts))
    return Field(
        name=field.name,
        type="jid-multi" if field.is_multiple else _TYPES[field.kind],
        label=field.label,
        values=(field.default,) if field.default else (),
        options=options,
        is_required=field.is_required,
    )


def _completion(command: spec.Command, outcome: Outcome) -> Completion:
    table = outcome.table
    if not outcome.values and table is None:
        return Completion(note=outcome.message)
    payload = result_xml(
        tuple(map(_value_field, outcome.values)),
        table.columns if table else (),
        [tuple(map(_cell, row)) for row in table.rows] if table else (),
        form_type=_form_type(command),
        # XEP-0133 section 4.8 puts the <query/> of a roster beside the fields.
        inside="" if outcome.roster is None else roster_xml(outcome.roster),
    )
    return Completion(note=outcome.message, payload=payload)


def _value_field(value: spec.Value) -> Field:
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
