"""Where commands are given: who may, with what, and on record before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from component.core.accounts import Accounts
from component.core.administration import Administration
from component.core.audit import Audit, in_words
from component.core.commands.answers import checked
from component.core.commands.definition import Answers, Command, Kind, Outcome
from component.core.contact_lists import ContactLists
from component.core.errors import Forbidden, ItemNotFound
from component.core.operators import Operator, may
from component.core.ports import Jids, Link
from component.core.writer import Queue, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts of the program that commands reach."""

    commands: Sequence[Command]
    hosts: Collection[str]
    jids: Jids
    audit: Audit
    administration: Administration
    accounts: Accounts
    contact_lists: ContactLists
    queue: Queue  #: what comes from users, on its way to the writer: whoever reads waits for it
    writer: Writer
    link: Link
    reconnect: Callable[[], None]  #: has the stream closed and opened again, some time soon
    patience: float  #: in seconds, how long whoever gives a command waits for its answer

    def open_to(self, operator: Operator | None) -> tuple[Command, ...]:
        """Return the commands that somebody may give."""
        if operator is None:
            return ()
        return tuple(command for command in self.commands if may(operator, command.role))

    def named(self, name: str) -> Command:
        """Return a command. Raises ItemNotFound."""
        for command in self.commands:
            if command.name == name:
                return command
        raise ItemNotFound("There is no such command.")

    def authorize(self, operator: Operator | None, command: Command) -> Operator:
        """Return who somebody is that may give a command. Raises Forbidden."""
        if operator is None or not may(operator, command.role):
            raise Forbidden("This command is not yours to give.")
        return operator

    async def run(
        self, operator: Operator | None, command: Command, given: Mapping[str, Sequence[str]]
    ) -> Outcome:
        """Do what a command says; it is in the audit log before. Raises Refused."""
        operator = self.authorize(operator, command)
        answers = checked(command, given, self.jids, self.hosts)
        await self._check_owners(operator, command, answers)
        await self._note(operator, command, answers)
        return await command.run(self, operator, answers)

    async def _check_owners(self, operator: Operator, command: Command, answers: Answers) -> None:
        """Return if there can be each archive that was named. Raises ItemNotFound."""
        for field in command.fields:
            if field.kind is Kind.OWNER:
                for owner in answers.all(field.name):
                    await self.administration.served.check(owner, operator)

    async def _note(self, operator: Operator, command: Command, answers: Answers) -> None:
        """Write a line for each archive or account that a command is about."""
        subjects: list[str] = []
        said: dict[str, str | None] = {}
        for field in command.fields:
            if field.kind in (Kind.OWNER, Kind.ACCOUNT):
                subjects += answers.all(field.name)
            elif field.kind is not Kind.PASSWORD:
                said[field.name] = " ".join(answers.all(field.name))
        detail = in_words(said) if any(said.values()) else ""
        for subject in subjects or ["*"]:
            await self.audit.note(operator.name, command.name, subject, detail)
