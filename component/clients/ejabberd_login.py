"""Accounts of ejabberd through logins: an Authenticator.

A login ends as soon as the server has accepted or refused the password (RFC 6120 section 6). No
session begins, and no other user sees the login.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from slixmpp import ClientXMPP

from component.core.accounts.c2s import INCONCLUSIVE, C2s
from component.core.accounts.passwords import prepare
from component.core.errors import BadRequest, NotAllowed, Overloaded
from component.xmpp.connection.addresses import Addresses

log = logging.getLogger(__name__)

#: Seconds for a whole login: ejabberd waits for our own answer meanwhile, at most 10 seconds.
TIMEOUT_SECONDS = 7.0

#: The number of concurrent logins.
MAX_LOGINS = 50

#: The refusal of every request other than a check of a password.
LOGIN_ONLY = (
    "Accounts live in ejabberd (accounts.source), and Muniment checks passwords there by logging "
    "in only: no account was listed or changed. Use ejabberdctl, or set accounts.api_url."
)


class EjabberdLogins:
    """Checks a password by logging in to ejabberd with it."""

    def __init__(self, address: str, port: int) -> None:
        self._c2s = C2s(address, port)
        self._slots = asyncio.Semaphore(MAX_LOGINS)

    async def authenticate(self, jid: str, password: str) -> bool:
        try:
            prepared = prepare(password)
            Addresses().require_same(jid)
        except BadRequest:
            # No account has such a password, and with an ambiguous name slixmpp would log in as
            # another user.
            return False
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._slots:
                return await self._log_in(jid, prepared)
        except TimeoutError as error:
            raise self._unavailable("no answer in time") from error

    async def exists(self, jid: str) -> bool:
        raise NotAllowed(LOGIN_ONLY)

    async def _log_in(self, jid: str, password: str) -> bool:
        login = _Login(jid, password, self._c2s)
        login.connect(self._c2s.address, self._c2s.port)
        try:
            answer = await login.answer
        finally:
            login.drop()
        if answer is None:
            raise self._unavailable(login.reason)
        return answer

    def _unavailable(self, reason: str) -> Overloaded:
        log.warning("no login at %s:%d: %s", self._c2s.address, self._c2s.port, reason)
        return Overloaded("ejabberd cannot check this password now: try again shortly.")


class _Login(ClientXMPP):
    """One login with one password, without a session."""

    def __init__(self, jid: str, password: str, c2s: C2s) -> None:
        super().__init__(
            jid,
            password,
            plugin_config={"feature_mechanisms": c2s.mechanisms},
            ssl_context=c2s.context,
        )
        self.enable_direct_tls = False
        #: Whether the password is right; None if the server did not decide.
        self.answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self.reason = "the connection was closed"
        self.add_event_handler("auth_success", lambda _: self._set_answer(True))
        self.add_event_handler("failed_auth", self._on_failure)
        self.add_event_handler(
            "no_auth", lambda _: self._give_up("the server offers no mechanism")
        )
        self.add_event_handler("stream_error", lambda error: self._give_up(error["condition"]))
        self.add_event_handler("connection_failed", self._give_up)
        self.add_event_handler("disconnected", lambda _: self._set_answer(None))

    def reschedule_connection_attempt(self) -> None:
        """Do nothing: a login is tried once."""

    def drop(self) -> None:
        """Close the connection at once, without closing the stream."""
        self.cancel_connection_attempt()
        self.abort()
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()

    def _on_failure(self, failure: Any) -> None:
        condition = _condition(failure)
        if condition in INCONCLUSIVE:
            self._give_up(condition)
        else:
            self._set_answer(False)

    def _give_up(self, reason: object) -> None:
        self.reason = str(reason)
        self._set_answer(None)

    def _set_answer(self, answer: bool | None) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


def _condition(failure: Any) -> str:
    """Return the condition of a failure, also one that slixmpp does not know."""
    names = [str(child.tag).rpartition("}")[2] for child in failure.xml]
    return next((name for name in names if name != "text"), "")
