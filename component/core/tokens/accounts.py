"""Accounts whose users may show an access token in the place of the password."""

from __future__ import annotations

from dataclasses import replace

from component.core.accounts.protocol import (
    AccountAdmin,
    AccountSource,
    AccountSummary,
    Authenticator,
)
from component.core.errors import ItemNotFound, NotAuthorized
from component.core.tokens.sign_ins import SignIns


def with_tokens(source: AccountSource, sign_ins: SignIns) -> AccountSource:
    """Return accounts that take access tokens for passwords, and whose changes revoke them."""
    administered = source.administered
    return replace(
        source,
        authenticator=TokenAuthenticator(source.authenticator, sign_ins),
        administered=administered and RevokingAdmin(administered, sign_ins),
    )


class TokenAuthenticator:
    """An Authenticator that takes an access token of the user for the password."""

    def __init__(self, authenticator: Authenticator, sign_ins: SignIns) -> None:
        self._authenticator = authenticator
        self._sign_ins = sign_ins

    async def authenticate(self, jid: str, password: str) -> bool:
        if self._sign_ins.is_access_token(password):
            try:
                return (await self._sign_ins.verify(password)).jid == jid
            except NotAuthorized:
                # ejabberd accepts it even if it was revoked, so ejabberd is not asked.
                return False
        return await self._authenticator.authenticate(jid, password)

    async def exists(self, jid: str) -> bool:
        return await self._authenticator.exists(jid)


class RevokingAdmin:
    """An AccountAdmin that revokes all sign-ins of an account which may not keep them."""

    def __init__(self, admin: AccountAdmin, sign_ins: SignIns) -> None:
        self._admin = admin
        self._sign_ins = sign_ins

    async def register(self, jid: str, password: str) -> None:
        await self._admin.register(jid, password)
        # An account of this JID may have been removed in ejabberd itself.
        if await self._sign_ins.list(jid):
            await self._sign_ins.revoke_all(jid)

    async def set_password(self, jid: str, password: str) -> None:
        await self._admin.set_password(jid, password)
        await self._sign_ins.revoke_all(jid)

    async def remove(self, jid: str) -> None:
        try:
            await self._admin.remove(jid)
        except ItemNotFound:
            # A call before may have removed the account alone, because the store failed then.
            await self._sign_ins.revoke_all(jid)
            raise
        await self._sign_ins.revoke_all(jid)

    async def set_enabled(self, jid: str, is_enabled: bool) -> None:
        await self._admin.set_enabled(jid, is_enabled)
        if not is_enabled:
            await self._sign_ins.revoke_all(jid)

    async def get(self, jid: str) -> AccountSummary:
        return await self._admin.get(jid)

    async def list(
        self, host: str, after: str, limit: int, part: str = ""
    ) -> tuple[AccountSummary, ...]:
        return await self._admin.list(host, after, limit, part)

    async def count(self, host: str) -> int:
        return await self._admin.count(host)
