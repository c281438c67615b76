"""Listen on a socket while the program runs, and close it once running requests are answered."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

from aiohttp import web

from component.core.unix_sockets import UNIX
from component.web.server.limits import Protocols, connection_factory
from component.web.server.settings import Listener, ListenerSettings

log = logging.getLogger(__name__)

#: Permissions of a Unix socket decide who may connect: owner and group.
SOCKET_MODE = 0o660

#: The names of listeners in the log.
KINDS = {Listener.PRIVATE: "HTTP", Listener.PUBLIC: "public HTTP"}


@asynccontextmanager
async def listen(app: web.Application, settings: ListenerSettings) -> AsyncIterator[str]:
    """Serve an application while the context is open; its value is the address to call.

    Raises OSError, with our own text, if the program cannot listen on the address. At the end it
    accepts no new connection, and running requests get `stop_timeout_seconds` to finish.
    """
    section = settings.section
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=settings.stop_timeout_seconds,
    )
    await runner.setup()
    try:
        protocols = connection_factory(cast(web.Server, runner.server), settings)
        if settings.address.startswith(UNIX):
            path = Path(settings.address.removeprefix(UNIX))
            listening = _on_path(path, protocols, section)
        else:
            listening = _on_port(settings.address, settings.port, protocols, section)
        async with listening as address:
            log.info("serving %s on %s", KINDS[section], address)
            yield address
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _on_port(
    address: str, port: int, protocols: Protocols, section: Listener
) -> AsyncIterator[str]:
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    with _explained(place, section):
        listener = await asyncio.get_running_loop().create_server(protocols, address, port)
    try:
        host, port = listener.sockets[0].getsockname()[:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        listener.close()


@asynccontextmanager
async def _on_path(path: Path, protocols: Protocols, section: Listener) -> AsyncIterator[str]:
    with _explained(str(path), section):
        await _refuse_used(path)
        listener = await asyncio.get_running_loop().create_unix_server(protocols, path)
    try:
        _share(path)
        yield f"{UNIX}{path}"
    finally:
        listener.close()
        _remove(path)


async def _refuse_used(path: Path) -> None:
    """Raise OSError if a program listens on the socket already."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return
    writer.close()
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


@contextmanager
def _explained(place: str, section: Listener) -> Iterator[None]:
    """Raise an OSError that names the place, the reason, and the option to change."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                f"{place} is in use: end the program that listens there, or change {section}.port"
                f" or {section}.address"
            ) from error
        # Errors of name resolution have negative numbers, which os.strerror does not know.
        is_of_system = error.errno is not None and error.errno > 0
        reason = os.strerror(error.errno or 0) if is_of_system else error.strerror or str(error)
        raise OSError(f"cannot listen on {place} ({reason}): change {section}.address") from error


def _share(path: Path) -> None:
    path.chmod(SOCKET_MODE)


def _remove(path: Path) -> None:
    # Python 3.13 and newer have removed it already.
    path.unlink(missing_ok=True)
