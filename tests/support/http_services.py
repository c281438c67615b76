"""The parts of the HTTP server, as the program composes them, without an XMPP server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from component.config import Config, Http, Rosters, Xmpp
from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.accounts.protocol import AccountSource
from component.core.background import Background
from component.core.doctor.finding import Finding
from component.core.gaps import GAPS_MAX, STOPPED
from component.core.hosts import Hosts
from component.core.retention.admin import open_archive_admin
from component.core.retention.janitor import Timing
from component.core.retention.plan import RetentionDefaults
from component.handlers.accounts import with_handlers
from component.handlers.functions import Handlers
from component.web.server.settings import Services, WebSettings
from component.wiring.compose import compose
from component.wiring.queries import command_service, http_services
from storage.open import open_storage
from storage.rows import Gap
from storage.sqlite.engine.database import DEFAULT_TIMEOUTS, DatabaseTimeouts
from support.accounts import source_of

HOST = "example.org"
OTHER_HOST = "example.net"
HOSTS = (HOST, OTHER_HOST)
SECRET = "s3cret"

SETTINGS = WebSettings(address="127.0.0.1", port=0, secret=SECRET)
SECRET_HEADERS = {"X-Api-Key": SECRET}

#: Shared by all tests, because making one takes a moment.
PASSWORDS = Passwords()


@dataclass
class FakeLink:
    """The link to an XMPP server, up or not as a test sets it."""

    is_up: bool = True
    restarts: int = 0

    def restart(self) -> None:
        """Count the restarts."""
        self.restarts += 1


@dataclass
class FakeGrants:
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
    timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS,
) -> AsyncIterator[Services]:
    """Open a store with its writer running; `defaults` is how long messages are kept."""
    config = Config(
        xmpp=Xmpp(jid=f"muniment.{HOST}", hosts=HOSTS, secret=SECRET),  # type: ignore[arg-type]
        http=Http(enabled=False),
        rosters=Rosters(source="store"),
    )
    functions = handlers or Handlers()
    background, link = Background(), FakeLink()
    async with open_storage(url, timeouts=timeouts) as storage, background:
        own = source_of(OwnAccounts(storage.accounts, PASSWORDS, Hosts(HOSTS)))
        source = accounts or with_handlers(functions, own)
        parts = compose(config, storage, functions, source)
        async with (
            parts.running(background.start),
            open_archive_admin(
                storage,
                parts.preference_filter,
                parts.served,
                parts.holds,
                defaults or RetentionDefaults(),
                Timing(batch=10),
                audit=parts.audit,
                followers=parts.followers,
            ) as administration,
        ):
            commands = command_service(parts, administration, source, link, timeout=9.0)
            services = http_services(
                storage, parts, commands, background=background, handlers=functions
            )
            yield replace(services, link=link, grants=FakeGrants())
            # From now on the tasks may end.
            background.end()


def stamp(second: int, micros: int = 0) -> str:
    """Return a time in the form of Remote Data."""
    return f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.{micros:06d}Z"


def message(sender: str, recipient: str, body: str) -> str:
    """Return a chat message in the form in which ejabberd posts it."""
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


async def note_gap(services: Services, begins_at: int, ends_at: int) -> None:
    """Store a gap behind which copies of stanzas arrive again."""
    gap = Gap(begins_at=begins_at, ends_at=ends_at, reason=STOPPED)
    await services.storage.gaps.add(gap, limit=GAPS_MAX)
    await services.gaps.load()
    services.gaps.begin(ends_at)
