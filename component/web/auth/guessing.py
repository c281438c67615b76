"""Limit wrong secrets over HTTP, by address: a burst of them, then one after each pause.

Other addresses are not affected. A principal that has sent its secret from the same address before
is not affected either: a reverse proxy may forward requests of a guesser and of the server.
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

#: Maximum number of remembered pairs of a party and a principal whose secret it has sent.
PAIRS_MAX = 10_000


class GuessLimit:
    """Refuses secrets from parties that have sent too many wrong ones."""

    def __init__(self, budget: TokenBucket | None = None, *, pairs_max: int = PAIRS_MAX) -> None:
        self._budget = budget or TokenBucket()
        #: Pairs of a party and the name of a principal.
        self._known: LRUCache[tuple[str, str], None] = LRUCache(pairs_max)
        self._logged = LogOnce()

    def check(self, party: str, name: str | None) -> None:
        """Count a secret; `name` is its principal, None for a wrong secret.

        Raises RateLimited after too many wrong secrets, even if this one is right.
        """
        if name is None:
            self._take(party)
            self._budget.note_wrong(party)
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
            self._budget.note_wrong(party)
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
