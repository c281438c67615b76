"""The contract of `storage.interface.Retention`; after every test the indexes match the rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
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

from storage.errors import Held, NotFound
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
    UsageOrder,
)

EVERYTHING = Cutoff(messages=0)


@pytest.fixture
async def storage(store_url: str) -> AsyncIterator[Storage]:
    """An empty store of each backend; after the test its indexes must match its messages."""
    async with open_storage(store_url) as opened:
        yield opened
        await assert_indexes_match(opened)


def named_entries(count: int, **fields: Any) -> list[NewMessage]:
    """Return rows that are found by the word "all" and have the name hashes 0, 1, 2..."""
    rows = entries(count, text="all", **fields)
    return [row._replace(name_hashes=(n,)) for n, row in enumerate(rows)]


# Usage


async def test_usage_lists_archives_in_the_order_of_their_owners(storage: Storage) -> None:
    owners = [ALICE, BOB, ROMEO, ROOM]
    await storage.archive.append([entry(owner=owner, text="a") for owner in reversed(owners)])

    listed = await storage.retention.usage()

    assert [usage.owner for usage in listed] == sorted(owners)


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

    [usage] = await storage.retention.usage()

    assert usage == Usage(owner=ALICE, messages=2, bytes=9, oldest=NOON - SECOND, newest=NOON)
    assert await storage.retention.usage_of(ALICE) == usage


async def test_totals_sum_the_usage_of_all_archives(storage: Storage) -> None:
    empty = await storage.retention.totals()
    await storage.archive.append([*named_entries(3), *named_entries(1, owner=BOB)])
    listed = await storage.retention.usage()
    totals = await storage.retention.totals()

    assert (empty.archives, empty.messages, empty.bytes) == (0, 0, 0)
    assert (totals.archives, totals.messages) == (2, 4)
    assert totals.bytes == sum(usage.bytes for usage in listed)


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

    listed = await storage.retention.usage(domain="x_y.org")

    assert [usage.owner for usage in listed] == ["a@x_y.org", "x_y.org"]


RANKED = {
    UsageOrder.OWNER: ["a@x", "b@x", "c@y", "d@y"],
    UsageOrder.ACTIVITY: ["b@x", "d@y", "a@x", "c@y"],
    UsageOrder.MESSAGES: ["a@x", "d@y", "c@y", "b@x"],
    UsageOrder.SIZE: ["c@y", "d@y", "a@x", "b@x"],
}


def _sized(name: int, owner: str, at: int, size: int) -> NewMessage:
    return entry(name, owner=owner, at=at, xml=f"<m>{'x' * size}</m>", text="word")


async def store_ranked(storage: Storage) -> None:
    await storage.archive.append(
        [
            *(_sized(n, "a@x", NOON + 5, 10) for n in range(3)),
            _sized(1, "b@x", NOON + 9, 20),
            _sized(1, "c@y", NOON, 100),
            *(_sized(n, "d@y", NOON + 7, 40) for n in range(2)),
        ]
    )


@pytest.mark.parametrize("order", UsageOrder)
@pytest.mark.parametrize("limit", [1, 3, 4])
async def test_ranked_archives_are_paged_in_their_order(
    storage: Storage, order: UsageOrder, limit: int
) -> None:
    await store_ranked(storage)
    owners: list[str] = []
    after = None
    while page := await storage.retention.ranked_usage(order, after=after, limit=limit):
        owners += [usage.owner for usage in page]
        after = owners[-1]

    assert owners == RANKED[order]
    assert {await storage.retention.usage_of(owner) for owner in owners} == set(
        await storage.retention.ranked_usage(order)
    )


async def test_ranked_archives_are_found_by_a_part_of_their_owners(storage: Storage) -> None:
    await store_ranked(storage)

    for part, owners in (("@x", ["b@x", "a@x"]), ("d", ["d@y"]), ("_", []), ("%", [])):
        page = await storage.retention.ranked_usage(UsageOrder.ACTIVITY, part=part)
        assert [usage.owner for usage in page] == owners


async def test_no_ranked_archive_comes_after_an_archive_that_is_gone(storage: Storage) -> None:
    await store_ranked(storage)

    assert await storage.retention.ranked_usage(UsageOrder.SIZE, after="gone@x") == ()


async def test_usage_of_an_unknown_owner_is_zero(storage: Storage) -> None:
    nothing = Usage(owner=ALICE, messages=0, bytes=0, oldest=None, newest=None)

    assert await storage.retention.usage_of(ALICE) == nothing


# Deletion of the oldest


@pytest.mark.parametrize(
    ("cutoff", "remaining"),
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
    storage: Storage, cutoff: Cutoff, remaining: int
) -> None:
    rows = [entry(n, at=NOON + n * SECOND, text="a", xml=f"{n}".ljust(55)) for n in range(6)]
    await storage.archive.append(rows)

    removed = await storage.retention.delete_oldest(ALICE, cutoff, limit=100)

    assert removed == Removed(messages=6 - remaining, bytes=(6 - remaining) * 55, done=True)
    assert texts(await everything(storage.archive)) == texts(rows[6 - remaining :])


async def test_delete_oldest_stops_at_its_limit(storage: Storage) -> None:
    await storage.archive.append(named_entries(5))

    steps = [
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=1), limit=2) for _ in range(3)
    ]

    assert [(step.messages, step.done) for step in steps] == [(2, False), (2, True), (0, True)]
    assert await storage.archive.count(ALICE, ANY) == 1


async def test_delete_oldest_leaves_no_gap(storage: Storage) -> None:
    """An old message that arrived after one that stays also stays."""
    times = [NOON - SECOND, NOON + SECOND, NOON - SECOND]
    await storage.archive.append([entry(n, at=at, text="a") for n, at in enumerate(times)])

    await storage.retention.delete_oldest(ALICE, Cutoff(since=NOON), limit=100)

    assert [m.at for m in (await everything(storage.archive)).messages] == times[1:]


async def test_deleted_messages_are_not_counted_listed_or_referenced(storage: Storage) -> None:
    await storage.archive.append(named_entries(3))
    await storage.archive.append([entry("other", peer=ROMEO, text="all")])

    await storage.retention.delete_oldest(ALICE, Cutoff(messages=1), limit=100)

    search = Filter(phrases=(Phrase(words=("all",)),))
    assert await storage.archive.count(ALICE, search) == 1
    page = await storage.archive.conversations(ALICE, limit=9)
    assert [conversation.peer for conversation in page.conversations] == [ROMEO]
    assert await probe_of(storage).dangling_links() == 0


async def test_deletion_and_erasure_change_no_other_archive(storage: Storage) -> None:
    await storage.archive.append([*named_entries(3), *named_entries(3, owner=BOB, peer=ALICE)])

    await storage.retention.delete_oldest(ALICE, EVERYTHING, limit=100)
    await storage.retention.erase(ALICE, limit=100)

    assert await storage.archive.count(BOB, ANY) == 3


async def test_ids_of_deleted_messages_are_not_reused(storage: Storage) -> None:
    await storage.archive.append(named_entries(3))
    before = [m.id for m in (await everything(storage.archive)).messages]
    await storage.retention.delete_oldest(ALICE, EVERYTHING, limit=100)

    await storage.archive.append([entry("new", text="a")])

    [after] = (await everything(storage.archive)).messages
    assert after.id not in before


@pytest.mark.parametrize(
    "cutoff",
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
    storage: Storage, cutoff: Cutoff, peer: str | None
) -> None:
    await storage.archive.append([*named_entries(6), *named_entries(9, owner=BOB)])

    counted = await storage.retention.over_limit(ALICE, cutoff, peer=peer)
    assert await storage.archive.count(ALICE, ANY) == 6
    if peer is None:
        removed = await storage.retention.delete_oldest(ALICE, cutoff, limit=1000)
    else:
        removed = await storage.retention.blank_oldest(ALICE, peer, cutoff, limit=1000)

    newest = NOON + (removed.messages - 1) * SECOND
    times = (NOON, newest) if removed.messages else (None, None)
    assert counted == OverLimit(messages=removed.messages, oldest=times[0], newest=times[1])


async def test_over_limit_of_an_unknown_archive_is_zero(storage: Storage) -> None:
    for peer in (None, BOB):
        assert await storage.retention.over_limit(ALICE, EVERYTHING, peer=peer) == OverLimit()


async def test_delete_oldest_of_an_unknown_archive_is_done(storage: Storage) -> None:
    assert await storage.retention.delete_oldest(ALICE, EVERYTHING, limit=1) == Removed()


# Blanking


@pytest.mark.parametrize(
    ("cutoff", "remaining"),
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
    storage: Storage, cutoff: Cutoff, remaining: set[int]
) -> None:
    rows = [entry(n, at=NOON + n * SECOND, text="a", xml=f"{n}".ljust(55)) for n in range(4)]
    other_peer = entry("other", peer=ROMEO, text="a", xml="other")
    await storage.archive.append([rows[0], other_peer, *rows[1:]])

    blanked = await storage.retention.blank_oldest(ALICE, BOB, cutoff, limit=100)

    assert blanked == Removed(
        messages=4 - len(remaining), bytes=(4 - len(remaining)) * 55, done=True
    )
    page = await everything(storage.archive)
    assert texts(page) == [
        text if n in remaining or text == "other" else ""
        for n, text in zip((0, -1, 1, 2, 3), texts([rows[0], other_peer, *rows[1:]]), strict=True)
    ]


async def test_byte_limit_of_a_peer_counts_many_messages(storage: Storage) -> None:
    rows = [entry(n, text="a", xml="12345") for n in range(2500)]
    await storage.archive.append(rows)

    blanked = await storage.retention.blank_oldest(ALICE, BOB, Cutoff(bytes=5 * 2300), limit=1000)

    assert blanked == Removed(messages=200, bytes=1000)


async def test_blank_oldest_stops_at_its_limit(storage: Storage) -> None:
    await storage.archive.append(named_entries(5))

    steps = [
        await storage.retention.blank_oldest(ALICE, BOB, Cutoff(messages=1), limit=2)
        for _ in range(3)
    ]

    assert [(step.messages, step.done) for step in steps] == [(2, False), (2, True), (0, True)]


async def test_blanked_message_keeps_only_id_time_and_peer(storage: Storage) -> None:
    """XEP-0313 section 3.1: a message that is removed from the middle leaves a place in order."""
    await storage.archive.append([entry("referenced", peer=ROMEO, name_hashes=(8,))])
    await storage.archive.append(
        [entry(nick="Nick", text="all", name_hashes=(7,), refers_to=(8,))]
    )
    referenced, before = (await everything(storage.archive)).messages

    await storage.retention.blank_oldest(ALICE, BOB, EVERYTHING, limit=100)

    after = (await everything(storage.archive)).messages[1]
    assert (after.id, after.at, after.peer) == (before.id, before.at, before.peer)
    assert (after.kind, after.xml, after.nick, after.resource) == (Kind.BLANKED, "", "", "")
    assert await storage.archive.references(ALICE, [referenced.id], limit=9) == {}
    assert await probe_of(storage).dangling_links() == 0


async def test_later_copy_does_not_restore_a_blanked_message(storage: Storage) -> None:
    row = entry(text="a")
    await storage.archive.append([row])
    await storage.retention.blank_oldest(ALICE, BOB, EVERYTHING, limit=100)

    await storage.archive.append([row])

    assert texts(await everything(storage.archive)) == [""]


async def test_blanked_messages_are_deleted_with_the_oldest(storage: Storage) -> None:
    await storage.archive.append(named_entries(3))
    await storage.retention.blank_oldest(ALICE, BOB, Cutoff(messages=1), limit=100)

    await storage.retention.delete_oldest(ALICE, Cutoff(messages=2), limit=100)

    assert [m.kind for m in (await everything(storage.archive)).messages] == [
        Kind.BLANKED,
        Kind.MESSAGE,
    ]


async def test_blank_blanks_one_message_by_its_id(storage: Storage) -> None:
    await storage.archive.append(named_entries(3))
    middle = (await everything(storage.archive)).messages[1]

    blanked = await storage.retention.blank(ALICE, middle.id)

    assert blanked == Removed(messages=1, bytes=len(middle.xml))
    assert [m.kind for m in (await everything(storage.archive)).messages] == [
        Kind.MESSAGE,
        Kind.BLANKED,
        Kind.MESSAGE,
    ]
    assert await storage.retention.blank(ALICE, middle.id) == Removed()


async def test_blank_of_a_message_of_another_archive_is_not_found(storage: Storage) -> None:
    await storage.archive.append([entry(text="a"), entry(owner=BOB, text="a")])
    [message_of_bob] = (await everything(storage.archive, BOB)).messages

    for id in (message_of_bob.id, "unknown"):
        with pytest.raises(NotFound):
            await storage.retention.blank(ALICE, id)


# Erasure


async def test_erasure_removes_all_rows_of_an_owner_except_holds(
    storage: Storage,
) -> None:
    await storage.archive.append(named_entries(3))
    await storage.preferences.set(PreferencesRow(owner=ALICE, default="always"))
    await storage.rules.set(Rule(owner=ALICE, peer=BOB, days=1))
    for room, jid in ((ROOM, ALICE), (ROOM, BOB)):
        occupant = Occupant(room=room, jid=jid, affiliation="member")
        await storage.rooms.change(RoomChanges(room=room, occupants=(occupant,)))
    for owner in (ALICE, BOB):
        await storage.offline.add(owner, OfflineStanza(peer=ROMEO, stanza="<message/>", at=NOON))
    hold = Hold(subject=BOB, reason="r", by="me", at=1)
    await storage.holds.set(hold)

    erased = await storage.retention.erase(ALICE, limit=100)

    assert (erased.messages, erased.done) == (3, True)
    assert await storage.retention.usage() == ()
    assert (await storage.preferences.get(ALICE), await storage.rules.list()) == (None, ())
    assert [await storage.rooms.affiliation(ROOM, jid) for jid in (ALICE, BOB)] == [None, "member"]
    assert [await storage.offline.count(owner) for owner in (ALICE, BOB)] == [0, 1]
    assert await storage.holds.list() == (hold,)


@pytest.mark.parametrize("subject", [ALICE, "example.org", "org"])
async def test_archive_under_a_hold_loses_nothing(storage: Storage, subject: str) -> None:
    await storage.archive.append(named_entries(3))
    first = (await everything(storage.archive)).messages[0]
    await storage.holds.set(Hold(subject=subject, reason="r", by="me", at=1))

    limits = Cutoff(messages=0)
    removed = await storage.retention.delete_oldest(ALICE, limits, limit=9)
    blanked = await storage.retention.blank_oldest(ALICE, BOB, limits, limit=9)
    with pytest.raises(Held):
        await storage.retention.blank(ALICE, first.id)
    with pytest.raises(Held):
        await storage.retention.erase(ALICE, limit=9)

    assert removed == blanked == Removed()
    assert texts(await everything(storage.archive)) == texts(named_entries(3))


async def test_erasure_of_a_room_removes_its_occupants(storage: Storage) -> None:
    occupants = (Occupant(room=ROOM, jid=BOB, affiliation="owner"),)
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=7, occupants=occupants))

    await storage.retention.erase(ROOM, limit=100)

    assert await storage.rooms.affiliation(ROOM, BOB) is None
    assert await storage.rooms.get(ROOM) == Room()


async def test_erase_stops_at_its_limit(storage: Storage) -> None:
    rows = [entry(n, text="a", name_hashes=tuple(range(n * 4, n * 4 + 4))) for n in range(5)]
    await storage.archive.append(rows)

    steps = [await storage.retention.erase(ALICE, limit=2)]
    while not steps[-1].done:
        await assert_indexes_match(storage)
        steps.append(await storage.retention.erase(ALICE, limit=2))

    assert sum(step.messages for step in steps) == 5
    assert max(step.messages for step in steps) == 2
    assert await probe_of(storage).dangling_links() == 0


async def test_archive_after_an_erasure_has_new_ids(storage: Storage) -> None:
    await storage.archive.append(named_entries(2))
    before = {m.id for m in (await everything(storage.archive)).messages}
    await storage.retention.erase(ALICE, limit=100)

    await storage.archive.append(named_entries(2))

    after = {m.id for m in (await everything(storage.archive)).messages}
    assert len(after) == 2
    assert after.isdisjoint(before)


# Retraction


async def test_retraction_updates_the_bytes_of_an_archive(storage: Storage) -> None:
    await storage.archive.append(named_entries(3))
    await retract(storage.archive, 1, "<gone/>")

    usage = await storage.retention.usage_of(ALICE)

    assert usage.bytes == sum(map(len, texts(await everything(storage.archive))))


async def test_totals_count_archives_messages_and_bytes(storage: Storage) -> None:
    assert await storage.retention.totals() == Totals(archives=0, messages=0, bytes=0)
    await storage.archive.append(
        [entry(1, xml="12", text="word"), entry(2, owner=BOB, xml="345", text="word")]
    )

    assert await storage.retention.totals() == Totals(archives=2, messages=2, bytes=5)
