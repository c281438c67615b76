"""New bounds that would delete much of an archive delete nothing until they are confirmed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, SECOND, entry
from support.wire import until

from component.core.access.audit import Audit
from component.core.archiving.writer import Writer
from component.core.errors import Conflict, Overloaded
from component.core.retention.approval import Approval
from component.core.retention.forecast import Forecast, Forecasts
from component.core.retention.holds import Holds
from component.core.retention.janitor import Janitor, Timing
from component.core.retention.plan import DAY, RetentionDefaults, RetentionLimits, is_tighter
from component.core.retention.purge import State
from component.core.retention.rules import Rules
from component.core.xml.times import now
from storage.open import open_storage
from storage.rows import ANY, Hold, OverLimit, Rule, Usage
from storage.sql.store import SqlStorage

CAROL = f"carol@{OTHER_HOST}"


class Town:
    """A store, and the approvals of processes that share it."""

    def __init__(self, storage: SqlStorage) -> None:
        self.storage = storage
        self.rules = Rules(storage.rules)
        self.holds = Holds(storage.holds)
        self.forecasts = Forecasts(storage, self.rules, self.holds)

    def approval(self, bounds: RetentionLimits, hosts: tuple[str, ...] = (HOST,)) -> Approval:
        """Return the approval of a process with these bounds."""
        defaults = RetentionDefaults(hosts=dict.fromkeys(hosts, bounds), others=bounds)
        return Approval(self.storage.rules, self.forecasts, defaults)

    def janitor(self, bounds: RetentionLimits, approval: Approval | None = None) -> Janitor:
        """Return a janitor that purges once."""
        defaults = RetentionDefaults(hosts={HOST: bounds}, others=bounds)
        timing, queue = Timing(sweep_seconds=10_000), Writer(self.storage.archive)
        approval = approval or self.approval(bounds)
        audit = Audit(self.storage.audit_log, queue)
        return Janitor(
            self.storage, queue, self.rules, self.holds, defaults, timing, approval, audit
        )

    async def fill(self, count: int, owner: str = ALICE, days: int = 0) -> None:
        base = now() - days * DAY
        await self.storage.archive.append(
            [entry(f"{days}/{n}", owner=owner, at=base + n * SECOND) for n in range(count)]
        )


@pytest.fixture
def town(storage: SqlStorage) -> Town:
    return Town(storage)


async def test_bounds_that_delete_much_wait_for_confirmation(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    await town.fill(115)
    approval = town.approval(RetentionLimits(messages=5))

    assert not await approval.is_granted()
    assert approval.unconfirmed is not None
    assert (approval.unconfirmed.archives, approval.unconfirmed.over_limit.messages) == (1, 110)
    assert (
        approval.unconfirmed.worst_owner,
        approval.unconfirmed.worst_deleted,
        approval.unconfirmed.worst_total,
    ) == (
        ALICE,
        110,
        115,
    )
    assert "nothing is purged: the retention limits would delete 110 messages" in caplog.text
    assert f"(110 of the 115 of {ALICE})" in caplog.text


@pytest.mark.parametrize(
    ("bounds", "is_granted"),
    [
        (RetentionLimits(messages=18), True),  # a tenth
        (RetentionLimits(messages=17), False),
        (RetentionLimits(days=7), True),
        (RetentionLimits(days=3), False),
        (RetentionLimits(bytes=100), False),
        (RetentionLimits(), True),
    ],
    ids=str,
)
async def test_more_than_a_tenth_needs_confirmation(
    town: Town, bounds: RetentionLimits, is_granted: bool
) -> None:
    await town.fill(2, days=8)
    await town.fill(8, days=5)
    await town.fill(10)

    assert await town.approval(bounds).is_granted() is is_granted


async def test_worst_archive_decides_about_confirmation(town: Town) -> None:
    await town.fill(100, owner=BOB)
    await town.fill(4)
    for n in range(40):
        await town.fill(1, owner=f"u{n}@{HOST}")
    await town.storage.rules.confirm([])

    assert not await town.approval(RetentionLimits(messages=3)).is_granted()


async def test_new_store_confirms_its_bounds_for_later_messages(town: Town) -> None:
    approval = town.approval(RetentionLimits(messages=5))
    assert await approval.is_granted()

    await town.fill(115)

    assert await approval.is_granted()
    assert await town.approval(RetentionLimits(messages=5)).is_granted()


async def test_confirmation_holds_for_every_process(town: Town) -> None:
    await town.fill(20)
    first, second = (town.approval(RetentionLimits(messages=5)) for _ in range(2))
    assert [await first.is_granted(), await second.is_granted()] == [False, False]

    await first.confirm()

    assert [await first.is_granted(), await second.is_granted()] == [True, True]
    assert (first.unconfirmed, second.unconfirmed) == (None, None)


async def test_bounds_tighter_than_confirmed_are_forecast_again(town: Town) -> None:
    await town.fill(20)
    await town.approval(RetentionLimits(messages=5)).confirm()

    assert not await town.approval(RetentionLimits(messages=4)).is_granted()
    assert await town.approval(RetentionLimits()).is_granted()
    assert not await town.approval(RetentionLimits(messages=5)).is_granted()


async def test_bounds_of_a_removed_host_are_forecast(town: Town) -> None:
    """The archives of a removed host have the bounds of other archives."""
    defaults = RetentionDefaults(
        hosts={HOST: RetentionLimits(days=7), OTHER_HOST: RetentionLimits()},
        others=RetentionLimits(days=7),
    )
    assert await Approval(town.storage.rules, town.forecasts, defaults).is_granted()
    await town.fill(5, owner=CAROL, days=30)
    without_host = replace(defaults, hosts={HOST: RetentionLimits(days=7)})

    approval = Approval(town.storage.rules, town.forecasts, without_host)

    assert not await approval.is_granted()
    assert approval.unconfirmed is not None
    assert approval.unconfirmed.worst_owner == CAROL


async def test_held_archives_are_not_in_a_forecast(town: Town) -> None:
    await town.fill(20)
    await town.holds.set(Hold(subject=ALICE, reason="r", by="me", at=1))

    assert await town.approval(RetentionLimits(messages=5)).is_granted()


async def test_forecast_uses_the_rule_of_an_archive(town: Town) -> None:
    await town.fill(20)
    await town.rules.set(Rule(owner=ALICE, messages=0))

    assert await town.approval(RetentionLimits(messages=5)).is_granted()


async def test_forecast_counts_messages_to_blank(town: Town) -> None:
    """A rule that keeps one peer for ever has older messages of other peers blanked."""
    await town.fill(20, days=8)
    await town.rules.set(Rule(owner=ALICE, peer=ROMEO, days=0))

    forecast = await town.approval(RetentionLimits(days=7)).forecast(None, wait_seconds=5)

    assert (forecast.archives, forecast.worst_deleted, forecast.worst_total) == (1, 20, 20)


async def test_unconfirmed_order_is_a_conflict(town: Town) -> None:
    await town.fill(20)
    await town.fill(3, owner=BOB)
    approval = town.approval(RetentionLimits(messages=5))

    for owner in (None, ALICE):
        with pytest.raises(Conflict, match="would delete 15 messages of 1 archive, from"):
            await approval.require(owner)
    await approval.require(BOB)


async def test_forecast_of_one_archive_or_of_all(town: Town) -> None:
    await town.fill(20)
    await town.fill(10, owner=BOB)
    approval = town.approval(RetentionLimits(messages=5))

    of_all = await approval.forecast(None, wait_seconds=5)
    of_bob = await approval.forecast(BOB, wait_seconds=5)
    of_nobody = await approval.forecast(CAROL, wait_seconds=5)

    assert (of_all.archives, of_all.over_limit.messages, of_all.worst_owner) == (2, 20, ALICE)
    assert (of_bob.archives, of_bob.over_limit.messages, of_bob.worst_owner) == (1, 5, BOB)
    assert (of_nobody, str(of_nobody)) == (Forecast(), "no messages")


async def test_slow_forecast_is_overloaded_and_goes_on(town: Town) -> None:
    approval = town.approval(RetentionLimits(messages=5))

    with pytest.raises(Overloaded, match="ask again"):
        await approval.forecast(None, wait_seconds=0)
    assert await approval.forecast(None, wait_seconds=5) == Forecast()
    await approval.close()


async def test_unconfirmed_forecast_changes_nothing(town: Town) -> None:
    approval = town.approval(RetentionLimits(messages=5))
    assert await approval.unconfirmed_forecast() is None
    await town.fill(20)

    forecast = await approval.unconfirmed_forecast()

    assert forecast is not None
    assert forecast.over_limit.messages == 15
    assert await town.storage.rules.confirmed() == ()


@pytest.mark.parametrize("ordered", [False, True])
async def test_schedule_deletes_nothing_until_an_order_confirms(town: Town, ordered: bool) -> None:
    await town.fill(115)
    approval = town.approval(RetentionLimits(messages=5))
    janitor = town.janitor(RetentionLimits(messages=5), approval)
    working = asyncio.create_task(janitor.run())
    await until(lambda: janitor.last is not None and janitor.current is None)
    assert janitor.last is not None
    assert janitor.last.state is State.UNCONFIRMED
    assert await town.storage.archive.count(ALICE, ANY) == 115

    with pytest.raises(Conflict):
        await janitor.order("me")
    begun = await janitor.order("me", None if ordered else ALICE, is_confirmed=True)
    await until(lambda: janitor.last is not None and janitor.last.started == begun.started)

    assert await town.storage.archive.count(ALICE, ANY) == 5
    assert (approval.unconfirmed is None) is ordered
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_index_and_journal_are_scrubbed_while_bounds_are_unconfirmed(
    tmp_path: Path,
) -> None:
    async with open_storage(f"sqlite:{tmp_path}/archive.db") as storage:
        town = Town(storage)
        await town.fill(115)
        await storage.archive.append([entry("secret", xml="<m>sesame</m>", text="sesame")])
        newest = await storage.archive.first_and_last(ALICE)
        assert newest is not None
        await storage.retention.blank(ALICE, newest[1].id)
        assert is_readable("sesame", tmp_path)
        janitor = town.janitor(RetentionLimits(messages=5))
        working = asyncio.create_task(janitor.run())
        await until(lambda: janitor.last is not None)

        assert janitor.last is not None
        assert janitor.last.state is State.UNCONFIRMED
        assert not is_readable("sesame", tmp_path)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def is_readable(text: str, folder: Path) -> bool:
    """Return whether a text is in any file of a store."""
    return any(text.encode() in file.read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize(
    ("new", "old", "is_so"),
    [
        (RetentionLimits(), RetentionLimits(), False),
        (RetentionLimits(days=1), RetentionLimits(), True),
        (RetentionLimits(), RetentionLimits(days=1), False),
        (RetentionLimits(days=2), RetentionLimits(days=1), False),
        (RetentionLimits(messages=1), RetentionLimits(messages=2), True),
        (RetentionLimits(days=2, bytes=1), RetentionLimits(days=1, bytes=2), True),
    ],
)
def test_bounds_that_may_delete_more_are_tighter(
    new: RetentionLimits, old: RetentionLimits, is_so: bool
) -> None:
    assert is_tighter(new, than=old) is is_so


def test_forecast_names_the_worst_archive() -> None:
    forecast = Forecast()
    for owner, deleted, total in (("a", 5, 100), ("b", 4, 5), ("c", 50, 100), ("d", 0, 9)):
        usage = Usage(owner=owner, messages=total, bytes=0, oldest=1, newest=9)
        forecast = forecast.plus(usage, OverLimit(messages=deleted, oldest=deleted, newest=total))

    assert (
        forecast.archives,
        forecast.worst_owner,
        forecast.worst_deleted,
        forecast.worst_total,
    ) == (
        3,
        "b",
        4,
        5,
    )
    assert forecast.over_limit == OverLimit(messages=59, oldest=4, newest=100)
