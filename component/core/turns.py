"""Turns of requests, by account, so that the many requests of one account delay no other account.

An account has few turns at once. Its further requests wait for each other, in their order, and
requests of other accounts pass them. An account whose requests keep waiting is crowded: then it
has one turn at a time, and rests after each for REST times as long as the turn took. So it never
has more than a part of the time of this process, however many requests it sends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf

from component.core.errors import Overloaded, TooMany

#: An account is crowded if more of its requests are answered or wait.
CROWDED_ABOVE = 8

#: How long a crowded account rests after a turn: in durations of the turn, and in seconds at least
#: and at most.
REST, REST_MIN_SECONDS, REST_MAX_SECONDS = 2.0, 0.002, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """Limits of turns, and of requests that wait for one."""

    at_once: int  #: turns of all accounts
    at_once_each: int = 1  #: turns of one account that is not crowded
    pending_each: float = inf  #: requests of one account that are answered or wait
    pending: float = inf  #: requests of all accounts that are answered or wait
    wait_seconds: float | None = None  #: for which a request waits; None: its caller limits that


@dataclass(slots=True)
class _Account:
    """The requests of one account."""

    pending: int = 0  # answered or waiting
    running: int = 0
    rests: bool = False
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def is_crowded(self) -> bool:
        return self.pending > CROWDED_ABOVE


class Turns:
    """Gives each request a turn, or refuses it."""

    def __init__(self, limits: TurnLimits, *, rest: float = REST) -> None:
        """`rest` is how long a crowded account rests, in durations of its turn."""
        self._limits = limits
        self._rest = rest
        self._all = asyncio.Semaphore(limits.at_once)
        self._accounts: dict[str, _Account] = {}  # those with pending requests
        self._timeouts: set[asyncio.Timeout] = set()  # of the pending requests
        self.pending = 0  #: how many requests are answered or wait
        self.idle = asyncio.Event()  #: set while no request is answered or waits
        self.idle.set()

    def is_crowded(self, account: str) -> bool:
        """Return whether many requests of an account are answered or wait."""
        own = self._accounts.get(account)
        return own is not None and own.is_crowded

    def refuse(self) -> None:
        """Have all requests refused that are answered or wait."""
        for timeout in self._timeouts:
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def of(self, account: str) -> AsyncIterator[None]:
        """Hold a turn.

        Raises TooMany if too many requests of the account wait, and Overloaded if too many of all
        do, after the time for which a request waits, or by `refuse`.
        """
        own = self._accounts.setdefault(account, _Account())
        if own.pending >= self._limits.pending_each:
            raise TooMany("too many of your requests wait: ask again when they are answered")
        if self.pending >= self._limits.pending:
            if not own.pending:
                del self._accounts[account]
            raise Overloaded
        own.pending += 1
        self.pending += 1
        self.idle.clear()
        try:
            async with asyncio.timeout(self._limits.wait_seconds) as timeout:
                self._timeouts.add(timeout)
                try:
                    async with self._own_turn(own), self._all:
                        timeout.reschedule(None)
                        yield
                finally:
                    self._timeouts.discard(timeout)
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise Overloaded from error
        finally:
            own.pending -= 1
            self.pending -= 1
            if not own.pending:
                del self._accounts[account]
            if not self.pending:
                self.idle.set()

    @asynccontextmanager
    async def _own_turn(self, own: _Account) -> AsyncIterator[None]:
        if own.waiting or not self._has_room(own):
            turn = asyncio.get_running_loop().create_future()
            own.waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                # `_give` drops a turn that is cancelled. This one may have been given just now.
                if not turn.cancelled():
                    self._end(own, 0.0)
                raise
        else:
            own.running += 1
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            yield
        finally:
            self._end(own, loop.time() - begun)

    def _has_room(self, own: _Account) -> bool:
        most = 1 if own.is_crowded else self._limits.at_once_each
        return not own.rests and own.running < most

    def _end(self, own: _Account, seconds: float) -> None:
        """End a turn that took some seconds, and give the next one, now or after a rest."""
        own.running -= 1
        if own.waiting and own.is_crowded and self._rest and not own.rests:
            own.rests = True
            pause = min(max(self._rest * seconds, REST_MIN_SECONDS), REST_MAX_SECONDS)
            asyncio.get_running_loop().call_later(pause, self._end_rest, own)
        else:
            self._give(own)

    def _end_rest(self, own: _Account) -> None:
        own.rests = False
        self._give(own)

    def _give(self, own: _Account) -> None:
        while own.waiting and self._has_room(own):
            turn = own.waiting.popleft()
            if not turn.cancelled():
                own.running += 1
                turn.set_result(None)
