"""Backfill: which missing messages are added, when, and what becomes of a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from support.builders import ALICE, BOB, HOST, MINUTE, ROMEO, SECOND, entry, everything
from support.rosters import FixedRosters

from component.core.archiving.policy import Policy
from component.core.archiving.preference_filter import PreferenceFilter
from component.core.archiving.preferences import HostRules, Preferences
from component.core.archiving.pressure import Backpressure
from component.core.archiving.writer import Writer
from component.core.backfill import filling
from component.core.backfill.filling import Backfill, BackfillSettings
from component.core.backfill.selection import Selector
from component.core.backfill.source import Span
from component.core.gaps import GAPS_MAX, STOPPED, Gaps
from component.core.hosts import Hosts
from component.core.importing.records import (
    BadSource,
    ImportRecord,
    SourcePage,
    UnreadableRecord,
)
from component.core.retention.plan import RetentionDefaults, RetentionLimits
from component.core.retention.rules import Rules
from component.core.rosters.cache import RosterCache
from component.core.xml.times import now
from component.xmpp.connection.addresses import Addresses
from storage.interface import Storage
from storage.rows import ANY, Filter, Gap, GapProgress, GapState, Kind, PreferencesRow
from storage.sql.store import SqlStorage

DAY = 24 * 60 * MINUTE
SETTINGS = BackfillSettings(wait_seconds=5.0, retry_seconds=0.05, days=3)
UNSETTLED = ("open", "filling")


@dataclass
class Listed:
    """A source with these records, in pages of one record."""

    records: list[ImportRecord] = field(default_factory=list)
    unreadable: tuple[UnreadableRecord, ...] = ()
    failure: str = ""  #: why it cannot be read; "": it can
    name: str = "a list"
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    places: list[str | None] = field(default_factory=list)  #: where each reading began

    async def pages(
        self, span: Span, *, owner: str | None = None, after: str | None = None
    ) -> AsyncGenerator[SourcePage, None]:
        self.places.append(after)
        await self.may_answer.wait()
        for number, record in enumerate(self.records):
            is_in = span.begins_at <= record.at <= span.ends_at and number > int(after or -1)
            if is_in and owner in (None, record.owner):
                yield SourcePage(records=(record,), place=str(number))
        if self.failure:
            raise BadSource(self.failure)
        yield SourcePage(unreadable=self.unreadable)


@dataclass
class Bench:
    """A store with a gap of a minute, in which messages passed that a source has."""

    storage: Storage
    gaps: Gaps
    source: Listed
    preferences: Preferences
    backfill: Backfill
    rules: Rules
    held: set[str]
    settings: list[BackfillSettings]

    @property
    def gap(self) -> Gap:
        return self.gaps.all()[0]

    def missed(self, seconds: float, body: str, **fields: object) -> None:
        """Have a message from bob to alice pass, some seconds after the begin of the gap."""
        recipient, extra = str(fields.pop("to", ALICE)), str(fields.pop("extra", ""))
        at = self.gap.begins_at + int(seconds * SECOND)
        record = ImportRecord(
            owner=ALICE,
            at=at,
            old_id=str(at),
            xml=f"<message xmlns='jabber:client' from='{BOB}/phone' to='{recipient}' type='chat'"
            f" id='{body}'><body>{body}</body>{extra}</message>",
        )
        self.source.records.append(replace(record, **fields))  # type: ignore[arg-type]

    async def texts(self, owner: str = ALICE) -> list[str]:
        rows = (await everything(self.storage.archive, owner)).messages
        return [row.xml.partition("<body>")[2].partition("</body>")[0] for row in rows]

    async def settled(self) -> Gap:
        """Return the gap when it is settled."""
        async with asyncio.timeout(10):
            while True:
                if self.gap.state not in UNSETTLED:
                    return self.gap
                await self.gaps.wait_changed(0.02)


@pytest.fixture
async def bench(storage: SqlStorage, writer: Writer) -> AsyncIterator[Bench]:
    end = now() - 20 * SECOND
    gaps = Gaps(storage.gaps, now, writer.wait_durable, backfill=storage.backfill)
    gap = Gap(begins_at=end - MINUTE, ends_at=end, reason=STOPPED, state=GapState.OPEN)
    await storage.archive.append([entry("before", at=gap.begins_at - SECOND)])
    await storage.gaps.add(gap, limit=GAPS_MAX)
    await gaps.load()
    await storage.archive.append([entry("after", at=end + SECOND)])
    gaps.begin(end)
    rosters = FixedRosters({ALICE: frozenset({BOB})})
    preferences = Preferences(storage.preferences, Addresses(), rosters, {HOST: HostRules()})
    await preferences.load()
    queue = PreferenceFilter(writer, preferences, RosterCache(rosters), Backpressure(10**6))
    hosts, rules, held = Hosts([HOST], [f"conference.{HOST}"]), Rules(storage.rules), set[str]()
    limits = RetentionLimits(days=1)
    selector = Selector(
        Policy(),
        hosts,
        Addresses(),
        queue,
        rules,
        RetentionDefaults(hosts={HOST: limits}),
        held.__contains__,
    )
    source = Listed()
    source.may_answer.set()
    backfill = Backfill(
        storage.backfill,
        storage.archive,
        gaps,
        source,
        selector,
        hosts,
        queue,
        SETTINGS,
        on_retractions=writer.carry_out_retractions,
    )
    gaps.filler = backfill
    yield Bench(storage, gaps, source, preferences, backfill, rules, held, [SETTINGS])
    await backfill.close()


@pytest.fixture
async def run(bench: Bench) -> AsyncIterator[Callable[[], Awaitable[Gap]]]:
    """Fill in the background, and return the gap when it is settled."""
    tasks: list[asyncio.Task[None]] = []

    async def settled() -> Gap:
        tasks.append(asyncio.create_task(bench.backfill.run()))
        return await bench.settled()

    yield settled
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Run = Callable[[], Awaitable[Gap]]


async def test_missing_messages_are_added_in_the_background(bench: Bench, run: Run) -> None:
    bench.missed(10, "one")
    bench.missed(20, "two")

    gap = await run()

    assert (gap.state, gap.filled, gap.failure) == (GapState.FILLED, 2, "")
    assert await bench.texts() == ["before", "one", "two", "after"]
    assert bench.gaps.unfilled() == ()


async def test_reader_has_the_messages_before_the_background(bench: Bench) -> None:
    bench.missed(10, "one")
    assert bench.gaps.unfilled_of(ALICE) == (bench.gap,)

    await bench.gaps.before_read(ALICE, ANY)

    assert await bench.texts() == ["before", "one", "after"]
    # What is in the archive of one user says nothing of the others.
    assert bench.gaps.unfilled_of(ALICE) == ()
    assert [gap.state for gap in bench.gaps.unfilled_of(BOB)] == [GapState.OPEN]


async def test_reader_of_another_time_does_not_wait(bench: Bench) -> None:
    for filter in (
        Filter(since=bench.gap.begins_at + 3 * MINUTE),
        Filter(until=bench.gap.begins_at - 3 * MINUTE),
        Filter(ids=("an id",)),
    ):
        await bench.gaps.before_read(ALICE, filter)
    await bench.gaps.before_read(ROMEO, ANY)

    assert bench.source.places == []


async def test_reader_waits_no_longer_than_configured(bench: Bench) -> None:
    bench.missed(10, "one")
    bench.source.may_answer.clear()
    bench.backfill._settings = replace(SETTINGS, wait_seconds=0.05)

    await bench.gaps.before_read(ALICE, ANY)

    assert await bench.texts() == ["before", "after"]
    assert bench.gaps.unfilled_of(ALICE) == (bench.gap,)
    # The work goes on, and the next reader joins it.
    bench.source.may_answer.set()
    await bench.gaps.before_read(ALICE, ANY)
    assert await bench.texts() == ["before", "one", "after"]
    assert len(bench.source.places) == 1


async def test_source_without_answer_ends_the_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "ANSWER_SECONDS", 0.02)
    bench.missed(10, "one")
    bench.source.may_answer.clear()

    await bench.gaps.before_read(ALICE, ANY)

    assert await bench.texts() == ["before", "after"]
    assert not bench.backfill._reading.is_running(ALICE)


async def test_reader_reads_whatever_happens_to_a_source(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.missed(10, "one", xml=None)

    await bench.gaps.before_read(ALICE, ANY)

    assert await bench.texts() == ["before", "after"]
    assert "missing messages cannot be read from a list" in caplog.text


async def test_source_that_fails_is_asked_again_where_it_failed(bench: Bench, run: Run) -> None:
    bench.missed(10, "one")
    bench.source.failure = "no answer"
    attempts = asyncio.create_task(run())
    async with asyncio.timeout(5):
        while True:
            if bench.gap.failure:
                break
            await asyncio.sleep(0.01)
    assert (bench.gap.state, bench.gap.failure) == (GapState.OPEN, "no answer")
    # Readers do not wait for a source that does not answer.
    began = len(bench.source.places)
    bench.backfill._settings = replace(SETTINGS, retry_seconds=60.0)
    await bench.gaps.before_read(ALICE, ANY)
    assert len(bench.source.places) == began
    bench.backfill._settings = SETTINGS

    bench.missed(20, "two")
    bench.source.failure = ""
    gap = await attempts

    assert (gap.state, gap.filled, gap.failure) == (GapState.FILLED, 2, "")
    assert bench.source.places[0] is None
    assert bench.source.places[-1] == "0"
    assert await bench.texts() == ["before", "one", "two", "after"]


async def test_gap_without_messages_is_filled_if_the_source_has_some_around_it(
    bench: Bench, run: Run
) -> None:
    bench.missed(-3600, "before the gap")
    bench.missed(75, "behind the gap")

    gap = await run()

    assert (gap.state, gap.filled, gap.failure) == (GapState.FILLED, 0, "")
    assert await bench.texts() == ["before", "after"]


@pytest.mark.parametrize("where", [(), (-3600,), (75,)])
async def test_gap_without_messages_is_unverified_until_the_source_has_some_around_it(
    bench: Bench, run: Run, monkeypatch: pytest.MonkeyPatch, where: tuple[int, ...]
) -> None:
    monkeypatch.setattr(filling, "VERIFY_SECONDS", 0.0)
    for seconds in where:
        bench.missed(seconds, f"at {seconds}")
    await bench.gaps.before_read(ALICE, ANY)

    gap = await run()

    assert (gap.state, gap.filled, gap.filled_at) == (GapState.UNVERIFIED, 0, 0)
    assert gap.failure == filling.UNVERIFIED
    assert bench.gaps.unfilled() == bench.gaps.unfilled_of(ALICE) == (gap,)
    for seconds in {-3600, 75} - {*where}:
        bench.missed(seconds, f"at {seconds}")
    async with asyncio.timeout(10):
        while bench.gaps.unfilled():
            await bench.gaps.wait_changed(0.02)
    assert (bench.gap.state, bench.gap.failure) == (GapState.FILLED, "")


async def test_gap_is_not_empty_if_messages_were_found_before_a_break(
    bench: Bench, run: Run
) -> None:
    bench.missed(10, "one")
    await bench.storage.gaps.claim(1, "another", at=1, idle_since=2)
    progress = GapProgress(state=GapState.FILLING, place="0")
    await bench.storage.gaps.note_progress(1, progress, at=now())
    await bench.gaps.load()

    gap = await run()

    assert bench.source.places == ["0", None]
    assert (gap.state, gap.filled) == (GapState.FILLED, 1)


@pytest.mark.parametrize("state", [GapState.PARTIAL, GapState.UNFILLABLE])
async def test_gap_is_given_up_after_days(bench: Bench, run: Run, state: GapState) -> None:
    if state is GapState.PARTIAL:
        bench.missed(10, "one")
    bench.source.failure = "no answer"
    bench.backfill._settings = replace(SETTINGS, days=0)

    gap = await run()

    assert (gap.state, gap.failure) == (state, "no answer")
    assert bench.gaps.unfilled() == (gap,)


async def test_unreadable_message_leaves_the_gap_partial(
    bench: Bench, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    bench.missed(10, "one")
    bench.missed(11, "bad", xml="no stanza")
    bench.source.unreadable = (UnreadableRecord(owner=BOB, where="row 7", reason="it is torn"),)

    gap = await run()

    assert (gap.state, gap.filled) == (GapState.PARTIAL, 1)
    assert gap.failure == "2 records could not be read (see the log)"
    # What is stored of a gap names no user.
    assert BOB in caplog.text


async def test_messages_that_rules_exclude_are_not_added(bench: Bench, run: Run) -> None:
    row = PreferencesRow(owner=ALICE, default="always", never=(ROMEO,))
    await bench.preferences.set(ALICE, row)
    bench.missed(10, "wanted")
    bench.missed(11, "never", xml=bench.source.records[0].xml.replace(BOB, ROMEO))
    bench.missed(12, "hint", extra="<no-permanent-store xmlns='urn:xmpp:hints'/>")
    bench.missed(13, "elsewhere", owner="alice@other.example")

    gap = await run()

    assert gap.state is GapState.FILLED
    assert await bench.texts() == ["before", "wanted", "after"]


@pytest.mark.parametrize("is_held", [False, True])
async def test_expired_message_is_added_under_a_hold_alone(bench: Bench, is_held: bool) -> None:
    old = replace(bench.gap, begins_at=bench.gap.begins_at - 2 * DAY)
    await bench.storage.gaps.fill(bench.gap.number, at=now())
    await bench.storage.gaps.add(old, limit=GAPS_MAX)
    await bench.gaps.load()
    if is_held:
        bench.held.add(ALICE)
    bench.missed(10, "expired")

    await bench.gaps.before_read(ALICE, ANY)

    assert ("expired" in await bench.texts()) == is_held


async def test_messages_that_are_alike_are_all_added(bench: Bench, run: Run) -> None:
    """Without id and with the same text, two messages in a minute are no repeated copy."""
    xml = f"<message xmlns='jabber:client' from='{BOB}/a' to='{ALICE}'><body>same</body></message>"
    bench.missed(10, "same", xml=xml)
    bench.missed(11, "same", xml=xml)
    await bench.gaps.before_read(ALICE, ANY)

    gap = await run()

    assert gap.filled == 2
    assert await bench.texts() == ["before", "same", "same", "after"]


async def test_message_retracted_behind_the_gap_becomes_a_tombstone(
    bench: Bench, run: Run
) -> None:
    retraction = (
        f"<message xmlns='jabber:client' from='{BOB}/phone' to='{ALICE}' type='chat' id='r'>"
        "<retract xmlns='urn:xmpp:message-retract:1' id='secret'/></message>"
    )
    row = entry("r", at=now() - SECOND, xml=retraction, kind=Kind.ANNOTATION)
    await bench.storage.archive.append([row])
    bench.missed(10, "secret")

    await run()

    async with asyncio.timeout(5):
        while True:
            rows = (await everything(bench.storage.archive)).messages
            if rows[1].kind is Kind.TOMBSTONE:
                break
            await asyncio.sleep(0.01)
    assert "secret" not in await bench.texts()
