"""Accounts that the operator's module knows; implements `core.accounts.Accounts`."""

from __future__ import annotations

from component.core.accounts.protocol import Accounts, AccountSummary
from component.core.errors import NotAllowed
from component.core.xml.jids import domain, local
from component.handlers.functions import Handlers


class HandlerAccounts:
    """Asks the module what it has a function for, and another source for the rest."""

    def __init__(self, handlers: Handlers, otherwise: Accounts) -> None:
        self._handlers = handlers
        self._otherwise = otherwise

    async def authenticate(self, jid: str, password: str) -> bool:
        """Whether the module says True of this password. Raises Failed."""
        if self._handlers.user_authentication is None:
            return await self._otherwise.authenticate(jid, password)
        ask = self._handlers.user_authentication
        return await ask(domain(jid), local(jid), password) is True

    async def exists(self, jid: str) -> bool:
        """Whether the module says True of this user. Raises Failed."""
        if self._handlers.user_exists is None:
            return await self._otherwise.exists(jid)
        return await self._handlers.user_exists(domain(jid), local(jid)) is True

    async def register(self, jid: str, password: str) -> None:
        """Raise NotAllowed where the module knows the passwords."""
        await self._elsewhere().register(jid, password)

    async def set_password(self, jid: str, password: str) -> None:
        """Raise NotAllowed where the module knows the passwords."""
        await self._elsewhere().set_password(jid, password)

    async def remove(self, jid: str) -> None:
        """Raise NotAllowed where the module knows the passwords."""
        await self._elsewhere().remove(jid)

    async def set_enabled(self, jid: str, is_enabled: bool) -> None:
        """Raise NotAllowed where the module knows the passwords."""
        await self._elsewhere().set_enabled(jid, is_enabled)

    async def listed(self, host: str, after: str, limit: int) -> tuple[AccountSummary, ...]:
        """Raise NotAllowed where the module knows the passwords."""
        return await self._elsewhere().listed(host, after, limit)

    async def count(self, host: str) -> int:
        """Raise NotAllowed where the module knows the passwords."""
        return await self._elsewhere().count(host)

    def _elsewhere(self) -> Accounts:
        if self._handlers.user_authentication is not None:
            raise NotAllowed(
                f"the accounts are those of {self._handlers.module} (handlers.module), "
                "which tells of one by its name only: look after them there"
            )
        return self._otherwise
