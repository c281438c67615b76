"""The preference filter: which messages reach the writer, when, and in which order."""

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
from storage.rows import ANY, NewMessage, PreferencesRow
from storage.sql.store import SqlStorage

HELD_MAX = 5
CAROL = f"carol@{HOST}"


@dataclass
class Bench:
    """A preference filter with its rosters, its preferences and its writer."""

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

    async def archived(self, owner: str = ALICE) -> list[str]:
        """Return the bodies in an archive once no message waits for a roster."""
        await self.preference_filter.wait_durable()
        return await self.archived_now(owner)

    async def archived_now(self, owner: str = ALICE) -> list[str]:
        """Return the bodies in an archive, without messages that wait for a roster."""
        await self.writer.wait_durable()
        page = await self.storage.archive.page(owner, ANY, limit=100)
        return [body_of(message.xml) for message in page.messages]


@pytest.fixture
async def bench(storage: SqlStorage, writer: Writer) -> AsyncIterator[Bench]:
    rosters, clock = FixedRosters({ALICE: frozenset({BOB}), BOB: frozenset()}), [0.0]
    preferences = Preferences(storage.preferences, Addresses(), rosters, {HOST: HostRules()})
    await preferences.load()
    memory = RosterCache(rosters, clock=lambda: clock[0])
    room = 2 * size_of(entry(name, peer=ROMEO) for name in names(HELD_MAX))
    preference_filter = PreferenceFilter(writer, preferences, memory, Backpressure(room))
    yield Bench(storage, writer, preferences, preference_filter, memory, rosters, clock)
    rosters.may_answer.set()
    await preference_filter.wait_durable()


def body_of(xml: str) -> str:
    return xml.partition("<body>")[2].partition("</body>")[0]


def names(count: int) -> Sequence[str]:
    return [str(n) for n in range(count)]


# Without rosters


async def test_accepted_messages_are_passed_on_in_order(bench: Bench) -> None:
    bench.put(entry("a"), entry("b", owner=BOB), entry("c"))

    assert (await bench.archived_now(), await bench.archived_now(BOB)) == (["a", "c"], ["b"])


async def test_message_of_a_never_contact_is_left_out(bench: Bench) -> None:
    await bench.prefer("always", never=(BOB,))
    bench.put(entry("a"), entry("b", peer=ROMEO))

    assert await bench.archived_now() == ["b"]


async def test_preferences_of_one_user_do_not_affect_the_other(bench: Bench) -> None:
    await bench.prefer("never")
    bench.put(entry("a"), entry("a", owner=BOB, peer=ALICE))

    assert (await bench.archived_now(), await bench.archived_now(BOB)) == ([], ["a"])


async def test_full_jid_in_a_list_matches_its_resource_only(bench: Bench) -> None:
    await bench.prefer("always", never=(f"{ROOM}/nick",))
    bench.put(*(entry(nick, peer=ROOM, resource=nick) for nick in ("nick", "other")))

    assert await bench.archived_now() == ["other"]


async def test_messages_of_room_archives_are_passed_on(bench: Bench) -> None:
    bench.put(entry("a", owner=ROOM, peer=f"{ROOM}/nick"))

    assert await bench.archived_now(ROOM) == ["a"]


async def test_roster_is_not_requested_if_a_list_decides(bench: Bench) -> None:
    await bench.prefer("roster", always=(BOB,), never=(ROMEO,))
    bench.put(entry("a"), entry("b", peer=ROMEO))

    assert (await bench.archived(), bench.rosters.requested) == (["a"], [])


# With rosters


async def test_roster_is_matched_by_bare_jid(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.put(entry("a", resource="x"), entry("b", peer=ROMEO))

    assert await bench.archived() == ["a"]


async def test_roster_is_requested_once(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.put(entry("a"), entry("b"))
    await bench.preference_filter.wait_durable()
    bench.put(entry("c"))

    assert (await bench.archived_now(), bench.rosters.requested) == (["a", "b", "c"], [ALICE])


async def test_messages_of_other_users_do_not_wait_for_a_roster(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"), entry("b", owner=BOB))

    assert (await bench.archived_now(), await bench.archived_now(BOB)) == ([], ["b"])


async def test_message_behind_a_waiting_message_waits(bench: Bench) -> None:
    """The archive keeps the order of arrival."""
    await bench.prefer("roster", always=(ROMEO,))
    bench.rosters.may_answer.clear()
    bench.put(entry("a"))
    bench.put(entry("b", peer=ROMEO))
    before = await bench.archived_now()
    bench.rosters.may_answer.set()

    assert (before, await bench.archived()) == ([], ["a", "b"])


async def test_retraction_waits_behind_its_message(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a", name_hashes=(7,)))
    bench.put(retraction(7))
    bench.rosters.may_answer.set()

    assert await bench.archived() == ["a", "back 7"]


async def test_wait_durable_waits_for_rosters(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"))
    waiting = asyncio.create_task(bench.archived())
    await bench.archived_now()
    is_early = waiting.done()
    bench.rosters.may_answer.set()

    assert (is_early, await waiting) == (False, ["a"])


async def test_wait_durable_of_one_owner_waits_for_no_other_roster(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"), entry("b", owner=BOB))
    async with asyncio.timeout(10):
        await bench.preference_filter.wait_durable(BOB)
    bodies_of_bob = await bench.archived_now(BOB)
    of_alice, of_all = (
        asyncio.create_task(bench.preference_filter.wait_durable(owner)) for owner in (ALICE, None)
    )
    await bench.archived_now()
    are_early = of_alice.done(), of_all.done()
    bench.rosters.may_answer.set()
    await asyncio.gather(of_alice, of_all)

    assert (bodies_of_bob, are_early, await bench.archived_now()) == (["b"], (False, False), ["a"])


async def test_cancelled_wait_does_not_stop_the_message(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"))
    waiting = asyncio.create_task(bench.archived())
    await bench.archived_now()
    waiting.cancel()
    bench.rosters.may_answer.set()

    assert await bench.archived() == ["a"]


async def test_preferences_at_the_arrival_of_a_message_count(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a"))
    await bench.prefer("never")
    bench.rosters.may_answer.set()

    assert await bench.archived() == ["a"]


async def test_rosters_of_two_users_are_read_concurrently(bench: Bench) -> None:
    for owner in (ALICE, BOB):
        await bench.prefer("roster", owner)
    bench.rosters.may_answer.clear()
    bench.put(entry("a"), entry("b", owner=BOB, peer=ALICE))
    await bench.archived_now()
    requested = list(bench.rosters.requested)
    bench.rosters.may_answer.set()

    assert (requested, await bench.archived(), await bench.archived(BOB)) == (
        [ALICE, BOB],
        ["a"],
        [],
    )


# Unreadable rosters, and too many waiting messages


async def test_message_is_archived_if_the_roster_is_unreadable(bench: Bench) -> None:
    bench.rosters.contacts_of = {ALICE: None}
    await bench.prefer("roster", never=(ROMEO,))
    bench.put(entry("a"), entry("b", peer=ROMEO), entry("c", peer=ROOM))

    assert await bench.archived() == ["a", "c"]


async def test_unreadable_rosters_are_logged_once_per_host(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.rosters.contacts_of = {}
    for owner in (ALICE, BOB):
        await bench.prefer("roster", owner)
        bench.put(entry(owner, owner=owner))
    await bench.archived()

    assert caplog.messages == [
        f"rosters of {HOST} cannot be read: messages that depend on them are archived"
    ]


async def test_roster_is_requested_again_once_the_host_is_readable(bench: Bench) -> None:
    bench.rosters.contacts_of = {}
    await bench.prefer("roster")
    bench.put(entry("a", peer=ROMEO))
    await bench.archived()

    bench.rosters.contacts_of = {ALICE: frozenset({BOB})}
    bench.memory.readable(HOST)
    bench.put(entry("b", peer=ROMEO), entry("c"))

    assert await bench.archived() == ["a", "c"]


async def test_refused_roster_is_unreadable(bench: Bench) -> None:
    bench.rosters.contacts_of = {ALICE: frozenset()}
    bench.rosters.fault = Overloaded()
    await bench.prefer("roster")
    for name in "ab":
        bench.put(entry(name))
        await bench.archived()

    assert (await bench.archived(), bench.rosters.requested) == (["a", "b"], [ALICE])


async def test_exception_in_a_roster_read_loses_no_message(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.rosters.contacts_of = {ALICE: frozenset()}
    bench.rosters.fault = RuntimeError("a fault of this program")
    await bench.prefer("roster")
    bench.put(entry("a"))

    assert await bench.archived() == ["a"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_waiting_messages_over_the_bound_are_archived(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    for name in names(HELD_MAX):
        bench.put(entry(name, peer=ROMEO))
    before = await bench.archived_now()
    bench.put(entry("more", peer=ROMEO))

    assert (before, await bench.archived_now()) == ([], [*names(HELD_MAX), "more"])
    assert "too many messages wait for rosters: 6 are archived without them" in caplog.messages


async def test_rosters_decide_again_after_the_bound_was_reached(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(*(entry(name, peer=ROMEO) for name in names(HELD_MAX + 1)))
    bench.put(entry("later", peer=ROMEO), entry("last"))
    bench.rosters.may_answer.set()

    assert await bench.archived() == [*names(HELD_MAX + 1), "last"]


# Preferences that are not in memory


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
    """Give the filter preferences that are not in memory."""
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


async def test_preferences_not_in_memory_are_read_before_messages_are_archived(
    bench: Bench, slow: SlowPreferences
) -> None:
    await bench.prefer("never", always=(ROMEO,))
    bench.put(entry("a"), entry("b", peer=ROMEO), entry("c", owner=BOB))
    bench.put(entry("d", peer=ROMEO))
    before = await bench.archived_now(), await bench.archived_now(BOB)
    slow.may_answer.set()

    assert before == ([], [])
    assert (await bench.archived(), await bench.archived(BOB)) == (["b", "d"], ["c"])
    bench.put(entry("e", peer=ROMEO), entry("f"))
    assert await bench.archived_now() == ["b", "d", "e"]


async def test_roster_is_read_after_preferences_that_need_it(
    bench: Bench, slow: SlowPreferences
) -> None:
    await bench.prefer("roster", never=(ROOM,))
    slow.may_answer.set()
    bench.put(entry("a"), entry("b", peer=ROMEO), entry("c", peer=ROOM), entry("d"))

    assert (await bench.archived(), bench.rosters.requested) == (["a", "d"], [ALICE])


async def test_preferences_decide_over_any_number_of_waiting_messages(
    bench: Bench, slow: SlowPreferences, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.prefer("never")
    for name in names(2 * HELD_MAX):
        bench.put(entry(name), entry(name, owner=BOB))
    before = await bench.archived_now(), await bench.archived_now(BOB)
    slow.may_answer.set()

    assert before == ([], [])
    assert (await bench.archived(), await bench.archived(BOB)) == ([], list(names(2 * HELD_MAX)))
    assert not [text for text in caplog.messages if "archived" in text]


async def test_unreadable_preferences_are_read_again(
    bench: Bench,
    slow: SlowPreferences,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await bench.prefer("never")
    slow.fault = Unavailable("busy")
    slow.may_answer.set()
    bench.put(entry("a"))

    assert await bench.archived() == []
    assert caplog.messages == [f"the preferences of {ALICE} cannot be read: busy"]


# Cached rosters


async def test_roster_is_read_again_after_a_change(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.put(entry("a", peer=ROMEO))
    await bench.preference_filter.wait_durable()
    bench.rosters.contacts_of[ALICE] = frozenset({ROMEO})
    bench.memory.changed(ALICE)
    bench.put(entry("b", peer=ROMEO))

    assert await bench.archived() == ["b"]


async def test_roster_that_changes_during_its_read_is_read_again(bench: Bench) -> None:
    await bench.prefer("roster")
    bench.rosters.may_answer.clear()
    bench.put(entry("a", peer=ROMEO))
    await bench.archived_now()
    bench.rosters.contacts_of[ALICE] = frozenset({ROMEO})
    bench.memory.changed(ALICE)
    bench.rosters.may_answer.set()

    assert (await bench.archived(), bench.rosters.requested) == (["a"], [ALICE, ALICE])


@pytest.mark.parametrize(
    ("contacts", "seconds"),
    [(frozenset[str](), FRESH_SECONDS), (None, UNREADABLE_SECONDS)],
    ids=["read", "unreadable"],
)
async def test_cached_roster_expires(
    bench: Bench, contacts: frozenset[str] | None, seconds: float
) -> None:
    bench.rosters.contacts_of[ALICE] = contacts
    await bench.memory.read(ALICE)
    bench.clock[0] = seconds - 1
    before = bench.memory.is_known(ALICE)
    bench.clock[0] = seconds

    assert (before, bench.memory.is_known(ALICE)) == (True, False)


async def test_least_recently_read_roster_is_evicted(bench: Bench) -> None:
    memory = RosterCache(bench.rosters, size=3 * 512)
    for user in "abcad":
        await memory.read(f"{user}@{HOST}")

    assert [user for user in "abcd" if memory.is_known(f"{user}@{HOST}")] == ["a", "c", "d"]


async def test_large_roster_takes_the_space_of_several(bench: Bench) -> None:
    contacts = frozenset(f"{n}@{HOST}" for n in range(10))
    bench.rosters.contacts_of = {ALICE: contacts, CAROL: frozenset({*contacts, ROMEO})}
    memory = RosterCache(bench.rosters, size=512 + sum(128 + len(jid) for jid in contacts))
    await memory.read(BOB)
    await memory.read(ALICE)

    assert (memory.is_known(ALICE), memory.is_known(BOB)) == (True, False)
    assert await memory.read(CAROL) == {*contacts, ROMEO}
    assert (memory.is_known(ALICE), memory.is_known(CAROL)) == (True, False)
