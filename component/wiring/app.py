"""Run the program: open its parts in order, and stop them in reverse without losing messages.

Parts that few programs have are imported where they are made, because a start waits for imports.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    contextmanager,
    nullcontext,
)
from socket import socket

from component.config import Config
from component.core.accounts.protocol import AccountSource
from component.core.accounts.shared_limits import SharedLimits
from component.core.archiving.other_accounts import OtherAccounts
from component.core.archiving.spilling import Lost
from component.core.background import Background
from component.core.events.session_changes import SessionChanges, contacts_of_sessions
from component.core.hosts import Hosts
from component.core.retention.admin import ArchiveAdmin, open_archive_admin
from component.core.sessions.credentials import Credentials
from component.core.tokens.accounts import with_tokens
from component.handlers.loading import HandlersError
from component.sessions.manager import SessionManager
from component.web.app import serve as serve_http
from component.web.server.settings import Services, WebSettings
from component.wiring import account_sources, ejabberd_api, settings
from component.wiring.compose import Parts, compose
from component.wiring.processes import listen
from component.wiring.push import open_push
from component.wiring.queries import answer_queries, command_service, http_services
from component.wiring.reloading import LoadConfig, Reloadable, Reloading
from component.wiring.service_manager import (
    notify_ready,
    notify_stopping,
    send_signs_of_life,
    send_status,
)
from component.wiring.take_over.channel import NotHandedOver
from component.wiring.take_over.handing import HandOver
from component.wiring.take_over.successor import start_successor
from component.wiring.take_over.taking import TakeOver
from component.xmpp.commands.admin import operator_commands
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.connector import Connector, ServerRefused
from component.xmpp.connection.handed_stream import HandedStream
from component.xmpp.connection.query_turn import QueryTurn
from component.xmpp.queries.dispatch import QueryDispatcher
from storage.errors import StorageError
from storage.interface import Storage
from storage.open import open_storage

log = logging.getLogger(__name__)

OK, FAILED, REFUSED = 0, 1, 78

#: Seconds after which a stopping program ends even if something hangs, such as a disk. In the last
#: seconds of these it spills the messages that wait for the store.
END_SECONDS, SAVE_SECONDS = 50.0, 5.0

#: Why no process can take over from another one.
NO_TAKE_OVER = (
    "a take-over needs a store in a file (storage.url = sqlite:PATH): on PostgreSQL run several "
    "processes instead"
)


async def serve(config: Config, load: LoadConfig, *, take_over: bool = False) -> int:
    """Run until a signal to stop, then write all received messages. Return an exit code.

    On SIGHUP apply the configuration that `load` returns. On SIGUSR2 start a process that takes
    over from this one. With `take_over`, continue what the running process on the same store does,
    and end it.
    """
    signs_of_life = asyncio.create_task(send_signs_of_life())
    try:
        return await _serve(config, load, take_over=take_over)
    finally:
        signs_of_life.cancel()


async def _serve(config: Config, load: LoadConfig, *, take_over: bool) -> int:
    loop = asyncio.get_running_loop()
    limit = Limit(loop)
    background = Background(on_end=limit.begin)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, background.end)
    reloading = Reloading(config, load)
    loop.add_signal_handler(signal.SIGHUP, reloading.ask)
    handing, place = HandOver(background.end), settings.take_over_socket(config)
    if place is None:
        loop.add_signal_handler(signal.SIGUSR2, log.warning, NO_TAKE_OVER)
        if take_over:
            log.error("%s", NO_TAKE_OVER)
            return REFUSED
    else:
        loop.add_signal_handler(signal.SIGUSR2, start_successor)
    taking = None
    try:
        if take_over and place is not None:
            taking = TakeOver(place, max_bytes=config.archive.queue_bytes)
            await taking.take()
        async with AsyncExitStack() as stack:
            try:
                code = await _run(config, stack, background, limit, handing, taking, reloading)
            finally:
                background.end()
        if not await handing.finish():
            return FAILED
    except HandlersError as error:
        for problem in error.problems:
            log.error("handlers.module: %s", problem)
        return REFUSED
    except (StorageError, OSError, NotHandedOver) as error:
        log.error("cannot start: %s", error)
        return FAILED
    except Lost as error:
        log.critical("%s", error)
        return FAILED
    return FAILED if background.failed else code


async def _run(
    config: Config,
    stack: AsyncExitStack,
    background: Background,
    limit: Limit,
    handing: HandOver,
    taking: TakeOver | None,
    reloading: Reloading,
) -> int:
    # In a thread: some libraries refuse to be imported, or to use a database, in the event loop.
    handlers = await asyncio.to_thread(settings.handlers, config)
    stack.callback(handlers.close)
    storage = await stack.enter_async_context(
        open_storage(
            config.storage.url,
            synchronous=config.storage.synchronous,
            options=settings.postgres(config),
        )
    )
    stream = taking.stream() if taking is not None else None
    limits = SharedLimits(storage.processes)
    passwords = await stack.enter_async_context(
        account_sources.accounts(config, storage, handlers, limits.bucket("passwords"))
    )
    hosts, opened = Hosts(config.xmpp.hosts), settings.opened_servers(config)
    credentials = Credentials(is_other=lambda jid: not hosts.is_user(jid))
    others = settings.other_servers(config)
    if others is not None:
        stack.push_async_callback(others.close)
    sign_ins = settings.sign_ins(config, storage, passwords, credentials, others)
    accounts = with_tokens(passwords, sign_ins) if sign_ins else passwords
    await stack.enter_async_context(background)
    parts = compose(
        config,
        storage,
        handlers,
        accounts,
        settings.spill(config),
        is_continued=stream is not None,
    )
    stack.enter_context(limit.saving(parts.save))
    await stack.enter_async_context(parts.running(background.start))
    administration = await stack.enter_async_context(
        open_archive_admin(
            storage,
            parts.preference_filter,
            parts.served,
            parts.holds,
            settings.retention_defaults(config),
            settings.timing(config),
            audit=parts.audit,
            followers=parts.followers,
            before_erase=[parts.deliveries.decide],
            after_erase=[
                parts.preferences.forget,
                parts.rooms.forget,
                parts.displayed.forget,
                parts.journal.forget,
                parts.signals.note_erased,
            ],
            wait_for_spill=parts.spill_recovery.wait_removed,
            start=background.start,
        )
    )
    fill = _filling(config, storage, parts, administration, accounts, background)
    await stack.enter_async_context(fill)
    connection = settings.connection(config, parts.stream)
    changes = SessionChanges(parts.journal, parts.signals)
    other_archives = OtherAccounts(
        parts.writer,
        settings.policy(config),
        parts.sessions,
        parts.deliveries,
        parts.metrics,
    )
    sessions = settings.sessions(
        config, sign_ins, credentials, changes.note, others, other_archives
    )
    backend = await stack.enter_async_context(ejabberd_api.backend(config))
    commands = command_service(
        parts,
        administration,
        accounts,
        connection,
        timeout=config.http.request_timeout_seconds,
        sign_ins=sign_ins,
        sessions=sessions,
        backend=backend,
    )
    dispatcher = answer_queries(config, parts, operator_commands(commands, parts.operators))
    parts.grants.watch(connection.restart)
    link = Link(connection, background, handing, dispatcher.turns.idle, stream)
    stack.push_async_callback(link.end)
    turn = _query_turn(config, storage, parts, dispatcher)
    if turn is not None:
        parts.grants.expect_queries_elsewhere(lambda: not turn.has_turn)
    listen(storage, parts, administration, sign_ins, limits)
    if sessions is not None:
        machine_of, count_sessions = sessions.machine, sessions.__len__
        parts.metrics.sessions.set_function(count_sessions)
        parts.journal.on_opened(lambda owner: changes.catch_up(owner, machine_of(owner)))
        contacts = contacts_of_sessions(sessions)
        parts.journal.read_other_rosters(contacts, opened.admits)
        await stack.enter_async_context(sessions.running(background.start))
    push = await stack.enter_async_context(open_push(config, storage, parts, background.start))
    permissions = None
    if config.ejabberd_api.enabled:
        permissions = ejabberd_api.permissions(config, Addresses())
        if config.ejabberd_api.audit_days:
            audit_retention = settings.audit_retention(config, storage)
            running = background.start("audit retention", audit_retention.run())
            stack.callback(running.cancel)
    services = http_services(
        storage,
        parts,
        commands,
        background=background,
        handlers=handlers,
        sessions=sessions,
        push=push,
        opened=opened,
        backend=backend,
        permissions=permissions,
        has_oauth=config.ejabberd_api.oauth,
        max_stanza_bytes=config.xmpp.max_stanza_bytes,
        limits=limits,
    )
    web = settings.web(config, parts.operators)
    services = _with_user_apis(config, services, web, parts, sessions, stack)
    for listener in settings.listeners(config):
        await stack.enter_async_context(serve_http(web, services, listener))
    reloadable = Reloadable(
        parts=parts,
        handlers=handlers,
        web=web,
        janitor=administration.janitor,
        connector=connection,
        turn=turn,
        sign_ins=sign_ins,
        chat=services.chat,
    )
    # Last, because a program that cannot serve must not replace the connection of one that can.
    if not background.ending.is_set():
        link.start()
        handing.listen(settings.take_over_socket(config))
        stack.push_async_callback(handing.stop_listening)
        notify_ready()
        status = background.start("status", send_status(lambda: _status(parts)))
        reloads = background.start("reloads", reloading.run(reloadable))
        stack.callback(status.cancel)
        stack.callback(reloads.cancel)
        if turn is not None:
            queries = background.start("queries", turn.run())
            stack.push_async_callback(_end_turn, queries)
    await background.ending.wait()
    log.info("stopping")
    # The service goes on if another process takes over.
    if not handing.is_requested:
        notify_stopping()
    return REFUSED if link.is_refused else OK


def _filling(
    config: Config,
    storage: Storage,
    parts: Parts,
    administration: ArchiveAdmin,
    accounts: AccountSource,
    background: Background,
) -> AbstractAsyncContextManager[None]:
    """Return a context in which gaps are filled, if there is a source."""
    if config.backfill.source == "none":
        return nullcontext()
    from component.wiring.backfill import open_backfill

    return open_backfill(config, storage, parts, administration, accounts, background.start)


def _with_user_apis(
    config: Config,
    services: Services,
    web: WebSettings,
    parts: Parts,
    sessions: SessionManager | None,
    stack: AsyncExitStack,
) -> Services:
    """Return the services with those of the chat and of the gateway, if they are enabled."""
    if config.chat.enabled:
        from component.wiring.chat import with_chat
        from component.wiring.live import with_live

        services = with_chat(
            services,
            web,
            settings.chat(config, services.jids),
            parts.audit,
            sessions,
            has_accounts=config.accounts.source == "store",
        )
        if services.chat is not None:
            stack.push_async_callback(services.chat.close)
            services = with_live(services, web, sessions)
    if config.gateway.enabled:
        from component.wiring.gateway import with_gateway

        services = with_gateway(services, web, sessions)
    return services


def _query_turn(
    config: Config, storage: Storage, parts: Parts, dispatcher: QueryDispatcher
) -> QueryTurn | None:
    """Return the turns of several processes on the connection for queries."""
    if not config.xmpp.processes:
        return None
    return QueryTurn(
        storage.processes,
        settings.connection(config, parts.queries_stream),
        parts.grants,
        dispatcher.turns,
    )


def _status(parts: Parts) -> str:
    """Return the status for the service manager, one line."""
    link = "connected to ejabberd" if parts.stream.is_up else "not connected to ejabberd"
    if parts.writer.is_healthy:
        return link
    return f"{link}; the store cannot be written; waiting messages: {parts.writer.backlog}"


async def _end_turn(queries: asyncio.Task[None]) -> None:
    """Let another process answer queries."""
    queries.cancel()
    await asyncio.gather(queries, return_exceptions=True)


class Link:
    """Keeps the connection to the server up; if the server refuses it, the program ends."""

    def __init__(
        self,
        connection: Connector,
        background: Background,
        handing: HandOver,
        idle: asyncio.Event,
        handed: tuple[socket, HandedStream] | None = None,
    ) -> None:
        """`idle` is set while no query is being answered.

        `handed` is a stream of another process, to be continued.
        """
        self._handing = handing
        self._idle = idle
        self._handed = handed
        self._connection = connection
        self._background = background
        self._task: asyncio.Task[None] | None = None
        self.is_refused = False

    def start(self) -> None:
        """Start to connect."""
        self._task = self._background.start("link", self._run())

    async def end(self) -> None:
        """Hand the stream over, or read all that the server still sends; stop connecting."""
        if self._task is None:
            return
        if self._handing.is_requested:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            if await self._handing.hand_over(self._connection, self._idle):
                return
        await end(self._task, self._connection)

    async def _run(self) -> None:
        try:
            await self._connection.run(self._handed)
        except ServerRefused as error:
            log.error("%s", error)
            self.is_refused = True
            self._background.end()


class Limit:
    """Ends the process after END_SECONDS, even if a thread hangs that cannot be cancelled."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._save: Callable[[], Coroutine[None, None, None]] | None = None

    def begin(self) -> None:
        """Start the timer."""
        timer = threading.Timer(END_SECONDS - SAVE_SECONDS, self._give_up)
        timer.daemon = True
        timer.start()

    @contextmanager
    def saving(self, save: Callable[[], Coroutine[None, None, None]]) -> Iterator[None]:
        """Have the timer call `save` before it ends the process. `save` may raise Lost."""
        self._save = save
        try:
            yield
        finally:
            self._save = None

    def _give_up(self) -> None:
        log.critical("something hangs, so the program ends without waiting for it")
        try:
            if self._save is not None:
                saving = asyncio.run_coroutine_threadsafe(self._save(), self._loop)
                saving.result(SAVE_SECONDS)
        except TimeoutError:
            log.critical("messages that wait for the store are lost: spilling takes too long")
        except Exception as error:
            log.critical("%s", error)
        finally:
            os._exit(FAILED)


async def end(link: asyncio.Task[None], connection: Connector) -> None:
    """Close the connection, after reading all that the server sent."""
    link.cancel()
    await asyncio.gather(link, return_exceptions=True)
    await connection.end()
