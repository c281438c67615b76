"""Where the parts are joined: opened in order, stopped in reverse, and nothing lost between."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from component.config import Config
from component.core.history import History
from component.core.ingest import Ingest
from component.core.policy import Policy
from component.core.writer import Writer
from component.web.server import serve as serve_http
from component.web.settings import UNIX, Services, WebSettings
from component.xmpp import disco, mam
from component.xmpp.addresses import Addresses
from component.xmpp.connection import Connection, Patience, ServerRefused
from component.xmpp.delegation import Delegation
from component.xmpp.mam import Mam
from component.xmpp.privilege import Privileges
from component.xmpp.queries import Queries
from component.xmpp.service_log import ServiceLog
from component.xmpp.stream import Stream
from storage.errors import StorageError
from storage.interface import Archive
from storage.open import examine, open_storage

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
    except (StorageError, OSError) as error:
        log.error("cannot start: %s", error)
        return FAILED


async def _run(config: Config, stack: AsyncExitStack, stopped: asyncio.Event) -> int:
    storage = await stack.enter_async_context(
        open_storage(config.storage.url, synchronous=config.storage.synchronous)
    )
    stream, writer = _join(config, storage.archive)
    await stack.enter_async_context(_writing(writer))
    connection = _connection(config, stream)
    link = asyncio.create_task(connection.run())
    stack.push_async_callback(_end, link, connection)
    if config.http.enabled:
        services = Services(
            storage=storage,
            writer=writer,
            link=stream,
            jids=Addresses(),
            hosts=config.xmpp.hosts,
        )
        await stack.enter_async_context(serve_http(_web_settings(config), services))
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


def _join(config: Config, archive: Archive) -> tuple[Stream, Writer]:
    """Make the parts between the stream and the store."""
    hosts = config.xmpp.hosts
    writer = Writer(
        archive,
        capacity=config.archive.queue_max,
        on_pressure=lambda full: stream.hold(full),
    )
    policy = Policy(
        groupchat=config.archive.groupchat,
        receipts=config.archive.receipts,
        markers=config.archive.markers,
    )
    addresses = Addresses()
    service_log = ServiceLog(Ingest(writer, policy, hosts), addresses, hosts)
    stream = _stream(config, service_log)
    disco.announce(stream, hosts)
    history = History(
        archive,
        writer,
        hosts,
        page_default=config.archive.page_default,
        page_max=config.archive.page_max,
    )
    delegation = Delegation(Privileges(stream, hosts), addresses, hosts)
    Queries(stream, delegation, {mam.QUERY: Mam(history, addresses).answer})
    return stream, writer


def _stream(config: Config, service_log: ServiceLog | None = None) -> Stream:
    return Stream(
        config.xmpp.jid,
        config.xmpp.secret.get_secret_value(),
        on_copy=service_log.take if service_log else lambda *_: None,
        max_stanza_bytes=config.xmpp.max_stanza_bytes,
        max_stanza_depth=config.xmpp.max_stanza_depth,
    )


def _connection(config: Config, stream: Stream) -> Connection:
    patience = Patience(
        ping_interval=config.xmpp.ping_interval_seconds,
        ping_timeout=config.xmpp.ping_timeout_seconds,
        reconnect_max=config.xmpp.reconnect_max_seconds,
        drain=config.xmpp.drain_seconds,
    )
    return Connection(
        stream, config.xmpp.address, config.xmpp.port, config.xmpp.hosts[0], patience
    )


def _web_settings(config: Config) -> WebSettings:
    http = config.http
    trusted = http.authentication == "network" or http.secret is None
    return WebSettings(
        address=http.address,
        port=http.port,
        secret=None if trusted or http.secret is None else http.secret.get_secret_value(),
        allow_from=http.allow_from,
        prefix=http.prefix,
        max_body_bytes=http.max_body_bytes,
        header_timeout_seconds=http.header_timeout_seconds,
        body_timeout_seconds=http.body_timeout_seconds,
        request_timeout_seconds=http.request_timeout_seconds,
        keepalive_timeout_seconds=http.keepalive_timeout_seconds,
        max_connections=http.max_connections,
        max_items=http.max_items,
    )


@asynccontextmanager
async def _writing(writer: Writer) -> AsyncIterator[None]:
    """Write what is put, and at the end all that is left."""
    task = asyncio.create_task(writer.run())
    try:
        yield
    finally:
        writer.stop()
        await task


async def _end(link: asyncio.Task[None], connection: Connection) -> None:
    """Leave the server, after reading what it had sent."""
    link.cancel()
    await asyncio.gather(link, return_exceptions=True)
    await connection.close()


async def checks(config: Config) -> AsyncIterator[tuple[bool, str]]:
    """Try what the configuration names: whether each part answers, and what it says."""
    try:
        yield True, f"storage: {await examine(config.storage.url)}"
    except StorageError as error:
        yield False, f"storage: {error}"
    server = f"ejabberd at {config.xmpp.address}:{config.xmpp.port}"
    try:
        await _connection(config, _stream(config)).probe()
        yield True, f"{server} takes {config.xmpp.jid}"
    except ServerRefused as error:
        yield False, f"ejabberd: {error}"
    if config.http.enabled:
        yield _check_port(config.http.address, config.http.port)


def _check_port(address: str, port: int) -> tuple[bool, str]:
    if address.startswith(UNIX):
        return True, f"http: {address}"
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        return False, f"http: {address}:{port}: {error.strerror}"
    return True, f"http: {address}:{port} is free"
