"""Guessing secrets is slowed, by address: so many wrong ones, and one more every so often.

Callers from other addresses notice nothing. Nor does, behind the same address, whoever has shown a
right secret there before: a reverse proxy may stand for a guesser and for the server at once.
"""

from __future__ import annotations

import logging

from component.core.accounts.throttle import TokenBucket
from component.core.errors import RateLimited
from component.web.server.addresses import LogOnce

log = logging.getLogger(__name__)

#: Parties that are remembered by the right secrets they have shown.
PARTIES_MAX = 10_000


class GuessLimit:
    """Judges who shows a secret, by what came from there before."""

    def __init__(self, budget: TokenBucket | None = None) -> None:
        self._budget = budget or TokenBucket()
        self._known: dict[
            str, set[str]
        ] = {}  # names of callers by party; the last one stands last
        self._told = LogOnce()

    def judge(self, party: str, name: str | None) -> None:
        """Return if an answer may be given to a caller of this name; None is nobody's secret.

        Raises Slowed, whether the secret is right or wrong.
        """
        is_known = name in self._known.get(party, ())
        if not is_known and not self._budget.take(party):
            if self._told.is_new(party):
                log.warning("too many wrong secrets over HTTP from %s: it has to wait", party)
            raise RateLimited(
                "Too many wrong secrets came from this address: try again later.",
                retry_seconds=self._budget.seconds(party),
            )
        if name is None:
            return
        if not is_known:
            self._budget.give_back(party)
        self._remember(party, name)

    def _remember(self, party: str, name: str) -> None:
        known = self._known.pop(party, set())
        self._known[party] = known | {name}
        if len(self._known) > PARTIES_MAX:
            del self._known[next(iter(self._known))]
