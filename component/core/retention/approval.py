"""Bounds that would take away much of an archive are confirmed by an operator before they do.

The bounds that were confirmed last are in the store. Where those of the configuration differ, the
first purge looks what they would take. As long as no archive loses more than a tenth of its
messages they are confirmed by that; otherwise nothing is taken until an operator confirms them.
What falls due later under bounds that are confirmed is taken, however much it is. A rule for one
archive is confirmed when it is set or dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping

from component.core.errors import Conflict, Overloaded
from component.core.retention.forecast import Forecast, Forecasts
from component.core.retention.plan import RetentionBounds, RetentionDefaults, is_tighter
from component.core.store_errors import translated
from storage.interface import RulesStore
from storage.rows import HostRetention, Rule

log = logging.getLogger(__name__)

#: In the place of a host: all other archives.
OTHERS = ""


def doubt(found: Forecast) -> str:
    """Say what wants to be confirmed."""
    return (
        f"the bounds of retention would take away {found}, and nobody has confirmed them:"
        " `muniment purge` asks, or change them"
    )


class Approval:
    """Whether the bounds of the configuration may take what they would take."""

    def __init__(self, rules: RulesStore, forecasts: Forecasts, usual: RetentionDefaults) -> None:
        self._rules = rules
        self._forecasts = forecasts
        self._usual = usual
        self._counting: dict[str | None, asyncio.Task[Forecast]] = {}
        #: what they would take that nobody has confirmed yet; None: nothing
        self.waiting: Forecast | None = None

    async def is_given(self) -> bool:
        """Whether all archives may be purged. Raises StorageError."""
        confirmed = await self._confirmed()
        if confirmed == self._usual:
            self.waiting = None
            return True
        # To count takes long, so what waits already is not counted again.
        found = self.waiting or await self._beyond(confirmed)
        if not found.is_much:
            await self.confirm()
            log.info("the bounds of retention are confirmed: they take away %s", found)
            return True
        self.waiting = found
        log.warning("nothing is purged: %s", doubt(found))
        return False

    async def examine(self) -> Forecast | None:
        """Return what wants to be confirmed, and change nothing. Raises StorageError."""
        confirmed = await self._confirmed()
        found = Forecast() if confirmed == self._usual else await self._beyond(confirmed)
        return found if found.is_much else None

    async def is_confirmed(self) -> bool:
        """Whether the bounds of the configuration are those confirmed last. Raises Overloaded."""
        with translated():
            return await self._confirmed() == self._usual

    async def require(self, owner: str | None) -> None:
        """Return if one archive, or all where there is no owner, may be purged.

        Raises Conflict, Overloaded.
        """
        with translated():
            if await self.is_given():
                return
            found = self.waiting if owner is None else await self._forecasts.of(owner, self._usual)
        if found and found.is_much:
            raise Conflict(
                f"The bounds of retention would take away {found}, and nobody has confirmed them:"
                " say `confirm`, or change them in the configuration."
            )

    async def require_rules(self, owner: str, rules: Mapping[str, Rule]) -> None:
        """Return if an archive may have other rules. Raises Conflict, Overloaded.

        They want to be confirmed where by them much would go that does not go by those it has.
        """
        with translated():
            before = await self._forecasts.of(owner, self._usual)
            found = await self._forecasts.of(owner, self._usual, rules)
        if found.is_much and found.lost > before.lost:
            raise Conflict(f"By this {found} would go: say `confirm`, or keep more.")

    async def confirm(self) -> None:
        """Confirm the bounds of the configuration for all archives. Raises StorageError."""
        found = {OTHERS: self._usual.others, **self._usual.hosts}
        await self._rules.confirm(
            [
                HostRetention(
                    host=host, days=bounds.days, messages=bounds.messages, bytes=bounds.bytes
                )
                for host, bounds in found.items()
            ]
        )
        self.waiting = None

    async def forecast(self, owner: str | None, *, patience: float) -> Forecast:
        """Return what a purge of one archive would take, of all where there is no owner.

        Raises Overloaded after `patience` seconds: then it goes on, and a second call waits too.
        """
        task = self._counting.get(owner)
        if task is None:
            task = self._counting[owner] = asyncio.create_task(self._forecast(owner))
            task.add_done_callback(lambda done: self._end(owner, done))
        finished, _ = await asyncio.wait([task], timeout=patience)
        if not finished:
            raise Overloaded("To count what would go takes long, and goes on: ask again shortly.")
        with translated():
            return task.result()

    async def close(self) -> None:
        """Stop counting."""
        tasks = list(self._counting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, owner: str | None, task: asyncio.Task[Forecast]) -> None:
        del self._counting[owner]
        if not task.cancelled() and task.exception():
            log.warning("what would be purged cannot be counted: %s", task.exception())

    def _forecast(self, owner: str | None) -> Coroutine[None, None, Forecast]:
        if owner is None:
            return self._forecasts.of_all(self._usual)
        return self._forecasts.of(owner, self._usual)

    async def _beyond(self, confirmed: RetentionDefaults) -> Forecast:
        """Return what would go of the archives whose bounds were wider, or none."""
        return await self._forecasts.of_all(
            self._usual,
            lambda owner: is_tighter(self._usual.of(owner), than=confirmed.of(owner)),
        )

    async def _confirmed(self) -> RetentionDefaults:
        """Return the bounds that were confirmed last; a new store has none."""
        found = {
            each.host: RetentionBounds(days=each.days, messages=each.messages, bytes=each.bytes)
            for each in await self._rules.confirmed()
        }
        others = found.pop(OTHERS, RetentionBounds())
        return RetentionDefaults(hosts=found, others=others)
