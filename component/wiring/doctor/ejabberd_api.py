"""Gather facts about ejabberd's HTTP API by requests that change nothing."""

from __future__ import annotations

from component.clients.ejabberd_commands import EjabberdCommands
from component.config import Config
from component.core.doctor.ejabberd_api import ApiFacts, ApiState
from component.core.doctor.ejabberd_api import check as finding
from component.core.doctor.finding import Finding
from component.core.ejabberd_api.catalogue import NATIVE
from component.core.ejabberd_api.definitions import LATEST
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.refusals import (
    ApiRefusal,
    Disallowed,
    MissingCommand,
    Unreachable,
)
from component.wiring.account_sources import ejabberd_http


async def check(config: Config) -> Finding | None:
    """Return the finding, None if ejabberd's API is not served."""
    if not config.ejabberd_api.enabled:
        return None
    return finding(await _facts(config))


async def _facts(config: Config) -> ApiFacts:
    url, account = config.accounts.api_url, config.accounts.api_user
    if url is None:
        return ApiFacts(state=ApiState.UNCONFIGURED)
    async with ejabberd_http(config, url) as api:
        commands = EjabberdCommands(api)
        backend = Backend(commands)
        error = ""
        try:
            year, month = await backend.release()
            missing = await _missing(commands)
            if "check_account" not in missing:
                # Arguments are checked before permissions: this one has them all.
                await backend.call("check_account", user="nobody", host=config.xmpp.hosts[0])
        except Disallowed:
            state = ApiState.DISALLOWED
        except Unreachable:
            state = ApiState.UNREACHABLE
        except ApiRefusal as refusal:
            state, error = ApiState.FAILING, refusal.message
        else:
            return ApiFacts(
                state=ApiState.ANSWERING,
                url=url,
                account=account,
                release=f"{year}.{month:02d}",
                missing=tuple(missing),
            )
        return ApiFacts(state=state, url=url, account=account, error=error)


async def _missing(commands: EjabberdCommands) -> list[str]:
    """Return the commands that ejabberd does not have. Raises Unreachable."""
    missing = []
    for definition in NATIVE:
        if not definition.signature(LATEST).arguments:
            continue
        try:
            # Without its arguments a command is refused before it does anything.
            await commands.request(definition.name, {})
        except MissingCommand:
            missing.append(definition.name)
    return missing
