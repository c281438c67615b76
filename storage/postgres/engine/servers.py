"""The servers of a URL: connects to the one that takes writes, and finds out if one is silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypedDict
from urllib.parse import parse_qs, urlsplit
from weakref import WeakSet

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from storage.errors import StorageError, Unavailable
from storage.postgres.engine.connection import Driver, describe
from storage.postgres.options import PostgresOptions

log = logging.getLogger(__name__)

#: If all other servers have refused, one that is silent has so many seconds more.
SILENT_SECONDS = 3.0

#: Seconds that a request is open until its server is asked whether it answers.
LOOK_SECONDS = 1.0

#: Seconds between two attempts to connect while no server takes writes.
ASK_SECONDS = 0.2

#: A process that stops within a transaction holds up the others no longer than this.
_SHARED_SETTINGS = {"idle_in_transaction_session_timeout": "10s"}

# The server notices within a minute that a client has gone, and then frees its lock. Each
# statement has an index; without statistics, and for an archive larger than all others, it would
# scan.
SETTINGS = {
    "application_name": "muniment",
    "enable_seqscan": "off",
    "jit": "off",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}

#: Which servers may be used; one of several takes writes.
_WRITABLE = (SessionAttribute.read_write, SessionAttribute.primary)

#: Errors by which a server says nothing, or that it takes no writes.
_IS_GONE = (
    OSError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
)


class ServerConnection(asyncpg.Connection):
    """A connection that knows its server."""

    __slots__ = ("url",)
    url: str  #: of this server alone


_Attempt = asyncio.Task[ServerConnection]


class _Parameters(TypedDict):
    """How to connect, as the driver names it."""

    password: str | None
    command_timeout: float | None
    statement_cache_size: int
    max_cached_statement_lifetime: int
    server_settings: dict[str, str]
    target_session_attrs: SessionAttribute


class Servers:
    """The servers of a URL, one of which takes writes at a time."""

    def __init__(self, url: str, options: PostgresOptions) -> None:
        self._options = options
        self._parameters = _parameters(url, options)
        target = self._parameters["target_session_attrs"]
        # Of servers that only read, the first one in the order of the URL is chosen.
        self._urls = _urls(url) if target in _WRITABLE else (url,)
        self._connections: WeakSet[ServerConnection] = WeakSet()
        self._has_connected = False
        self._failure = ""  #: why no server can be used, "": one can, as far as is known
        self._asking: asyncio.Task[None] | None = None

    async def connect(self, *, is_patient: bool = False) -> ServerConnection:
        """Connect to the server that takes writes, or that the URL asks for.

        After a failure only one task goes on asking, and all else fails at once: so nobody waits
        for a server that is away. `is_patient` sets no limit to the time of statements. Raises
        Unavailable, and the errors of the driver.
        """
        if self._failure:
            raise Unavailable(self._failure)
        try:
            return await self._connect(is_patient)
        except (Unavailable, *_IS_GONE) as error:
            self._note_failure(describe(error))
            raise

    async def close(self) -> None:
        """Ask the servers no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _note_failure(self, failure: str) -> None:
        self._failure = failure
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        """Return when a server can be used."""
        try:
            while True:
                await asyncio.sleep(ASK_SECONDS)
                try:
                    driver = await self._connect(False)
                except (Unavailable, *_IS_GONE) as error:
                    self._failure = describe(error)
                except (asyncpg.PostgresError, asyncpg.InterfaceError):
                    return  # such as too many connections: it answers
                else:
                    driver.terminate()
                    return
        finally:
            self._failure = ""

    async def _connect(self, is_patient: bool) -> ServerConnection:
        """Connect to the first server that may be used.

        All servers are asked at once: one that is frozen or cannot be reached does not delay
        the others.
        """
        seconds = self._options.connect
        if self._has_connected:
            # Somebody may wait for an answer.
            seconds = min(seconds, self._options.answer)
        if len(self._urls) == 1:
            return await self._connect_to(self._urls[0], seconds, is_patient)
        attempts = {
            asyncio.create_task(self._connect_to(url, seconds, is_patient)): url
            for url in self._urls
        }
        chosen = None
        try:
            chosen = await _first(attempts.keys())
            if chosen is None:
                raise Unavailable(f"no server takes writes: {'; '.join(_errors(attempts))}")
            return chosen
        finally:
            await _end(attempts.keys(), chosen)

    @asynccontextmanager
    async def watch(self, driver: Driver) -> AsyncIterator[None]:
        """Close a connection if its server falls silent, or takes no writes any more.

        A statement may take long while the server accepts new connections. If the server does
        not, waiting for the statement is of no use, because another server may take over.
        """
        watching = asyncio.create_task(self._watch(driver))
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self, driver: Any) -> None:
        await asyncio.sleep(min(LOOK_SECONDS, self._options.answer))
        while True:
            try:
                await self._ping(driver.url)
            except _IS_GONE as error:
                self._give_up(driver.url, describe(error))
                return
            except asyncpg.PostgresError:
                pass  # such as too many connections: it answers
            await asyncio.sleep(self._options.answer)

    def _give_up(self, url: str, failure: str) -> None:
        """Close all connections to a server, and so end all that waits for it."""
        log.warning("%s is given up: %s", _server(url), failure)
        self._note_failure(f"{_server(url)}: {failure}")
        for driver in list(self._connections):
            if driver.url == url:
                driver.terminate()

    async def _ping(self, url: str) -> None:
        """Connect to a server, which proves that it answers."""
        driver = await self._connect_to(url, self._options.answer, False)
        driver.terminate()

    async def _connect_to(self, url: str, seconds: float, is_patient: bool) -> ServerConnection:
        parameters = self._parameters.copy()
        if is_patient:
            parameters["command_timeout"] = None
        try:
            driver: ServerConnection = await asyncpg.connect(
                url, timeout=seconds, connection_class=ServerConnection, **parameters
            )
        except TimeoutError:
            raise OSError(f"no answer within {seconds:g} s") from None
        driver.url = url
        self._has_connected = True
        self._connections.add(driver)
        return driver


async def _first(attempts: Collection[_Attempt]) -> ServerConnection | None:
    """Return the first connection, None if all servers refuse or are silent."""
    waiting = set(attempts)
    deadline = None
    loop = asyncio.get_running_loop()
    while waiting:
        seconds = None if deadline is None else max(deadline - loop.time(), 0)
        done, waiting = await asyncio.wait(
            waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for attempt in done:
            if attempt.exception() is None:
                return attempt.result()
        if not done:
            break
        deadline = deadline or loop.time() + SILENT_SECONDS
    return None


async def _end(attempts: Collection[_Attempt], chosen: ServerConnection | None) -> None:
    """Cancel all attempts, and close the connections that were not chosen."""
    for attempt in attempts:
        attempt.cancel()
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, ServerConnection) and result is not chosen:
            result.terminate()


def _errors(attempts: Mapping[_Attempt, str]) -> Iterator[str]:
    """Yield the server and the error of each attempt."""
    for attempt, url in attempts.items():
        error = attempt.exception() if attempt.done() else None
        yield f"{_server(url)}: {'no answer' if error is None else describe(error)}"


def _urls(url: str) -> tuple[str, ...]:
    """Return a URL for each server that a URL names."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return tuple(parts._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(","))


def _server(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _parameters(url: str, options: PostgresOptions) -> _Parameters:
    """Return how to connect. Raises StorageError."""
    values = parse_qs(urlsplit(url).query).get("target_session_attrs", ["read-write"])
    try:
        target = SessionAttribute(values[-1])
    except ValueError:
        known = ", ".join(SessionAttribute)
        raise StorageError(
            f"{_server(url)}: target_session_attrs has to be one of {known}"
        ) from None
    return {
        "password": options.password,
        "command_timeout": options.statement,
        "statement_cache_size": options.statement_cache,
        "max_cached_statement_lifetime": 0,
        "server_settings": SETTINGS | (_SHARED_SETTINGS if options.process else {}),
        "target_session_attrs": target,
    }
