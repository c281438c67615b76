"""Accounts in our own store: an Authenticator and an AccountAdmin."""

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
from storage import interface
from storage.rows import Account

log = logging.getLogger(__name__)

_UNKNOWN = "There is no such account."


class OwnAccounts:
    """Checks and administers the accounts in our store."""

    def __init__(self, store: interface.Accounts, passwords: Passwords, hosts: Hosts) -> None:
        self._store = store
        self._passwords = passwords
        self._hosts = hosts
        #: Serialises changes: a new password must not enable an account again.
        self._changing = asyncio.Lock()

    async def authenticate(self, jid: str, password: str) -> bool:
        account = await self._get(jid)
        verifier = account.verifier if account else self._passwords.decoy
        try:
            is_right = await self._passwords.matches(verifier, password)
        except ValueError:
            log.error("the verifier of %s in the store is not readable", jid)
            return False
        if account is None or not account.is_enabled or not is_right:
            return False
        if not self._passwords.is_current(verifier):
            await self._renew(account, password)
        return True

    async def exists(self, jid: str) -> bool:
        account = await self._get(jid)
        return account is not None and account.is_enabled

    async def register(self, jid: str, password: str) -> None:
        if not self._hosts.is_user(jid):
            raise BadRequest("An account is the bare JID of a user on one of the virtual hosts.")
        verifier = await self._passwords.verifier(password)
        with translated():
            is_new = await self._store.add(Account(jid=jid, verifier=verifier, created=now()))
        if not is_new:
            raise Conflict("There is such an account already.")

    async def set_password(self, jid: str, password: str) -> None:
        if await self._get(jid) is None:
            raise ItemNotFound(_UNKNOWN)
        verifier = await self._passwords.verifier(password)
        async with self._change(jid) as account:
            await self._store.change(replace(account, verifier=verifier))

    async def remove(self, jid: str) -> None:
        async with self._change(jid):
            await self._store.remove(jid)

    async def set_enabled(self, jid: str, is_enabled: bool) -> None:
        async with self._change(jid) as account:
            await self._store.change(replace(account, is_enabled=is_enabled))

    async def get(self, jid: str) -> AccountSummary:
        account = await self._get(jid)
        if account is None:
            raise ItemNotFound(_UNKNOWN)
        return _summary(account)

    async def list(
        self, host: str, after: str, limit: int, part: str = ""
    ) -> tuple[AccountSummary, ...]:
        with translated():
            accounts = await self._store.list(host, after=after, limit=limit, part=part)
        return tuple(map(_summary, accounts))

    async def count(self, host: str) -> int:
        with translated():
            return await self._store.count(host)

    async def _get(self, jid: str) -> Account | None:
        with translated():
            return await self._store.get(jid)

    @asynccontextmanager
    async def _change(self, jid: str) -> AsyncIterator[Account]:
        """Yield an account while no other task changes it. Raises ItemNotFound, Overloaded."""
        async with self._changing:
            account = await self._get(jid)
            if account is None:
                raise ItemNotFound(_UNKNOWN)
            with translated():
                yield account

    async def _renew(self, account: Account, password: str) -> None:
        """Rehash the password with current parameters; on failure, retry at the next login."""
        verifier = await self._passwords.verifier(password)
        with suppress(ItemNotFound, Overloaded):
            async with self._change(account.jid) as current:
                # Another task may have changed it meanwhile.
                if current.verifier == account.verifier:
                    await self._store.change(replace(current, verifier=verifier))


def _summary(account: Account) -> AccountSummary:
    return AccountSummary(jid=account.jid, is_enabled=account.is_enabled, created=account.created)
