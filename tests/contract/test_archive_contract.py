"""The contract of `storage.interface.Archive`, on every backend."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest
from contract.conftest import Open
from support.builders import (
    ALICE,
    BOB,
    NOON,
    ROMEO,
    ROOM,
    SECOND,
    dedup_key,
    delete_all_but,
    entries,
    entry,
    everything,
    texts,
)

from storage.errors import NotFound, Rejected
from storage.interface import Archive, Storage
from storage.rows import ANY, READABLE, AuditEntry, Direction, Filter, NewMessage, Page

NOBODY = "nobody@example.org"
LAST_TIME = 2**63 - 1


# Storing


async def test_stored_message_is_read_back_unchanged(archive: Archive) -> None:
    message = entry(nick="The Nick", direction=Direction.SENT, type="normal", resource="a/b")
    await archive.append([message])

    [stored] = (await everything(archive)).messages

    fields = ("at", "peer", "resource", "type", "direction", "nick", "xml")
    assert [getattr(stored, name) for name in fields] == [
        getattr(message, name) for name in fields
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, 你好, العربية",
        "\U0001f469\u200d\U0001f680\U0010ffff",
        'it\'s "quoted"; DROP TABLE archive; -- $1 ?1 {} %s',
        "line\r\nbreak\ttab",
        "x" * 3_000_000,
        "",
    ],
    ids=["scripts", "emoji", "quotes", "spaces", "long", "empty"],
)
async def test_any_text_is_read_back_unchanged(archive: Archive, text: str) -> None:
    message = entry(xml=text, peer=f"p{text[:99]}", resource=text[:99], nick=text[:99])
    await archive.append([message])

    [stored] = (await everything(archive, filter=Filter(peer=message.peer))).messages

    assert (stored.xml, stored.peer, stored.resource, stored.nick) == (
        message.xml,
        message.peer,
        message.resource,
        message.nick,
    )


async def test_nul_is_stored_or_rejected_but_never_truncates(archive: Archive) -> None:
    try:
        await archive.append([entry(xml="before\0after")])
    except Rejected:
        stored_texts = ["before\0after"]
    else:
        stored_texts = texts(await everything(archive))

    assert stored_texts == ["before\0after"]


@pytest.mark.parametrize(
    "owner", ["ünï@exämple.org", "o'brien@example.org", "a%_@h", "\U0001f600@h"]
)
async def test_any_owner_can_have_an_archive(archive: Archive, owner: str) -> None:
    await archive.append([entry(owner=owner)])

    assert await archive.count(owner, ANY) == 1


@pytest.mark.parametrize("at", [0, -1, -62_135_596_800_000_000, LAST_TIME])
async def test_time_is_read_back_to_the_microsecond(archive: Archive, at: int) -> None:
    await archive.append([entry(at=at)])

    page = await archive.page(ALICE, Filter(since=at, until=at), limit=10)

    assert [stored.at for stored in page.messages] == [at]


@pytest.mark.parametrize(
    "bad",
    [entry("bad", at=2**63), entry("bad", xml="\ud800"), entry("bad", owner="\udfff@h")],
    ids=["time", "text", "owner"],
)
async def test_message_with_invalid_values_is_rejected(archive: Archive, bad: NewMessage) -> None:
    with pytest.raises(Rejected):
        await archive.append([bad])


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_batch_with_a_rejected_message_stores_nothing(archive: Archive, place: int) -> None:
    batch = [entry(1), entry(2)]
    batch.insert(place, entry("bad", at=2**63))
    with pytest.raises(Rejected):
        await archive.append(batch)

    assert (texts(await everything(archive)), await archive.count(ALICE, ANY)) == ([], 0)


async def test_store_works_after_a_rejected_batch(archive: Archive) -> None:
    await archive.append([entry(1)])
    with pytest.raises(Rejected):
        await archive.append([entry(2), entry(3), entry("bad", at=2**63)])
    await archive.append([entry(4), entry(2)])

    assert texts(await everything(archive)) == texts([entry(1), entry(4), entry(2)])


async def test_empty_batch_stores_nothing(archive: Archive) -> None:
    await archive.append([])

    assert await archive.count(ALICE, ANY) == 0


async def test_order_is_that_of_arrival_despite_times(archive: Archive) -> None:
    times = [5, 3, 9, 3, 1, 7]
    rows = [entry(n, at=NOON + at) for n, at in enumerate(times)]
    await archive.append(rows[:2])
    await archive.append(rows[2:])

    assert texts(await everything(archive)) == texts(rows)


async def test_batch_keeps_its_order_across_kinds_of_entries(archive: Archive) -> None:
    twins = (dedup_key("x"), dedup_key("y"))
    rows = [
        entry(1),
        entry(2, alternative_keys=twins),
        entry(3),
        entry(4, alternative_keys=twins),
        entry(5),
    ]
    line = AuditEntry(at=1, actor="auditor", action="read", subject=ALICE)
    await archive.append([rows[0], rows[1], line, *rows[2:]])

    assert texts(await everything(archive)) == texts(rows)


async def test_batch_for_two_archives_is_stored_in_each_apart(archive: Archive) -> None:
    rows = [entry(n, owner=(ALICE, BOB)[n % 2]) for n in range(6)]
    await archive.append(rows)

    assert texts(await everything(archive, BOB)) == texts(rows[1::2])


# Duplicates


async def test_same_dedup_key_is_stored_once_in_a_batch(archive: Archive) -> None:
    await archive.append([entry(1), entry(1, xml="again")])

    assert texts(await everything(archive)) == [entry(1).xml]


async def test_same_dedup_key_is_stored_once_across_batches(archive: Archive) -> None:
    await archive.append([entry(1)])
    await archive.append([entry(1, xml="again"), entry(2)])

    assert texts(await everything(archive)) == texts([entry(1), entry(2)])


async def test_same_dedup_key_is_stored_in_each_archive(archive: Archive) -> None:
    await archive.append([entry(1), entry(1, owner=BOB)])

    assert [await archive.count(owner, ANY) for owner in (ALICE, BOB)] == [1, 1]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("together", [True, False])
async def test_message_with_a_stored_alternative_key_is_a_duplicate(
    archive: Archive, which: int, together: bool
) -> None:
    first = entry(1)
    twins = (dedup_key("x"), first.dedup_key) if which else (first.dedup_key, dedup_key("x"))
    second = entry(2, alternative_keys=twins)
    for batch in [[first, second]] if together else [[first], [second]]:
        await archive.append(batch)

    assert texts(await everything(archive)) == [first.xml]


async def test_message_with_a_stored_dedup_key_is_a_duplicate_despite_alternatives(
    archive: Archive,
) -> None:
    await archive.append([entry(1)])
    await archive.append(
        [entry(1, xml="again", alternative_keys=(dedup_key("x"), dedup_key("y")))]
    )

    assert texts(await everything(archive)) == [entry(1).xml]


async def test_message_with_unknown_alternative_keys_is_stored(archive: Archive) -> None:
    row = entry(1, alternative_keys=(dedup_key("x"), dedup_key("y")))
    await archive.append([row])

    assert texts(await everything(archive)) == [row.xml]


async def test_alternative_key_in_another_archive_is_no_duplicate(archive: Archive) -> None:
    await archive.append([entry(1, owner=BOB)])
    await archive.append([entry(2, alternative_keys=(dedup_key(1), dedup_key("x")))])

    assert await archive.count(ALICE, ANY) == 1


# Deletion


async def test_deleted_message_can_be_stored_again(storage: Storage, archive: Archive) -> None:
    await archive.append([entry(1), entry(2)])
    await delete_all_but(storage, 1)
    await archive.append([entry(1)])

    assert texts(await everything(archive)) == texts([entry(2), entry(1)])


async def test_deleted_alternative_key_is_no_duplicate(storage: Storage, archive: Archive) -> None:
    await archive.append([entry(1)])
    await delete_all_but(storage, 0)
    await archive.append([entry(2, alternative_keys=(dedup_key(1), dedup_key("x")))])

    assert texts(await everything(archive)) == [entry(2).xml]


# Ids


async def test_ids_are_never_reused(storage: Storage, archive: Archive) -> None:
    ids: list[str] = []
    for _ in range(3):
        await archive.append(entries(3))
        ids += [stored.id for stored in (await everything(archive)).messages]
        await delete_all_but(storage, 0)

    assert len(set(ids)) == len(ids) == 9


async def test_id_of_a_message_does_not_change(storage: Storage, archive: Archive) -> None:
    await archive.append(entries(3))
    before = [stored.id for stored in (await everything(archive)).messages]
    await delete_all_but(storage, 2)
    await archive.append([entry("more"), entry(1, xml="again")])

    assert [stored.id for stored in (await everything(archive)).messages][:2] == before[1:]


async def test_ids_differ_between_archives(archive: Archive) -> None:
    await archive.append([row for n in range(3) for row in (entry(n), entry(n, owner=BOB))])
    ids = [
        stored.id
        for owner in (ALICE, BOB)
        for stored in (await everything(archive, owner)).messages
    ]

    assert len(set(ids)) == 6


async def test_ids_do_not_reveal_their_order(archive: Archive) -> None:
    await archive.append(entries(50))
    ids = [stored.id for stored in (await everything(archive)).messages]

    assert ids not in (sorted(ids), sorted(ids, reverse=True))


@pytest.mark.parametrize("bound", ["after", "before"])
@pytest.mark.parametrize(
    "id",
    ["", "x", "1", "A" * 22, "A" * 10_000, "é" * 22, "\0", "' OR 1=1 --", "====", "\ud800"],
)
async def test_unknown_id_is_not_found(archive: Archive, bound: str, id: str) -> None:
    await archive.append(entries(3))

    with pytest.raises(NotFound):
        await archive.page(ALICE, ANY, limit=10, **{bound: id})


@pytest.mark.parametrize("bound", ["after", "before"])
async def test_id_of_another_archive_is_not_found(archive: Archive, bound: str) -> None:
    await archive.append([*entries(3), *entries(3, owner=BOB)])
    foreign = (await everything(archive, BOB)).messages[1].id

    with pytest.raises(NotFound):
        await archive.page(ALICE, ANY, limit=10, **{bound: foreign})


@pytest.mark.parametrize("bound", ["after", "before"])
async def test_id_of_a_removed_message_is_not_found(
    storage: Storage, archive: Archive, bound: str
) -> None:
    await archive.append(entries(3))
    deleted = (await everything(archive)).messages[1].id
    await delete_all_but(storage, 1)
    await archive.append([entry(1)])

    with pytest.raises(NotFound):
        await archive.page(ALICE, ANY, limit=10, **{bound: deleted})


@pytest.mark.parametrize("bound", ["after", "before"])
async def test_other_spellings_of_an_id_are_not_found(archive: Archive, bound: str) -> None:
    await archive.append(entries(3))
    id = (await everything(archive)).messages[1].id
    spellings = [f"{id}=", f"{id}==", f" {id}", f"{id}\n", id.swapcase(), id[:-1], id[:-1] + "!"]
    spellings += [id[:-1] + last for last in "ABCDEFGHIJKLMNOP" if last != id[-1]]

    matching = []
    for spelling in spellings:
        try:
            await archive.page(ALICE, ANY, limit=10, **{bound: spelling})
            matching.append(spelling)
        except NotFound:
            pass

    assert matching == []


@pytest.mark.parametrize("bound", ["after", "before"])
async def test_id_in_an_unknown_archive_is_not_found(archive: Archive, bound: str) -> None:
    await archive.append(entries(1))
    id = (await everything(archive)).messages[0].id

    with pytest.raises(NotFound):
        await archive.page(NOBODY, ANY, limit=10, **{bound: id})


async def test_page_after_a_deleted_message_is_found_by_its_id(
    storage: Storage, archive: Archive
) -> None:
    await archive.append([entry(n) for n in range(4)])
    ids = [stored.id for stored in (await everything(archive)).messages]
    await delete_all_but(storage, 1)

    page = await archive.page_after(ALICE, ids[1], limit=1)
    last = await archive.page_after(ALICE, ids[3], limit=1)

    assert (texts(page), page.complete) == ([entry(3).xml], True)
    assert (texts(last), last.complete) == ([], True)


async def test_page_after_an_unknown_id_is_not_found(archive: Archive) -> None:
    await archive.append([entry(1), entry(1, owner=BOB)])
    theirs = (await everything(archive, BOB)).messages[0].id
    for id in ("", "unknown", theirs):
        with pytest.raises(NotFound):
            await archive.page_after(ALICE, id, limit=1)


async def test_page_after_an_id_outside_the_filter_is_found(archive: Archive) -> None:
    rows = [entry(n, peer=(BOB, ROMEO)[n % 2]) for n in range(6)]
    await archive.append(rows)
    third = (await everything(archive)).messages[2].id

    page = await archive.page(ALICE, Filter(peer=ROMEO), limit=10, after=third)

    assert texts(page) == texts([rows[3], rows[5]])


# Pages


async def paged(archive: Archive, filter: Filter, limit: int, *, backwards: bool) -> list[Page]:
    """Return all pages from one end to the other, as clients read them."""
    pages = [await archive.page(ALICE, filter, limit=limit, backwards=backwards)]
    while not pages[-1].complete:
        if backwards:
            place = {"before": pages[-1].messages[0].id}
        else:
            place = {"after": pages[-1].messages[-1].id}
        pages.append(await archive.page(ALICE, filter, limit=limit, backwards=backwards, **place))
    return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("backwards", [False, True])
async def test_pages_together_are_the_archive(
    archive: Archive, limit: int, backwards: bool
) -> None:
    await archive.append(entries(6))

    pages = await paged(archive, ANY, limit, backwards=backwards)

    if backwards:
        pages.reverse()
    assert [xml for page in pages for xml in texts(page)] == texts(entries(6))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("limit", "complete"), [(1, False), (2, False), (3, True), (4, True)])
async def test_complete_is_exact(
    archive: Archive, limit: int, complete: bool, backwards: bool
) -> None:
    await archive.append(entries(3))

    page = await archive.page(ALICE, ANY, limit=limit, backwards=backwards)

    assert page.complete is complete


@pytest.mark.parametrize("backwards", [False, True])
async def test_complete_counts_only_matching_messages(archive: Archive, backwards: bool) -> None:
    peers = [BOB, ROMEO, ROMEO, BOB]
    await archive.append([entry(n, peer=peer) for n, peer in enumerate(peers)])

    page = await archive.page(ALICE, Filter(peer=ROMEO), limit=2, backwards=backwards)

    assert page.complete is True


@pytest.mark.parametrize("backwards", [False, True])
async def test_complete_counts_only_messages_between_the_ids(
    archive: Archive, backwards: bool
) -> None:
    await archive.append(entries(5))
    ids = [stored.id for stored in (await everything(archive)).messages]

    page = await archive.page(
        ALICE, ANY, limit=3, after=ids[0], before=ids[4], backwards=backwards
    )

    assert (texts(page), page.complete) == (texts(entries(5)[1:4]), True)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("count", "complete"), [(0, True), (1, False)])
async def test_page_of_limit_0_is_complete_only_without_matches(
    archive: Archive, count: int, complete: bool, backwards: bool
) -> None:
    await archive.append(entries(count))

    page = await archive.page(ALICE, ANY, limit=0, backwards=backwards)

    assert page == Page(messages=(), complete=complete)


@pytest.mark.parametrize("backwards", [False, True])
async def test_page_after_the_last_message_is_empty_and_complete(
    archive: Archive, backwards: bool
) -> None:
    await archive.append(entries(3))
    last = (await everything(archive)).messages[-1].id

    page = await archive.page(ALICE, ANY, limit=3, after=last, backwards=backwards)

    assert page == Page(messages=(), complete=True)


async def test_page_between_reversed_ids_is_empty(archive: Archive) -> None:
    await archive.append(entries(3))
    ids = [stored.id for stored in (await everything(archive)).messages]

    page = await archive.page(ALICE, ANY, limit=3, after=ids[2], before=ids[0])

    assert page == Page(messages=(), complete=True)


async def test_backward_page_has_the_newest_messages_oldest_first(archive: Archive) -> None:
    await archive.append(entries(5))

    page = await archive.page(ALICE, ANY, limit=2, backwards=True)

    assert texts(page) == texts(entries(5)[3:])


async def test_unknown_archive_is_empty(archive: Archive) -> None:
    await archive.append(entries(1))

    pages = [
        await archive.page(NOBODY, Filter(since=0, until=LAST_TIME), limit=5),
        await archive.page_by_time(NOBODY, ANY, limit=5),
    ]

    assert pages == [Page(), Page()]


# Filters

LOCALS = ["a", "aa", "aA", "a%", "a_", "%", "_", "a@b", "A", "ä", ""]


@pytest.mark.parametrize("local", [local for local in LOCALS if local and "@" not in local])
async def test_filter_of_a_local_part_matches_it_whole_on_every_domain(
    archive: Archive, local: str
) -> None:
    rows = [
        entry(f"{name}@{domain}", peer=f"{name}@{domain}")
        for domain in ("example.org", "\U0010ffff", "A", "x@y")
        for name in LOCALS
    ] + [entry(f"bare {name}", peer=name) for name in LOCALS]
    await archive.append(rows)

    page = await everything(archive, filter=Filter(peer_local=local))

    assert texts(page) == texts([r for r in rows if r.peer.startswith(f"{local}@")])


async def test_filter_of_a_peer_matches_it_whole(archive: Archive) -> None:
    peers = [
        "bob@example.org",
        "bob@example.organic",
        "abob@example.org",
        "Bob@example.org",
        "bob",
    ]
    await archive.append([entry(n, peer=peer) for n, peer in enumerate(peers)])

    page = await everything(archive, filter=Filter(peer="bob@example.org"))

    assert [stored.peer for stored in page.messages] == ["bob@example.org"]


@pytest.mark.parametrize("resource", ["", "phone", "phone%", "Phone"])
async def test_filter_of_a_resource_matches_it_exactly(archive: Archive, resource: str) -> None:
    resources = ["", "phone", "phone%", "phones", "Phone"]
    await archive.append([entry(r, resource=r) for r in resources])

    page = await everything(archive, filter=Filter(peer=BOB, resource=resource))

    assert [stored.resource for stored in page.messages] == [resource]


@pytest.mark.parametrize("groupchat", [True, False])
async def test_filter_of_groupchat_selects_or_excludes_it(
    archive: Archive, groupchat: bool
) -> None:
    types = ["chat", "groupchat", "normal", "headline", "groupchat"]
    await archive.append([entry(n, type=type) for n, type in enumerate(types)])

    page = await everything(archive, filter=Filter(groupchat=groupchat))

    assert [stored.type for stored in page.messages] == [
        type for type in types if (type == "groupchat") is groupchat
    ]


@pytest.mark.parametrize(
    ("filter", "matching"),
    [
        (Filter(since=NOON), [0, 1]),
        (Filter(since=NOON + 1), [1]),
        (Filter(until=NOON), [-1, 0]),
        (Filter(until=NOON - 1), [-1]),
        (Filter(since=NOON, until=NOON), [0]),
        (Filter(since=NOON + 1, until=NOON - 1), []),
        (Filter(since=NOON + 2), []),
        (Filter(until=NOON - 2), []),
    ],
)
async def test_filter_of_times_is_inclusive_to_the_microsecond(
    archive: Archive, filter: Filter, matching: list[int]
) -> None:
    await archive.append([entry(n, at=NOON + n) for n in (-1, 0, 1)])

    page = await everything(archive, filter=filter)

    assert [stored.at - NOON for stored in page.messages] == matching


LATE = [0, 10, 20, 5, 30, -7, 40, 29, 31, 40, 0, 41, 12]


@pytest.mark.parametrize("until", [None, -8, -7, 0, 5, 29, 30, 39, 40, 42])
async def test_late_messages_are_found_by_their_time(archive: Archive, until: int | None) -> None:
    rows = [entry(n, at=at) for n, at in enumerate(LATE)]
    await archive.append(rows[:6])
    await archive.append(rows[6:])
    edges = [None, -8, -7, 0, 5, 6, 12, 30, 40, 41, 42]

    matching = {
        since: texts(await everything(archive, filter=Filter(since=since, until=until)))
        for since in edges
    }

    assert matching == {
        since: texts([row for row in rows if matches(row, Filter(since=since, until=until))])
        for since in edges
    }


async def test_late_messages_are_found_while_the_oldest_are_deleted(
    storage: Storage, archive: Archive
) -> None:
    rows = [entry(n, at=at) for n, at in enumerate(LATE)]
    await archive.append(rows)

    for count in reversed(range(len(rows))):
        await delete_all_but(storage, count)
        remaining = rows[len(rows) - count :]
        page = await everything(archive, filter=Filter(since=5, until=40))

        assert texts(page) == texts([row for row in remaining if 5 <= row.at <= 40])


def combinations() -> list[Filter]:
    """Return filters with every subset of their parts."""
    parts: list[list[dict[str, Any]]] = [
        [{}, {"peer": BOB}, {"peer": BOB, "resource": "phone"}, {"peer_local": "bob"}],
        [{}, {"since": NOON + 2}],
        [{}, {"until": NOON + 9}],
        [{}, {"groupchat": True}, {"groupchat": False}],
    ]
    return [
        Filter(**{k: v for part in subset for k, v in part.items()}) for subset in product(*parts)
    ]


def matches(row: NewMessage, filter: Filter) -> bool:
    """Return whether a row matches a filter, without SQL."""
    return (
        filter.peer in (None, row.peer)
        and filter.resource in (None, row.resource)
        and filter.peer_local in (None, row.peer.rpartition("@")[0])
        and (filter.since is None or row.at >= filter.since)
        and (filter.until is None or row.at <= filter.until)
        and filter.groupchat in (None, row.type == "groupchat")
    )


def mixed() -> list[NewMessage]:
    """Return rows that differ in all that a filter looks at."""
    peers = [BOB, "bob@example.net", ROOM]
    kinds = product(peers, ["phone", ""], ["chat", "groupchat"])
    return [
        entry(n, peer=peer, resource=resource, type=type, at=NOON + n * 7 % 12)
        for n, (peer, resource, type) in enumerate(kinds)
    ]


@pytest.mark.parametrize("filter", combinations(), ids=str)
async def test_filters_combine(archive: Archive, filter: Filter) -> None:
    await archive.append(mixed())
    expected = [row for row in mixed() if matches(row, filter)]

    forwards = await paged(archive, filter, 2, backwards=False)
    backwards = await paged(archive, filter, 2, backwards=True)
    timed = await archive.page_by_time(ALICE, filter, limit=None)

    assert [xml for page in forwards for xml in texts(page)] == texts(expected)
    assert [xml for page in reversed(backwards) for xml in texts(page)] == texts(expected)
    assert texts(timed) == texts(sorted(expected, key=lambda row: row.at))
    assert await archive.count(ALICE, filter) == len(expected)


# Pages by time

TIED = [30, 10, 20, 20, 10, 20, 40]
IN_TIME = [1, 4, 2, 3, 5, 0, 6]  # names of TIED in the order of their time, then of arrival


@pytest.mark.parametrize(
    ("limit", "newest", "matching", "complete"),
    [
        (None, False, IN_TIME, True),
        (None, True, IN_TIME, True),
        (0, False, [], False),
        (0, True, [], False),
        (1, False, IN_TIME[:2], False),
        (2, False, IN_TIME[:2], False),
        (3, False, IN_TIME[:5], False),
        (5, False, IN_TIME[:5], False),
        (6, False, IN_TIME[:6], False),
        (7, False, IN_TIME, True),
        (8, False, IN_TIME, True),
        (1, True, IN_TIME[6:], False),
        (2, True, IN_TIME[5:], False),
        (3, True, IN_TIME[2:], False),
        (5, True, IN_TIME[2:], False),
        (6, True, IN_TIME, True),
        (7, True, IN_TIME, True),
    ],
)
async def test_page_by_time_never_splits_a_microsecond(
    archive: Archive, limit: int | None, newest: bool, matching: list[int], complete: bool
) -> None:
    rows = [entry(n, at=at) for n, at in enumerate(TIED)]
    await archive.append(rows)

    page = await archive.page_by_time(ALICE, ANY, limit=limit, newest=newest)

    assert (texts(page), page.complete) == (texts([rows[n] for n in matching]), complete)


@pytest.mark.parametrize("filter", [ANY, Filter(peer=BOB)], ids=["any", "peer"])
@pytest.mark.parametrize("newest", [False, True])
async def test_first_late_message_is_at_its_time_in_a_page_by_time(
    archive: Archive, filter: Filter, newest: bool
) -> None:
    rows = [entry(n, at=NOON + n) for n in range(4)]
    late = entry("late", at=NOON + 1)
    await archive.append(rows)
    before = await archive.page_by_time(ALICE, filter, limit=2, newest=newest)
    await archive.append([late])

    after = await archive.page_by_time(ALICE, filter, limit=3, newest=newest)

    assert texts(before) == texts(rows[2:] if newest else rows[:2])
    assert texts(after) == texts([rows[1], late, *rows[2:]] if newest else [*rows[:2], late])


@pytest.mark.parametrize("newest", [False, True])
async def test_messages_of_one_time_are_one_complete_page(archive: Archive, newest: bool) -> None:
    rows = [entry(n, at=NOON) for n in range(5)]
    await archive.append(rows)

    page = await archive.page_by_time(ALICE, ANY, limit=1, newest=newest)

    assert (texts(page), page.complete) == (texts(rows), True)


@pytest.mark.parametrize("newest", [False, True])
async def test_page_by_time_includes_only_matching_messages_of_a_tie(
    archive: Archive, newest: bool
) -> None:
    rows = [entry(n, at=NOON, peer=(BOB, ROMEO)[n % 2]) for n in range(4)]
    await archive.append(rows)

    page = await archive.page_by_time(ALICE, Filter(peer=ROMEO), limit=1, newest=newest)

    assert (texts(page), page.complete) == (texts(rows[1::2]), True)


# Counting


@pytest.mark.parametrize("filter", [ANY, Filter(peer=BOB)], ids=["any", "peer"])
async def test_count_excludes_duplicates(archive: Archive, filter: Filter) -> None:
    await archive.append([entry(1), entry(1), entry(2)])
    await archive.append(
        [entry(2), entry(3), entry(4, alternative_keys=(dedup_key(1), dedup_key("x")))]
    )

    assert await archive.count(ALICE, filter) == 3


@pytest.mark.parametrize("filter", [ANY, Filter(peer=BOB)], ids=["any", "peer"])
async def test_count_excludes_deleted_messages(
    storage: Storage, archive: Archive, filter: Filter
) -> None:
    await archive.append(entries(5))
    await delete_all_but(storage, 3)
    await archive.append([entry("new"), entry(0), entry(4)])
    counted = await archive.count(ALICE, filter)
    await delete_all_but(storage, 2)

    assert (counted, await archive.count(ALICE, filter)) == (5, 2)


@pytest.mark.parametrize(
    "filter",
    [ANY, Filter(kinds=READABLE), Filter(peer=BOB), Filter(since=NOON + 2), Filter(ids=())],
    ids=["any", "readable", "peer", "since", "none"],
)
@pytest.mark.parametrize("newest", [False, True])
async def test_page_by_time_has_a_count_on_request(
    archive: Archive, filter: Filter, newest: bool
) -> None:
    await archive.append([*entries(5), entry("other", peer=ROMEO)])

    page = await archive.page_by_time(ALICE, filter, limit=2, newest=newest, counted=True)
    assert page.count == await archive.count(ALICE, filter)
    assert (await archive.page_by_time(ALICE, filter, limit=2)).count is None


async def test_count_of_an_unknown_archive_is_0(archive: Archive) -> None:
    assert [await archive.count(NOBODY, w) for w in (ANY, Filter(peer=BOB))] == [0, 0]


# Concurrency and reopening


async def test_read_during_writes_sees_whole_batches(archive: Archive) -> None:
    async def write() -> None:
        for batch in range(30):
            await archive.append([entry(f"{batch} {n}", at=NOON + batch) for n in range(5)])

    writing = asyncio.create_task(write())
    sizes = []
    while not writing.done():
        sizes.append(len((await everything(archive)).messages))
    await writing

    assert [size % 5 for size in sizes] == [0] * len(sizes)
    assert sizes == sorted(sizes)


async def test_batch_of_thousands_is_stored_once_and_in_its_order(archive: Archive) -> None:
    batch = entries(3000)
    repeated = [batch[0], batch[1500], batch[-1]]
    await archive.append([*repeated, *batch, *repeated, entry("last")])

    matching = texts(await everything(archive))
    assert matching == texts(
        [*repeated, *(message for message in batch if message not in repeated), entry("last")]
    )
    assert await archive.count(ALICE, ANY) == len(matching) == 3001


async def test_concurrent_batches_are_all_stored(archive: Archive) -> None:
    batches = [[entry(f"{b} {n}", owner=(ALICE, BOB)[n % 2]) for n in range(4)] for b in range(20)]

    await asyncio.gather(*(archive.append(batch) for batch in batches))

    assert [await archive.count(owner, ANY) for owner in (ALICE, BOB)] == [40, 40]


async def test_messages_survive_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append(entries(5))
        await delete_all_but(storage, 4)
        before = await everything(storage.archive)

    async with reopen() as storage:
        after = await everything(storage.archive)

    assert after == before


async def test_count_survives_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append(entries(5))
        await delete_all_but(storage, 4)
        await storage.archive.append([entry(1)])

    async with reopen() as storage:
        assert await storage.archive.count(ALICE, ANY) == 4


async def test_duplicates_are_recognised_after_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append([entry(1)])

    async with reopen() as storage:
        await storage.archive.append(
            [entry(1), entry(2, alternative_keys=(dedup_key(1), dedup_key("x")))]
        )
        assert texts(await everything(storage.archive)) == [entry(1).xml]


async def test_ids_are_not_reused_after_deletion_and_reopening(reopen: Open) -> None:
    ids: list[str] = []
    for _ in range(3):
        async with reopen() as storage:
            await storage.archive.append(entries(2))
            ids += [stored.id for stored in (await everything(storage.archive)).messages]
            await delete_all_but(storage, 0)

    assert len(set(ids)) == len(ids) == 6


async def test_paging_continues_after_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append(entries(4))
        first = await storage.archive.page(ALICE, ANY, limit=2)

    async with reopen() as storage:
        rest = await storage.archive.page(ALICE, ANY, limit=2, after=first.messages[-1].id)

    assert (texts(rest), rest.complete) == (texts(entries(4)[2:]), True)


async def test_late_messages_are_found_after_reopening(reopen: Open) -> None:
    rows = [entry(n, at=at * SECOND) for n, at in enumerate(LATE)]
    for row in rows:
        async with reopen() as storage:
            await storage.archive.append([row])

    async with reopen() as storage:
        page = await everything(storage.archive, filter=Filter(since=5 * SECOND))

    assert texts(page) == texts([row for row in rows if row.at >= 5 * SECOND])


async def test_check_passes_on_a_writable_store(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.check()
        await storage.archive.append([entry(1)])

        assert await storage.archive.count(ALICE, ANY) == 1
