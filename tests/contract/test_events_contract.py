"""The contract of `storage.interface.EventsStore`, on every backend."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from contract.conftest import Open
from support.builders import ALICE, BOB, NOON, ROMEO, correction, entries, entry, retract

from storage.errors import Expired
from storage.interface import Archive, EventsStore, Storage
from storage.rows import (
    Cutoff,
    DisplayedMarker,
    EntryKind,
    Event,
    EventPage,
    JournalEntry,
    Kind,
    SignIn,
)

JULIET = "juliet@example.org"
DAY = 24 * 3600 * 1_000_000


@pytest.fixture
async def events(storage: Storage) -> EventsStore:
    """The events of a store in which the journal of alice is open."""
    await storage.events.open(ALICE)
    return storage.events


def contact(
    jid: str, value: str = '{"name":"x"}', *, owner: str = ALICE, at: int = NOON
) -> JournalEntry:
    return JournalEntry(owner=owner, kind=EntryKind.CONTACT, subject=jid, value=value, at=at)


def presence(jid: str, value: str = '{"show":""}', *, at: int = NOON) -> JournalEntry:
    return JournalEntry(owner=ALICE, kind=EntryKind.PRESENCE, subject=jid, value=value, at=at)


def subject(event: Event) -> str:
    """Return the XML of the message of an event, or the subject of its entry."""
    if event.message is not None:
        return event.message.xml
    assert event.entry is not None
    return event.entry.subject


async def rest(events: EventsStore, after: int | str = 0, limit: int = 100) -> EventPage:
    return await events.page(ALICE, after, limit=limit)


async def test_messages_and_entries_have_one_counter_from_1_on(
    archive: Archive, events: EventsStore
) -> None:
    await archive.append([entry(1)])
    await events.put([contact(BOB)])
    await archive.append([entry(2), entry(3)])
    await events.put([presence(f"{BOB}/a")])

    page = await rest(events)

    assert [event.event_id for event in page.events] == [1, 2, 3, 4, 5]
    first, second, third = entry(1).xml, entry(2).xml, entry(3).xml
    assert list(map(subject, page.events)) == [first, BOB, second, third, f"{BOB}/a"]
    assert (page.complete, page.event_id, page.cursor) == (True, 5, page.events[-1].cursor)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_have_all_events_in_order_once(
    archive: Archive, events: EventsStore, limit: int
) -> None:
    for n in range(5):
        await archive.append([entry(n)])
        await events.put([contact(f"{n}@example.org")])
    everything = await rest(events)

    cursor: int | str = 0
    paged: list[Event] = []
    complete = False
    while not complete:
        page = await rest(events, cursor, limit)
        assert 0 < len(page.events) <= limit
        paged += page.events
        cursor, complete = page.cursor, page.complete

    assert tuple(paged) == everything.events
    assert await rest(events, cursor) == await rest(events, everything.event_id)
    assert (await rest(events, cursor)).events == ()


async def test_page_ends_before_a_message_that_does_not_fit(
    archive: Archive, events: EventsStore
) -> None:
    await archive.append([entry(1)])
    await archive.append([entry(2, xml="x" * 500)])
    await events.put([contact(BOB)])

    page = await events.page(ALICE, 0, limit=10, max_bytes=500)

    assert [event.event_id for event in page.events] == [1]
    assert not page.complete
    page = await events.page(ALICE, page.cursor, limit=10, max_bytes=500)
    assert [event.event_id for event in page.events] == [2, 3]


async def test_message_about_another_names_its_target(
    archive: Archive, events: EventsStore
) -> None:
    await archive.append([entry(1, name_hashes=(7,))])
    await archive.append([correction(2, of=7)])

    original, corrected = (await rest(events)).events

    assert corrected.target is not None
    assert corrected.target == original.cursor
    assert original.message == (await rest(events)).targets[corrected.target]
    assert original.target is None


async def test_change_moves_its_subject_to_the_end(events: EventsStore) -> None:
    await events.put([contact(BOB), contact(ROMEO)])

    assert await events.put([contact(BOB, "{}")]) == {ALICE}

    page = await rest(events)
    assert [(event.event_id, subject(event)) for event in page.events] == [(2, ROMEO), (3, BOB)]


async def test_entry_that_changes_nothing_is_no_event(events: EventsStore) -> None:
    await events.put([contact(BOB)])

    assert await events.put([contact(BOB), contact(ROMEO, "")]) == frozenset()

    assert (await rest(events)).event_id == 1


async def test_removed_contact_is_an_event_and_in_no_snapshot(events: EventsStore) -> None:
    await events.put([contact(BOB), contact(ROMEO)])
    before = await events.snapshot(ALICE)

    await events.put([contact(BOB, "")])

    after = await events.snapshot(ALICE)
    assert {entry.subject for entry in before.entries} == {BOB, ROMEO}
    assert {entry.subject for entry in after.entries} == {ROMEO}
    [event] = (await rest(events, before.cursor)).events
    assert (subject(event), event.entry and event.entry.value) == (BOB, "")


async def test_journal_that_is_not_open_is_not_written(storage: Storage) -> None:
    await storage.archive.append([entry(1)])

    assert await storage.events.put([contact(BOB)]) == frozenset()

    assert (await rest(storage.events)).event_id == 1
    assert await storage.events.owners() == ()


async def test_events_of_others_are_not_in_a_page(archive: Archive, events: EventsStore) -> None:
    await events.open(JULIET)
    await events.put([contact(BOB, owner=JULIET)])
    await archive.append([entry(1, owner=JULIET)])

    assert (await rest(events)).events == ()
    cursor = (await events.snapshot(JULIET)).cursor
    with pytest.raises(Expired):
        await rest(events, cursor)


async def test_displayed_marker_is_an_event_if_it_changes_anything(
    archive: Archive, events: EventsStore
) -> None:
    await archive.append(entries(2))
    [first, second] = (await rest(events)).events

    assert first.message is not None
    marker = DisplayedMarker(owner=ALICE, peer=BOB, id=second.cursor)
    assert await archive.note_displayed([marker]) == {ALICE}
    older = DisplayedMarker(owner=ALICE, peer=BOB, id=first.cursor)
    assert await archive.note_displayed([marker, older]) == frozenset()

    [event] = (await rest(events, second.cursor)).events
    assert event.entry is not None
    assert (event.entry.kind, event.entry.subject) == (EntryKind.DISPLAYED, BOB)
    assert json.loads(event.entry.value) == {"id": second.cursor}


async def test_tombstone_is_an_event_after_the_retraction(
    archive: Archive, events: EventsStore
) -> None:
    await archive.append([entry(1, name_hashes=(7,))])
    await retract(archive, 7)

    page = await rest(events)

    original, retraction, changed = page.events
    assert original.message is not None
    assert original.message.kind is Kind.TOMBSTONE
    assert retraction.target == original.cursor
    assert changed.entry is not None
    assert (changed.entry.kind, changed.entry.subject) == (EntryKind.CHANGED, original.cursor)
    assert json.loads(changed.entry.value) == {"peer": BOB}
    assert page.targets == {original.cursor: original.message}


async def test_blanked_message_is_an_event(storage: Storage, events: EventsStore) -> None:
    await storage.archive.append([entry(1)])
    [original] = (await rest(events)).events

    await storage.retention.blank(ALICE, original.cursor)

    [event] = (await rest(events, original.cursor)).events
    assert event.entry is not None
    assert (event.entry.kind, event.entry.subject) == (EntryKind.CHANGED, original.cursor)
    assert json.loads(event.entry.value) == {"peer": BOB}


async def test_place_after_the_last_event_is_expired(
    archive: Archive, events: EventsStore
) -> None:
    await archive.append([entry(1)])

    for place in (2, "no cursor", ""):
        with pytest.raises(Expired):
            await rest(events, place)


async def test_cursor_of_an_erased_archive_is_expired(
    storage: Storage, events: EventsStore
) -> None:
    await storage.archive.append([entry(1)])
    await events.put([contact(BOB)])
    cursor = (await rest(events)).cursor

    await storage.retention.erase(ALICE, limit=10)
    await events.open(ALICE)
    await storage.archive.append(entries(5))

    with pytest.raises(Expired):
        await rest(events, cursor)
    assert [event.event_id for event in (await rest(events)).events] == [1, 2, 3, 4, 5]
    assert (await events.snapshot(ALICE)).entries == ()


async def test_cursor_stays_valid_after_messages_before_it_are_deleted(
    storage: Storage, events: EventsStore
) -> None:
    await storage.archive.append(entries(3))
    cursor = (await rest(events, limit=1)).cursor

    await storage.retention.delete_oldest(ALICE, Cutoff(messages=1), limit=10)

    assert [event.event_id for event in (await rest(events, cursor)).events] == [3]


async def test_entries_of_the_past_are_deleted_after_a_month(events: EventsStore) -> None:
    await events.put([contact(BOB), contact(ROMEO)])
    await events.put([contact(BOB, "", at=NOON)])

    await events.put([contact(JULIET, at=NOON + 31 * DAY)])

    assert list(map(subject, (await rest(events, 3)).events)) == [JULIET]
    assert {entry.subject for entry in (await events.snapshot(ALICE)).entries} == {ROMEO, JULIET}
    with pytest.raises(Expired):
        await rest(events, 2)


async def test_journal_without_valid_sign_in_is_closed(
    storage: Storage, events: EventsStore
) -> None:
    await events.open(JULIET)
    await events.put([contact(BOB), contact(BOB, owner=JULIET)])
    sign_in = SignIn(
        id="a", jid=JULIET, created_at=1, refreshed_at=1, expires_at=1000, token_hash=b"a"
    )
    await storage.sign_ins.add(sign_in, limit=5, revocations=0)

    assert await events.close_unused(at=999) == (ALICE,)
    assert await events.owners() == (JULIET,)
    assert (await events.snapshot(ALICE)).entries == ()
    assert await events.close_unused(at=1000) == (JULIET,)


async def test_cursor_from_before_a_closed_journal_is_expired(
    storage: Storage, events: EventsStore
) -> None:
    await storage.archive.append([entry(1)])
    cursor = (await rest(events, limit=1)).cursor
    await storage.archive.append([entry(2)])

    await events.close_unused(at=1)
    await events.open(ALICE)

    for place in (0, cursor):
        with pytest.raises(Expired):
            await rest(events, place)
    assert (await rest(events, 2)).events == ()


async def test_counter_goes_on_after_a_restart(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.events.open(ALICE)
        await storage.archive.append([entry(1)])
        await storage.events.put([contact(BOB)])
        cursor = (await rest(storage.events)).cursor

    async with reopen() as storage:
        await storage.events.put([contact(ROMEO)])
        await storage.archive.append([entry(2)])
        page = await rest(storage.events, cursor)

        assert await storage.events.owners() == (ALICE,)
        assert [event.event_id for event in page.events] == [3, 4]
        assert (await rest(storage.events)).events[2:] == page.events


async def test_conversations_can_be_those_with_some_peers(archive: Archive) -> None:
    await archive.append([entry(n, peer=peer) for n, peer in enumerate((BOB, ROMEO, JULIET))])

    page = await archive.conversations(ALICE, limit=10, peers=[JULIET, BOB, "nobody@example.org"])

    assert [conversation.peer for conversation in page.conversations] == [JULIET, BOB]
    assert page.complete


async def test_request_is_part_of_a_snapshot_until_it_ends(events: EventsStore) -> None:
    request = JournalEntry(
        owner=ALICE, kind=EntryKind.REQUEST, subject=ROMEO, value='{"status":null}', at=NOON
    )
    await events.put([request])
    assert (await events.snapshot(ALICE)).entries == (request,)

    await events.put([replace(request, value="")])
    assert (await events.snapshot(ALICE)).entries == ()
    assert (await rest(events)).events[-1].entry == replace(request, value="")


async def test_each_refusal_is_an_event_and_none_is_part_of_a_snapshot(
    events: EventsStore,
) -> None:
    refusal = JournalEntry(
        owner=ALICE, kind=EntryKind.FAILED, subject="m", value='{"error":"gone"}', at=NOON
    )
    for _ in range(2):
        assert await events.put([refusal]) == {ALICE}
    assert (await events.snapshot(ALICE)).entries == ()
    [event] = (await rest(events)).events
    assert (event.event_id, event.entry) == (2, refusal)
