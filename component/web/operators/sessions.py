"""The sign-ins of operators to their pages, in memory: they end with the program.

A browser has a random token in a cookie, and Muniment only its hash. A sign-in ends when it was
not used for half an hour, twelve hours after it began, or when the operator signs out.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic

from cachetools import LRUCache

from component.core.access.principals import Operator

#: Seconds after which a sign-in ends that was not used.
IDLE_SECONDS = 30 * 60.0

#: Seconds after which every sign-in ends.
LONGEST_SECONDS = 12 * 3600.0

#: The maximum number of sign-ins. Beyond it the one that was used longest ago ends.
SIGN_INS_MAX = 1000

_TOKEN_BYTES = 32


@dataclass(slots=True)
class _SignIn:
    operator: Operator
    began: float
    used: float


class OperatorSessions:
    """Knows the operator of each token."""

    def __init__(
        self, *, limit: int = SIGN_INS_MAX, clock: Callable[[], float] = monotonic
    ) -> None:
        self._clock = clock
        self._sign_ins: LRUCache[bytes, _SignIn] = LRUCache(limit)

    def begin(self, operator: Operator) -> str:
        """Return the token of a new sign-in."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = self._clock()
        self._sign_ins[_hash(token)] = _SignIn(operator, now, now)
        return token

    def find(self, token: str) -> Operator | None:
        """Return the operator of a token, None if the sign-in has ended. The sign-in is used."""
        key, now = _hash(token), self._clock()
        sign_in = self._sign_ins.get(key)
        if sign_in is None:
            return None
        if now - sign_in.used > IDLE_SECONDS or now - sign_in.began > LONGEST_SECONDS:
            del self._sign_ins[key]
            return None
        sign_in.used = now
        return sign_in.operator

    def end(self, token: str) -> None:
        """End the sign-in of a token, if there is one."""
        self._sign_ins.pop(_hash(token), None)


def _hash(token: str) -> bytes:
    return sha256(token.encode(errors="surrogateescape")).digest()
