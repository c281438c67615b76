"""The program with operators, over a real store, and the three ways to run commands."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import aiohttp
import pytest

from component import cli
from component.config import Operator, Rosters
from component.core.accounts.own import OwnAccounts
from component.core.background import Background
from component.core.commands.dispatch import COMMANDS, CommandService
from component.core.commands.spec import Command, FieldKind
from component.core.hosts import Hosts
from component.core.retention.admin import open_archive_admin
from component.core.retention.janitor import Timing
from component.core.retention.plan import RetentionDefaults
from component.handlers.functions import Handlers
from component.web.app import serve
from component.web.server.settings import Services
from component.wiring.queries import command_service, http_services
from component.xmpp.commands.admin import operator_commands
from support.accounts import source_of
from support.adhoc_commands import NS_COMMANDS, command, request
from support.http_services import HOSTS, PASSWORDS, SETTINGS
from support.wire import HOST, NS_FORM, NS_STANZAS, Reply, Wire, open_wire

BOSS, READER = f"boss@{HOST}", f"reader@{HOST}"
BOSS_PHONE, READER_PHONE = f"{BOSS}/phone", f"{READER}/phone"

OPERATORS = {
    "boss": Operator(role="admin", jid=BOSS, secret="the secret of the boss"),  # type: ignore[arg-type]
    "reader": Operator(role="reader", jid=READER, secret="the secret of the reader"),  # type: ignore[arg-type]
}

FieldValues = Mapping[str, str | list[str]]


@dataclass
class Operated:
    """A running program, and the connections over which operators run commands."""

    wire: Wire
    commands: CommandService
    services: Services
    url: str
    config: Path  #: of the command line


@dataclass(frozen=True)
class CommandAnswer:
    """The answer of a command over XMPP, HTTP or the command line, as text."""

    message: str
    values: dict[str, list[str]] = field(default_factory=dict)
    rows: list[dict[str, list[str]]] = field(default_factory=list)
    is_refused: bool = False


@asynccontextmanager
async def open_operated(
    folder: Path, defaults: RetentionDefaults | None = None
) -> AsyncIterator[Operated]:
    """Run the program in a folder; `defaults` are the retention limits."""
    sections: dict[str, Any] = {"operators": OPERATORS, "rosters": Rosters(source="store")}
    async with open_wire(folder, answering=False, **sections) as wire:
        parts, storage = wire.parts, wire.storage
        async with open_archive_admin(
            storage,
            parts.preference_filter,
            parts.served,
            parts.holds,
            defaults or RetentionDefaults(),
            Timing(batch=10),
            audit=parts.audit,
            followers=parts.followers,
        ) as administration:
            accounts = source_of(OwnAccounts(storage.accounts, PASSWORDS, Hosts(HOSTS)))
            commands = command_service(
                parts, administration, accounts, wire.connection, timeout=9.0
            )
            wire.answer(operator_commands(commands, parts.operators))
            services = http_services(
                storage, parts, commands, background=Background(), handlers=Handlers()
            )
            settings = replace(SETTINGS, operators=parts.operators)
            async with serve(settings, services) as url:
                yield Operated(wire, commands, services, url, _configured(folder, url))


def _configured(folder: Path, url: str) -> Path:
    path = folder / "muniment.toml"
    port = url.rpartition(":")[2]
    path.write_text(f'[http]\nport = {port}\nsecret = "{SETTINGS.secret}"\n')
    path.chmod(0o600)
    return path


def named(name: str) -> Command:
    """Return the command of a name."""
    return next(command for command in COMMANDS if command.name == name)


# Over XMPP


async def by_form(
    operated: Operated, name: str, fields: FieldValues, asker: str = BOSS_PHONE
) -> CommandAnswer:
    """Run a command over XMPP, with forms."""
    node = named(name).node
    begun = await operated.wire.direct(request(node), asker=asker)
    if begun.refusal or command(begun).get("status") == "completed":
        return answer_of(begun)
    return answer_of(await fill_in(operated.wire, begun, fields, asker))


async def fill_in(wire: Wire, begun: Reply, fields: FieldValues, asker: str = BOSS_PHONE) -> Reply:
    """Submit the form of a command that has begun."""
    inner = "".join(
        f"<field var='{name}'>"
        + "".join(f"<value>{escape(value)}</value>" for value in listed(values))
        + "</field>"
        for name, values in fields.items()
    )
    session = command(begun)
    answer = request(
        session.get("node", ""),
        session=session.get("sessionid"),
        inside=f"<x xmlns='{NS_FORM}' type='submit'>{inner}</x>",
    )
    return await wire.direct(answer, asker=asker)


def listed(values: str | list[str]) -> list[str]:
    """Return one value or many as a list."""
    return [values] if isinstance(values, str) else values


def answer_of(reply: Reply) -> CommandAnswer:
    """Return the answer of a completed or refused command."""
    if reply.refusal:
        text = reply.iq.findtext(f".//{{{NS_STANZAS}}}text")
        return CommandAnswer(text or "", is_refused=True)
    completed = command(reply)
    note = completed.findtext(f"{{{NS_COMMANDS}}}note") or ""
    form = completed.find(f"{{{NS_FORM}}}x")
    if form is None:
        return CommandAnswer(note)
    values = _fields(form)
    values.pop("FORM_TYPE", None)
    return CommandAnswer(
        note, values, [_fields(item) for item in form.findall(f"{{{NS_FORM}}}item")]
    )


def _fields(around: Element) -> dict[str, list[str]]:
    return {
        field.get("var", ""): [value.text or "" for value in field.findall(f"{{{NS_FORM}}}value")]
        for field in around.findall(f"{{{NS_FORM}}}field")
    }


# Over HTTP, and on the command line


async def by_http(operated: Operated, name: str, fields: FieldValues) -> CommandAnswer:
    """Run a command over HTTP."""
    async with (
        aiohttp.ClientSession(headers={"X-Api-Key": "the secret of the boss"}) as session,
        session.post(f"{operated.url}/api/v1/commands/{name}", json=dict(fields)) as answer,
    ):
        data = await answer.json()
    if answer.status >= 300:
        return CommandAnswer(data["message"], is_refused=True)
    return _parsed(data)


async def by_line(
    operated: Operated,
    name: str,
    fields: FieldValues,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> CommandAnswer:
    """Run a command on the command line."""
    arguments = [name, "--config", str(operated.config), "--json", *_arguments(name, fields)]
    password = fields.get("password", "")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    code = await asyncio.to_thread(_run, arguments)
    completed = capsys.readouterr()
    if code != 0:
        return CommandAnswer(json.loads(completed.err)["message"], is_refused=True)
    return _parsed(json.loads(completed.out))


def _run(arguments: list[str]) -> int:
    return cli.main(arguments)


def _arguments(name: str, values_by_name: FieldValues) -> list[str]:
    required, options = [], ["--yes"] if named(name).preview else []
    for spec in named(name).fields:
        values = listed(values_by_name.get(spec.name, []))
        if spec.kind is FieldKind.PASSWORD or not values:
            continue
        if spec.kind is FieldKind.FLAG:
            options += [f"--{spec.name}"]
        elif spec.is_required:
            required += values
        else:
            for value in values:
                options += [f"--{spec.name.replace('_', '-')}", value]
    return [*options, *required]


def _parsed(data: dict[str, Any]) -> CommandAnswer:
    return CommandAnswer(
        data["message"],
        {name: _texts(value) for name, value in data["values"].items()},
        [{name: _texts(cell) for name, cell in row.items()} for row in data["rows"]],
    )


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return list(map(str, value))
    return [str(value).lower() if isinstance(value, bool) else str(value)]
