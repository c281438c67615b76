"""Check that ejabberd lets Muniment run the commands of its HTTP API."""

from __future__ import annotations

from component.clients.ejabberd_commands import EjabberdCommands
from component.config import Config
from component.core.doctor.checks import EJABBERD_API
from component.core.doctor.finding import Finding, Severity, ok
from component.core.ejabberd_api.catalogue import NATIVE
from component.core.ejabberd_api.definitions import LATEST
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.refusals import ApiRefusal, MissingCommand, Unreachable
from component.wiring.account_sources import ejabberd_http

_PERMIT = (
    "Let Muniment run all commands of mod_http_api, by api_permissions of ejabberd.yml. Since "
    "26.07 the account of accounts.api_user also needs the access rule configure."
)


async def check(config: Config) -> Finding | None:
    """Return the finding, None if ejabberd's API is not served."""
    if not config.ejabberd_api.enabled:
        return None
    url = config.accounts.api_url
    if url is None:
        return Finding(
            id=EJABBERD_API,
            severity=Severity.ERROR,
            seen="ejabberd's API: ejabberd cannot be asked",
            change="Set accounts.api_url to the address of mod_http_api.",
        )
    async with ejabberd_http(config, url) as api:
        commands = EjabberdCommands(api)
        backend = Backend(commands)
        try:
            year, month = await backend.release()
            await backend.call("check_account", user="nobody", host=config.xmpp.hosts[0])
            missing = await _missing(commands)
        except (Unreachable, ApiRefusal) as error:
            return Finding(
                id=EJABBERD_API,
                severity=Severity.ERROR,
                seen=f"ejabberd's API at {url}: {error}",
                change=_PERMIT,
            )
    if missing:
        return Finding(
            id=EJABBERD_API,
            severity=Severity.ERROR,
            seen=f"ejabberd's API at {url} lacks {', '.join(missing)}",
            change="Load mod_admin_extra and mod_muc_admin.",
        )
    return ok(EJABBERD_API, f"ejabberd's API: ejabberd {year}.{month:02d} at {url} answers")


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
