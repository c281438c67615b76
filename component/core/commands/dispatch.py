"""Where commands are given: who may, with what, and on record before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from component.core.access.audit import Audit, describe_fields
from component.core.access.principals import Operator, has_role
from component.core.accounts.protocol import Accounts
from component.core.archiving.writer import Queue, Writer
from component.core.commands.link import Link
from component.core.commands.spec import OF_SUBJECTS, Arguments, Command, Kind, Outcome
from component.core.commands.validate import checked
from component.core.errors import BadRequest, Forbidden, ItemNotFound
from component.core.hosts import Hosts
from component.core.retention.admin import Administration
from component.core.rosters.service import RosterService
from component.core.xml.jids import Jids


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandService:
    """The parts of the program that commands reach."""

    commands: Sequence[Command]
    hosts: Hosts
    jids: Jids
    audit: Audit
    administration: Administration
    accounts: Accounts
    rosters: RosterService
    queue: Queue  #: what comes from users, on its way to the writer: whoever reads waits for it
    writer: Writer
    link: Link
    reconnect: Callable[[], None]  #: has the stream closed and opened again, some time soon
    patience: float  #: in seconds, how long whoever gives a command waits for its answer

    def available_to(self, operator: Operator | None) -> tuple[Command, ...]:
        """Return the commands that somebody may give."""
        if operator is None:
            return ()
        return tuple(command for command in self.commands if has_role(operator, command.role))

    def find(self, name: str) -> Command:
        """Return a command. Raises ItemNotFound."""
        for command in self.commands:
            if command.name == name:
                return command
        raise ItemNotFound("There is no such command.")

    def authorize(self, operator: Operator | None, command: Command) -> Operator:
        """Return who somebody is that may give a command. Raises Forbidden."""
        if operator is None or not has_role(operator, command.role):
            raise Forbidden("This command is not yours to give.")
        return operator

    async def run(
        self, operator: Operator | None, command: Command, given: Mapping[str, Sequence[str]]
    ) -> Outcome:
        """Do what a command says; it is in the audit log before. Raises Refused."""
        operator = self.authorize(operator, command)
        answers = await self._checked(operator, command, given)
        await self._note(operator, command, answers)
        return await command.run(self, operator, answers)

    async def preview(
        self, operator: Operator | None, command: Command, given: Mapping[str, Sequence[str]]
    ) -> Outcome:
        """Tell what a command would take away; that it was asked is in the audit log before.

        Raises Refused.
        """
        operator = self.authorize(operator, command)
        if command.preview is None:
            raise BadRequest("preview: this command takes nothing away")
        answers = await self._checked(operator, command, given)
        for subject in _subjects(command, answers):
            await self.audit.record(operator.name, "preview", subject, command.name)
        return await command.preview(self, answers)

    async def _checked(
        self, operator: Operator, command: Command, given: Mapping[str, Sequence[str]]
    ) -> Arguments:
        """Return what was said, prepared. Raises BadRequest, ItemNotFound."""
        answers = checked(command, given, self.jids, self.hosts)
        for field in command.fields:
            if field.kind is Kind.OWNER:
                for owner in answers.all(field.name):
                    await self.administration.served.check(owner, operator)
        return answers

    async def _note(self, operator: Operator, command: Command, answers: Arguments) -> None:
        """Write a line for each archive or account that a command is about."""
        said = {
            field.name: " ".join(answers.all(field.name))
            for field in command.fields
            if field.kind not in (*OF_SUBJECTS, Kind.PASSWORD)
        }
        detail = describe_fields(said) if any(said.values()) else ""
        for subject in _subjects(command, answers):
            await self.audit.record(operator.name, command.name, subject, detail)


def _subjects(command: Command, answers: Arguments) -> list[str]:
    """Return the archives and accounts that a command is about, "*" where it names none."""
    fields = [field for field in command.fields if field.kind in OF_SUBJECTS]
    return [subject for field in fields for subject in answers.all(field.name)] or ["*"]
