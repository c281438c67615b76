"""Operators: people and programs that may do more than read their own archive."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What an operator may do. Every read of another's archive is written into the audit log."""

    READER = "reader"  #: read, search, follow and export the archives of others
    ADMIN = "admin"  #: all that, erase, hold, purge, change accounts, read the audit log


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One of them, as configured."""

    name: str  #: as the audit log calls it
    role: Role
    jid: str | None = None  #: bare JID under which it asks over XMPP, prepared
    secret: str | None = field(default=None, repr=False)  #: what it shows over HTTP


#: Whoever shows `http.secret`: the XMPP server itself, or a program trusted like it.
SERVER = Operator(name="server", role=Role.ADMIN)


def has_role(operator: Operator, role: Role) -> bool:
    """Whether an operator may do what is for those of a role."""
    return operator.role in (role, Role.ADMIN)
