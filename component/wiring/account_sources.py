"""Where accounts live, as the configuration says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from component.clients.ejabberd_accounts import EjabberdAccounts
from component.clients.ejabberd_http import EjabberdApi
from component.clients.ejabberd_login import EjabberdLogins
from component.config import Config
from component.core.accounts.own import OwnAccounts
from component.core.accounts.passwords import Passwords
from component.core.accounts.protocol import Accounts, LoginOnlyAccounts
from component.core.accounts.throttle import NO_SECONDS, Throttled
from component.core.errors import Overloaded
from component.core.hosts import Hosts
from component.handlers.accounts import HandlerAccounts
from component.handlers.functions import Handlers
from storage.interface import Storage


@asynccontextmanager
async def accounts(
    config: Config, storage: Storage, handlers: Handlers
) -> AsyncIterator[Accounts]:
    """Ask for accounts where they live; what the operator's module knows goes before."""
    async with AsyncExitStack() as stack:
        source = await _source(config, storage, stack)
        is_ours = isinstance(source, OwnAccounts) and handlers.user_authentication is None
        least = 0.0 if is_ours else NO_SECONDS
        yield Throttled(HandlerAccounts(handlers, source), least=least)


async def _source(config: Config, storage: Storage, stack: AsyncExitStack) -> Accounts:
    own = config.accounts
    if own.source == "store":
        passwords = Passwords(own.password_format)
        return OwnAccounts(storage.accounts, passwords, Hosts(config.xmpp.hosts))
    if own.api_url is not None:
        return EjabberdAccounts(await stack.enter_async_context(_api(config, own.api_url)))
    if own.login_address is not None:
        return EjabberdLogins(own.login_address, own.login_port)
    return LoginOnlyAccounts(
        "Accounts live in ejabberd (accounts.source), and Muniment is not told how to ask it: "
        "nothing was asked, made or changed. Look after accounts by ejabberdctl (register, "
        "change_password, ban_account, unregister), or set accounts.api_url. Only an ejabberd "
        'that itself asks Muniment for accounts wants accounts.source = "store".'
    )


def _api(config: Config, url: str) -> EjabberdApi:
    own = config.accounts
    shown = own.api_password.get_secret_value() if own.api_password else None
    return EjabberdApi(url, own.api_user, shown)


async def check(config: Config) -> tuple[bool, str] | None:
    """Ask ejabberd for an account, and say whether it answered; None where it is not asked."""
    own = config.accounts
    if not own.asks_ejabberd:
        return None
    nobody = f"nobody@{config.xmpp.hosts[0]}"
    try:
        if own.api_url is not None:
            async with _api(config, own.api_url) as api:
                await EjabberdAccounts(api).exists(nobody)
            return True, f"accounts: ejabberd at {own.api_url} answers"
        if own.login_address is not None:
            await EjabberdLogins(own.login_address, own.login_port).authenticate(nobody, "check")
    except Overloaded as error:
        return False, f"accounts: {error.message}"
    return True, f"accounts: ejabberd at {own.login_address}:{own.login_port} takes logins"
