"""Sign-up: strangers create accounts over HTTP, where the configuration lets them."""

from __future__ import annotations

import time
from collections.abc import Callable

from component.core.accounts.protocol import AccountSource
from component.core.accounts.throttle import TokenBucket
from component.core.chat.directory import Directory
from component.core.chat.settings import ChatSettings
from component.core.errors import BadRequest, Conflict, NotImplementedHere, RateLimited
from component.core.hosts import Hosts
from component.core.retention.account_removal import register_account
from component.core.retention.admin import ArchiveAdmin
from component.core.xml.jids import local

_SECONDS_OF_HOUR = 3600.0


class EmailTaken(Conflict):
    """There is an account with this e-mail address already."""


class SignUp:
    """Creates accounts for strangers."""

    def __init__(
        self,
        accounts: AccountSource,
        archives: ArchiveAdmin,
        directory: Directory,
        hosts: Hosts,
        settings: ChatSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = accounts
        self._archives = archives
        self._directory = directory
        self._hosts = hosts
        self._settings = settings
        self._reserved = settings.reserved
        number = settings.sign_ups_per_hour
        self._bucket = TokenBucket(number, _SECONDS_OF_HOUR / number, clock)

    @property
    def is_allowed(self) -> bool:
        """Whether strangers may create accounts."""
        return self._settings.sign_up and self._accounts.administered is not None

    @property
    def host(self) -> str:
        """The virtual host of accounts of those who name none."""
        return self._hosts.default

    def reserve(self, jids: frozenset[str]) -> None:
        """From now on refuse these accounts in the place of those that were refused before."""
        self._reserved = jids

    async def sign_up(
        self, party: str, jid: str, password: str, *, name: str = "", email: str = ""
    ) -> None:
        """Create an account. `jid` is a prepared bare JID, `party` the network of the stranger.

        Raises NotImplementedHere where nobody may, BadRequest for a JID or a password that is
        refused, Conflict if there is an account of this JID or it is reserved, EmailTaken,
        RateLimited, Overloaded.
        """
        if not self.is_allowed:
            raise NotImplementedHere("Nobody can sign up here (chat.sign_up is false).")
        if not self._hosts.is_user(jid):
            raise BadRequest(f"jid: expected a user of {', '.join(self._hosts)}")
        self.check_password(jid, password)
        if not self._bucket.take(party):
            raise RateLimited(
                "Too many accounts were created from your address: try again later.",
                retry_seconds=self._bucket.seconds(party),
            )
        if jid in self._reserved:
            # An operator whose account does not exist yet.
            raise Conflict("This account cannot be created here.")
        if email and await self._directory.with_email(email) is not None:
            raise EmailTaken
        await register_account(self._accounts, self._archives, jid, password)
        if not await self._directory.set_profile(jid, name=name, email=email):
            # Another sign-up took the address meanwhile: the account has none.
            await self._directory.set_profile(jid, name=name)

    def check_password(self, jid: str, password: str) -> None:
        """Raise BadRequest for a password that no new account may have."""
        minimum, maximum = self._settings.password_min, self._settings.password_max
        if not minimum <= len(password) <= maximum:
            raise BadRequest(f"password: expected {minimum} to {maximum} characters")
        if local(jid).lower() in password.lower():
            raise BadRequest("password: it contains the name of the account")
