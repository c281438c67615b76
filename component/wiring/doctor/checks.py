"""Check the store, ejabberd and the HTTP ports without disturbing a running program.

ejabberd sends a second connection of the same component some of the messages and, when it closes,
removes the privileges of the component. So a running program is asked over HTTP, and a check logs
in to ejabberd only with `login` or `live`, and not while another process uses the store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from component.config import Config
from component.core.doctor.checks import ACCOUNTS, STORE
from component.core.doctor.finding import Finding, Severity
from component.handlers.functions import Handlers
from component.wiring import account_sources, settings
from component.wiring.doctor import ejabberd, ejabberd_api, http, link, running, store
from component.wiring.doctor.running import NotExamined
from component.wiring.running_program import client_settings
from storage.errors import Locked

_HIDDEN = (
    "Muniment seems to run, but does not answer at http.address. What ejabberd grants was not "
    "examined: a second connection to ejabberd would end the privileges of the first."
)


async def checks(
    config: Config,
    handlers: Handlers,
    *,
    login: bool = False,
    live: bool = False,
    reconnect: bool = False,
) -> AsyncIterator[Finding]:
    """Yield findings about the store, ejabberd and the HTTP ports.

    If a program runs with this configuration, it is asked for them. Otherwise `login` makes the
    component log in to ejabberd. `live` also examines what ejabberd grants; with `reconnect` a
    running program reconnects before. Raises NotExamined.
    """
    for finding in store.permissions(config):
        yield finding
    # Its requests disturb no running program.
    if api_finding := await ejabberd_api.check(config):
        yield api_finding
    is_running = False
    async for finding in _running(config, live=live, reconnect=reconnect):
        is_running = True
        yield finding
    if is_running:
        return
    try:
        async for finding in store.check(config):
            yield finding
    except Locked as error:
        yield Finding(
            id=STORE,
            severity=Severity.WARNING,
            seen=f"storage: {error}: Muniment seems to run, so nothing else was checked",
        )
        if live:
            raise NotExamined(_HIDDEN) from error
        return
    async for finding in _ejabberd(config, handlers, login=login, live=live):
        yield finding
    for listener in settings.listeners(config):
        yield http.check(settings.web(config, ()).listener(listener))


async def _running(config: Config, *, live: bool, reconnect: bool) -> AsyncIterator[Finding]:
    if config.http.enabled:
        program = client_settings(config.http)
        async for finding in running.check(program, live=live, reconnect=reconnect):
            yield finding


async def _ejabberd(
    config: Config, handlers: Handlers, *, login: bool, live: bool
) -> AsyncIterator[Finding]:
    """Yield findings about the component's connection, what it is granted, and accounts."""
    if live:
        for finding in await ejabberd.examined(config, handlers):
            yield finding
    else:
        yield await link.check(config, login=login)
    if answer := await account_sources.check(config):
        answers, text = answer
        severity = Severity.OK if answers else Severity.ERROR
        yield Finding(id=ACCOUNTS, severity=severity, seen=text)
