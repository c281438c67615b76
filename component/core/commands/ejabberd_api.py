"""The commands that Muniment adds to ejabberd's API, as commands of operators.

Each is defined in `core.ejabberd_api.own.definitions` alone; fields and results follow from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from component.core.access.principals import Principal, Role
from component.core.commands.context import CommandContext
from component.core.commands.spec import (
    Arguments,
    Cell,
    Command,
    Field,
    Outcome,
    Table,
    Value,
)
from component.core.ejabberd_api import arguments as api_arguments
from component.core.ejabberd_api.arguments import check_arguments
from component.core.ejabberd_api.definitions import LATEST, Argument, ArgumentType, Definition
from component.core.ejabberd_api.own.definitions import (
    GET_MAM_MESSAGES,
    GET_ROOM_MESSAGES,
    MAM_REMOVE_ARCHIVE,
    MAM_RETRIEVE,
    OWN,
)
from component.core.ejabberd_api.own.request import OwnRequest
from component.core.ejabberd_api.refusals import ApiRefusal
from component.core.errors import BadRequest, NotAllowed
from component.core.retention.admin import usage_fields
from component.core.wording import count_of
from component.core.xml.jids import bare

Run = Callable[[CommandContext, Principal, Arguments], Awaitable[Outcome]]

#: The commands that read archives, which the role reader is for.
_READING = (MAM_RETRIEVE, GET_ROOM_MESSAGES)

#: The keys of a message that a table shows.
_COLUMNS = ("id", "time", "from", "to", "type", "body")

#: What may follow the names of the commands on the command line.
_EXAMPLES = {
    "send_chat_state": ("alice@chat.example bob@chat.example composing",),
    "subscribe_roster": ("alice chat.example bob chat.example",),
    "unsubscribe_roster": ("alice chat.example bob chat.example",),
    "join_room": ("alice chat.example tea conference.chat.example Alice",),
    "leave_room": ("alice chat.example tea conference.chat.example",),
    "mam_retrieve": ("alice chat.example --with bob@chat.example --limit 20",),
    "get_room_messages": ("tea conference.chat.example --start 2026-01-31T12:00:00Z",),
    "get_mam_preferences": ("alice chat.example",),
    "set_mam_preferences": ("alice chat.example roster --never spam@chat.example",),
    "mam_remove_archive": ("alice chat.example --with bob@chat.example",),
}


_CONTACT = {
    "user": "Name of the contact, the part of the JID before @",
    "host": "Host of the contact, the part of the JID after @",
}

#: What the arguments are, by name.
_LABELS = {
    "from": "Bare or full JID of the sender",
    "to": "JID of the recipient",
    "state": "Chat state: active, composing, paused, inactive or gone",
    "localuser": "Name of the user, the part of the JID before @",
    "localhost": "Host of the user, the part of the JID after @",
    "user": "Name of the user, the part of the JID before @",
    "host": "Host of the user, the part of the JID after @",
    "room": "Name of the room, the part of its JID before @",
    "service": "Domain of the room, the part of its JID after @",
    "nick": "Name of the user in the room",
    "with": "Only messages with this JID",
    "start": "Only messages since this time, such as 2026-01-31T12:00:00Z",
    "end": "Only messages until this time",
    "after": "Only messages after the one with this id",
    "before": "Only messages before the one with this id",
    "limit": "Greatest number of messages",
    "order": "asc (default): the oldest first; desc: the newest first",
    "view": "raw (default), or folded: with corrections and reactions in their messages",
    "default": "What is archived of all others: always, never or roster",
    "always": "JID whose messages are always archived",
    "never": "JID whose messages are never archived",
}

#: What the arguments of one command are, where that differs.
_OTHER_LABELS = {
    "subscribe_roster": _CONTACT,
    "unsubscribe_roster": _CONTACT,
    "mam_remove_archive": {"with": "Only the conversation with this JID"},
}


def _command(definition: Definition) -> Command:
    name = definition.name.replace("_", "-")
    return Command(
        name=name,
        title=definition.description,
        node=f"muniment#{name}",
        role=Role.READER if definition in _READING else Role.ADMIN,
        fields=tuple(
            _field(argument, _OTHER_LABELS.get(definition.name, {}))
            for argument in definition.signature(LATEST).arguments
        ),
        examples=_EXAMPLES[definition.name],
        run=_run(definition),
        preview=_preview if definition is MAM_REMOVE_ARCHIVE else None,
    )


def _field(argument: Argument, labels: Mapping[str, str]) -> Field:
    is_list = argument.type is ArgumentType.LIST
    return Field(
        name=argument.name,
        label=labels.get(argument.name) or _LABELS[argument.name],
        is_required=not (argument.is_optional or is_list),
        is_multiple=is_list,
    )


def _run(definition: Definition) -> Run:
    async def run(context: CommandContext, principal: Principal, arguments: Arguments) -> Outcome:
        runner = context.own_commands.get(definition.name)
        if runner is None:
            raise NotAllowed("Muniment was started without the commands of ejabberd's API.")
        try:
            request = OwnRequest(principal=principal, arguments=_values(definition, arguments))
            return _outcome(definition, await runner(request))
        except ApiRefusal as refusal:
            raise BadRequest(refusal.message) from refusal

    return run


async def _preview(context: CommandContext, arguments: Arguments) -> Outcome:
    values = _values(MAM_REMOVE_ARCHIVE, arguments)
    owner = context.jids.prepare(f"{values['user']}@{values['host']}")
    if values.get("with"):
        peer = bare(context.jids.prepare(str(values["with"])))
        count = await context.archives.count_of_conversation(owner, peer)
        return Outcome(
            message=f"This blanks {count_of(count, 'message')} with {peer} in the archive of "
            f"{owner}."
        )
    usage = await context.archives.usage_of(owner)
    return Outcome(
        message=f"This erases the archive of {owner} with {count_of(usage.messages, 'message')},"
        " and all other data of its owner.",
        values=tuple(Value(name, name, cell) for name, cell in usage_fields(usage).items()),
    )


def _values(definition: Definition, arguments: Arguments) -> dict[str, api_arguments.Value]:
    """Return the arguments of the API. Raises ApiRefusal."""
    given: list[tuple[str, object]] = []
    signature = definition.signature(LATEST)
    for argument in signature.arguments:
        texts = arguments.all(argument.name)
        if argument.type is ArgumentType.LIST:
            given.append((argument.name, list(texts)))
        elif texts:
            given.append((argument.name, texts[0]))
    return check_arguments(signature, given, as_in_ejabberd=False)


def _outcome(definition: Definition, result: Any) -> Outcome:
    """Return the result for operators: a sentence, values, and a table of messages."""
    if not isinstance(result, dict):
        return Outcome(message="Done.")
    messages = result.get("messages")
    values = tuple(
        Value(name, name.capitalize(), tuple(value) if isinstance(value, list) else value)
        for name, value in result.items()
        if name != "messages"
    )
    if messages is None:
        return Outcome(message=f"{definition.description}.", values=values)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        tuple(message.get(column) for column in _COLUMNS) for message in messages
    )
    columns = tuple((column, column.capitalize()) for column in _COLUMNS)
    return Outcome(
        message=f"{count_of(len(rows), 'message')}.", values=values, table=Table(columns, rows)
    )


#: get_mam_messages is another name of mam_retrieve, for the programs that know it.
EJABBERD_API_COMMANDS = tuple(
    _command(definition) for definition in OWN if definition is not GET_MAM_MESSAGES
)
