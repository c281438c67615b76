"""Runs commands: authorizes the principal, validates the fields, writes the audit log, calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from component.core.access.audit import Audit, describe_fields
from component.core.access.principals import Principal
from component.core.access.roles import has_role
from component.core.commands.accounts import ACCOUNT_COMMANDS
from component.core.commands.archives import ARCHIVE_COMMANDS
from component.core.commands.context import CommandContext
from component.core.commands.ejabberd_api import EJABBERD_API_COMMANDS
from component.core.commands.rosters import ROSTER_COMMANDS
from component.core.commands.service import SERVICE_COMMANDS
from component.core.commands.sign_ins import SIGN_IN_COMMANDS
from component.core.commands.spec import (
    SUBJECT_KINDS,
    Arguments,
    Command,
    FieldKind,
    Outcome,
)
from component.core.commands.validate import validate
from component.core.errors import BadRequest, Forbidden, ItemNotFound

#: Every command.
COMMANDS = (
    *SERVICE_COMMANDS,
    *ARCHIVE_COMMANDS,
    *ACCOUNT_COMMANDS,
    *SIGN_IN_COMMANDS,
    *ROSTER_COMMANDS,
    *EJABBERD_API_COMMANDS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandService:
    """Authorizes, validates, audits and runs commands."""

    context: CommandContext
    audit: Audit
    commands: Sequence[Command] = COMMANDS

    def available_to(self, principal: Principal) -> tuple[Command, ...]:
        """Return the commands that a principal may run."""
        return tuple(command for command in self.commands if has_role(principal, command.role))

    def find(self, name: str) -> Command:
        """Return a command by its name. Raises ItemNotFound."""
        for command in self.commands:
            if command.name == name:
                return command
        raise ItemNotFound("There is no such command.")

    def authorize(self, principal: Principal, command: Command) -> None:
        """Check that the role of a principal allows the command. Raises Forbidden."""
        if not has_role(principal, command.role):
            raise Forbidden("You may not run this command.")

    async def run(
        self, principal: Principal, command: Command, submitted: Mapping[str, Sequence[str]]
    ) -> Outcome:
        """Write a command to the audit log, then run it. Raises Refused."""
        self.authorize(principal, command)
        arguments = await self._validate(principal, command, submitted)
        await self._audit(principal, command, arguments)
        return await command.run(self.context, principal, arguments)

    async def preview(
        self, principal: Principal, command: Command, submitted: Mapping[str, Sequence[str]]
    ) -> Outcome:
        """Write a preview to the audit log, then return the forecast of the command.

        Raises Refused.
        """
        self.authorize(principal, command)
        if command.preview is None:
            raise BadRequest("preview: this command deletes nothing")
        arguments = await self._validate(principal, command, submitted)
        for subject in _subjects(command, arguments):
            await self.audit.record(principal.name, "preview", subject, command.name)
        return await command.preview(self.context, arguments)

    async def _validate(
        self, principal: Principal, command: Command, submitted: Mapping[str, Sequence[str]]
    ) -> Arguments:
        """Return the validated arguments. Raises BadRequest, ItemNotFound, Overloaded."""
        arguments = validate(command, submitted, self.context.jids, self.context.hosts)
        for field in command.fields:
            if field.kind is FieldKind.OWNER:
                for owner in arguments.all(field.name):
                    await self.context.archives.served.check(owner, principal)
        return arguments

    async def _audit(self, principal: Principal, command: Command, arguments: Arguments) -> None:
        """Write one entry for each archive or account that a command is about."""
        texts = {
            field.name: " ".join(arguments.all(field.name))
            for field in command.fields
            if field.kind not in (*SUBJECT_KINDS, FieldKind.PASSWORD)
        }
        detail = describe_fields(texts) if any(texts.values()) else ""
        for subject in _subjects(command, arguments):
            await self.audit.record(principal.name, command.name, subject, detail)


def _subjects(command: Command, arguments: Arguments) -> list[str]:
    """Return the archives and accounts that a command is about, or "*"."""
    fields = [field for field in command.fields if field.kind in SUBJECT_KINDS]
    return [subject for field in fields for subject in arguments.all(field.name)] or ["*"]
