"""What `storage.interface.Retention` promises, and that the books are right behind each call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from contract.conftest import BACKENDS
from support.builders import (
    ALICE,
    BOB,
    HOST,
    NOON,
    ROMEO,
    ROOM,
    SECOND,
    entries,
    entry,
    everything,
    retract,
    texts,
)
from support.probe import assert_indexes_match, probe_of

from storage.errors import NotFound
from storage.interface import Storage
from storage.open import open_storage
from storage.rows import (
    ANY,
    Cutoff,
    Filter,
    Hold,
    Kind,
    NewMessage,
    Occupant,
    OfflineStanza,
    OverLimit,
    Phrase,
    PreferencesRow,
    Removed,
    Room,
    RoomChanges,
    Rule,
    Totals,
    Usage,
)

ALL = Cutoff(messages=0)


@pytest.fixture(params=BACKENDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty store of each backend in turn, whose books are right when the test is over."""
    async with open_storage(BACKENDS[request.param].url(tmp_path)) as opened:
        yield opened
        await assert_indexes_match(opened)


def said(count: int, **fields: Any) -> list[NewMessage]:
    """Return messages that are found by the word "all", each with a name."""
    found = entries(count, text="all", **fields)
    return [given._replace(name_hashes=(n,)) for n, given in enumerate(found)]


# Usage


async def test_usage_lists_archives_in_the_order_of_their_owners(storage: Storage) -> None:
    owners = [ALICE, BOB, ROMEO, ROOM]
    await storage.archive.append([entry(owner=owner, text="a") for owner in reversed(owners)])

    found = await storage.retention.usage()

    assert [usage.owner for usage in found] == sorted(owners)


async def test_empty_archive_is_not_listed_and_its_ids_are_not_reused(
    storage: Storage,
) -> None:
    await storage.archive.append([entry(1, text="a"), entry(2, owner=BOB, text="a")])
    before = (await everything(storage.archive, ALICE)).messages[0].id
    await storage.retention.delete_oldest(ALICE, Cutoff(messages=0), limit=10)

    assert [usage.owner for usage in await storage.retention.usage()] == [BOB]
    assert (await storage.retention.totals()).archives == 1
    await storage.archive.append([entry(3, text="a")])
    assert [usage.owner for usage in await storage.retention.usage(domain=HOST)] == [ALICE, BOB]
    assert (await everything(storage.archive, ALICE)).messages[0].id != before


async def test_usage_has_messages_bytes_and_times(storage: Storage) -> None:
    first = entry(1, at=NOON, xml="<é/>", text="a")
    late = entry(2, at=NOON - SECOND, xml="<b/>", text="a")
    await storage.archive.append([first, late])

    [found] = await storage.retention.usage()

    assert found == Usage(owner=ALICE, messages=2, bytes=9, oldest=NOON - SECOND, newest=NOON)
    assert await storage.retention.usage_of(ALICE) == found


async def test_totals_sum_the_usage_of_all_archives(storage: Storage) -> None:
    nothing = await storage.retention.totals()
    await storage.archive.append([*said(3), *said(1, owner=BOB)])
    every = await storage.retention.usage()
    totals = await storage.retention.totals()

    assert (nothing.archives, nothing.messages, nothing.bytes) == (0, 0, 0)
    assert (totals.archives, totals.messages) == (2, 4)
    assert totals.bytes == sum(usage.bytes for usage in every)


async def test_usage_continues_after_an_owner(storage: Storage) -> None:
    await storage.archive.append([entry(owner=f"u{n}@{HOST}", text="a") for n in range(5)])

    first = await storage.retention.usage(limit=2)
    rest = await storage.retention.usage(after=first[-1].owner, limit=10)

    assert [u.owner for u in (*first, *rest)] == [f"u{n}@{HOST}" for n in range(5)]


async def test_usage_of_a_domain_excludes_similar_domains(
    storage: Storage,
) -> None:
    owners = ["a@x_y.org", "a@xzy.org", "a@sub.x_y.org", "x_y.org", "a@x_y.org.net"]
    await storage.archive.append([entry(owner=owner, text="a") for owner in owners])

    found = await storage.retention.usage(domain="x_y.org")

    assert [usage.owner for usage in found] == ["a@x_y.org", "x_y.org"]


async def test_usage_of_an_unknown_owner_is_zero(storage: Storage) -> None:
    nothing = Usage(owner=ALICE, messages=0, bytes=0, oldest=None, newest=None)

    assert await storage.retention.usage_of(ALICE) == nothing


# Shedding


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        (Cutoff(), 6),
        (Cutoff(since=NOON + 2 * SECOND), 4),
        (Cutoff(messages=4), 4),
        (Cutoff(messages=0), 0),
        (Cutoff(bytes=4 * 55), 4),
        (Cutoff(bytes=4 * 55 - 1), 3),
        (Cutoff(since=NOON + SECOND, messages=4, bytes=10_000), 4),
    ],
)
async def test_delete_oldest_deletes_until_all_limits_hold(
    storage: Storage, limits: Cutoff, left: int
) -> None:
    given = [entry(n, at=NOON + n * SECOND, text="a", xml=f"{n}".ljust(55)) for n in range(6)]
    await storage.archive.append(given)

    shed = await storage.retention.delete_oldest(ALICE, limits, limit=100)

    assert shed == Removed(messages=6 - left, bytes=(6 - left) * 55, done=True)
    assert texts(await everything(storage.archive)) == texts(given[6 - left :])


async def test_delete_oldest_stops_at_its_limit(storage: Storage) -> None:
    await storage.archive.append(said(5))

    steps = [
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=1), limit=2) for _ in range(3)
    ]

    assert [(step.messages, step.done) for step in steps] == [(2, False), (2, True), (0, True)]
    assert await storage.archive.count(ALICE, ANY) == 1


async def test_delete_oldest_leaves_no_gap(storage: Storage) -> None:
    """An old message behind one that may stay, stays with it."""
    times = [NOON - SECOND, NOON + SECOND, NOON - SECOND]
    await storage.archive.append([entry(n, at=at, text="a") for n, at in enumerate(times)])

    await storage.retention.delete_oldest(ALICE, Cutoff(since=NOON), limit=100)

    assert [m.at for m in (await everything(storage.archive)).messages] == times[1:]


async def test_deleted_messages_are_not_counted_listed_or_referenced(storage: Storage) -> None:
    await storage.archive.append(said(3))
    await storage.archive.append([entry("other", peer=ROMEO, text="all")])

    await storage.retention.delete_oldest(ALICE, Cutoff(messages=1), limit=100)

    wanted = Filter(phrases=(Phrase(words=("all",)),))
    assert await storage.archive.count(ALICE, wanted) == 1
    left = await storage.archive.conversations(ALICE, limit=9)
    assert [one.peer for one in left.conversations] == [ROMEO]
    assert await probe_of(storage).dangling_links() == 0


async def test_deletion_and_erasure_change_no_other_archive(storage: Storage) -> None:
    await storage.archive.append([*said(3), *said(3, owner=BOB, peer=ALICE)])

    await storage.retention.delete_oldest(ALICE, ALL, limit=100)
    await storage.retention.erase(ALICE, limit=100)

    assert await storage.archive.count(BOB, ANY) == 3


async def test_ids_of_deleted_messages_are_not_reused(storage: Storage) -> None:
    await storage.archive.append(said(3))
    before = [m.id for m in (await everything(storage.archive)).messages]
    await storage.retention.delete_oldest(ALICE, ALL, limit=100)

    await storage.archive.append([entry("new", text="a")])

    [after] = (await everything(storage.archive)).messages
    assert after.id not in before


@pytest.mark.parametrize(
    "limits",
    [
        Cutoff(),
        Cutoff(since=NOON + 2 * SECOND),
        Cutoff(since=NOON + 100 * SECOND),
        Cutoff(messages=4),
        Cutoff(messages=0),
        Cutoff(bytes=4 * 55),
        Cutoff(bytes=0),
        Cutoff(since=NOON + SECOND, messages=4, bytes=10_000),
    ],
    ids=repr,
)
@pytest.mark.parametrize("peer", [None, BOB])
async def test_over_limit_counts_the_messages_that_would_be_deleted_or_blanked(
    storage: Storage, limits: Cutoff, peer: str | None
) -> None:
    await storage.archive.append([*said(6), *said(9, owner=BOB)])

    told = await storage.retention.over_limit(ALICE, limits, peer=peer)
    assert await storage.archive.count(ALICE, ANY) == 6
    if peer is None:
        gone = await storage.retention.delete_oldest(ALICE, limits, limit=1000)
    else:
        gone = await storage.retention.blank_oldest(ALICE, peer, limits, limit=1000)

    newest = NOON + (gone.messages - 1) * SECOND
    times = (NOON, newest) if gone.messages else (None, None)
    assert told == OverLimit(messages=gone.messages, oldest=times[0], newest=times[1])


async def test_over_limit_of_an_unknown_archive_is_zero(storage: Storage) -> None:
    for peer in (None, BOB):
        assert await storage.retention.over_limit(ALICE, ALL, peer=peer) == OverLimit()


async def test_delete_oldest_of_an_unknown_archive_is_done(storage: Storage) -> None:
    assert await storage.retention.delete_oldest(ALICE, ALL, limit=1) == Removed()


# Cutting


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        (Cutoff(), {0, 1, 2, 3}),
        (Cutoff(since=NOON + 2 * SECOND), {2, 3}),
        (Cutoff(messages=1), {3}),
        (Cutoff(messages=0), set()),
        (Cutoff(bytes=110), {2, 3}),
        (Cutoff(bytes=109), {3}),
        (Cutoff(bytes=0), set()),
    ],
)
async def test_blank_oldest_blanks_messages_of_one_peer_over_the_limits(
    storage: Storage, limits: Cutoff, left: set[int]
) -> None:
    given = [entry(n, at=NOON + n * SECOND, text="a", xml=f"{n}".ljust(55)) for n in range(4)]
    other = entry("other", peer=ROMEO, text="a", xml="other")
    await storage.archive.append([given[0], other, *given[1:]])

    cut = await storage.retention.blank_oldest(ALICE, BOB, limits, limit=100)

    assert cut == Removed(messages=4 - len(left), bytes=(4 - len(left)) * 55, done=True)
    found = await everything(storage.archive)
    assert texts(found) == [
        text if n in left or text == "other" else ""
        for n, text in zip((0, -1, 1, 2, 3), texts([given[0], other, *given[1:]]), strict=True)
    ]


async def test_byte_limit_of_a_peer_counts_many_messages(storage: Storage) -> None:
    given = [entry(n, text="a", xml="12345") for n in range(2500)]
    await storage.archive.append(given)

    cut = await storage.retention.blank_oldest(ALICE, BOB, Cutoff(bytes=5 * 2300), limit=1000)

    assert cut == Removed(messages=200, bytes=1000)


async def test_blank_oldest_stops_at_its_limit(storage: Storage) -> None:
    await storage.archive.append(said(5))

    steps = [
        await storage.retention.blank_oldest(ALICE, BOB, Cutoff(messages=1), limit=2)
        for _ in range(3)
    ]

    assert [(step.messages, step.done) for step in steps] == [(2, False), (2, True), (0, True)]


async def test_blanked_message_keeps_only_id_time_and_peer(storage: Storage) -> None:
    """XEP-0313 section 3.1: what is taken out of the middle leaves its place."""
    await storage.archive.append([entry("said", peer=ROMEO, name_hashes=(8,))])
    await storage.archive.append(
        [entry(nick="Nick", text="all", name_hashes=(7,), refers_to=(8,))]
    )
    said, before = (await everything(storage.archive)).messages

    await storage.retention.blank_oldest(ALICE, BOB, ALL, limit=100)

    after = (await everything(storage.archive)).messages[1]
    assert (after.id, after.at, after.peer) == (before.id, before.at, before.peer)
    assert (after.kind, after.xml, after.nick, after.resource) == (Kind.BLANKED, "", "", "")
    assert await storage.archive.references(ALICE, [said.id], limit=9) == {}
    assert await probe_of(storage).dangling_links() == 0


async def test_later_copy_does_not_restore_a_blanked_message(storage: Storage) -> None:
    given = entry(text="a")
    await storage.archive.append([given])
    await storage.retention.blank_oldest(ALICE, BOB, ALL, limit=100)

    await storage.archive.append([given])

    assert texts(await everything(storage.archive)) == [""]


async def test_blanked_messages_are_deleted_with_the_oldest(storage: Storage) -> None:
    await storage.archive.append(said(3))
    await storage.retention.blank_oldest(ALICE, BOB, Cutoff(messages=1), limit=100)

    await storage.retention.delete_oldest(ALICE, Cutoff(messages=2), limit=100)

    assert [m.kind for m in (await everything(storage.archive)).messages] == [
        Kind.BLANKED,
        Kind.MESSAGE,
    ]


async def test_blank_blanks_one_message_by_its_id(storage: Storage) -> None:
    await storage.archive.append(said(3))
    middle = (await everything(storage.archive)).messages[1]

    cut = await storage.retention.blank(ALICE, middle.id)

    assert cut == Removed(messages=1, bytes=len(middle.xml))
    assert [m.kind for m in (await everything(storage.archive)).messages] == [
        Kind.MESSAGE,
        Kind.BLANKED,
        Kind.MESSAGE,
    ]
    assert await storage.retention.blank(ALICE, middle.id) == Removed()


async def test_blank_of_a_message_of_another_archive_is_not_found(storage: Storage) -> None:
    await storage.archive.append([entry(text="a"), entry(owner=BOB, text="a")])
    [other] = (await everything(storage.archive, BOB)).messages

    for id in (other.id, "unknown"):
        with pytest.raises(NotFound):
            await storage.retention.blank(ALICE, id)


# Erasing


async def test_erasure_removes_all_rows_of_an_owner_except_holds(
    storage: Storage,
) -> None:
    await storage.archive.append(said(3))
    await storage.preferences.set(PreferencesRow(owner=ALICE, default="always"))
    await storage.rules.set(Rule(owner=ALICE, peer=BOB, days=1))
    for room, jid in ((ROOM, ALICE), (ROOM, BOB)):
        occupant = Occupant(room=room, jid=jid, affiliation="member")
        await storage.rooms.change(RoomChanges(room=room, occupants=(occupant,)))
    for owner in (ALICE, BOB):
        await storage.offline.add(owner, OfflineStanza(peer=ROMEO, stanza="<message/>", at=NOON))
    hold = Hold(subject=ALICE, reason="r", by="me", at=1)
    await storage.holds.set(hold)

    erased = await storage.retention.erase(ALICE, limit=100)

    assert (erased.messages, erased.done) == (3, True)
    assert await storage.retention.usage() == ()
    assert (await storage.preferences.get(ALICE), await storage.rules.list()) == (None, ())
    assert [await storage.rooms.affiliation(ROOM, jid) for jid in (ALICE, BOB)] == [None, "member"]
    assert [await storage.offline.count(owner) for owner in (ALICE, BOB)] == [0, 1]
    assert await storage.holds.list() == (hold,)


async def test_erasure_of_a_room_removes_its_occupants(storage: Storage) -> None:
    occupants = (Occupant(room=ROOM, jid=BOB, affiliation="owner"),)
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=7, occupants=occupants))

    await storage.retention.erase(ROOM, limit=100)

    assert await storage.rooms.affiliation(ROOM, BOB) is None
    assert await storage.rooms.get(ROOM) == Room()


async def test_erase_stops_at_its_limit(storage: Storage) -> None:
    given = [entry(n, text="a", name_hashes=tuple(range(n * 4, n * 4 + 4))) for n in range(5)]
    await storage.archive.append(given)

    steps = [await storage.retention.erase(ALICE, limit=2)]
    while not steps[-1].done:
        await assert_indexes_match(storage)
        steps.append(await storage.retention.erase(ALICE, limit=2))

    assert sum(step.messages for step in steps) == 5
    assert max(step.messages for step in steps) == 2
    assert await probe_of(storage).dangling_links() == 0


async def test_archive_after_an_erasure_has_new_ids(storage: Storage) -> None:
    await storage.archive.append(said(2))
    before = {m.id for m in (await everything(storage.archive)).messages}
    await storage.retention.erase(ALICE, limit=100)

    await storage.archive.append(said(2))

    after = {m.id for m in (await everything(storage.archive)).messages}
    assert len(after) == 2
    assert after.isdisjoint(before)


# Retraction


async def test_retraction_updates_the_bytes_of_an_archive(storage: Storage) -> None:
    await storage.archive.append(said(3))
    await retract(storage.archive, 1, "<gone/>")

    found = await storage.retention.usage_of(ALICE)

    assert found.bytes == sum(map(len, texts(await everything(storage.archive))))


async def test_totals_count_archives_messages_and_bytes(storage: Storage) -> None:
    assert await storage.retention.totals() == Totals(archives=0, messages=0, bytes=0)
    await storage.archive.append(
        [entry(1, xml="12", text="said"), entry(2, owner=BOB, xml="345", text="said")]
    )

    assert await storage.retention.totals() == Totals(archives=2, messages=2, bytes=5)
