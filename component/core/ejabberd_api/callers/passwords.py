"""Passwords of callers, checked once for a while: each request shows one.

ejabberd caches passwords too (`auth_use_cache`), by default for an hour.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from hashlib import blake2b
from time import monotonic

from cachetools import TTLCache

from component.core.accounts.protocol import Authenticator

#: Seconds for which a right password counts as right without another check.
CHECKED_SECONDS = 30.0

#: Accounts whose passwords are remembered, as hashes with a key of this process.
CHECKED_MAX = 10_000


class CheckedPasswords:
    """Checks passwords with an authenticator, and remembers the right ones for a while."""

    def __init__(
        self, authenticator: Authenticator, clock: Callable[[], float] = monotonic
    ) -> None:
        """`clock` returns seconds."""
        self._authenticator = authenticator
        self._key = secrets.token_bytes(32)
        self._right: TTLCache[str, bytes] = TTLCache(CHECKED_MAX, ttl=CHECKED_SECONDS, timer=clock)

    async def is_right(self, jid: str, password: str, *, is_token: bool = False) -> bool:
        """Return whether a password is that of an account. Raises NotAllowed, Overloaded.

        An access token is not remembered: it may expire or be revoked at any time.
        """
        digest = blake2b(password.encode(errors="surrogatepass"), key=self._key).digest()
        remembered = self._right.get(jid)
        if remembered is not None and hmac.compare_digest(remembered, digest):
            return True
        if not await self._authenticator.authenticate(jid, password):
            return False
        if not is_token:
            self._right[jid] = digest
        return True

    def forget(self, jid: str) -> None:
        """Forget the password of an account, because it has changed."""
        self._right.pop(jid, None)
