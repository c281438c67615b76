"""Answers of the administration API, as the OpenAPI document describes them."""

from __future__ import annotations

from pydantic import JsonValue

from component.core.commands.spec import FieldKind
from component.core.doctor.finding import Severity
from component.core.retention.purge import State
from component.web.archive.answers import Moment, Paged
from component.web.server.operation import Answer


class Account(Answer):
    """An account; `enabled` and `created` are null if that is not known."""

    jid: str
    enabled: bool | None
    created: Moment | None


class AccountsPage(Paged):
    """A page of the accounts of a virtual host."""

    host: str
    count: int
    accounts: list[Account]


class CreatedAccount(Answer):
    """A new account."""

    jid: str


class EnabledAccount(Answer):
    """Whether an account is enabled."""

    jid: str
    enabled: bool


class ArchiveUsage(Answer):
    """The size of an archive."""

    owner: str
    messages: int
    bytes: int
    oldest: Moment | None
    newest: Moment | None


class UsagePage(Paged):
    """A page of the sizes of archives."""

    archives: list[ArchiveUsage]


class Removal(Answer):
    """What was removed; the removal continues unless it is done."""

    messages: int
    bytes: int
    done: bool


class Purge(Answer):
    """The progress of a purge."""

    by: str
    owner: str | None
    state: State
    started: Moment | None
    finished: Moment | None
    archives: int
    archives_done: int
    messages: int
    deleted: int
    blanked: int
    old_ids: int
    bytes: int
    freed_bytes: int | None
    released_bytes: int | None
    free_bytes: int | None
    remedy: str | None
    error: str | None


class Purges(Answer):
    """The running purge, and the last one."""

    current: Purge | None
    last: Purge | None


class AuditLine(Answer):
    """An entry of the audit log."""

    number: int
    time: Moment
    actor: str
    action: str
    subject: str
    detail: str


class AuditPage(Paged):
    """A page of the audit log."""

    entries: list[AuditLine]


class CommandField(Answer):
    """A field that a command takes."""

    name: str
    label: str
    kind: FieldKind
    required: bool
    many: bool
    default: str | None
    choices: list[str]


class CommandDescription(Answer):
    """A command, and the fields that it takes."""

    name: str
    title: str
    help: str
    role: str
    preview: bool
    fields: list[CommandField]


class CommandList(Answer):
    """The commands that the caller may run."""

    commands: list[CommandDescription]


class CommandOutcome(Answer):
    """The outcome of a command."""

    message: str
    values: dict[str, JsonValue]
    rows: list[dict[str, JsonValue]]


class ExaminedFinding(Answer):
    """The finding of a check; `options` are those of ejabberd.yml that mend a fault."""

    check: str
    severity: Severity
    seen: str
    change: str
    options: dict[str, JsonValue]


class Findings(Answer):
    """The findings of all checks."""

    findings: list[ExaminedFinding]


class Limits(Answer):
    """How long messages are kept, and how many."""

    days: int | None
    messages: int | None
    bytes: int | None


class RetentionRule(Limits):
    """The rule of an archive, or of the conversation with `peer` in it."""

    peer: str | None


class Retention(Answer):
    """The rules of an archive, and the defaults."""

    owner: str
    defaults: Limits
    rules: list[RetentionRule]


class LegalHold(Answer):
    """A legal hold."""

    subject: str
    reason: str
    by: str
    time: Moment


class LegalHolds(Answer):
    """All legal holds."""

    holds: list[LegalHold]
