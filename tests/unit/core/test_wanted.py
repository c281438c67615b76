"""What is passed on to the writer, when, and in which order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from support.builders import ALICE, BOB, HOST, ROMEO, ROOM, entry, removal
from support.rosters import FixedRosters

from component.core.errors import Overloaded
from component.core.preferences import HostRules, Wishes
from component.core.pressure import Pressure, size_of
from component.core.rosters import FRESH_SECONDS, REMEMBERED, UNREADABLE_SECONDS, RosterMemory
from component.core.wanted import Wanted
from component.core.writer import Writer
from component.xmpp.addresses import Addresses
from storage.interface import Storage
from storage.open import SqlStorage
from storage.rows import ANY, Entry, Preferences, Removal, Retraction

HELD_MAX = 5


@dataclass
class Bench:
    """Everything between a message and the store."""

    storage: Storage
    writer: Writer
    wishes: Wishes
    wanted: Wanted
    memory: RosterMemory
    rosters: FixedRosters
    clock: list[float] = field(default_factory=lambda: [0.0])

    async def prefer(self, default: str, owner: str = ALICE, **lists: tuple[str, ...]) -> None:
        await self.wishes.set(owner, Preferences(owner=owner, default=default, **lists))

    def put(self, *work: Entry | Removal | Retraction) -> None:
        self.wanted.put(work)

    async def kept(self, owner: str = ALICE) -> list[str]:
        """Return which messages an archive has, once all is settled."""
        await self.wanted.settled()
        return await self.now(owner)

    async def now(self, owner: str = ALICE) -> list[str]:
        """Return which messages an archive has, without those that wait for a roster."""
        await self.writer.settled()
        page = await self.storage.archive.page(owner, ANY, limit=100)
        return [said(message.xml) for message in page.messages]


@pytest.fixture
async def bench(storage: SqlStorage, writer: Writer) -> AsyncIterator[Bench]:
    rosters, clock = FixedRosters({ALICE: frozenset({BOB}), BOB: frozenset()}), [0.0]
    wishes = Wishes(storage.records, Addresses(), rosters, {HOST: HostRules()})
    memory = RosterMemory(rosters, clock=lambda: clock[0])
    room = 2 * size_of(entry(name, peer=ROMEO) for name in names(HELD_MAX))
    wanted = Wanted(writer, wishes, memory, Pressure(room))
    yield Bench(storage, writer, wishes, wanted, memory, rosters, clock)
    rosters.may_answer.set()
    await wanted.settled()


def said(xml: str) -> str:
    return xml.partition("<body>")[2].partition("</body>")[0]


def names(count: int) -> Sequence[str]:
    return [str(n) for n in range(count)]


# Without rosters


async def test_what_is_wanted_is_passed_on_in_order(bench: Bench) -> None:
    bench.put(entry("a"), entry("b", owner=BOB), entry("c"))

    assert (await bench.now(), await bench.now(BOB)) == (["a", "c"], ["b"])


async def test_what_is_not_wanted_is_left_out(bench: Bench) -> None:
    await bench.prefer("always", never=(BOB,))
    bench.put(entry("a"), entry("b", peer=ROMEO))

    assert await bench.now() == ["b"]


async def test_each_side_of_a_message_has_its_own_will(bench: Bench) -> None:
    await bench.prefer("never")
    bench.put(entry("a"), entry("a", owner=BOB, peer=ALICE))

    assert (await bench.now(), await bench.now(BOB)) == ([], ["a"])


async def test_the_resource_of_the_other_side_counts(bench: Bench) -> None:
    await bench.prefer("always", never=(f"{ROOM}/nick",))
    bench.put(*(entry(nick, peer=ROOM, resource=nick) for nick in ("nick", "other")))

    assert await bench.now() == ["other"]


async def test_archives_of_rooms_pass_untouched(bench: Bench) -> None:
    bench.put(entry("a", owner=ROOM, peer=f"{ROOM}/nick"))

    assert await bench.now(ROOM) == ["a"]


async def test_a_removal_is_passed_on_whatever_is_wanted(bench: Bench) -> None:
    bench.put(entry("a"), entry("b"))
    await bench.prefer("never")
    bench.put(removal(entry("a")))

    assert await bench.now() == ["b"]


async def test_no_roster_is_asked_for_that_does_not_matter(bench: Bench) -> None:
    await bench.prefer("roster", always=(BOB,), never=(ROMEO,))
    bench.put(entry("a"), entry("b", peer=ROMEO))

    assert (await bench.kept(), bench.rosters.asked) == (["a"], [])


# With rosters


async def test_a_roster_decides_by_bare_address(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.put(entry("a", resource="x"), entry("b", peer=ROMEO))

    assert await bench.kept() == ["a"]


async def test_a_roster_is_asked_for_once(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.put(entry("a"), entry("b"))
    await bench.wanted.settled()
    bench.put(entry("c"))

    assert (await bench.now(), bench.rosters.asked) == (["a", "b", "c"], [ALICE])


async def test_others_do_not_wait_for_a_roster(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"), entry("b", owner=BOB))

    assert (await bench.now(), await bench.now(BOB)) == ([], ["b"])


async def test_what_needs_no_roster_waits_behind_what_does(bench: Bench) -> None:
    """So the archive has them in the order in which they came."""
    await bench.prefer("roster", always=(ROMEO,))
    bench.rosters.may_answer.clear()
    bench.put(entry("a"))
    bench.put(entry("b", peer=ROMEO))
    before = await bench.now()
    bench.rosters.may_answer.set()

    assert (before, await bench.kept()) == ([], ["a", "b"])


async def test_a_removal_waits_behind_what_it_removes(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"), entry("b"), removal(entry("a")))
    bench.rosters.may_answer.set()

    assert await bench.kept() == ["b"]


async def test_a_retraction_waits_behind_what_it_retracts(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a", names=(7,)))
    bench.put(
        Retraction(owner=ALICE, mark=7, tombstone=lambda _: "<message><body>gone</body></message>")
    )
    bench.rosters.may_answer.set()

    assert await bench.kept() == ["gone"]


async def test_whoever_waits_for_what_was_put_waits_for_rosters_too(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"))
    waiting = asyncio.create_task(bench.kept())
    await bench.now()
    is_early = waiting.done()
    bench.rosters.may_answer.set()

    assert (is_early, await waiting) == (False, ["a"])


async def test_whoever_reads_one_archive_waits_for_no_roster_of_another(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"), entry("b", owner=BOB))
    async with asyncio.timeout(10):
        await bench.wanted.settled(BOB)
    kept = await bench.now(BOB)
    of_alice, of_all = (
        asyncio.create_task(bench.wanted.settled(owner)) for owner in (ALICE, None)
    )
    await bench.now()
    are_early = of_alice.done(), of_all.done()
    bench.rosters.may_answer.set()
    await asyncio.gather(of_alice, of_all)

    assert (kept, are_early, await bench.now()) == (["b"], (False, False), ["a"])


async def test_who_gives_up_waiting_stops_nothing(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"))
    waiting = asyncio.create_task(bench.kept())
    await bench.now()
    waiting.cancel()
    bench.rosters.may_answer.set()

    assert await bench.kept() == ["a"]


async def test_what_was_wanted_when_a_message_came_counts(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"))
    await bench.prefer("never")
    bench.rosters.may_answer.set()

    assert await bench.kept() == ["a"]


async def test_two_rosters_are_read_at_once(bench: Bench) -> None:
    for owner in (ALICE, BOB):
        await bench.prefer("roster", owner)
    bench.rosters.may_answer.clear()
    bench.put(entry("a"), entry("b", owner=BOB, peer=ALICE))
    await bench.now()
    asked = list(bench.rosters.asked)
    bench.rosters.may_answer.set()

    assert (asked, await bench.kept(), await bench.kept(BOB)) == ([ALICE, BOB], ["a"], [])


# Rosters that cannot be read, and too many of them


async def test_for_want_of_a_roster_nothing_is_lost(bench: Bench) -> None:
    bench.rosters.contacts_of = {ALICE: None}
    await bench.prefer("roster", never=(ROMEO,))
    bench.put(entry("a"), entry("b", peer=ROMEO), entry("c", peer=ROOM))

    assert await bench.kept() == ["a", "c"]


async def test_a_roster_that_cannot_be_read_is_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.rosters.contacts_of = {}
    for owner in (ALICE, BOB):
        await bench.prefer("roster", owner)
        bench.put(entry(owner, owner=owner))
    await bench.kept()

    assert caplog.messages == [
        f"rosters of {HOST} cannot be read: what depends on them is archived"
    ]


async def test_a_roster_that_is_refused_cannot_be_read(bench: Bench) -> None:
    bench.rosters.contacts_of = {ALICE: frozenset()}
    bench.rosters.fault = Overloaded()
    await bench.prefer("roster")
    for name in "ab":
        bench.put(entry(name))
        await bench.kept()

    assert (await bench.kept(), bench.rosters.asked) == (["a", "b"], [ALICE])


async def test_a_failure_to_read_loses_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.rosters.contacts_of = {ALICE: frozenset()}
    bench.rosters.fault = RuntimeError("a fault of this program")
    await bench.prefer("roster")
    bench.put(entry("a"))

    assert await bench.kept() == ["a"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_when_too_much_waits_all_of_it_is_archived(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    for name in names(HELD_MAX):
        bench.put(entry(name, peer=ROMEO))
    before = await bench.now()
    bench.put(entry("more", peer=ROMEO))

    assert (before, await bench.now()) == ([], [*names(HELD_MAX), "more"])


async def test_after_too_much_has_waited_rosters_decide_again(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(*(entry(name, peer=ROMEO) for name in names(HELD_MAX + 1)))
    bench.put(entry("later", peer=ROMEO), entry("last"))
    bench.rosters.may_answer.set()

    assert await bench.kept() == [*names(HELD_MAX + 1), "last"]


# How long rosters are remembered


async def test_a_change_has_the_roster_read_again(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.put(entry("a", peer=ROMEO))
    await bench.wanted.settled()
    bench.rosters.contacts_of[ALICE] = frozenset({ROMEO})
    bench.memory.changed(ALICE)
    bench.put(entry("b", peer=ROMEO))

    assert await bench.kept() == ["b"]


async def test_a_change_while_the_roster_is_read_has_it_read_again(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a", peer=ROMEO))
    await bench.now()
    bench.rosters.contacts_of[ALICE] = frozenset({ROMEO})
    bench.memory.changed(ALICE)
    bench.rosters.may_answer.set()

    assert (await bench.kept(), bench.rosters.asked) == (["a"], [ALICE, ALICE])


@pytest.mark.parametrize(
    ("contacts", "seconds"),
    [(frozenset[str](), FRESH_SECONDS), (None, UNREADABLE_SECONDS)],
    ids=["read", "unreadable"],
)
async def test_a_roster_is_believed_for_a_while(
    bench: Bench, contacts: frozenset[str] | None, seconds: float
) -> None:
    bench.rosters.contacts_of[ALICE] = contacts
    await bench.memory.read(ALICE)
    bench.clock[0] = seconds - 1
    before = bench.memory.is_known(ALICE)
    bench.clock[0] = seconds

    assert (before, bench.memory.is_known(ALICE)) == (True, False)


async def test_the_roster_that_was_read_first_is_forgotten_first(bench: Bench) -> None:
    for number in range(REMEMBERED):
        await bench.memory.read(f"u{number}@{HOST}")
    await bench.memory.read(f"u0@{HOST}")
    await bench.memory.read(ALICE)

    assert [bench.memory.is_known(f"u{n}@{HOST}") for n in (0, 1, 2)] == [True, False, True]
