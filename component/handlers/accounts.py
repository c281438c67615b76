"""Accounts of the operator's module: an Authenticator."""

from __future__ import annotations

from dataclasses import replace

from component.core.accounts.protocol import AccountSource, Authenticator
from component.core.xml.jids import domain, local
from component.handlers.functions import Handlers


class HandlerAuthenticator:
    """Asks the operator's functions, and another source if a function is missing.

    Each method raises Failed if the function raises an exception.
    """

    def __init__(self, handlers: Handlers, fallback: Authenticator) -> None:
        self._handlers = handlers
        self._fallback = fallback

    async def authenticate(self, jid: str, password: str) -> bool:
        if self._handlers.user_authentication is None:
            return await self._fallback.authenticate(jid, password)
        return await self._handlers.user_authentication(domain(jid), local(jid), password) is True

    async def exists(self, jid: str) -> bool:
        if self._handlers.user_exists is None:
            return await self._fallback.exists(jid)
        return await self._handlers.user_exists(domain(jid), local(jid)) is True


def with_handlers(handlers: Handlers, source: AccountSource) -> AccountSource:
    """Return a source that asks the operator's functions before `source`.

    If the module checks passwords, the accounts are those of the module, and Muniment does not
    administer them.
    """
    authenticator = HandlerAuthenticator(handlers, source.authenticator)
    if handlers.user_authentication is None:
        return replace(source, authenticator=authenticator)
    return AccountSource(
        authenticator=authenticator,
        administered=None,
        refusal=(
            f"the accounts are those of {handlers.module} (handlers.module), "
            "which can neither list nor change them: administer them there"
        ),
    )
