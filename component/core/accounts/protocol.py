"""Accounts: who can log in, wherever that is known. Every source of accounts is one of these.

`core.own_accounts` keeps them in our own store; the XMPP server and the operator's own module are
asked by the edges. Addresses are bare JIDs, prepared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from component.core.errors import NotAllowed


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """What a list of accounts tells of one."""

    jid: str
    is_enabled: bool | None = True  #: None: the source does not tell
    created: int | None = None  #: microseconds since the epoch; None: the source does not tell


class Accounts(Protocol):
    """The accounts of our virtual hosts.

    Where a source cannot do one of these it raises NotAllowed, which says where accounts live.
    Each raises Overloaded where the source does not answer.
    """

    async def authenticate(self, jid: str, password: str) -> bool:
        """Whether this is the password of an account that may log in.

        It takes as long for accounts that there are not. Raises Overloaded.
        """
        ...

    async def exists(self, jid: str) -> bool:
        """Whether there is such an account, and it may log in. Raises Overloaded."""
        ...

    async def register(self, jid: str, password: str) -> None:
        """Make an account. Raises Conflict, BadRequest, NotAllowed, Overloaded."""
        ...

    async def set_password(self, jid: str, password: str) -> None:
        """Give an account a password. Raises ItemNotFound, BadRequest, NotAllowed, Overloaded."""
        ...

    async def remove(self, jid: str) -> None:
        """Remove an account. Raises ItemNotFound, NotAllowed, Overloaded."""
        ...

    async def set_enabled(self, jid: str, is_enabled: bool) -> None:
        """Say whether an account may log in. Raises ItemNotFound, NotAllowed, Overloaded."""
        ...

    async def listed(self, host: str, after: str, limit: int) -> tuple[AccountSummary, ...]:
        """Return up to `limit` accounts of a host by their JIDs, behind `after` ("": the first).

        Raises NotAllowed, Overloaded.
        """
        ...

    async def count(self, host: str) -> int:
        """Return how many accounts a host has. Raises NotAllowed, Overloaded."""
        ...


class LoginOnlyAccounts:
    """Accounts of a server that is not asked: everything is refused, with the reason."""

    def __init__(self, reason: str) -> None:
        """`reason` says where the accounts are, and what to change so that they can be asked."""
        self._reason = reason

    async def authenticate(self, jid: str, password: str) -> bool:
        """Raise NotAllowed."""
        raise NotAllowed(self._reason)

    async def exists(self, jid: str) -> bool:
        """Raise NotAllowed."""
        raise NotAllowed(self._reason)

    async def register(self, jid: str, password: str) -> None:
        """Raise NotAllowed."""
        raise NotAllowed(self._reason)

    async def set_password(self, jid: str, password: str) -> None:
        """Raise NotAllowed."""
        raise NotAllowed(self._reason)

    async def remove(self, jid: str) -> None:
        """Raise NotAllowed."""
        raise NotAllowed(self._reason)

    async def set_enabled(self, jid: str, is_enabled: bool) -> None:
        """Raise NotAllowed."""
        raise NotAllowed(self._reason)

    async def listed(self, host: str, after: str, limit: int) -> tuple[AccountSummary, ...]:
        """Raise NotAllowed."""
        raise NotAllowed(self._reason)

    async def count(self, host: str) -> int:
        """Raise NotAllowed."""
        raise NotAllowed(self._reason)
