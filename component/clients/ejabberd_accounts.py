"""Accounts of ejabberd through its HTTP API: an Authenticator and an AccountAdmin."""

from __future__ import annotations

import logging

from component.clients.ejabberd_http import EjabberdApi
from component.clients.muniment_http import Answer
from component.core.accounts.passwords import prepare
from component.core.accounts.protocol import AccountSummary
from component.core.errors import BadRequest, Conflict, ItemNotFound, NotAllowed, Overloaded
from component.core.xml.jids import domain, local

log = logging.getLogger(__name__)

YES, NO = 0, 1

#: What ejabberd notes as the reason of a ban.
_REASON = "disabled in Muniment"

_NO_BANS = (
    "The accounts are those of ejabberd, which does not tell Muniment whether they are banned: use"
    " ejabberdctl {command}. ejabberd 26.07 and newer can let Muniment do it: name"
    " get_ban_details, ban_account and unban_account in api_permissions."
)


class EjabberdAccounts:
    """Checks and administers the accounts of one ejabberd."""

    def __init__(self, api: EjabberdApi) -> None:
        self._api = api

    async def authenticate(self, jid: str, password: str) -> bool:
        return _is_yes(await self._ask("check_password", jid, password=password))

    async def exists(self, jid: str) -> bool:
        return _is_yes(await self._ask("check_account", jid))

    async def register(self, jid: str, password: str) -> None:
        answer = await self._ask("register", jid, password=prepare(password))
        if answer.status == Conflict.status:
            raise Conflict("There is such an account already.")
        if not answer.is_good:
            raise BadRequest(f"ejabberd refuses this account: {answer.message[:200]}")

    async def set_password(self, jid: str, password: str) -> None:
        prepared = prepare(password)
        await self._require(jid)
        answer = await self._ask("change_password", jid, newpass=prepared)
        if not _is_yes(answer):
            raise BadRequest("ejabberd refuses this password.")

    async def remove(self, jid: str) -> None:
        await self._require(jid)
        if not (await self._ask("unregister", jid)).is_good:
            raise Overloaded("ejabberd did not remove this account: try again shortly.")

    async def set_enabled(self, jid: str, is_enabled: bool) -> None:
        command = "unban_account" if is_enabled else "ban_account"
        # The oldest releases ban by a random password, which cannot be undone. 24.12 answers
        # neither whether an account is banned nor whether a password of a banned one is right.
        is_now = await self._is_enabled(jid)
        if is_now is None:
            raise NotAllowed(_NO_BANS.format(command=command))
        await self._require(jid)
        if is_now is not is_enabled:
            reason = {} if is_enabled else {"reason": _REASON}
            if not _is_yes(await self._ask(command, jid, **reason)):
                raise Overloaded(f"ejabberd did not run {command}: try again shortly.")

    async def get(self, jid: str) -> AccountSummary:
        await self._require(jid)
        return AccountSummary(jid=jid, is_enabled=await self._is_enabled(jid))

    async def list(
        self, host: str, after: str, limit: int, part: str = ""
    ) -> tuple[AccountSummary, ...]:
        jids = sorted(
            jid for jid in await self._jids(host) if jid > after and part in jid.removesuffix(host)
        )
        return tuple(AccountSummary(jid=jid, is_enabled=None) for jid in jids[:limit])

    async def count(self, host: str) -> int:
        return len(await self._jids(host))

    async def _jids(self, host: str) -> tuple[str, ...]:
        answer = await self._api.call("registered_users", host=host)
        if not answer.is_good or not isinstance(answer.data, list):
            raise Overloaded("ejabberd does not list its accounts.")
        return tuple(f"{user}@{host}" for user in answer.data)

    async def _is_enabled(self, jid: str) -> bool | None:
        """Return whether an account is not banned, None if ejabberd does not say."""
        account = {"user": local(jid), "host": domain(jid)}
        # Not by `call`: a refusal is no fault here.
        answer = await self._api.post("get_ban_details", account)
        return not answer.data if answer.is_good and isinstance(answer.data, dict) else None

    async def _require(self, jid: str) -> None:
        # Some back ends of ejabberd create an unknown account when its password is set.
        if not await self.exists(jid):
            raise ItemNotFound("There is no such account.")

    async def _ask(self, command: str, jid: str, **arguments: str) -> Answer:
        return await self._api.call(command, user=local(jid), host=domain(jid), **arguments)


def _is_yes(answer: Answer) -> bool:
    """Return whether the answer is yes. Raises Overloaded if it is neither yes nor no."""
    # The type is checked as well, because `false` equals the number 0, which means yes.
    if not answer.is_good or type(answer.data) is not int or answer.data not in (YES, NO):
        log.error("ejabberd answers neither yes nor no: %s", answer.message[:200])
        raise Overloaded("ejabberd answers neither yes nor no.")
    return bool(answer.data == YES)
