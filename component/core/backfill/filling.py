"""Fills gaps from another archive: one archive when it is read, and all of them in the background.

The messages of an archive are added in the order of their times, always from the beginning of the
gap. So it does not matter who adds them, and how often: what is there already is left out.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from time import monotonic

from cachetools import FIFOCache

from component.core.archiving.writer import Queue
from component.core.backfill.selection import Selector
from component.core.backfill.source import BackfillSource, Span
from component.core.errors import BadRequest, Refused
from component.core.gaps import Gaps
from component.core.hosts import Hosts
from component.core.importing.records import BadSource, SourcePage, UnreadableRecord
from component.core.messages.describe import describe
from component.core.metrics import Metrics
from component.core.shared_tasks import SharedTasks
from component.core.wording import count_of
from component.core.xml.stanza import parse
from component.core.xml.times import format_time, now
from storage.errors import StorageError
from storage.interface import Archive, BackfillStore
from storage.rows import (
    FillOutcome,
    Filter,
    Gap,
    GapProgress,
    GapState,
    ImportedMessage,
    Kind,
    LaterRetraction,
    Relation,
)

log = logging.getLogger(__name__)

#: The clocks of two programs differ by less. So much more is read before and behind a gap.
MARGIN = 2_000_000  # microseconds

#: So long after a gap, the copies of the messages behind it are decided and stored.
SETTLED = 2 * MARGIN

#: The number of messages of one transaction, and the pause after a page: new messages come first.
BATCH = 100
PAUSE_SECONDS = 0.05

#: Records that are examined before other tasks have their turn.
EXAMINED = 20

#: Archives that are filled at once because they are read, and the greatest number with those that
#: wait for it.
READ_AT_ONCE, WAITING_MAX = 4, 200

#: Archives of which is remembered that they are filled.
REMEMBERED = 20_000

#: Seconds in which a source has to come with the next page.
ANSWER_SECONDS = 45.0

#: Seconds between two notes of the progress if nothing was found.
NOTE_SECONDS = 5.0

#: If another process was not heard of for so long, it fills a gap no more.
SILENT = 60_000_000  # microseconds

#: Archives whose free sequences are given up in one transaction.
TIDIED = 500

#: Seconds between two looks whether the source has messages around a gap without messages. For
#: that, a source may have to log in as each user.
VERIFY_SECONDS = 600.0

#: Why a gap without messages is not known to be filled.
UNVERIFIED = (
    "it has no messages of this time, and none from just before or from behind it: either nobody"
    " wrote, or it was off"
)

#: Messages of one page of annotations, in which retractions are looked for.
PAGE = 250

_DAY = 24 * 3600 * 1_000_000

_FAILURES = (BadSource, StorageError, Refused, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillSettings:
    """How long to wait, and when to give up."""

    wait_seconds: float  #: for which a reader waits for the messages of a gap
    retry_seconds: float  #: between two attempts
    days: int  #: after which a gap is given up


@dataclass(slots=True)
class _Result:
    """What became of some records."""

    added: int = 0
    missed: int = 0  #: records of the time of the gap, whatever became of them
    unreadable: int = 0  #: records that are no messages
    without_place: int = 0  #: messages that did not fit before those behind the gap
    owners: set[str] = field(default_factory=set)  #: of added messages

    def include(self, other: _Result) -> None:
        self.added += other.added
        self.missed += other.missed
        self.unreadable += other.unreadable
        self.without_place += other.without_place

    @property
    def failure(self) -> str:
        """Why messages are missing still, "": none are.

        It names no user, because gaps outlive the erasure of archives.
        """
        reasons = []
        if self.unreadable:
            reasons.append(
                f"{count_of(self.unreadable, 'record')} could not be read (see the log)"
            )
        if self.without_place:
            reasons.append(f"there is no place for {count_of(self.without_place, 'message')}")
        return "; ".join(reasons)


class Backfill:
    """Fills the gaps of a store."""

    def __init__(
        self,
        store: BackfillStore,
        archive: Archive,
        gaps: Gaps,
        source: BackfillSource,
        selector: Selector,
        hosts: Hosts,
        queue: Queue,
        settings: BackfillSettings,
        *,
        on_retractions: Callable[[], None],
        metrics: Metrics | None = None,
    ) -> None:
        """`queue` has the messages that arrived, which have to be stored first.

        `on_retractions` is called when retractions were noted as unfinished.
        """
        self._store = store
        self._archive = archive
        self._gaps = gaps
        self._source = source
        self._selector = selector
        self._hosts = hosts
        self._queue = queue
        self._settings = settings
        self._on_retractions = on_retractions
        self._metrics = metrics or Metrics()
        self._name = secrets.token_hex(8)
        self._reading = SharedTasks[str, None](_log_end)
        self._slots = asyncio.Semaphore(READ_AT_ONCE)
        self._filled: FIFOCache[tuple[str, int], bool] = FIFOCache(REMEMBERED)
        self._failed_at = self._verified_at = float("-inf")

    def is_filled(self, owner: str, gap: Gap) -> bool:
        """Return whether the messages of a gap in one archive are known to be there."""
        return gap.state is not GapState.UNVERIFIED and (owner, gap.number) in self._filled

    async def before_read(self, owner: str, filter: Filter) -> None:
        """Fill the gaps of an archive that a read may meet, for `wait_seconds` at most."""
        if not self._hosts.is_user(owner) and not self._hosts.is_room(owner):
            return
        gaps = [gap for gap in self._gaps.unsettled() if self._is_met(owner, gap, filter)]
        is_full = len(self._reading) >= WAITING_MAX and not self._reading.is_running(owner)
        if not gaps or self._is_failing or is_full:
            return
        try:
            await self._reading.run(
                owner,
                lambda: self._fill_archive(owner, gaps),
                wait_seconds=self._settings.wait_seconds,
            )
        except Exception as error:
            # Whoever reads gets what is there.
            self._note_failure(error)

    async def run(self) -> None:
        """Fill the gaps of all archives, one after the other, until cancelled."""
        while True:
            try:
                await self._fill_all()
                await self._verify_all()
                await self._tidy()
            except _FAILURES as error:
                log.warning("gaps cannot be filled now: %s", error)
            except Exception:
                # New messages are archived all the same.
                log.exception("gaps cannot be filled now")
            await self._gaps.wait_changed(self._settings.retry_seconds)

    async def close(self) -> None:
        """End the work for readers."""
        await self._reading.close()

    @property
    def _is_failing(self) -> bool:
        return monotonic() - self._failed_at < self._settings.retry_seconds

    def _is_met(self, owner: str, gap: Gap, filter: Filter) -> bool:
        if filter.ids is not None or self.is_filled(owner, gap):
            return False
        is_before = filter.since is not None and filter.since > _end(gap) + MARGIN
        is_behind = filter.until is not None and filter.until < gap.begins_at - MARGIN
        return not is_before and not is_behind

    async def _tidy(self) -> None:
        is_tidy = False
        while not is_tidy:
            is_tidy = await self._store.tidy(before=now() - _DAY, limit=TIDIED)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _fill_all(self) -> None:
        for gap in self._gaps.unsettled():
            # The messages of the first seconds behind a gap may be on their way into the store.
            await asyncio.sleep(max(0.0, (_end(gap) + SETTLED - now()) / 1_000_000))
            is_ours = await self._gaps.claim(gap.number, self._name, idle_since=now() - SILENT)
            # The next gap comes behind this one also in the archives.
            if not is_ours or not await self._fill_gap(gap):
                return

    async def _fill_gap(self, gap: Gap) -> bool:
        """Fill a gap in all archives; return False if that has to be tried again."""
        await self._queue.wait_durable()
        begins, ends = format_time(gap.begins_at), format_time(_end(gap))
        log.info("filling the gap from %s to %s from %s", begins, ends, self._source.name)
        total = _Result()
        # Problems before a break are counted anew.
        place = None if gap.state is GapState.FILLING and gap.failure else gap.place or None
        await self._note(gap, GapState.FILLING, failure="")
        noted_at = monotonic()
        try:
            async with aclosing(self._pages(gap, place=place)) as pages:
                async for page in pages:
                    result = await self._add(gap, page, retract_all=not total.added)
                    total.include(result)
                    if not page.records and monotonic() - noted_at < NOTE_SECONDS:
                        continue
                    noted_at = monotonic()
                    await self._note(
                        gap, GapState.FILLING, result.added, page.place or None, total.failure
                    )
                    await self._gaps.claim(gap.number, self._name, idle_since=now() - SILENT)
                    await asyncio.sleep(PAUSE_SECONDS)
        except _FAILURES as error:
            self._note_failure(error)
            state = GapState.OPEN
            if is_over := now() - _end(gap) > self._settings.days * _DAY:
                state = GapState.PARTIAL if gap.filled + total.added else GapState.UNFILLABLE
            place = "" if total.failure else None
            await self._note(gap, state, place=place, failure=str(error))
            if is_over:
                log.error("the gap from %s to %s is given up: %s", begins, ends, error)
            return is_over
        if place is not None and not total.missed:
            # What was found before the break is not known any more.
            return await self._fill_gap(replace(gap, place=""))
        try:
            await self._finish(gap, total)
        except _FAILURES as error:
            self._note_failure(error)
            await self._note(gap, GapState.OPEN, failure=str(error))
            return False
        return True

    async def _finish(self, gap: Gap, total: _Result) -> None:
        """Note what became of a gap of which everything was read."""
        state, failure = GapState.FILLED, total.failure
        if failure:
            state = GapState.PARTIAL
        elif not total.missed and not await self._is_covered(gap):
            state, failure = GapState.UNVERIFIED, UNVERIFIED
        await self._note(gap, state, failure=failure)
        added = next((row.filled for row in self._gaps.all() if row.number == gap.number), 0)
        log.log(
            logging.WARNING if failure else logging.INFO,
            "the gap from %s to %s is %s: %s added%s",
            format_time(gap.begins_at),
            format_time(_end(gap)),
            "partly filled" if state is GapState.PARTIAL else state,
            count_of(added, "message"),
            failure and f"; {failure}",
        )

    async def _verify_all(self) -> None:
        """Note that gaps without messages are filled, once the source has messages around them."""
        if monotonic() - self._verified_at < VERIFY_SECONDS:
            return
        self._verified_at = monotonic()
        for gap in self._gaps.unverified():
            is_recent = now() - _end(gap) < self._settings.days * _DAY
            if is_recent and await self._is_covered(gap):
                await self._note(gap, GapState.FILLED, failure="")
                log.info("nothing passed in the gap from %s", format_time(gap.begins_at))

    async def _is_covered(self, gap: Gap) -> bool:
        """Return whether the source has messages from before a gap, and from behind it.

        So it most likely had those of the gap too, if there had been any. Raises what it raises.
        """
        return await self._has_any(
            Span(gap.begins_at - self._settings.days * _DAY, gap.begins_at)
        ) and await self._has_any(Span(_end(gap), now()))

    async def _has_any(self, span: Span) -> bool:
        async with aclosing(self._read(span)) as pages:
            async for page in pages:
                if page.records:
                    return True
        return False

    async def _fill_archive(self, owner: str, gaps: Sequence[Gap]) -> None:
        """Fill gaps in one archive, the oldest first, because it is read."""
        async with self._slots:
            for gap in gaps:
                is_settled = now() >= _end(gap) + SETTLED
                try:
                    await self._queue.wait_durable(owner)
                    total = _Result()
                    pages = self._pages(gap, owner=owner, margin=MARGIN if is_settled else 0)
                    async with aclosing(pages):
                        async for page in pages:
                            result = await self._add(gap, page, retract_all=not total.added)
                            total.include(result)
                            if result.added:
                                await self._note(gap, None, result.added)
                except _FAILURES as error:
                    self._note_failure(error)
                    return
                if is_settled and not total.failure:
                    self._filled[owner, gap.number] = True

    async def _pages(
        self,
        gap: Gap,
        *,
        owner: str | None = None,
        place: str | None = None,
        margin: int = MARGIN,
    ) -> AsyncGenerator[SourcePage, None]:
        span = Span(gap.begins_at - MARGIN, _end(gap) + margin)
        async with aclosing(self._read(span, owner, place)) as pages:
            async for page in pages:
                yield page

    async def _read(
        self, span: Span, owner: str | None = None, place: str | None = None
    ) -> AsyncGenerator[SourcePage, None]:
        """Yield the pages of a span. Raises BadSource, also if the next one takes too long."""
        async with aclosing(self._source.pages(span, owner=owner, after=place)) as pages:
            while True:
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        page = await anext(pages, None)
                except TimeoutError as error:
                    raise BadSource(f"no answer in {ANSWER_SECONDS:.0f} seconds") from error
                if page is None:
                    return
                yield page

    async def _add(self, gap: Gap, page: SourcePage, *, retract_all: bool) -> _Result:
        """Add the messages of a page, and carry out what was retracted since."""
        result, messages = _Result(), []
        result.missed = sum(gap.begins_at <= record.at <= _end(gap) for record in page.records)
        unreadable = list(page.unreadable)
        for number, record in enumerate(page.records, 1):
            if not number % EXAMINED:
                await asyncio.sleep(0)
            try:
                imported = await self._selector.select(record)
            except BadRequest as error:
                reason = UnreadableRecord(
                    owner=record.owner, where=record.old_id, reason=error.message
                )
                unreadable.append(reason)
                continue
            if imported is not None:
                messages.append(imported)
        if unreadable:
            result.unreadable = len(unreadable)
            first = unreadable[0]
            log.warning(
                "%s of a gap could not be read, such as %s of %s: %s",
                count_of(len(unreadable), "record"),
                first.where,
                first.owner,
                first.reason,
            )
        present: set[str] = set()
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            outcomes = await self._store.add(batch, ends_at=_end(gap))
            self._count(batch, outcomes, result)
            present.update(imported.message.owner for imported in batch)
        # After a break, those of the last page may not have been looked for.
        for owner in sorted(present if retract_all else result.owners):
            await self._retract(owner, gap)
        return result

    def _count(
        self,
        batch: Iterable[ImportedMessage],
        outcomes: Iterable[FillOutcome],
        result: _Result,
    ) -> None:
        for imported, outcome in zip(batch, outcomes, strict=True):
            self._metrics.note_backfilled(outcome)
            if outcome is FillOutcome.ADDED:
                result.added += 1
                result.owners.add(imported.message.owner)
            elif outcome is FillOutcome.NO_PLACE:
                result.without_place += 1

    async def _retract(self, owner: str, gap: Gap) -> None:
        """Note the retractions of an archive that arrived before what they retract."""
        after, found = None, []
        filter = Filter(since=gap.begins_at, kinds=frozenset({Kind.ANNOTATION}))
        while True:
            page = await self._archive.page(owner, filter, limit=PAGE, after=after)
            for message in page.messages:
                description = describe(stanza := parse(message.xml))
                if description.relation is not Relation.RETRACTION:
                    continue
                _, refers_to = description.name_hashes(
                    message.peer, message.resource, stanza.type, message.direction
                )
                found.append(LaterRetraction(message.id, refers_to))
            if page.complete or not page.messages:
                break
            after = page.messages[-1].id
        if found and await self._store.retract(owner, found):
            self._on_retractions()

    async def _note(
        self,
        gap: Gap,
        state: GapState | None,
        added: int = 0,
        place: str | None = None,
        failure: str | None = None,
    ) -> None:
        progress = GapProgress(state=state, added=added, place=place, failure=failure)
        await self._gaps.note_progress(gap.number, progress)

    def _note_failure(self, error: BaseException) -> None:
        self._failed_at = monotonic()
        self._metrics.backfill_failures.inc()
        log.warning("missing messages cannot be read from %s: %s", self._source.name, error)


def _end(gap: Gap) -> int:
    """Return the end of a stored gap."""
    return gap.begins_at if gap.ends_at is None else gap.ends_at


def _log_end(owner: str, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the archive of %s cannot be filled", owner, exc_info=error)
