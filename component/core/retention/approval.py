"""New limits that would delete much of an archive wait until an operator confirms them.

The store keeps the limits that were confirmed last. If those of the configuration differ, the
first purge forecasts what they would delete. If no archive would lose more than a tenth of its
messages, that purge confirms them; otherwise it deletes nothing until an operator confirms them.
Once limits are confirmed, a purge deletes all messages over them. A rule for one archive is
confirmed when it is set or removed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping

from component.core.errors import Conflict, Overloaded
from component.core.retention.forecast import Forecast, Forecasts
from component.core.retention.plan import RetentionDefaults, RetentionLimits, is_tighter
from component.core.shared_tasks import SharedTasks
from component.core.store_errors import translated
from storage.interface import RulesStore
from storage.rows import HostRetention, Rule

log = logging.getLogger(__name__)

#: Stands for the host of all archives outside of the virtual hosts.
OTHERS = ""


def describe_unconfirmed(forecast: Forecast) -> str:
    """Return the reason why nothing is purged and the remedy, for the log and `check-config`."""
    return (
        f"the retention limits would delete {forecast}, and nobody has confirmed them:"
        " run `muniment purge`, which asks, or change them"
    )


class Approval:
    """Decides whether the limits of the configuration may be applied."""

    def __init__(
        self, rules: RulesStore, forecasts: Forecasts, defaults: RetentionDefaults
    ) -> None:
        self._rules = rules
        self._forecasts = forecasts
        self._defaults = defaults
        self._forecasting = SharedTasks[str | None, Forecast](_log_failure)
        #: the forecast of unconfirmed limits, None without any
        self.unconfirmed: Forecast | None = None

    def replace_limits(self, defaults: RetentionDefaults) -> None:
        """Decide about other limits of the configuration from now on."""
        if defaults != self._defaults:
            self._defaults = defaults
            self.unconfirmed = None

    async def is_granted(self) -> bool:
        """Return whether all archives may be purged; confirm limits that would delete little.

        Raises StorageError.
        """
        confirmed = await self._confirmed_limits()
        if confirmed == self._defaults:
            self.unconfirmed = None
            return True
        # Counting takes long, so a forecast that waits for an operator is not made again.
        forecast = self.unconfirmed or await self._forecast_tighter(confirmed)
        if not forecast.needs_confirmation:
            await self.confirm()
            log.info("the retention limits are confirmed: they delete %s", forecast)
            return True
        self.unconfirmed = forecast
        log.warning("nothing is purged: %s", describe_unconfirmed(forecast))
        return False

    async def unconfirmed_forecast(self) -> Forecast | None:
        """Return the forecast that an operator has to confirm, if any, and change nothing.

        Raises StorageError.
        """
        confirmed = await self._confirmed_limits()
        if confirmed == self._defaults:
            return None
        forecast = await self._forecast_tighter(confirmed)
        return forecast if forecast.needs_confirmation else None

    async def is_confirmed(self) -> bool:
        """Return whether the limits of the configuration were confirmed. Raises Overloaded."""
        with translated():
            return await self._confirmed_limits() == self._defaults

    async def require(self, owner: str | None) -> None:
        """Raise Conflict if one archive, or all if `owner` is None, may not be purged.

        Raises Overloaded too.
        """
        with translated():
            if await self.is_granted():
                return
            forecast = self.unconfirmed
            if owner is not None:
                forecast = await self._forecasts.of_archive(owner, self._defaults)
        if forecast and forecast.needs_confirmation:
            raise Conflict(
                f"The retention limits would delete {forecast}, and nobody has confirmed"
                " them: set `confirm`, or change the limits in the configuration."
            )

    async def require_rules(self, owner: str, rules: Mapping[str, Rule]) -> None:
        """Raise Conflict if an archive may not have these rules in the place of its present ones.

        They need confirmation if they would delete much, and more than the present ones do.
        Raises Overloaded too.
        """
        with translated():
            before = await self._forecasts.of_archive(owner, self._defaults)
            after = await self._forecasts.of_archive(owner, self._defaults, rules)
        if after.needs_confirmation and after.worst_deleted > before.worst_deleted:
            raise Conflict(f"This rule would delete {after}: set `confirm`, or keep more.")

    async def confirm(self) -> None:
        """Confirm the limits of the configuration for all archives. Raises StorageError."""
        limits_by_host = {OTHERS: self._defaults.others, **self._defaults.hosts}
        await self._rules.confirm(
            [
                HostRetention(
                    host=host, days=limits.days, messages=limits.messages, bytes=limits.bytes
                )
                for host, limits in limits_by_host.items()
            ]
        )
        self.unconfirmed = None

    async def forecast(self, owner: str | None, *, wait_seconds: float) -> Forecast:
        """Return the forecast of a purge of one archive, or of all if `owner` is None.

        Raises Overloaded after `wait_seconds`: counting continues, and a second call waits for it.
        """
        with translated():
            forecast = await self._forecasting.run(
                owner, lambda: self._forecast(owner), wait_seconds=wait_seconds
            )
        if forecast is None:
            raise Overloaded("The messages to delete are still being counted: ask again shortly.")
        return forecast

    async def close(self) -> None:
        """Cancel all forecasts."""
        await self._forecasting.close()

    def _forecast(self, owner: str | None) -> Coroutine[None, None, Forecast]:
        if owner is None:
            return self._forecasts.of_all(self._defaults)
        return self._forecasts.of_archive(owner, self._defaults)

    async def _forecast_tighter(self, confirmed: RetentionDefaults) -> Forecast:
        """Return the forecast of the archives whose limits are tighter than confirmed."""
        return await self._forecasts.of_all(
            self._defaults,
            lambda owner: is_tighter(self._defaults.of(owner), than=confirmed.of(owner)),
        )

    async def _confirmed_limits(self) -> RetentionDefaults:
        """Return the limits that were confirmed last; a new store has none."""
        hosts = {
            row.host: RetentionLimits(days=row.days, messages=row.messages, bytes=row.bytes)
            for row in await self._rules.confirmed()
        }
        others = hosts.pop(OTHERS, RetentionLimits())
        return RetentionDefaults(hosts=hosts, others=others)


def _log_failure(owner: str | None, task: asyncio.Task[Forecast]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.warning("cannot forecast a purge of %s: %s", owner or "all archives", error)
