"""Tickets: each is valid for one request, in a URL, where a caller cannot send a header.

A URL gets into logs of proxies and into histories. So a ticket is valid once, for seconds, and is
kept in memory alone: it ends with the program.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from cachetools import TTLCache

from component.core.errors import NotAuthorized
from component.core.tokens.access_tokens import AccessToken

LIFETIME_SECONDS = 30

#: Tickets of one sign-in that are valid at once; one more replaces the oldest one.
PER_SIGN_IN_MAX = 10

#: Sign-ins that have tickets at once.
SIGN_INS_MAX = 10_000

SECRET_BYTES = 32

_TICKET = re.compile(r"(?P<sign_in>[\w-]{1,64})\.[\w-]{43}", re.ASCII)

#: By the hash of a ticket: the token that it stands for, and when it expires.
_OfSignIn = OrderedDict[bytes, tuple[AccessToken, float]]


class Tickets:
    """Issues tickets for access tokens, and takes each of them back once."""

    def __init__(
        self, *, clock: Callable[[], float] = monotonic, sign_ins_max: int = SIGN_INS_MAX
    ) -> None:
        """`clock` returns seconds."""
        self._clock = clock
        self._issued: TTLCache[str, _OfSignIn] = TTLCache(
            sign_ins_max, ttl=LIFETIME_SECONDS, timer=clock
        )

    def issue(self, token: AccessToken) -> str:
        """Return a ticket that stands for an access token."""
        ticket = f"{token.sign_in}.{secrets.token_urlsafe(SECRET_BYTES)}"
        tickets = self._issued.get(token.sign_in, OrderedDict())
        tickets[_hash(ticket)] = token, self._clock() + LIFETIME_SECONDS
        if len(tickets) > PER_SIGN_IN_MAX:
            tickets.popitem(last=False)
        self._issued[token.sign_in] = tickets
        return ticket

    def redeem(self, ticket: str) -> AccessToken:
        """Return the access token that a ticket stands for; the ticket is used up.

        Raises NotAuthorized.
        """
        match = _TICKET.fullmatch(ticket)
        tickets = self._issued.get(match["sign_in"]) if match else None
        token, expires_at = (tickets or OrderedDict()).pop(_hash(ticket), (None, 0.0))
        if token is None or expires_at <= self._clock():
            raise NotAuthorized("This ticket was used, has expired, or is wrong: get a new one.")
        return token


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode(errors="surrogateescape")).digest()
