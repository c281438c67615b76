"""The contract of accounts: the check of passwords, and the administration of accounts.

Implementations are our own store (`core.accounts.own`), ejabberd (`clients.ejabberd_accounts`,
`clients.ejabberd_login`) and the operator's module (`handlers.accounts`). Every `jid` is a
prepared bare JID. Each method raises Overloaded if its source does not answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from component.core.errors import NotAllowed


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """An account in a list of accounts."""

    jid: str
    is_enabled: bool | None = True  #: None: not reported
    created: int | None = None  #: microseconds since the epoch; None: not reported


class Authenticator(Protocol):
    """Decides who may log in to our virtual hosts.

    A source that cannot be asked raises NotAllowed, whose message says where the accounts are.
    """

    async def authenticate(self, jid: str, password: str) -> bool:
        """Return whether `password` is that of an account that may log in.

        The answer for an account that does not exist takes as long as for one that does.
        """
        ...

    async def exists(self, jid: str) -> bool:
        """Return whether the account exists and may log in."""
        ...


class AccountAdmin(Protocol):
    """Creates, changes, lists and removes the accounts of our virtual hosts.

    A source that cannot do one of these raises NotAllowed, whose message says how else to do it.
    """

    async def register(self, jid: str, password: str) -> None:
        """Create an account. Raises Conflict if it exists, BadRequest."""
        ...

    async def set_password(self, jid: str, password: str) -> None:
        """Change the password of an account. Raises ItemNotFound, BadRequest."""
        ...

    async def remove(self, jid: str) -> None:
        """Remove an account; our own store removes its roster and waiting stanzas with it.

        Raises ItemNotFound.
        """
        ...

    async def set_enabled(self, jid: str, is_enabled: bool) -> None:
        """Enable or disable logins of an account. Raises ItemNotFound."""
        ...

    async def get(self, jid: str) -> AccountSummary:
        """Return an account, whether or not it may log in. Raises ItemNotFound."""
        ...

    async def list(
        self, host: str, after: str, limit: int, part: str = ""
    ) -> tuple[AccountSummary, ...]:
        """Return up to `limit` accounts of a host in order of their JIDs.

        The first one is the one after the JID `after`; "" starts at the beginning. The beginning
        of each JID, up to the @, contains `part`.
        """
        ...

    async def count(self, host: str) -> int:
        """Return the number of accounts of a host."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSource:
    """The configured accounts: an authenticator, and an administration if there is one."""

    authenticator: Authenticator
    administered: AccountAdmin | None
    refusal: str = ""  #: why accounts cannot be administered here, and where they can

    @property
    def admin(self) -> AccountAdmin:
        """Return the administration of accounts. Raises NotAllowed where there is none."""
        if self.administered is None:
            raise NotAllowed(self.refusal)
        return self.administered


class UnknownAccounts:
    """An Authenticator without a source: every method raises NotAllowed."""

    def __init__(self, refusal: str) -> None:
        """`refusal` says where the accounts are, and which option lets Muniment check them."""
        self._refusal = refusal

    async def authenticate(self, jid: str, password: str) -> bool:
        raise NotAllowed(self._refusal)

    async def exists(self, jid: str) -> bool:
        raise NotAllowed(self._refusal)
