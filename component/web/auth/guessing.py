"""Limit wrong secrets over HTTP, by address: a burst of them, then one after each pause.

Other addresses are not affected. A principal that has sent its secret from the same address before
is not affected either: a reverse proxy may forward requests of a guesser and of the server.
"""

from __future__ import annotations

import logging

from cachetools import LRUCache

from component.core.accounts.throttle import TokenBucket
from component.core.errors import RateLimited
from component.web.server.addresses import LogOnce

log = logging.getLogger(__name__)

#: The maximum number of remembered parties, those that have sent a right secret.
PARTIES_MAX = 10_000


class GuessLimit:
    """Refuses secrets from parties that have sent too many wrong ones."""

    def __init__(
        self, budget: TokenBucket | None = None, *, parties_max: int = PARTIES_MAX
    ) -> None:
        self._budget = budget or TokenBucket()
        #: names of principals by party
        self._names: LRUCache[str, frozenset[str]] = LRUCache(parties_max)
        self._logged = LogOnce()

    def check(self, party: str, name: str | None) -> None:
        """Count a secret; `name` is its principal, None for a wrong secret.

        Raises RateLimited after too many wrong secrets, even if this one is right.
        """
        is_known = name in self._names.get(party, ())
        if not is_known and not self._budget.take(party):
            if self._logged.is_new(party):
                log.warning("too many wrong secrets over HTTP from %s: it has to wait", party)
            raise RateLimited(
                "Too many wrong secrets came from this address: try again later.",
                retry_seconds=self._budget.seconds(party),
            )
        if name is None:
            return
        if not is_known:
            self._budget.give_back(party)
        self._names[party] = self._names.get(party, frozenset()) | {name}
