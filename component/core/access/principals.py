"""Principals, which make the requests over XMPP and HTTP: the server, operators and users."""

from __future__ import annotations

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
