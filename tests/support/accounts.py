"""Accounts in a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.accounts.protocol import AccountAdmin, AccountSource, Authenticator
from component.core.hosts import Hosts
from storage.open import open_storage
from support.builders import HOST, OTHER_HOST


@asynccontextmanager
async def open_accounts(url: str = "sqlite::memory:") -> AsyncIterator[OwnAccounts]:
    """Open a store for the accounts of both virtual hosts."""
    async with open_storage(url) as storage:
        yield OwnAccounts(storage.accounts, Passwords(), Hosts((HOST, OTHER_HOST)))


class Accounts(Authenticator, AccountAdmin, Protocol):
    """A source of accounts that is an Authenticator and an AccountAdmin."""


def source_of(accounts: Accounts) -> AccountSource:
    """Return a source in which one object checks and administers accounts."""
    return AccountSource(authenticator=accounts, administered=accounts)
