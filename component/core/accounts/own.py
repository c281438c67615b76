"""Accounts in our own store; one source of `core.accounts.Accounts`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from component.core.accounts.passwords import Passwords
from component.core.accounts.protocol import AccountSummary
from component.core.errors import BadRequest, Conflict, ItemNotFound, Overloaded
from component.core.hosts import Hosts
from component.core.store_errors import translated
from component.core.xml.times import now
from storage import people

log = logging.getLogger(__name__)

_UNKNOWN = "There is no such account."


class OwnAccounts:
    """Who can log in, as our store has it."""

    def __init__(self, store: people.Accounts, passwords: Passwords, hosts: Hosts) -> None:
        self._store = store
        self._passwords = passwords
        self._hosts = hosts
        #: One change after the other: a new password must not undo that somebody was disabled.
        self._changing = asyncio.Lock()

    async def authenticate(self, jid: str, password: str) -> bool:
        """Whether this is the password of an account that may log in. Raises Overloaded."""
        account = await self._get(jid)
        verifier = account.verifier if account else self._passwords.decoy
        try:
            is_right = await self._passwords.matches(verifier, password)
        except ValueError:
            log.error("the store has no verifier of %s that can be read", jid)
            return False
        if account is None or not account.is_enabled or not is_right:
            return False
        if not self._passwords.is_current(verifier):
            await self._renew(account, password)
        return True

    async def exists(self, jid: str) -> bool:
        """Whether there is such an account, and it may log in. Raises Overloaded."""
        account = await self._get(jid)
        return account is not None and account.is_enabled

    async def register(self, jid: str, password: str) -> None:
        """Make an account. Raises Conflict, BadRequest, Overloaded."""
        if not self._hosts.is_user(jid):
            raise BadRequest("An account is the bare JID of a user on one of the virtual hosts.")
        verifier = await self._passwords.verifier(password)
        with translated():
            is_new = await self._store.add(
                people.Account(jid=jid, verifier=verifier, created=now())
            )
        if not is_new:
            raise Conflict("There is such an account already.")

    async def set_password(self, jid: str, password: str) -> None:
        """Give an account a password. Raises ItemNotFound, BadRequest, Overloaded."""
        if await self._get(jid) is None:
            raise ItemNotFound(_UNKNOWN)
        verifier = await self._passwords.verifier(password)
        async with self._change(jid) as account:
            await self._store.change(replace(account, verifier=verifier))

    async def remove(self, jid: str) -> None:
        """Remove an account, its roster and what waits for it. Raises ItemNotFound, Overloaded."""
        async with self._change(jid):
            await self._store.remove(jid)

    async def set_enabled(self, jid: str, is_enabled: bool) -> None:
        """Say whether an account may log in. Raises ItemNotFound, Overloaded."""
        async with self._change(jid) as account:
            await self._store.change(replace(account, is_enabled=is_enabled))

    async def listed(self, host: str, after: str, limit: int) -> tuple[AccountSummary, ...]:
        """Return accounts of a host by their JIDs, behind `after`. Raises Overloaded."""
        with translated():
            found = await self._store.list(host, after=after, limit=limit)
        return tuple(
            AccountSummary(jid=each.jid, is_enabled=each.is_enabled, created=each.created)
            for each in found
        )

    async def count(self, host: str) -> int:
        """Return how many accounts a host has. Raises Overloaded."""
        with translated():
            return await self._store.count(host)

    async def _get(self, jid: str) -> people.Account | None:
        with translated():
            return await self._store.get(jid)

    @asynccontextmanager
    async def _change(self, jid: str) -> AsyncIterator[people.Account]:
        """Lend an account that nobody else changes. Raises ItemNotFound, Overloaded."""
        async with self._changing:
            account = await self._get(jid)
            if account is None:
                raise ItemNotFound(_UNKNOWN)
            with translated():
                yield account

    async def _renew(self, account: people.Account, password: str) -> None:
        """Keep a password as new ones are kept, now that it is known; if not, the next time."""
        verifier = await self._passwords.verifier(password)
        with suppress(ItemNotFound, Overloaded):
            async with self._change(account.jid) as current:
                # Meanwhile it may have been changed.
                if current.verifier == account.verifier:
                    await self._store.change(replace(current, verifier=verifier))
