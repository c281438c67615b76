"""Accounts in a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.hosts import Hosts
from storage.open import open_storage
from support.builders import HOST, OTHER_HOST


@asynccontextmanager
async def open_accounts(url: str = "sqlite::memory:") -> AsyncIterator[OwnAccounts]:
    """Open a store for the accounts of both virtual hosts."""
    async with open_storage(url) as storage:
        yield OwnAccounts(storage.accounts, Passwords(), Hosts((HOST, OTHER_HOST)))
