"""Commands that change accounts, after which old passwords and tokens are not valid."""

from __future__ import annotations

from typing import Any

from component.core.ejabberd_api.callers.passwords import CheckedPasswords
from component.core.ejabberd_api.calls import Call
from component.core.ejabberd_api.native.backend import Backend
from component.core.errors import BadRequest
from component.core.tokens.sign_ins import SignIns
from component.core.xml.jids import Jids


class AccountCommands:
    """Runs commands that change accounts on ejabberd."""

    def __init__(
        self, backend: Backend, jids: Jids, passwords: CheckedPasswords, sign_ins: SignIns | None
    ) -> None:
        """`sign_ins` are None where users cannot sign in."""
        self._backend = backend
        self._jids = jids
        self._passwords = passwords
        self._sign_ins = sign_ins

    async def change(self, call: Call) -> Any:
        """Run a command that creates, changes or removes an account, and revoke its tokens."""
        jid = self._account(call)
        try:
            result = await self._backend.run(call.definition, call.arguments, call.signature)
        finally:
            # Without an answer nobody knows whether the password is still right.
            if jid:
                self._passwords.forget(jid)
        if jid and self._sign_ins is not None:
            await self._sign_ins.revoke_all(jid)
        return result

    def _account(self, call: Call) -> str:
        """Return the account that a call names, "" if it is no JID."""
        try:
            return self._jids.prepare(f"{call.text('user')}@{call.text('host')}")
        except BadRequest:
            return ""
