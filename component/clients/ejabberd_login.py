"""Accounts that ejabberd has, asked by logging in; one source of `core.accounts.Accounts`.

A login ends as soon as the password is known to be right or wrong (RFC 6120 section 6): there is
no session, and nobody sees anything of it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from ipaddress import ip_address
from typing import Any

from slixmpp import ClientXMPP
from slixmpp.util.sasl.client import saslprep
from slixmpp.util.stringprep_profiles import StringPrepError

from component.core.accounts.passwords import prepare
from component.core.accounts.protocol import LoginOnlyAccounts
from component.core.errors import BadRequest, Overloaded
from component.xmpp.connection.addresses import Addresses

log = logging.getLogger(__name__)

#: Whoever waits for us gives up after 10.
TIMEOUT_SECONDS = 7.0

#: Logins at once.
AT_ONCE = 50

#: Those that tell a right password from a wrong one: no EXTERNAL, no ANONYMOUS.
HASHES = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")
MECHANISMS = frozenset({"PLAIN", *HASHES, *(f"{name}-PLUS" for name in HASHES)})

#: What a server says where it is not the password that is wrong (RFC 6120 section 6.5).
UNABLE = frozenset(
    {
        "aborted",
        "encryption-required",
        "incorrect-encoding",
        "invalid-mechanism",
        "malformed-request",
        "mechanism-too-weak",
        "temporary-auth-failure",
    }
)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether slixmpp says more than that it has no other way to try a wrong password."""
    return record.msg != "No appropriate login method."


logging.getLogger("slixmpp.features.feature_mechanisms.mechanisms").addFilter(_is_news)


class EjabberdLogins(LoginOnlyAccounts):
    """Who can log in, found out by doing it."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(
            "Accounts live in ejabberd (accounts.source), which Muniment asks by logging in only: "
            "nothing else was asked, made or changed. Look after accounts by ejabberdctl, or set "
            "accounts.api_url."
        )
        self._address = address
        self._port = port
        self._is_near = _is_loopback(address)
        self._context = ssl.create_default_context()
        if self._is_near:
            # Nobody is in between, and a certificate for tests will do.
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        self._seats = asyncio.Semaphore(AT_ONCE)

    async def authenticate(self, jid: str, password: str) -> bool:
        """Whether a login with this password succeeds. Raises Overloaded."""
        try:
            prepared = prepare(password)
            saslprep(prepared)
            Addresses().require_same(jid)
        except (BadRequest, StringPrepError):
            # slixmpp is stricter than we are, and so is ejabberd: nobody has such a password. And
            # it would try an unclear name as that of somebody else.
            return False
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._seats:
                return await self._try(jid, prepared)
        except TimeoutError as error:
            raise self._away("no answer in time") from error

    async def _try(self, jid: str, password: str) -> bool:
        login = _Login(jid, password, self._context, is_near=self._is_near)
        login.connect(self._address, self._port)
        try:
            answer = await login.answer
        finally:
            login.leave()
        if answer is None:
            raise self._away(login.trouble)
        return answer

    def _away(self, reason: str) -> Overloaded:
        log.warning("no login at %s:%d: %s", self._address, self._port, reason)
        return Overloaded("ejabberd cannot be asked for a login: try again shortly.")


class _Login(ClientXMPP):
    """One attempt at one password."""

    def __init__(self, jid: str, password: str, context: ssl.SSLContext, *, is_near: bool) -> None:
        mechanisms = {
            # Without TLS slixmpp begins SCRAM with a flag that ejabberd 24.12 and 26.07 take for
            # an attack, and their refusal reads like that of a wrong password.
            "use_mechs": {"PLAIN"} if is_near else set(MECHANISMS),
            "unencrypted_plain": is_near,
        }
        super().__init__(
            jid,
            password,
            plugin_config={"feature_mechanisms": mechanisms},
            ssl_context=context,
        )
        self.enable_direct_tls = False
        #: True or False once the server has said so, None if it never will
        self.answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self.trouble = "the connection was closed"
        self.add_event_handler("auth_success", lambda _: self._answered(True))
        self.add_event_handler("failed_auth", self._failed)
        self.add_event_handler("no_auth", lambda _: self._unable("no way to log in is offered"))
        self.add_event_handler("stream_error", lambda error: self._unable(error["condition"]))
        self.add_event_handler("connection_failed", self._unable)
        self.add_event_handler("disconnected", lambda _: self._answered(None))

    def reschedule_connection_attempt(self) -> None:
        """Try once only."""

    def leave(self) -> None:
        """Let go of the connection, without a word."""
        self.cancel_connection_attempt()
        self.abort()
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()

    def _failed(self, failure: Any) -> None:
        condition = _condition(failure)
        if condition in UNABLE:
            self._unable(condition)
        else:
            self._answered(False)

    def _unable(self, why: object) -> None:
        self.trouble = str(why)
        self._answered(None)

    def _answered(self, answer: bool | None) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


def _condition(failure: Any) -> str:
    """Return what a server says as it stands: slixmpp takes all it does not know for the usual."""
    names = [str(child.tag).rpartition("}")[2] for child in failure.xml]
    return next((name for name in names if name != "text"), "")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
