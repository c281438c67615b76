"""Give the parts of the running program the values of a changed configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from component import logs
from component.config import Config, ConfigError
from component.config.reloading import reloaded
from component.core.chat.service import Chat
from component.core.retention.janitor import Janitor
from component.core.tokens.sign_ins import SignIns
from component.handlers.functions import Handlers
from component.web.server.settings import WebSettings
from component.wiring import settings
from component.wiring.compose import Parts
from component.wiring.service_manager import notify_ready, notify_reloading
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.connector import Connector
from component.xmpp.connection.query_turn import QueryTurn

log = logging.getLogger(__name__)

LoadConfig = Callable[[], Config]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloadable:
    """The parts whose values change."""

    parts: Parts
    handlers: Handlers
    web: WebSettings
    janitor: Janitor
    connector: Connector
    turn: QueryTurn | None = None
    sign_ins: SignIns | None = None
    chat: Chat | None = None

    def apply(self, config: Config) -> None:
        """Use the values of a configuration from now on, as far as the parts can change."""
        addresses, parts = Addresses(), self.parts
        parts.operators.replace(settings.operators(config, addresses))
        parts.preferences.replace_rules(settings.rules(config, addresses))
        parts.grants.needs = settings.needs(config, self.handlers)
        self.janitor.replace_limits(settings.retention_defaults(config))
        self.connector.timeouts = settings.timeouts(config)
        if self.turn is not None:
            self.turn.connector.timeouts = settings.timeouts(config)
        web = settings.web(config, parts.operators)
        self.web.reload(web)
        self.web.public.reload(web.public)
        if self.sign_ins is not None:
            self.sign_ins.replace_lifetimes(
                access_seconds=config.tokens.access_seconds,
                refresh_days=config.tokens.refresh_days,
            )
        if self.chat is not None:
            self.chat.sign_up.reserve(settings.reserved(config, addresses))
        logs.setup(config.log.level, config.log.format)


class Reloading:
    """Reads the configuration again when it is asked to."""

    def __init__(self, config: Config, load: LoadConfig) -> None:
        """`config` is what the program runs with. `load` raises ConfigError."""
        self._config = config
        self._load = load
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the configuration read once the program is ready; several calls count as one."""
        self._asked.set()

    async def run(self, reloadable: Reloadable) -> None:
        """Read the configuration whenever it was asked for."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            notify_reloading()
            try:
                await self.reload(reloadable)
            finally:
                notify_ready()

    async def reload(self, reloadable: Reloadable) -> None:
        """Apply the configuration and log what becomes of each changed option; no value is logged.

        If it is wrong, nothing changes.
        """
        try:
            new = await asyncio.to_thread(self._load)
        except ConfigError as error:
            for problem in error.problems:
                log.error("the configuration is not reloaded: %s", problem)
            return
        change = reloaded(self._config, new)
        reloadable.apply(change.config)
        self._config = change.config
        for warning in new.warnings:
            log.warning("%s", warning)
        for option in change.effective:
            log.info("reloaded %s: it takes effect now", option)
        for option in change.waiting:
            log.warning("not reloaded %s: it takes effect after a restart", option)
        if not change.effective and not change.waiting:
            log.info("reloaded the configuration: nothing has changed")
