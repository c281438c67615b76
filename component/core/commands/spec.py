"""What a command is: its name, who may give it, what it asks for, and what it answers.

The ways of giving one (ad-hoc over XMPP, HTTP, the command line) read these and know nothing more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from component.core.access.principals import Operator, Role
from storage.rows import Contact

if TYPE_CHECKING:
    from component.core.commands.dispatch import CommandService

#: The values of a FLAG.
TRUE, FALSE = "true", "false"

#: What a value of an answer can be.
Cell = str | int | bool | None


class Kind(StrEnum):
    """What a field takes."""

    TEXT = "text"
    PASSWORD = "password"  # noqa: S105 - what it is called, no password
    OWNER = "owner"  #: bare JID of whose archive it is: a user or a room
    ACCOUNT = "account"  #: bare JID of a user of a virtual host
    HOST = "host"  #: virtual host
    NUMBER = "number"  #: whole, from 1 on
    CHOICE = "choice"
    FLAG = "flag"  #: true or false; false where nothing is said


#: Kinds of fields that say which archive or account is meant.
OF_SUBJECTS = (Kind.OWNER, Kind.ACCOUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that a command asks for."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    is_required: bool = False
    is_many: bool = False  #: any number of values
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()  #: values of a CHOICE, each with its label
    most: int = 0  #: largest NUMBER


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was said to the fields of a command, each checked and prepared."""

    values: Mapping[str, tuple[str, ...]]

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return self.values.get(name, ())

    def one(self, name: str) -> str:
        """Return the only value of a field, "" without one."""
        return next(iter(self.all(name)), "")

    def flag(self, name: str) -> bool:
        """Return the value of a field of kind FLAG."""
        return self.one(name) == TRUE

    def number(self, name: str) -> int:
        """Return the value of a field of kind NUMBER, which has a default or is required."""
        return int(self.one(name))


@dataclass(frozen=True, slots=True)
class Value:
    """One thing that a command answers."""

    name: str
    label: str
    content: Cell | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of which each has a cell for every column; those are names with their labels."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell | tuple[str, ...], ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command answers."""

    message: str  #: for people
    values: tuple[Value, ...] = ()
    table: Table | None = None
    roster: tuple[Contact, ...] | None = None  #: where all of the answer is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What an operator can have done."""

    name: str  #: over HTTP and on the command line
    title: str  #: one line, imperative
    help: str = ""  #: what else there is to know before one gives it
    node: str  #: over XMPP (XEP-0050)
    role: Role
    fields: Sequence[Field] = ()
    #: does it; raises Refused
    run: Callable[[CommandService, Operator, Arguments], Awaitable[Outcome]]
    #: of a command that takes something away: tells what that would be, and takes nothing
    preview: Callable[[CommandService, Arguments], Awaitable[Outcome]] | None = None
