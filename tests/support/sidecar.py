"""The HTTP sidecar over a real store in memory, without an XMPP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from component.core.administration import administering
from component.core.holds import Holds
from component.core.janitor import Timing
from component.core.live import Live
from component.core.retention import Usual
from component.core.writer import Writer
from component.web.settings import Services, WebSettings
from component.xmpp.addresses import Addresses
from storage.open import open_storage

HOST = "example.org"
OTHER_HOST = "example.net"
SECRET = "s3cret"

SETTINGS = WebSettings(address="127.0.0.1", port=0, secret=SECRET)
SHOWN = {"X-Api-Key": SECRET}


@dataclass
class FixedLink:
    """A stream to an XMPP server that is up or not."""

    is_up: bool = True


@asynccontextmanager
async def open_services(
    url: str = "sqlite::memory:", usual: Usual | None = None
) -> AsyncIterator[Services]:
    """Open a store with its writer running; `usual` is how long messages are kept."""
    async with open_storage(url) as storage:
        live = Live()
        writer = Writer(
            storage.archive, capacity=1000, on_pressure=lambda _: None, on_written=live.changed
        )
        running = asyncio.create_task(writer.run())
        async with administering(
            storage, writer, Holds(storage.records), usual or Usual(), Timing(batch=10)
        ) as administration:
            yield Services(
                storage=storage,
                writer=writer,
                queue=writer,
                link=FixedLink(),
                jids=Addresses(),
                administration=administration,
                hosts=(HOST, OTHER_HOST),
                live=live,
            )
        writer.stop()
        await running


def stamp(second: int, micros: int = 0) -> str:
    """Return a time as the contract writes it."""
    return f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.{micros:06d}Z"


def message(sender: str, recipient: str, body: str) -> str:
    """Return a chat message as ejabberd passes it on."""
    return (
        f"<message xmlns='jabber:client' type='chat' from='{sender}' to='{recipient}'>"
        f"<body>{body}</body></message>"
    )


def post(second: int = 1, **fields: Any) -> dict[str, Any]:
    """Return what ejabberd posts for a message from bob into the archive of alice."""
    return {
        "username": "alice",
        "peer": "bob",
        "type": "chat",
        "nick": "",
        "timestamp": stamp(second),
        "xml": message(f"bob@{HOST}/phone", f"alice@{HOST}", f"message {second}"),
    } | fields
