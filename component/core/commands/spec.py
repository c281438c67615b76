"""The definition of a command: its name, role, fields, function and result.

XMPP (ad-hoc commands), HTTP and the command line are generated from these definitions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from component.core.access.principals import Principal, Role
from component.core.commands.context import CommandContext
from storage.rows import Contact

#: The values of a FLAG.
TRUE, FALSE = "true", "false"

#: A single value of a result.
Cell = str | int | bool | None


class FieldKind(StrEnum):
    """Type of the values of a field."""

    TEXT = "text"
    PASSWORD = "password"  # noqa: S105 - the name of a type, no password
    OWNER = "owner"  #: bare JID of a user or a room that has an archive
    ACCOUNT = "account"  #: bare JID of a user of a virtual host
    HOST = "host"  #: virtual host
    NUMBER = "number"  #: whole number, from 1 to `maximum`
    CHOICE = "choice"
    FLAG = "flag"  #: true or false (the default)


#: Kinds of fields that name the archive or account that a command is about.
SUBJECT_KINDS = (FieldKind.OWNER, FieldKind.ACCOUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A parameter of a command."""

    name: str
    label: str
    kind: FieldKind = FieldKind.TEXT
    is_required: bool = False
    is_multiple: bool = False  #: accepts a list of values
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()  #: of a CHOICE: values with their labels
    maximum: int = 0  #: of a NUMBER


@dataclass(frozen=True, slots=True)
class Arguments:
    """Values of the fields of a command, validated; addresses are prepared (RFC 7622)."""

    values: Mapping[str, tuple[str, ...]]

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a field."""
        return self.values.get(name, ())

    def text(self, name: str) -> str:
        """Return the only value of a field, "" if it has none."""
        return next(iter(self.all(name)), "")

    def flag(self, name: str) -> bool:
        """Return the value of a field of kind FLAG."""
        return self.text(name) == TRUE

    def number(self, name: str) -> int:
        """Return the value of a field of kind NUMBER, which has a default or is required."""
        return int(self.text(name))


@dataclass(frozen=True, slots=True)
class Value:
    """A named value of a result."""

    name: str
    label: str
    content: Cell | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with one cell per column; columns are names with their labels."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell | tuple[str, ...], ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of a command."""

    message: str  #: for people, a sentence
    values: tuple[Value, ...] = ()
    table: Table | None = None
    roster: tuple[Contact, ...] | None = (
        None  #: if the whole result is one roster (XEP-0133 section 4.8)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of operators."""

    name: str  #: over HTTP and on the command line
    title: str  #: one line, in the imperative
    help: str = ""  #: advice for the operator before the command runs
    node: str  #: over XMPP (XEP-0050)
    role: Role
    fields: Sequence[Field] = ()
    #: what may follow the name on the command line
    examples: Sequence[str] = ()
    #: runs the command; raises Refused
    run: Callable[[CommandContext, Principal, Arguments], Awaitable[Outcome]]
    #: of a command that deletes: returns a forecast, and deletes nothing
    preview: Callable[[CommandContext, Arguments], Awaitable[Outcome]] | None = None
