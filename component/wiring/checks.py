"""Whether the parts that the configuration names answer, asked without disturbing them.

A second connection in the name of the component costs the first one its place: ejabberd gives it
some of the messages and, when it leaves, forgets the privileges of that name. So a program that
runs is asked over HTTP, and nobody logs in to ejabberd unless the administrator orders it.
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
from component.config.values import MEMORY, SQLITE
from component.core.retention.approval import Approval, describe_unconfirmed
from component.core.retention.forecast import Forecasts
from component.core.retention.holds import Holds
from component.core.retention.rules import Rules
from component.web.server.settings import UNIX
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
    """Yield what was found of the store, ejabberd and the HTTP port.

    A program that runs on this configuration keeps all three to itself: it is asked how they are.
    With `login` the component logs in to ejabberd, where no program is seen to run.
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
            f"storage: {error}: Muniment seems to run, so nothing else was tried",
        )
        return
    except StorageError as error:
        yield Finding(Verdict.BAD, f"storage: {error}")
    yield await _server(config, login=login)
    if asked := await account_sources.check(config):
        answers, text = asked
        yield Finding(Verdict.OK if answers else Verdict.BAD, text)
    if config.http.enabled:
        yield _port(config.http.address, config.http.port)


async def _running(config: Config) -> AsyncIterator[Finding]:
    """Ask the program that runs on this configuration; yield nothing where none answers."""
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
                "running: nothing is purged: the bounds of retention would take much of an"
                " archive, and nobody has confirmed them: `muniment purge` tells, and asks",
            )
        yield Finding(Verdict.OK, "store, ejabberd and HTTP port: left to the running program")


async def _retention(config: Config) -> AsyncIterator[Finding]:
    """Yield what the bounds would take of the store that nobody has confirmed."""
    async with open_unchanged(config.storage.url) as storage:
        if storage is None:
            return
        rules, holds = Rules(storage.records), Holds(storage.records)
        await rules.load()
        await holds.load()
        forecasts = Forecasts(storage, rules, holds)
        found = await Approval(
            storage.records, forecasts, settings.retention_defaults(config)
        ).unconfirmed_forecast()
        if found:
            yield Finding(Verdict.WARN, f"retention: {describe_unconfirmed(found)}")


async def _server(config: Config, *, login: bool) -> Finding:
    xmpp = config.xmpp
    server = f"ejabberd at {xmpp.address}:{xmpp.port}"
    try:
        if login:
            await settings.connection(config, settings.stream(config)).probe()
            return Finding(Verdict.OK, f"{server} takes {xmpp.jid} and xmpp.secret")
        await check_listener(xmpp.address, xmpp.port, xmpp.jid)
    except ServerRefused as error:
        return Finding(Verdict.BAD, f"ejabberd: {error}")
    return Finding(
        Verdict.OK,
        f"{server} listens for components; xmpp.jid and xmpp.secret were not tried (--login does)",
    )


def _permissions(url: str) -> Iterator[Finding]:
    """Yield what is wrong with the rights to the file of the store and to its folder."""
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
            f"{_user(os.geteuid())}: run it as the user of the service, who may do less or more",
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
            f"storage: {path} holds the messages of all users and others than its owner may use "
            f"it: chmod go= {path}",
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _port(address: str, port: int) -> Finding:
    if address.startswith(UNIX):
        folder = Path(address.removeprefix(UNIX)).parent
        if not os.access(folder, os.W_OK | os.X_OK):
            return Finding(
                Verdict.BAD, f"http: {address}: {folder} cannot be written by this user"
            )
        return Finding(Verdict.OK, f"http: {address}")
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        return Finding(
            Verdict.BAD,
            f"http: {address}:{port}: {error.strerror}, and what has it is not a Muniment that "
            "this configuration can ask: set http.port",
        )
    return Finding(Verdict.OK, f"http: {address}:{port} is free")
