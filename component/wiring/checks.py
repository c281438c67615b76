"""Check the store, ejabberd and the HTTP ports without disturbing a running program.

ejabberd sends a second connection of the same component some of the messages and, when it closes,
removes the privileges of the component. So a running program is asked over HTTP, and a check logs
in to ejabberd only with --login.
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from component.clients.muniment_http import Client, NotRunning
from component.config import Config
from component.config.types import MEMORY, SQLITE
from component.core.retention.approval import Approval, describe_unconfirmed
from component.core.retention.forecast import Forecasts
from component.core.retention.holds import Holds
from component.core.retention.rules import Rules
from component.web.server.settings import UNIX, ListenerSettings
from component.wiring import account_sources, settings
from component.xmpp.connection.connector import ServerRefused
from component.xmpp.connection.listener_check import check_listener
from storage.errors import Locked, StorageError
from storage.open import examine, open_unchanged


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    verdict: Verdict
    text: str


async def checks(config: Config, *, login: bool) -> AsyncIterator[Finding]:
    """Yield findings about the store, ejabberd and the HTTP ports.

    If a program runs with this configuration, it is asked for them. Otherwise `login` makes the
    component log in to ejabberd.
    """
    for finding in _permissions(config.storage.url):
        yield finding
    if config.http.enabled:
        running = [finding async for finding in _running(config)]
        if running:
            for finding in running:
                yield finding
            return
    try:
        yield Finding(Verdict.OK, f"storage: {await examine(config.storage.url)}")
        async for finding in _retention(config):
            yield finding
    except Locked as error:
        yield Finding(
            Verdict.WARN,
            f"storage: {error}: Muniment seems to run, so nothing else was checked",
        )
        return
    except StorageError as error:
        yield Finding(Verdict.BAD, f"storage: {error}")
    yield await _server(config, login=login)
    if asked := await account_sources.check(config):
        answers, text = asked
        yield Finding(Verdict.OK if answers else Verdict.BAD, text)
    for listener in settings.listeners(config):
        yield _port(settings.web(config, ()).listener(listener))


async def _running(config: Config) -> AsyncIterator[Finding]:
    """Yield findings of the program running with this configuration, none if none answers."""
    async with Client(settings.client(config.http)) as client:
        try:
            parts = await client.health()
        except NotRunning:
            return
        yield Finding(Verdict.OK, f"running: Muniment answers at {client.place}")
        for name, part in parts.items():
            if not part["ok"]:
                yield Finding(Verdict.BAD, f"running: {name} is not ready: the log says why")
        if not parts.get("retention", {}).get("confirmed", True):
            yield Finding(
                Verdict.WARN,
                "running: nothing is purged, because the limits of retention would delete much of "
                "an archive and are not confirmed: run `muniment purge`",
            )
        yield Finding(Verdict.OK, "store, ejabberd and HTTP port: in use by the running program")


async def _retention(config: Config) -> AsyncIterator[Finding]:
    """Yield a finding if the limits would delete much of an archive and are not confirmed."""
    async with open_unchanged(config.storage.url) as storage:
        if storage is None:
            return
        rules, holds = Rules(storage.rules), Holds(storage.holds)
        await rules.load()
        await holds.load()
        forecasts = Forecasts(storage, rules, holds)
        forecast = await Approval(
            storage.rules, forecasts, settings.retention_defaults(config)
        ).unconfirmed_forecast()
        if forecast:
            yield Finding(Verdict.WARN, f"retention: {describe_unconfirmed(forecast)}")


async def _server(config: Config, *, login: bool) -> Finding:
    xmpp = config.xmpp
    server = f"ejabberd at {xmpp.address}:{xmpp.port}"
    try:
        if login:
            await settings.connection(config, settings.stream(config)).probe()
            return Finding(Verdict.OK, f"{server} accepts {xmpp.jid} and xmpp.secret")
        await check_listener(xmpp.address, xmpp.port, xmpp.jid)
    except ServerRefused as error:
        return Finding(Verdict.BAD, f"ejabberd: {error}")
    return Finding(
        Verdict.OK,
        f"{server} listens for components; xmpp.jid and xmpp.secret were not tried "
        "(--login tries them)",
    )


def _permissions(url: str) -> Iterator[Finding]:
    """Yield findings about the permissions of the file of the store and of its folder."""
    if url == MEMORY:
        return
    path = Path(url.removeprefix(SQLITE))
    folder = path.parent
    if not os.path.isdir(folder):  # noqa: PTH112 - raises nothing where it is hidden
        return  # `unconfirmed_forecast` says so
    if (owner := folder.stat().st_uid) != os.geteuid():
        yield Finding(
            Verdict.WARN,
            f"storage: {folder} belongs to {_user(owner)}, and this check runs as "
            f"{_user(os.geteuid())}: run it as the user of the service, whose rights may differ",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(Verdict.BAD, f"storage: {folder} cannot be written by this user")
    if not path.exists():
        return
    if not os.access(path, os.R_OK | os.W_OK):
        yield Finding(Verdict.BAD, f"storage: {path} cannot be written by this user")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(
            Verdict.WARN,
            f"storage: {path} holds the messages of all users and is accessible to other users: "
            f"chmod go= {path}",
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _port(listener: ListenerSettings) -> Finding:
    section, address, port = listener.section, listener.address, listener.port
    if address.startswith(UNIX):
        folder = Path(address.removeprefix(UNIX)).parent
        if not os.access(folder, os.W_OK | os.X_OK):
            return Finding(
                Verdict.BAD, f"{section}: {address}: {folder} cannot be written by this user"
            )
        return Finding(Verdict.OK, f"{section}: {address}")
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        return Finding(
            Verdict.BAD,
            f"{section}: {address}:{port}: {error.strerror}; no Muniment with this "
            f"configuration answers there: set {section}.port",
        )
    return Finding(Verdict.OK, f"{section}: {address}:{port} is free")
