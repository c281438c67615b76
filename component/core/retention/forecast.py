"""What a purge would take away, found out without taking anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from component.core.retention.archives import cuts, usage_pages
from component.core.retention.holds import Holds
from component.core.retention.plan import Plan, RetentionDefaults, plan_for
from component.core.retention.rules import Rules
from component.core.wording import counted
from component.core.xml.times import format_time, now
from storage.interface import Storage
from storage.rows import Cutoff, OverLimit, Rule, Usage

#: An archive that would lose more than one message of so many loses much.
MUCH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What would go of archives. Rules for peers may count a message twice: it is not more."""

    archives: int = 0  #: that would lose messages
    going: OverLimit = field(default_factory=OverLimit)  #: what would go of them together
    owner: str = ""  #: whose archive would lose the largest part of it
    lost: int = 0  #: how many messages of that archive would go
    kept: int = 0  #: how many it has

    @property
    def is_much(self) -> bool:
        """Whether any archive would lose more than a tenth of its messages."""
        return self.lost * MUCH > self.kept

    def plus(self, usage: Usage, going: OverLimit) -> Forecast:
        """Return a forecast for one archive more."""
        lost = min(going.messages, usage.messages)
        if not lost:
            return self
        together = self.going.plus(replace(going, messages=lost))
        found = replace(self, archives=self.archives + 1, going=together)
        if lost * self.kept < self.lost * usage.messages:
            return found
        return replace(found, owner=usage.owner, lost=lost, kept=usage.messages)

    def __str__(self) -> str:
        """Say it in words, for people."""
        oldest, newest = self.going.oldest, self.going.newest
        if oldest is None or newest is None:
            return "no message"
        return (
            f"{counted(self.going.messages, 'message')} of {counted(self.archives, 'archive')},"
            f" from {format_time(oldest)} to {format_time(newest)}"
            f" ({self.lost} of the {self.kept} of {self.owner})"
        )


class Forecasts:
    """Makes forecasts; what is under a legal hold stays, and is in none."""

    def __init__(self, storage: Storage, rules: Rules, holds: Holds) -> None:
        self._storage = storage
        self._rules = rules
        self._holds = holds

    async def of_all(
        self, usual: RetentionDefaults, is_meant: Callable[[str], bool] = lambda _: True
    ) -> Forecast:
        """Return what would go of all archives that are meant. Raises StorageError."""
        found = Forecast()
        async for page in usage_pages(self._storage.retention):
            for usage in page:
                if is_meant(usage.owner):
                    found = found.plus(usage, await self._excess(usage, usual))
        return found

    async def of(
        self, owner: str, usual: RetentionDefaults, rules: Mapping[str, Rule] | None = None
    ) -> Forecast:
        """Return what would go of one archive, by other rules than it has if there are any.

        Raises StorageError.
        """
        usage = await self._storage.retention.usage_of(owner)
        return Forecast().plus(usage, await self._excess(usage, usual, rules))

    async def _excess(
        self, usage: Usage, usual: RetentionDefaults, rules: Mapping[str, Rule] | None = None
    ) -> OverLimit:
        known = self._rules.of(usage.owner) if rules is None else rules
        plan = plan_for(usage.owner, known, usual, now())
        if plan.removes_nothing_of(usage) or self._holds.is_held(usage.owner):
            return OverLimit()
        return await self._beyond(usage.owner, plan)

    async def _beyond(self, owner: str, plan: Plan) -> OverLimit:
        keeping = self._storage.retention
        found = await keeping.over_limit(owner, plan.whole)
        async for peer, limits in cuts(self._storage.archive, owner, plan):
            if limits != Cutoff():
                found = found.plus(await keeping.over_limit(owner, limits, peer=peer))
        return found
