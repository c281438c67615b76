"""Forecasts: counts of the messages that a purge would delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from component.core.retention.holds import Holds
from component.core.retention.plan import (
    Plan,
    RetentionDefaults,
    peer_cutoffs,
    plan_for,
    usage_pages,
)
from component.core.retention.rules import Rules
from component.core.wording import count_of
from component.core.xml.times import format_time, now
from storage.interface import Storage
from storage.rows import Cutoff, OverLimit, Rule, Usage

#: An archive that would lose more than one message in this many needs confirmation.
UNCONFIRMED_SHARE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The deletions of a future purge: never too few, but rules for peers may count some twice."""

    archives: int = 0  #: archives that would lose messages
    over_limit: OverLimit = field(default_factory=OverLimit)  #: the messages of all of them
    worst_owner: str = ""  #: owner of the archive that would lose the largest share of messages
    worst_deleted: int = 0  #: messages that this archive would lose
    worst_total: int = 0  #: messages that this archive has

    @property
    def needs_confirmation(self) -> bool:
        """Whether any archive would lose more than a tenth of its messages."""
        return self.worst_deleted * UNCONFIRMED_SHARE > self.worst_total

    def plus(self, usage: Usage, over_limit: OverLimit) -> Forecast:
        """Return this forecast with one archive added."""
        deleted = min(over_limit.messages, usage.messages)
        if not deleted:
            return self
        total = self.over_limit.plus(replace(over_limit, messages=deleted))
        forecast = replace(self, archives=self.archives + 1, over_limit=total)
        if deleted * self.worst_total < self.worst_deleted * usage.messages:
            return forecast
        return replace(
            forecast,
            worst_owner=usage.owner,
            worst_deleted=deleted,
            worst_total=usage.messages,
        )

    def __str__(self) -> str:
        """Return the forecast as text: "3 messages of 2 archives, from ... to ... (...)"."""
        oldest, newest = self.over_limit.oldest, self.over_limit.newest
        if oldest is None or newest is None:
            return "no messages"
        return (
            f"{count_of(self.over_limit.messages, 'message')} of"
            f" {count_of(self.archives, 'archive')}, from"
            f" {format_time(oldest)} to {format_time(newest)}"
            f" ({self.worst_deleted} of the {self.worst_total} of {self.worst_owner})"
        )


class Forecasts:
    """Makes forecasts. Archives under a legal hold lose nothing."""

    def __init__(self, storage: Storage, rules: Rules, holds: Holds) -> None:
        self._storage = storage
        self._rules = rules
        self._holds = holds

    async def of_all(
        self, defaults: RetentionDefaults, is_included: Callable[[str], bool] = lambda _: True
    ) -> Forecast:
        """Return the forecast of all archives whose owner is included. Raises StorageError."""
        forecast = Forecast()
        async for page in usage_pages(self._storage.retention):
            for usage in page:
                if is_included(usage.owner):
                    forecast = forecast.plus(usage, await self._over_limit(usage, defaults))
        return forecast

    async def of_archive(
        self, owner: str, defaults: RetentionDefaults, rules: Mapping[str, Rule] | None = None
    ) -> Forecast:
        """Return the forecast of one archive, with `rules` in the place of its own if given.

        Raises StorageError.
        """
        usage = await self._storage.retention.usage_of(owner)
        return Forecast().plus(usage, await self._over_limit(usage, defaults, rules))

    async def _over_limit(
        self, usage: Usage, defaults: RetentionDefaults, rules: Mapping[str, Rule] | None = None
    ) -> OverLimit:
        applied = self._rules.of(usage.owner) if rules is None else rules
        plan = plan_for(usage.owner, applied, defaults, now())
        if plan.is_satisfied_by(usage) or self._holds.is_held(usage.owner):
            return OverLimit()
        return await self._count_over_limit(usage.owner, plan)

    async def _count_over_limit(self, owner: str, plan: Plan) -> OverLimit:
        retention = self._storage.retention
        over_limit = await retention.over_limit(owner, plan.archive)
        async for peer, cutoff in peer_cutoffs(self._storage.archive, owner, plan):
            if cutoff != Cutoff():
                over_limit = over_limit.plus(await retention.over_limit(owner, cutoff, peer=peer))
        return over_limit
