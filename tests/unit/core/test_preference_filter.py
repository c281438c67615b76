"""What is passed on to the writer, when, and in which order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from support.builders import ALICE, BOB, HOST, ROMEO, ROOM, entry, retraction
from support.rosters import FixedRosters

from component.core.archiving.preference_filter import PreferenceFilter
from component.core.archiving.preferences import HostRules, Preferences
from component.core.archiving.pressure import Backpressure, size_of
from component.core.archiving.writer import Writer
from component.core.errors import Overloaded
from component.core.rosters.cache import FRESH_SECONDS, UNREADABLE_SECONDS, RosterCache
from component.xmpp.connection.addresses import Addresses
from storage.errors import Unavailable
from storage.interface import PreferencesStore, Storage
from storage.open import SqliteStorage
from storage.rows import ANY, NewMessage, PreferencesRow

HELD_MAX = 5
CAROL = f"carol@{HOST}"


@dataclass
class Bench:
    """Everything between a message and the store."""

    storage: Storage
    writer: Writer
    preferences: Preferences
    preference_filter: PreferenceFilter
    memory: RosterCache
    rosters: FixedRosters
    clock: list[float] = field(default_factory=lambda: [0.0])

    async def prefer(self, default: str, owner: str = ALICE, **lists: tuple[str, ...]) -> None:
        await self.preferences.set(owner, PreferencesRow(owner=owner, default=default, **lists))

    def put(self, *work: NewMessage) -> None:
        self.preference_filter.put(work)

    async def kept(self, owner: str = ALICE) -> list[str]:
        """Return which messages an archive has, once all is settled."""
        await self.preference_filter.wait_durable()
        return await self.now(owner)

    async def now(self, owner: str = ALICE) -> list[str]:
        """Return which messages an archive has, without those that wait for a roster."""
        await self.writer.wait_durable()
        page = await self.storage.archive.page(owner, ANY, limit=100)
        return [said(message.xml) for message in page.messages]


@pytest.fixture
async def bench(storage: SqliteStorage, writer: Writer) -> AsyncIterator[Bench]:
    rosters, clock = FixedRosters({ALICE: frozenset({BOB}), BOB: frozenset()}), [0.0]
    preferences = Preferences(storage.preferences, Addresses(), rosters, {HOST: HostRules()})
    await preferences.load()
    memory = RosterCache(rosters, clock=lambda: clock[0])
    room = 2 * size_of(entry(name, peer=ROMEO) for name in names(HELD_MAX))
    preference_filter = PreferenceFilter(writer, preferences, memory, Backpressure(room))
    yield Bench(storage, writer, preferences, preference_filter, memory, rosters, clock)
    rosters.may_answer.set()
    await preference_filter.wait_durable()


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
    await bench.preference_filter.wait_durable()
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


async def test_a_retraction_waits_behind_what_it_retracts(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a", name_hashes=(7,)))
    bench.put(retraction(7))
    bench.rosters.may_answer.set()

    assert await bench.kept() == ["a", "back 7"]


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
        await bench.preference_filter.wait_durable(BOB)
    kept = await bench.now(BOB)
    of_alice, of_all = (
        asyncio.create_task(bench.preference_filter.wait_durable(owner)) for owner in (ALICE, None)
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
        f"rosters of {HOST} cannot be read: messages that depend on them are archived"
    ]


async def test_a_roster_that_could_not_be_read_is_asked_for_when_it_can(bench: Bench) -> None:
    bench.rosters.contacts_of = {}
    await bench.prefer("roster")
    bench.put(entry("a", peer=ROMEO))
    await bench.kept()

    bench.rosters.contacts_of = {ALICE: frozenset({BOB})}
    bench.memory.readable(HOST)
    bench.put(entry("b", peer=ROMEO), entry("c"))

    assert await bench.kept() == ["a", "c"]


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


async def test_when_too_much_waits_all_of_it_is_archived(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    for name in names(HELD_MAX):
        bench.put(entry(name, peer=ROMEO))
    before = await bench.now()
    bench.put(entry("more", peer=ROMEO))

    assert (before, await bench.now()) == ([], [*names(HELD_MAX), "more"])
    assert "too many messages wait for rosters: 6 are archived without" in caplog.messages


async def test_after_too_much_has_waited_rosters_decide_again(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(*(entry(name, peer=ROMEO) for name in names(HELD_MAX + 1)))
    bench.put(entry("later", peer=ROMEO), entry("last"))
    bench.rosters.may_answer.set()

    assert await bench.kept() == [*names(HELD_MAX + 1), "last"]


# Preferences that are not remembered


class SlowPreferences:
    """A store of preferences that answers when the test lets it, or fails."""

    def __init__(self, store: PreferencesStore) -> None:
        self._store = store
        self.may_answer = asyncio.Event()
        self.fault: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get(self, owner: str) -> PreferencesRow | None:
        await self.may_answer.wait()
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        return await self._store.get(owner)


@pytest.fixture
async def slow(bench: Bench) -> AsyncIterator[SlowPreferences]:
    """Preferences of which nothing is remembered."""
    slow = SlowPreferences(bench.storage.preferences)
    store = cast(PreferencesStore, slow)
    preferences = Preferences(
        store, Addresses(), bench.rosters, {HOST: HostRules()}, retry_seconds=0.0
    )
    room = 2 * size_of(entry(name, peer=ROMEO) for name in names(HELD_MAX))
    bench.preference_filter = PreferenceFilter(
        bench.writer, preferences, bench.memory, Backpressure(room)
    )
    yield slow
    slow.may_answer.set()
    bench.rosters.may_answer.set()
    await bench.preference_filter.wait_durable()


async def test_preferences_that_are_not_remembered_are_read_before_anything_is_archived(
    bench: Bench, slow: SlowPreferences
) -> None:
    await bench.prefer("never", always=(ROMEO,))
    bench.put(entry("a"), entry("b", peer=ROMEO), entry("c", owner=BOB))
    bench.put(entry("d", peer=ROMEO))
    before = await bench.now(), await bench.now(BOB)
    slow.may_answer.set()

    assert before == ([], [])
    assert (await bench.kept(), await bench.kept(BOB)) == (["b", "d"], ["c"])
    bench.put(entry("e", peer=ROMEO), entry("f"))
    assert await bench.now() == ["b", "d", "e"]


async def test_preferences_that_want_a_roster_are_followed_by_it(
    bench: Bench, slow: SlowPreferences
) -> None:
    await bench.prefer("roster", never=(ROOM,))
    slow.may_answer.set()
    bench.put(entry("a"), entry("b", peer=ROMEO), entry("c", peer=ROOM), entry("d"))

    assert (await bench.kept(), bench.rosters.asked) == (["a", "d"], [ALICE])


async def test_however_much_waits_for_preferences_they_count(
    bench: Bench, slow: SlowPreferences, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.prefer("never")
    for name in names(2 * HELD_MAX):
        bench.put(entry(name), entry(name, owner=BOB))
    before = await bench.now(), await bench.now(BOB)
    slow.may_answer.set()

    assert before == ([], [])
    assert (await bench.kept(), await bench.kept(BOB)) == ([], list(names(2 * HELD_MAX)))
    assert not [told for told in caplog.messages if "archived" in told]


async def test_preferences_that_cannot_be_read_are_read_later(
    bench: Bench,
    slow: SlowPreferences,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await bench.prefer("never")
    slow.fault = Unavailable("busy")
    slow.may_answer.set()
    bench.put(entry("a"))

    assert await bench.kept() == []
    assert caplog.messages == [f"the preferences of {ALICE} cannot be read: busy"]


# How long rosters are remembered


async def test_a_change_has_the_roster_read_again(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.put(entry("a", peer=ROMEO))
    await bench.preference_filter.wait_durable()
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
    memory = RosterCache(bench.rosters, size=3 * 512)
    for user in "abcad":
        await memory.read(f"{user}@{HOST}")

    assert [user for user in "abcd" if memory.is_known(f"{user}@{HOST}")] == ["a", "c", "d"]


async def test_large_rosters_are_remembered_in_the_place_of_many(bench: Bench) -> None:
    contacts = frozenset(f"{n}@{HOST}" for n in range(10))
    bench.rosters.contacts_of = {ALICE: contacts, CAROL: frozenset({*contacts, ROMEO})}
    memory = RosterCache(bench.rosters, size=512 + sum(128 + len(jid) for jid in contacts))
    await memory.read(BOB)
    await memory.read(ALICE)

    assert (memory.is_known(ALICE), memory.is_known(BOB)) == (True, False)
    assert await memory.read(CAROL) == {*contacts, ROMEO}
    assert (memory.is_known(ALICE), memory.is_known(CAROL)) == (True, False)
