"""Make the parts that fill gaps from the configuration, and run them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from component.config import Config
from component.core.accounts.protocol import AccountSource
from component.core.backfill.filling import Backfill, BackfillSettings
from component.core.backfill.selection import Selector
from component.core.backfill.source import BackfillSource
from component.core.background import StartTask
from component.core.errors import NotAllowed
from component.core.hosts import Hosts
from component.core.retention.admin import ArchiveAdmin
from component.core.tokens.access_tokens import AccessTokens
from component.core.xml.jids import domain
from component.importing.ejabberd_backfill import EjabberdBackfill
from component.importing.mam_backfill import MamBackfill, NextUsers
from component.wiring import settings, token_key
from component.wiring.compose import Parts
from component.xmpp.connection.addresses import Addresses
from storage.interface import Storage

#: The sign-in that tokens for backfill name. There is none, so Muniment itself refuses them.
_SIGN_IN = "backfill"


@asynccontextmanager
async def open_backfill(
    config: Config,
    storage: Storage,
    parts: Parts,
    administration: ArchiveAdmin,
    accounts: AccountSource,
    start: StartTask,
) -> AsyncIterator[None]:
    """Fill gaps while the context is open, if there is a source. Raises OSError."""
    source = _source(config, storage, parts.hosts, accounts)
    if source is None:
        yield
        return
    options = config.backfill
    backfill = Backfill(
        storage.backfill,
        storage.archive,
        parts.gaps,
        source,
        Selector(
            settings.policy(config),
            parts.hosts,
            Addresses(),
            parts.preference_filter,
            administration.rules,
            administration.defaults,
            parts.holds.is_held,
        ),
        parts.hosts,
        parts.preference_filter,
        BackfillSettings(
            wait_seconds=options.wait_seconds,
            retry_seconds=options.retry_seconds,
            days=options.days,
        ),
        on_retractions=parts.writer.carry_out_retractions,
        metrics=parts.metrics,
    )
    parts.gaps.filler = backfill
    running = start("backfill", backfill.run())
    try:
        yield
    finally:
        parts.gaps.filler = None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await backfill.close()


def _source(
    config: Config, storage: Storage, hosts: Hosts, accounts: AccountSource
) -> BackfillSource | None:
    options = config.backfill
    if options.source == "sql" and options.url is not None:
        password = options.password.get_secret_value() if options.password else None
        return EjabberdBackfill(options.url, password, hosts)
    if options.source == "mam" and config.tokens.key_file is not None:
        tokens = AccessTokens(
            token_key.load(Path(config.tokens.key_file)),
            lifetime_seconds=config.tokens.access_seconds,
        )
        address, port = settings.c2s(config)
        return MamBackfill(
            address,
            port,
            lambda jid: tokens.issue(jid, _SIGN_IN, int(time.time())),
            _users(storage, hosts, accounts),
        )
    return None


def _users(storage: Storage, hosts: Hosts, accounts: AccountSource) -> NextUsers:
    """Return what lists users: those who have accounts, or else those who have archives."""

    async def of_host(host: str, after: str, limit: int) -> tuple[str, ...]:
        if accounts.administered is not None:
            try:
                rows = await accounts.administered.list(host, after, limit)
                return tuple(row.jid for row in rows)
            except NotAllowed:
                pass
        usage = await storage.retention.usage(domain=host, after=after, limit=limit)
        return tuple(row.owner for row in usage)

    async def users(after: str, limit: int) -> tuple[str, ...]:
        for host in sorted(hosts):
            if after and host < domain(after):
                continue
            is_begun = after and host == domain(after)
            if found := await of_host(host, after if is_begun else "", limit):
                return found
        return ()

    return users
