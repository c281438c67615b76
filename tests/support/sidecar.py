"""The HTTP server over a real store in memory, without an XMPP server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.access.served import ServedArchives
from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.accounts.protocol import AccountSource
from component.core.commands.context import CommandContext
from component.core.commands.dispatch import CommandService
from component.core.doctor.finding import Finding
from component.core.hosts import Hosts
from component.core.reading.follow import Followers
from component.core.retention.admin import open_archive_admin
from component.core.retention.holds import Holds
from component.core.retention.janitor import Timing
from component.core.retention.plan import RetentionDefaults
from component.core.rosters.own import OwnRosters
from component.core.rosters.service import RosterService
from component.handlers.accounts import with_handlers
from component.handlers.functions import Handlers
from component.handlers.rosters import known_rosters
from component.web.server.settings import Services, WebSettings
from component.xmpp.connection.addresses import Addresses
from storage.open import open_storage
from support.accounts import source_of
from support.writing import open_writer

HOST = "example.org"
OTHER_HOST = "example.net"
HOSTS = (HOST, OTHER_HOST)
SECRET = "s3cret"

SETTINGS = WebSettings(address="127.0.0.1", port=0, secret=SECRET)
SECRET_HEADERS = {"X-Api-Key": SECRET}

#: Shared by all tests, because making one takes a moment.
PASSWORDS = Passwords()


@dataclass
class FixedLink:
    """The link to an XMPP server, up or not as a test says."""

    is_up: bool = True
    restarts: int = 0

    def restart(self) -> None:
        """Count the restarts."""
        self.restarts += 1


@dataclass
class FixedGrants:
    """What an XMPP server grants, as a test says."""

    findings: tuple[Finding, ...] = ()

    reconnects: int = 0

    async def examine(self, *, reconnect: bool = False) -> tuple[Finding, ...]:
        """Return the findings of the test, and count the times that it is to reconnect."""
        self.reconnects += reconnect
        return self.findings


@asynccontextmanager
async def open_services(
    url: str = "sqlite::memory:",
    defaults: RetentionDefaults | None = None,
    accounts: AccountSource | None = None,
    handlers: Handlers | None = None,
) -> AsyncIterator[Services]:
    """Open a store with its writer running; `defaults` is how long messages are kept."""
    own = handlers or Handlers()
    async with open_storage(url) as storage:
        live, holds = Followers(), Holds(storage.holds)
        served = ServedArchives(HOSTS, storage.retention)
        async with (
            open_writer(storage.archive, on_written=live.changed, is_held=holds.is_held) as writer,
            open_archive_admin(
                storage,
                writer,
                served,
                holds,
                defaults or RetentionDefaults(),
                Timing(batch=10),
                followers=live,
            ) as administration,
        ):
            audit = Audit(storage.audit_log, writer)
            kept = source_of(OwnAccounts(storage.accounts, PASSWORDS, Hosts(HOSTS)))
            accounts = accounts or with_handlers(own, kept)
            rosters = known_rosters(own, OwnRosters(storage.contacts), Addresses())
            lists = RosterService(rosters, Hosts(HOSTS), lambda _: None)
            link = FixedLink()
            context = CommandContext(
                hosts=Hosts(HOSTS),
                jids=Addresses(),
                archives=administration,
                accounts=accounts,
                rosters=lists,
                queue=writer,
                writer=writer,
                connection=link,
                timeout=9.0,
            )
            yield Services(
                storage=storage,
                authorizer=Authorizer(HOSTS, (), audit, None, served),
                writer=writer,
                queue=writer,
                link=link,
                grants=FixedGrants(),
                jids=Addresses(),
                administration=administration,
                commands=CommandService(context=context, audit=audit),
                accounts=accounts,
                rosters=lists,
                hosts=Hosts(HOSTS),
                followers=live,
                handlers=own,
            )


def stamp(second: int, micros: int = 0) -> str:
    """Return a time as Remote Data writes it."""
    return f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.{micros:06d}Z"


def message(sender: str, recipient: str, body: str) -> str:
    """Return a chat message as ejabberd posts it."""
    return (
        f"<message xmlns='jabber:client' type='chat' from='{sender}' to='{recipient}'>"
        f"<body>{body}</body></message>"
    )


def post(second: int = 1, **fields: Any) -> dict[str, Any]:
    """Return the body of a post of a message from bob into the archive of alice."""
    return {
        "username": "alice",
        "peer": "bob",
        "type": "chat",
        "nick": "",
        "timestamp": stamp(second),
        "xml": message(f"bob@{HOST}/phone", f"alice@{HOST}", f"message {second}"),
    } | fields
