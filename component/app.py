"""The program: its parts opened in order, stopped in reverse, and nothing lost between."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from component import settings, sources
from component.config import Config
from component.core.administration import administering
from component.handlers.loading import HandlersError
from component.parts import join
from component.web.server import serve as serve_http
from component.web.settings import Services
from component.xmpp.addresses import Addresses
from component.xmpp.connection import Connection, ServerRefused
from storage.errors import StorageError
from storage.open import open_storage

log = logging.getLogger(__name__)

OK, FAILED, REFUSED = 0, 1, 78


async def serve(config: Config) -> int:
    """Run until a signal to stop, then finish what was taken. Return an exit code."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with AsyncExitStack() as stack:
            return await _run(config, stack, stopped)
    except HandlersError as error:
        for problem in error.problems:
            log.error("handlers.module: %s", problem)
        return REFUSED
    except (StorageError, OSError) as error:
        log.error("cannot start: %s", error)
        return FAILED


async def _run(config: Config, stack: AsyncExitStack, stopped: asyncio.Event) -> int:
    # Out of the loop, in which some libraries refuse to be imported or to ask their database.
    handlers = await asyncio.to_thread(settings.handlers, config)
    stack.callback(handlers.close)
    storage = await stack.enter_async_context(
        open_storage(config.storage.url, synchronous=config.storage.synchronous)
    )
    accounts = await stack.enter_async_context(sources.accounts(config, storage, handlers))
    parts = join(config, storage, handlers, accounts)
    await stack.enter_async_context(parts.running())
    administration = await stack.enter_async_context(
        administering(
            storage,
            parts.wanted,
            parts.holds,
            settings.usual(config),
            settings.timing(config),
            live=parts.live,
            on_erased=[parts.wishes.forget, parts.rooms.forget],
        )
    )
    connection = settings.connection(config, parts.stream)
    desk = parts.open_desk(
        administration,
        accounts,
        connection.restart,
        patience=config.http.request_timeout_seconds,
    )
    link = asyncio.create_task(connection.run())
    stack.push_async_callback(end, link, connection)
    if config.http.enabled:
        services = Services(
            storage=storage,
            writer=parts.writer,
            queue=parts.wanted,
            link=parts.stream,
            jids=Addresses(),
            administration=administration,
            desk=desk,
            accounts=accounts,
            contact_lists=parts.contact_lists,
            hosts=config.xmpp.hosts,
            live=parts.live,
            handlers=handlers,
        )
        serving = serve_http(settings.web(config, parts.operators), services)
        await stack.enter_async_context(serving)
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([stopping, link], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if link.done():
        try:
            link.result()
        except ServerRefused as error:
            log.error("%s", error)
            return REFUSED
    log.info("stopping")
    return OK


async def end(link: asyncio.Task[None], connection: Connection) -> None:
    """Leave the server, after reading what it had sent."""
    link.cancel()
    await asyncio.gather(link, return_exceptions=True)
    await connection.close()
