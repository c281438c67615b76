"""Make the parts that fill gaps from the configuration, and run them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
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
from component.core.xml.jids import domain, local
from component.importing.ejabberd_backfill import EjabberdBackfill
from component.importing.mam_backfill import MamBackfill, NextOwners, ReadersOf
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
        owners = _owners(storage, hosts, accounts)
        return MamBackfill(
            address,
            port,
            hosts,
            lambda jid: tokens.issue(jid, _SIGN_IN, int(time.time())),
            owners,
            _readers(storage, owners),
        )
    return None


def _owners(storage: Storage, hosts: Hosts, accounts: AccountSource) -> NextOwners:
    """Return what lists owners of archives: users, then rooms.

    Users are those who have accounts, or else archives; rooms are those that have archives.
    """

    async def of_domain(domain: str, after: str, limit: int) -> tuple[str, ...]:
        if domain in hosts and accounts.administered is not None:
            try:
                rows = await accounts.administered.list(domain, after, limit)
                return tuple(row.jid for row in rows)
            except NotAllowed:
                pass
        usage = await storage.retention.usage(domain=domain, after=after, limit=limit)
        return tuple(row.owner for row in usage if local(row.owner))

    async def owners(after: str, limit: int) -> tuple[str, ...]:
        domains = hosts.domains
        begun = domains.index(domain(after)) if after and domain(after) in domains else 0
        for number, served in enumerate(domains[begun:], begun):
            is_begun = after and number == begun
            if found := await of_domain(served, after if is_begun else "", limit):
                return found
        return ()

    return owners


def _readers(storage: Storage, next_owners: NextOwners) -> ReadersOf:
    """Return what finds users who may enter a room."""

    async def readers(room: str) -> Sequence[str]:
        """Return the known members; an open room admits anybody."""
        members = await storage.rooms.members(room)
        return [row.jid for row in members] or await next_owners("", 1)

    return readers
