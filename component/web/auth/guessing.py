"""Limit wrong secrets over HTTP, by address: a burst of them, then one after each pause.

Other addresses are not affected. Neither is a principal that has shown its secret from the same
address before: a reverse proxy may forward requests of a guesser and of the server.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from cachetools import LRUCache

from component.core.accounts.throttle import TokenBucket
from component.core.errors import NotAuthorized, RateLimited, Refused
from component.web.server.addresses import LogOnce

log = logging.getLogger(__name__)

#: Pairs of a party and a principal that are remembered for the right secrets that they have shown.
PAIRS_MAX = 10_000


class GuessLimit:
    """Refuses secrets from parties that have shown too many wrong ones."""

    def __init__(self, budget: TokenBucket | None = None, *, pairs_max: int = PAIRS_MAX) -> None:
        self._budget = budget or TokenBucket()
        #: Pairs of a party and the name of a principal.
        self._known: LRUCache[tuple[str, str], None] = LRUCache(pairs_max)
        self._logged = LogOnce()

    def check(self, party: str, name: str | None) -> None:
        """Return if a secret may be answered; `name` is its principal, None for a wrong secret.

        Raises RateLimited, whether the secret is right or wrong.
        """
        if name is None:
            self._take(party)
        elif (party, name) not in self._known:
            self._take(party)
            self._budget.give_back(party)
        if name is not None:
            self._known[party, name] = None

    @contextmanager
    def attempt(self, party: str, name: str) -> Iterator[None]:
        """Count the context, in which the password of a name is checked, if the password is wrong.

        The attempt counts from its beginning, because the check of a password is slow: a party
        without attempts causes no check. Raises RateLimited.
        """
        is_known = (party, name) in self._known
        if not is_known:
            self._take(party)
        try:
            yield
        except NotAuthorized:
            if is_known:
                self._take(party)
            raise
        except Refused:
            # The password was not checked.
            if not is_known:
                self._budget.give_back(party)
            raise
        if not is_known:
            self._budget.give_back(party)
        self._known[party, name] = None

    def _take(self, party: str) -> None:
        """Take an attempt of a party. Raises RateLimited."""
        if self._budget.take(party):
            return
        if self._logged.is_new(party):
            log.warning("too many wrong secrets over HTTP from %s: it has to wait", party)
        raise RateLimited(
            "Too many wrong secrets came from this address: try again later.",
            retry_seconds=self._budget.seconds(party),
        )
