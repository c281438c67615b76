"""Principals, which make the requests over XMPP and HTTP: the server, operators and users."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class Role(StrEnum):
    """The rights of an operator; an admin has those of a reader too."""

    READER = "reader"  #: read, search, follow and export the archives of others
    ADMIN = "admin"  #: also erase, hold, purge, change accounts, and read the audit log


@dataclass(frozen=True, slots=True)
class Server:
    """The XMPP server, or a program with the same rights: both send `http.secret`."""

    name: ClassVar[str] = "server"  #: in the audit log


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person or a program with a role, as configured."""

    name: str  #: in the audit log
    role: Role
    jid: str | None = None  #: bare JID that gives this operator's commands over XMPP, prepared
    secret: str | None = field(default=None, repr=False)  #: identifies this operator over HTTP


class Operators(Collection[Operator]):
    """The configured operators. A reload of the configuration replaces them."""

    def __init__(self, operators: Iterable[Operator] = ()) -> None:
        self._operators = tuple(operators)

    def __iter__(self) -> Iterator[Operator]:
        return iter(self._operators)

    def __len__(self) -> int:
        return len(self._operators)

    def __contains__(self, operator: object) -> bool:
        return operator in self._operators

    def replace(self, operators: Iterable[Operator]) -> None:
        """Have other operators from now on."""
        self._operators = tuple(operators)


def operator_with(jid: str, operators: Iterable[Operator]) -> Operator | None:
    """Return the operator that has a bare JID, None without one."""
    return next((operator for operator in operators if operator.jid == jid), None)


@dataclass(frozen=True, slots=True)
class User:
    """A user of XMPP. The address alone identifies the user, because the server checks it."""

    jid: str  #: bare, prepared

    @property
    def name(self) -> str:
        """The name in the audit log: the address."""
        return self.jid


Principal = Server | Operator | User

SERVER = Server()
