"""Principals: every request over XMPP or HTTP is made by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class Role(StrEnum):
    """What an operator may do; an admin may do all that a reader may."""

    READER = "reader"  #: read, search, follow and export the archives of others
    ADMIN = "admin"  #: also erase, hold, purge, change accounts, and read the audit log


@dataclass(frozen=True, slots=True)
class Server:
    """The XMPP server, or a program that is trusted like it: it shows `http.secret`."""

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
    """A user of XMPP, identified by address alone: a query over XMPP has nothing else."""

    jid: str  #: bare, prepared

    @property
    def name(self) -> str:
        """The name in the audit log: the address."""
        return self.jid


Principal = Server | Operator | User

SERVER = Server()
