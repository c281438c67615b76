"""The configured source of accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from component.clients.ejabberd_accounts import EjabberdAccounts
from component.clients.ejabberd_http import EjabberdApi
from component.clients.ejabberd_login import LOGIN_ONLY, EjabberdLogins
from component.config import Config
from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.accounts.protocol import AccountSource, UnknownAccounts
from component.core.accounts.throttle import NO_SECONDS, Throttled, TokenBucket
from component.core.errors import Overloaded
from component.core.hosts import Hosts
from component.handlers.accounts import with_handlers
from component.handlers.functions import Handlers
from storage.interface import Storage

NOT_ASKED = (
    "Accounts live in ejabberd (accounts.source), and no option says how Muniment can ask it: "
    "nothing was changed. Administer accounts with ejabberdctl (register, change_password, "
    'ban_account, unregister), or set accounts.api_url. Set accounts.source to "store" only if '
    "ejabberd asks Muniment for accounts."
)


@asynccontextmanager
async def accounts(
    config: Config, storage: Storage, handlers: Handlers, guesses: TokenBucket | None = None
) -> AsyncIterator[AccountSource]:
    """Open the configured source of accounts, behind the functions of the operator's module.

    `guesses` limits wrong passwords; None: this process has a limit of its own.
    """
    async with AsyncExitStack() as stack:
        source = with_handlers(handlers, await _source(config, storage, stack))
        is_own = config.accounts.source == "store" and handlers.user_authentication is None
        no_seconds = 0.0 if is_own else NO_SECONDS
        throttled = Throttled(source.authenticator, guesses, no_seconds=no_seconds)
        yield replace(source, authenticator=throttled)


async def _source(config: Config, storage: Storage, stack: AsyncExitStack) -> AccountSource:
    options = config.accounts
    if options.source == "store":
        passwords = Passwords(options.password_format)
        own = OwnAccounts(storage.accounts, passwords, Hosts(config.xmpp.hosts))
        return AccountSource(authenticator=own, administered=own)
    if options.api_url is not None:
        api = await stack.enter_async_context(ejabberd_http(config, options.api_url))
        ejabberd = EjabberdAccounts(api)
        return AccountSource(authenticator=ejabberd, administered=ejabberd)
    if options.login_address is not None:
        logins = EjabberdLogins(options.login_address, options.login_port)
        return AccountSource(authenticator=logins, administered=None, refusal=LOGIN_ONLY)
    unknown = UnknownAccounts(NOT_ASKED)
    return AccountSource(authenticator=unknown, administered=None, refusal=NOT_ASKED)


def ejabberd_http(config: Config, url: str) -> EjabberdApi:
    """Return a client of mod_http_api, which authenticates as the configuration says."""
    options = config.accounts
    password = options.api_password.get_secret_value() if options.api_password else None
    return EjabberdApi(url, options.api_user, password)


async def check(config: Config) -> tuple[bool, str] | None:
    """Ask ejabberd about an account. Return success and a line, None without such a source."""
    options = config.accounts
    if not options.asks_ejabberd:
        return None
    nobody = f"nobody@{config.xmpp.hosts[0]}"
    try:
        if options.api_url is not None:
            async with ejabberd_http(config, options.api_url) as api:
                await EjabberdAccounts(api).exists(nobody)
            return True, f"accounts: ejabberd at {options.api_url} answers"
        if options.login_address is not None:
            await EjabberdLogins(options.login_address, options.login_port).authenticate(
                nobody, "check"
            )
    except Overloaded as error:
        return False, f"accounts: {error.message}"
    return (
        True,
        f"accounts: ejabberd at {options.login_address}:{options.login_port} accepts logins",
    )
