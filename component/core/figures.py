"""Figures of the whole store over time, in memory: those of a week at most."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from component.core.errors import Refused
from component.core.retention.admin import ArchiveAdmin
from component.core.xml.times import now

#: Seconds between two samples, and the maximum number of samples: those of a week.
SAMPLE_SECONDS = 300.0
SAMPLES_MAX = 7 * 24 * 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The size of the store at one time."""

    at: int  #: microseconds since the epoch
    archives: int
    messages: int
    bytes: int  #: of XML


class Figures:
    """Samples the size of the store."""

    def __init__(
        self,
        archives: ArchiveAdmin,
        *,
        pause: float = SAMPLE_SECONDS,
        limit: int = SAMPLES_MAX,
    ) -> None:
        """`pause` is in seconds; `limit` is the maximum number of samples, of which the old go."""
        self._archives = archives
        self._pause = pause
        self._samples: deque[Sample] = deque(maxlen=limit)

    async def run(self) -> None:
        """Take samples until cancelled, the first one after a pause."""
        while True:
            await asyncio.sleep(self._pause)
            try:
                self._samples.append(await self.sample())
            except Refused:
                # A store that cannot be read now has no figures; the writer logs the reason.
                continue

    async def sample(self) -> Sample:
        """Return the size of the store now. Raises Overloaded."""
        totals = await self._archives.totals()
        return Sample(
            at=now(), archives=totals.archives, messages=totals.messages, bytes=totals.bytes
        )

    def samples(self) -> tuple[Sample, ...]:
        """Return the samples, the oldest first."""
        return tuple(self._samples)
