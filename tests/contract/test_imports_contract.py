"""Imported messages come before all others and keep their old ids, held by every backend."""

from __future__ import annotations

import pytest
from contract.conftest import Open
from support.builders import (
    ALICE,
    BOB,
    NOON,
    SECOND,
    correction,
    dedup_key,
    delete_all_but,
    entries,
    entry,
    everything,
    retraction,
    texts,
)

from storage.errors import NotFound
from storage.interface import Storage
from storage.rows import (
    ANY,
    Cutoff,
    Direction,
    Filter,
    ImportedMessage,
    ImportOutcome,
    Kind,
    NewMessage,
    Phrase,
)

ADDED, PRESENT, NO_ROOM = ImportOutcome.ADDED, ImportOutcome.PRESENT, ImportOutcome.NO_ROOM


def imported(*rows: NewMessage, old: str = "old") -> list[ImportedMessage]:
    """Return rows with the old ids old-0, old-1..."""
    return [ImportedMessage(row, f"{old}-{n}") for n, row in enumerate(rows)]


def named(*names: str, at: int = NOON, **fields: object) -> list[NewMessage]:
    """Return rows with these names, a second after each other."""
    return [entry(name, at=at + n * SECOND, **fields) for n, name in enumerate(names)]


async def bodies(storage: Storage, filter: Filter = ANY, owner: str = ALICE) -> list[str]:
    page = await everything(storage.archive, owner, filter)
    return [message.xml.split("body>")[1][:-2] for message in page.messages]


async def test_imported_messages_come_before_those_that_arrive(storage: Storage) -> None:
    assert await storage.imports.add(imported(*named("1", "2"))) == (ADDED, ADDED)
    await storage.archive.append(named("5", "6", at=NOON + 100 * SECOND))
    before = [message.id for message in (await everything(storage.archive)).messages]
    later = named("3", "4", at=NOON + 50 * SECOND)
    assert await storage.imports.add(imported(*later, old="later")) == (ADDED, ADDED)

    assert await bodies(storage) == ["1", "2", "3", "4", "5", "6"]
    ids = [message.id for message in (await everything(storage.archive)).messages]
    assert [*ids[:2], *ids[4:]] == before
    assert await storage.archive.count(ALICE, ANY) == 6
    assert (await storage.retention.usage_of(ALICE)).messages == 6


async def test_second_import_adds_nothing(storage: Storage) -> None:
    rows = imported(*named("1", "2", "3"))
    await storage.imports.add(rows)

    assert await storage.imports.outcomes(rows) == (PRESENT,) * 3
    assert await storage.imports.add([*rows, *rows]) == (PRESENT,) * 6
    assert await bodies(storage) == ["1", "2", "3"]


async def test_message_twice_in_one_batch_is_stored_once(storage: Storage) -> None:
    [row] = named("1")

    rows = imported(row, row)
    assert await storage.imports.outcomes(rows) == (ADDED, PRESENT)
    assert await storage.imports.add(rows) == (ADDED, PRESENT)
    for id in ("old-0", "old-1"):
        assert len(texts(await everything(storage.archive, filter=Filter(ids=(id,))))) == 1


async def test_archive_with_messages_has_no_room(storage: Storage) -> None:
    await storage.archive.append(named("5"))
    rows = imported(*named("1", at=NOON - 100 * SECOND))

    assert await storage.imports.outcomes(rows) == (NO_ROOM,)
    assert await storage.imports.add(rows) == (NO_ROOM,)
    assert await bodies(storage) == ["5"]
    with pytest.raises(NotFound):
        await everything(storage.archive, filter=Filter(ids=("old-0",)))


async def test_import_behind_arrives_now(storage: Storage) -> None:
    await storage.archive.append(named("5"))
    rows = imported(*named("1", "2", at=NOON - 100 * SECOND))

    assert await storage.imports.outcomes(rows, behind=True) == (ADDED, ADDED)
    assert await storage.imports.add(rows, behind=True) == (ADDED, ADDED)
    await storage.archive.append(named("6", at=NOON + 1))

    assert await bodies(storage) == ["5", "1", "2", "6"]
    assert await bodies(storage, Filter(since=NOON)) == ["5", "6"]
    assert await bodies(storage, Filter(until=NOON - SECOND)) == ["1", "2"]


async def test_old_ids_mean_the_message(storage: Storage) -> None:
    await storage.imports.add(imported(*named("1", "2", "3")))
    await storage.archive.append(named("4", at=NOON + 100 * SECOND))
    archive = storage.archive

    assert texts(await archive.page(ALICE, ANY, limit=9, after="old-1"))[0].count("3") == 1
    assert len(texts(await archive.page(ALICE, ANY, limit=9, after="old-1", counted=True))) == 2
    assert len(texts(await archive.page(ALICE, ANY, limit=9, before="old-1"))) == 1
    assert await bodies(storage, Filter(after="old-0", before="old-2")) == ["2"]
    assert await bodies(storage, Filter(ids=("old-2", "old-0"))) == ["1", "3"]
    assert len(texts(await archive.page_after(ALICE, "old-2", limit=9))) == 1
    assert (await storage.retention.blank(ALICE, "old-1")).messages == 1
    for owner, id in ((BOB, "old-1"), (ALICE, "old-9"), (ALICE, "old\0"), (ALICE, "\ud800")):
        with pytest.raises(NotFound):
            await archive.page(owner, ANY, limit=9, after=id)


async def test_old_id_of_a_present_message_is_noted(storage: Storage) -> None:
    await storage.archive.append(named("1", "2"))
    known = ImportedMessage(entry("other", at=NOON), "old-1", known_keys=(dedup_key("1"),))

    assert await storage.imports.add([known]) == (PRESENT,)
    assert await bodies(storage, Filter(after="old-1")) == ["2"]


async def test_old_id_of_a_deleted_message_is_gone(storage: Storage) -> None:
    await storage.imports.add(imported(*named("1", "2")))

    await delete_all_but(storage, 1)

    with pytest.raises(NotFound):
        await storage.archive.page(ALICE, ANY, limit=9, after="old-0")
    assert texts(await storage.archive.page(ALICE, ANY, limit=9, after="old-1")) == []


async def test_old_ids_are_erased_with_the_archive(storage: Storage) -> None:
    await storage.imports.add(imported(*named("1")))
    await storage.retention.erase(ALICE, limit=10)

    await storage.imports.add(imported(*named("2"), old="new"))
    with pytest.raises(NotFound):
        await storage.archive.page(ALICE, ANY, limit=9, after="old-0")


async def test_times_find_imported_and_arrived_messages(storage: Storage) -> None:
    # 5 arrived while the other archive was still in use.
    await storage.imports.add(imported(*named("1", "2")))
    await storage.archive.append([entry("5", at=NOON + 2 * SECOND)])
    late = named("3", "4", at=NOON + 3 * SECOND)
    await storage.imports.add(imported(*late, old="later"))
    await storage.archive.append([entry("6", at=NOON + 5 * SECOND)])

    assert await bodies(storage) == ["1", "2", "3", "4", "5", "6"]
    assert await bodies(storage, Filter(since=NOON + 3 * SECOND)) == ["3", "4", "6"]
    assert await bodies(storage, Filter(until=NOON + 2 * SECOND)) == ["1", "2", "5"]
    page = await storage.archive.page_by_time(ALICE, ANY, limit=None, counted=True)
    assert page.count == 6
    assert [message.at - NOON for message in page.messages] == [n * SECOND for n in range(6)]


async def test_conversation_ends_with_the_message_that_arrived(storage: Storage) -> None:
    seen = [row._replace(is_seen=True) for row in named("1", "2")]
    await storage.imports.add(imported(*seen))
    await storage.archive.append(named("3", at=NOON + 100 * SECOND))
    await storage.imports.add(imported(*named("2b", at=NOON + 50 * SECOND), old="later"))

    [conversation] = (await storage.archive.conversations(ALICE, limit=5)).conversations
    assert "3" in conversation.last.xml
    assert (conversation.messages, conversation.unread) == (4, 2)


async def test_imported_messages_are_found_and_referred_to(storage: Storage) -> None:
    rows = [
        entry("1", text="hello", name_hashes=(7,)),
        correction("2", 7),
        retraction(7, name="3"),
    ]
    await storage.imports.add(imported(*rows))

    [first] = (
        await everything(storage.archive, filter=Filter(phrases=(Phrase(words=("hello",)),)))
    ).messages
    references = await storage.archive.references(ALICE, [first.id], limit=5)
    assert len(references[first.id].messages) == 2
    [unfinished] = await storage.archive.unfinished_retractions()
    assert unfinished.target == first


async def test_retention_deletes_imported_messages_first(storage: Storage) -> None:
    await storage.imports.add(imported(*named("1", "2")))
    await storage.archive.append(named("3", "4", at=NOON + 100 * SECOND))

    await storage.retention.delete_oldest(ALICE, Cutoff(messages=3), limit=10)
    assert await bodies(storage) == ["2", "3", "4"]
    await delete_all_but(storage, 1)
    assert await bodies(storage) == ["4"]


async def test_events_behind_a_cursor_have_no_imported_message(storage: Storage) -> None:
    await storage.imports.add(imported(*named("1")))
    await storage.archive.append(named("2", at=NOON + 100 * SECOND))
    cursor = (await storage.events.page(ALICE, 0, limit=9)).cursor
    await storage.imports.add(imported(*named("1b", at=NOON + SECOND), old="later"))
    await storage.archive.append(named("3", at=NOON + 101 * SECOND))

    page = await storage.events.page(ALICE, cursor, limit=9)
    assert [event.message and event.message.xml[-22:] for event in page.events] == [
        "<body>3</body></message>"[-22:]
    ]


async def test_place_of_an_import_lasts_until_it_is_forgotten(reopen: Open) -> None:
    async with reopen() as storage:
        assert await storage.imports.place("s") is None
        await storage.imports.add(imported(*named("1")), source="s", place="1")
        await storage.imports.add([], source="s", place="2")
    async with reopen() as storage:
        assert await storage.imports.place("s") == "2"
        assert await storage.imports.place("t") is None
        await storage.imports.forget("s")
        assert await storage.imports.place("s") is None
        assert await bodies(storage) == ["1"]


async def test_archives_in_one_import_are_independent(storage: Storage) -> None:
    await storage.archive.append(named("9", owner=BOB))
    rows = [*named("1", "2"), *named("1", owner=BOB)]
    rows = [rows[0], rows[2], rows[1]]

    assert await storage.imports.add(imported(*rows)) == (ADDED, NO_ROOM, ADDED)
    assert await bodies(storage) == ["1", "2"]
    assert await bodies(storage, owner=BOB) == ["9"]


async def test_large_import_is_counted_and_paged(storage: Storage) -> None:
    rows = entries(1200, direction=Direction.SENT, kind=Kind.MESSAGE)
    for start in range(0, 1200, 400):
        await storage.imports.add(imported(*rows[start : start + 400], old=f"o{start}"))
    await storage.archive.append(named("live", at=NOON + 5000 * SECOND))

    page = await storage.archive.page(ALICE, ANY, limit=2, index=1199, counted=True)
    assert (page.index, page.count) == (1199, 1201)
    assert [message.xml.split("body>")[1][:-2] for message in page.messages] == ["1199", "live"]
    assert await storage.archive.count(ALICE, Filter(peer=BOB)) == 1201
