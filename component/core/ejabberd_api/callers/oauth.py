"""OAuth tokens that ejabberd has issued, looked up in its list of tokens.

ejabberd lists its tokens if it keeps them in Mnesia, which is its default. It has no command that
checks one.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic
from typing import Any

from cachetools import TTLCache

from component.core.ejabberd_api.native.backend import Backend

#: Seconds for which a token that was found counts as valid, if it does not expire before.
FOUND_SECONDS = 30.0

#: Tokens that are remembered, by their hashes.
FOUND_MAX = 10_000

#: Scopes that allow calls of commands, and the scope for logins.
ADMIN_SCOPE, USER_SCOPE, LOGIN_SCOPE = "ejabberd:admin", "ejabberd:user", "sasl_auth"

#: The list has the scopes of a token without anything between them. Those of single commands could
#: begin or end like others, so a token that has such a scope allows no calls here.
_SCOPE = re.compile(f"{ADMIN_SCOPE}|{USER_SCOPE}|{LOGIN_SCOPE}")
_SCOPES = re.compile(f"(?:{_SCOPE.pattern})*")

_SECONDS = re.compile(r"(-?\d+) seconds")


@dataclass(frozen=True, slots=True)
class OauthToken:
    """A valid token."""

    jid: str  #: bare JID of the account, as ejabberd writes it
    is_admin: bool  #: whether it allows what the account may do, and not only what users may do


class OauthTokens:
    """Finds the accounts of tokens."""

    def __init__(self, backend: Backend, clock: Callable[[], float] = monotonic) -> None:
        """`clock` returns seconds."""
        self._backend = backend
        self._clock = clock
        self._found: TTLCache[bytes, tuple[OauthToken, float]] = TTLCache(
            FOUND_MAX, ttl=FOUND_SECONDS, timer=clock
        )

    async def find(self, token: str) -> OauthToken | None:
        """Return a token that is valid and allows calls, None otherwise.

        Raises ApiRefusal, Unreachable.
        """
        key = blake2b(token.encode(errors="surrogatepass")).digest()
        remembered = self._found.get(key)
        if remembered is not None and remembered[1] > self._clock():
            return remembered[0]
        for row in await self._backend.call("oauth_list_tokens"):
            if hmac.compare_digest(str(row["token"]).encode(), token.encode(errors="replace")):
                return self._remember(key, row)
        return None

    def _remember(self, key: bytes, row: dict[str, Any]) -> OauthToken | None:
        match = _SECONDS.fullmatch(str(row["expires_in"]))
        text = str(row["scope"])
        scopes = _SCOPE.findall(text) if _SCOPES.fullmatch(text) else []
        seconds = int(match[1]) if match else 0
        is_admin = ADMIN_SCOPE in scopes
        if seconds <= 0 or not (is_admin or USER_SCOPE in scopes):
            return None
        token = OauthToken(str(row["user"]), is_admin)
        self._found[key] = token, self._clock() + seconds
        return token
