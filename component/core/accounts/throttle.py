"""A limit on guesses of passwords: a burst for each account, then one guess at an interval.

Right passwords cost nothing, and no account is ever locked: its owner logs in with the next
attempt that is left. Attempts are counted by account, because all logins come from the XMPP
server. Unknown names are counted in the same way, so that a caller cannot tell them apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic

from cachetools import TTLCache

from component.core.accounts.protocol import Authenticator
from component.core.errors import Overloaded

#: The number of attempts, wrong ones and pending ones, that are answered at once.
BURST = 20

#: Seconds after which one more attempt is answered.
REFILL_SECONDS = 3.0

#: Seconds that an attempt waits for others of its account; ejabberd gives up after 10.
PATIENCE_SECONDS = 6.0

#: Seconds between two tries of an attempt that waits.
PAUSE_SECONDS = 0.05

#: Minimum duration in seconds of a refusal by a source other than our store: such a source often
#: answers at once that an account does not exist.
NO_SECONDS = 0.1

#: Maximum number of accounts in memory. A guesser fills it only with as many password checks.
ACCOUNTS_MAX = 50_000


class TokenBucket:
    """Counts the attempts that each key, an account or an address, has left.

    At most `max_keys` keys are remembered, those that tried last. A key that made no attempt while
    its whole bucket filled again is like a new one.
    """

    def __init__(
        self,
        burst: int = BURST,
        refill: float = REFILL_SECONDS,
        clock: Callable[[], float] = monotonic,
        *,
        max_keys: int = ACCOUNTS_MAX,
        on_wrong: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`refill` is in seconds for one attempt; `on_wrong` is called with keys of wrong ones."""
        self._on_wrong = on_wrong
        self._burst = burst
        self._refill = refill
        self._clock = clock
        #: By key, the attempts that are missing in its bucket, and when they were counted.
        self._missing: TTLCache[str, tuple[float, float]] = TTLCache(
            max_keys, ttl=burst * refill, timer=clock
        )

    def take(self, key: str) -> bool:
        """Take one attempt, and return whether there was one."""
        missing = self._count(key)
        if missing + 1 > self._burst:
            return False
        self._missing[key] = missing + 1, self._clock()
        return True

    def give_back(self, key: str) -> None:
        """Put one attempt back."""
        missing = self._count(key) - 1
        if missing > 0:
            self._missing[key] = missing, self._clock()
        else:
            self._missing.pop(key, None)

    def note_wrong(self, key: str) -> None:
        """Note that an attempt that was taken is wrong, and will not be put back."""
        self._on_wrong(key)

    def seconds(self, key: str) -> float:
        """Return the number of seconds until an attempt is left."""
        return max(self._count(key) + 1 - self._burst, 0.0) * self._refill

    def _count(self, key: str) -> float:
        missing, counted_at = self._missing.get(key, (0.0, 0.0))
        return max(missing - (self._clock() - counted_at) / self._refill, 0.0)


class Throttled:
    """An Authenticator that limits wrong passwords for each account."""

    def __init__(
        self,
        authenticator: Authenticator,
        bucket: TokenBucket | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        pause: float = PAUSE_SECONDS,
        no_seconds: float = 0.0,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`no_seconds` is the minimum duration of a refusal: see NO_SECONDS."""
        self._authenticator = authenticator
        self._bucket = bucket or TokenBucket()
        self._patience = patience
        self._pause = pause
        self._no_seconds = no_seconds
        self._clock = clock
        self._sleep = sleep
        #: The number of pending attempts by account. One that succeeds is put back.
        self._pending: Counter[str] = Counter()

    async def authenticate(self, jid: str, password: str) -> bool:
        """Ask the authenticator. Raises Overloaded after too many wrong passwords."""
        await self._take(jid)
        started = self._clock()
        self._pending[jid] += 1
        is_wrong = False
        try:
            is_right = await self._authenticator.authenticate(jid, password)
            is_wrong = not is_right
        finally:
            if not is_wrong:
                self._bucket.give_back(jid)
            self._pending[jid] -= 1
            if not self._pending[jid]:
                del self._pending[jid]
        if is_wrong:
            self._bucket.note_wrong(jid)
            await self._sleep(max(started + self._no_seconds - self._clock(), 0.0))
        return is_right

    async def exists(self, jid: str) -> bool:
        return await self._authenticator.exists(jid)

    async def _take(self, jid: str) -> None:
        """Take an attempt, at once or after a pending attempt of this account has succeeded.

        Never waits for the bucket to refill: ejabberd asks one question at a time, and other users
        would be blocked. Raises Overloaded.
        """
        end = self._clock() + self._patience
        while not self._bucket.take(jid):
            if jid not in self._pending or self._clock() >= end:
                raise Overloaded(
                    "There were too many wrong passwords for this account: try again shortly."
                )
            await self._sleep(self._pause)
