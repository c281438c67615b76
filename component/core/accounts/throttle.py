"""Guessing passwords is slowed: each account has so many wrong ones, and one more every so often.

Right ones cost nothing, and no account is ever locked: whoever knows the password gets through as
soon as it is checked. It is counted by account, for all logins come from the XMPP server; names
that are no account are counted like those that are, so that nothing tells the two apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic

from component.core.accounts.protocol import Authenticator
from component.core.errors import Overloaded

#: Wrong passwords, or attempts at the same time, that are answered at once.
BURST = 20

#: After those, the time until one more is, in seconds.
REFILL_SECONDS = 3.0

#: How long an attempt waits for others of its account, in seconds; ejabberd gives up after 10.
PATIENCE_SECONDS = 6.0

#: How often those that wait try again, in seconds.
PAUSE_SECONDS = 0.05

#: What a no takes at least, in seconds, from others than our store, who often know at once that
#: there is no such account.
NO_SECONDS = 0.1

#: Accounts that are remembered. Filling this takes as many checks of a password.
ACCOUNTS_MAX = 50_000


class TokenBucket:
    """How many wrong attempts each account, or whoever else attempts, has left."""

    def __init__(
        self,
        burst: int = BURST,
        refill: float = REFILL_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._burst = burst
        self._refill = refill
        self._clock = clock
        #: Attempts made and not come back, and when that was so; who was last stands last.
        self._made: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> bool:
        """Take one attempt; return whether there was one."""
        made = self._count(who)
        if made + 1 > self._burst:
            return False
        self._keep(who, made + 1)
        return True

    def give_back(self, who: str) -> None:
        """Have an attempt count as if it had not been made."""
        self._keep(who, self._count(who) - 1)

    def seconds(self, who: str) -> float:
        """Return in how many seconds there is an attempt to take."""
        return max(self._count(who) + 1 - self._burst, 0.0) * self._refill

    def _count(self, who: str) -> float:
        made, then = self._made.get(who, (0.0, 0.0))
        return max(made - (self._clock() - then) / self._refill, 0.0)

    def _keep(self, who: str, made: float) -> None:
        self._made.pop(who, None)
        if made > 0:
            self._made[who] = made, self._clock()
        if len(self._made) > ACCOUNTS_MAX:
            del self._made[next(iter(self._made))]


class Throttled:
    """An Authenticator that answers only so many wrong passwords of an account."""

    def __init__(
        self,
        authenticator: Authenticator,
        budget: TokenBucket | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        pause: float = PAUSE_SECONDS,
        least: float = 0.0,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`least` is what a no takes, in seconds, where it would be known sooner."""
        self._authenticator = authenticator
        self._budget = budget or TokenBucket()
        self._patience = patience
        self._pause = pause
        self._least = least
        self._clock = clock
        self._sleep = sleep
        #: attempts under way by account, some of which may turn out to cost nothing
        self._trying: Counter[str] = Counter()

    async def authenticate(self, jid: str, password: str) -> bool:
        """Ask the authenticator. Raises Overloaded after too many wrong passwords."""
        await self._turn(jid)
        begun = self._clock()
        self._trying[jid] += 1
        is_wrong = False
        try:
            is_right = await self._authenticator.authenticate(jid, password)
            is_wrong = not is_right
        finally:
            if not is_wrong:
                self._budget.give_back(jid)
            self._trying[jid] -= 1
            if not self._trying[jid]:
                del self._trying[jid]
        if is_wrong:
            await self._sleep(max(begun + self._least - self._clock(), 0.0))
        return is_right

    async def exists(self, jid: str) -> bool:
        return await self._authenticator.exists(jid)

    async def _turn(self, jid: str) -> None:
        """Return when it may be tried: at once, or when others of its account were right.

        Nobody waits here until another one may be wrong: ejabberd could ask for no other user
        meanwhile. Raises Overloaded.
        """
        end = self._clock() + self._patience
        while not self._budget.take(jid):
            if jid not in self._trying or self._clock() >= end:
                raise Overloaded(
                    "There were too many wrong passwords for this account: try again shortly."
                )
            await self._sleep(self._pause)
