"""The journal: what is entered, for whom, and what happens while the store or a roster fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.builders import ALICE, BOB, HOST, ROMEO
from support.databases import read_only
from support.wire import until

from component.core.errors import Overloaded
from component.core.events.journal import CONTACTS_MAX, EventJournal
from component.core.events.session_changes import SessionChanges
from component.core.events.values import ContactPresence
from component.core.sessions.commands import ReceiptOf, RefusalOf
from component.core.sessions.events import PresenceOf, RosterItem
from storage.open import open_storage
from storage.rows import Contact, EntryKind, SignIn
from storage.sql.store import SqlStorage

JULIET = f"juliet@{HOST}"


@dataclass
class Server:
    """A server that has the roster of alice, and answers when `may_answer` is set."""

    roster_of_alice: dict[str, Contact] | None = field(default_factory=dict)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    reads: int = 0

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        self.reads += 1
        roster = None if self.roster_of_alice is None else tuple(self.roster_of_alice.values())
        await self.may_answer.wait()
        return roster

    def are_readable(self, host: str) -> bool:
        return True


@dataclass
class Opened:
    """A journal over a store, and the server whose rosters it reads."""

    storage: SqlStorage
    server: Server
    journal: EventJournal
    woken: list[str]

    async def entries(self) -> dict[str, str]:
        """Return the values of the contacts and presences of alice."""
        await self.journal.look(ALICE)
        entries = (await self.storage.events.snapshot(ALICE)).entries
        return {entry.subject: entry.value for entry in entries}

    async def last(self) -> int:
        return (await self.storage.events.snapshot(ALICE)).event_id


@asynccontextmanager
async def open_journal(url: str = "sqlite::memory:", **options: Any) -> AsyncIterator[Opened]:
    server, woken = Server(), list[str]()
    server.may_answer.set()
    async with open_storage(url) as storage:
        journal = EventJournal(
            storage.events, server, on_written=woken.extend, wait_seconds=0.2, **options
        )
        yield Opened(storage, server, journal, woken)


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    async with open_journal() as opened:
        yield opened


def available(jid: str, **fields: str) -> ContactPresence:
    return ContactPresence(jid=jid, is_available=True, **fields)


def contacts(*jids: str) -> dict[str, Contact]:
    return {jid: Contact(jid=jid) for jid in jids}


async def test_first_look_enters_the_roster(opened: Opened) -> None:
    opened.server.roster_of_alice = contacts(BOB, ROMEO)

    assert await opened.journal.look(ALICE)

    assert set(await opened.entries()) == {BOB, ROMEO}
    assert await opened.storage.events.owners() == (ALICE,)


async def test_roster_is_read_once_on_a_connection(opened: Opened) -> None:
    await opened.journal.look(ALICE)
    await opened.journal.look(ALICE)
    assert opened.server.reads == 1

    opened.journal.reconnected()
    await opened.journal.look(ALICE)

    assert opened.server.reads == 2


async def test_change_without_push_is_entered_at_the_next_look(opened: Opened) -> None:
    opened.server.roster_of_alice = contacts(BOB, ROMEO)
    await opened.journal.look(ALICE)
    before = await opened.last()

    opened.server.roster_of_alice = contacts(ROMEO, JULIET)
    opened.journal.reconnected()
    assert set(await opened.entries()) == {ROMEO, JULIET}

    events = (await opened.storage.events.page(ALICE, before, limit=9)).events
    assert {(e.entry.subject, bool(e.entry.value)) for e in events if e.entry} == {
        (BOB, False),
        (JULIET, True),
    }


async def test_push_while_the_roster_is_read_is_not_overwritten(opened: Opened) -> None:
    opened.server.roster_of_alice = contacts(BOB)
    opened.server.may_answer.clear()
    look = asyncio.create_task(opened.journal.look(ALICE))
    await until(lambda: opened.server.reads == 1)

    opened.server.roster_of_alice = contacts(ROMEO)
    opened.journal.note_roster_push(ALICE, [Contact(jid=ROMEO)], [BOB])
    opened.server.may_answer.set()

    assert await look
    assert set(await opened.entries()) == {ROMEO}
    assert opened.server.reads == 2


async def test_look_does_not_wait_long_for_a_roster(opened: Opened) -> None:
    opened.server.may_answer.clear()

    async with asyncio.timeout(30):
        assert not await opened.journal.look(ALICE)


@pytest.mark.parametrize("size", [None, CONTACTS_MAX + 1])
async def test_roster_that_is_unreadable_or_too_large_is_not_entered(
    opened: Opened, size: int | None
) -> None:
    names = [f"{number}@{HOST}" for number in range(size or 0)]
    opened.server.roster_of_alice = None if size is None else contacts(*names)

    assert not await opened.journal.look(ALICE)

    assert await opened.entries() == {}
    # It is not read again at once.
    assert opened.server.reads == 1


async def test_only_presences_of_contacts_are_entered(opened: Opened) -> None:
    opened.server.roster_of_alice = contacts(BOB)
    await opened.journal.look(ALICE)

    for jid in (f"{BOB}/a", f"{ROMEO}/a"):
        opened.journal.note_presence(ALICE, available(jid))

    assert set(await opened.entries()) == {BOB, f"{BOB}/a"}


async def test_repeated_presence_is_no_event(opened: Opened) -> None:
    opened.server.roster_of_alice = contacts(BOB)
    await opened.journal.look(ALICE)
    opened.journal.note_presence(ALICE, available(f"{BOB}/a", status="here"))
    await opened.journal.look(ALICE)
    before = await opened.last()

    opened.journal.note_presence(ALICE, available(f"{BOB}/a", status="here"))
    await opened.journal.look(ALICE)

    assert await opened.last() == before


async def test_unavailable_bare_jid_ends_all_presences(opened: Opened) -> None:
    opened.server.roster_of_alice = contacts(BOB)
    await opened.journal.look(ALICE)
    for resource in ("a", "b"):
        opened.journal.note_presence(ALICE, available(f"{BOB}/{resource}"))
    await opened.journal.look(ALICE)

    opened.journal.note_presence(ALICE, ContactPresence(jid=BOB, is_available=False))

    assert set(await opened.entries()) == {BOB}


async def test_nothing_is_entered_before_the_first_look(opened: Opened) -> None:
    opened.journal.note_roster_push(ALICE, [Contact(jid=BOB)], [])
    opened.journal.note_presence(ALICE, available(f"{BOB}/a"))

    assert await opened.entries() == {}


async def test_open_journals_are_known_after_a_restart(opened: Opened) -> None:
    await opened.journal.look(ALICE)
    opened.server.roster_of_alice = contacts(BOB)

    restarted = EventJournal(opened.storage.events, opened.server)
    await restarted.load()
    restarted.note_roster_push(ALICE, [Contact(jid=ROMEO)], [])
    await restarted.look(ALICE)

    entries = (await opened.storage.events.snapshot(ALICE)).entries
    assert {entry.subject for entry in entries} == {BOB}
    events = (await opened.storage.events.page(ALICE, 0, limit=9)).events
    assert {event.entry.subject for event in events if event.entry} == {BOB, ROMEO}


async def test_running_journal_writes_at_once_and_wakes_readers(opened: Opened) -> None:
    sign_in = SignIn(
        id="a", jid=ALICE, created_at=1, refreshed_at=1, expires_at=2**62, token_hash=b"a"
    )
    await opened.storage.sign_ins.add(sign_in, limit=5, revocations=0)
    await opened.journal.look(ALICE)
    running = asyncio.create_task(opened.journal.run())

    opened.journal.note_roster_push(ALICE, [Contact(jid=BOB)], [])

    await until(lambda: opened.woken == [ALICE])
    assert await opened.last() == 1
    opened.journal.stop()
    await running


async def test_running_journal_closes_those_without_sign_in(opened: Opened) -> None:
    await opened.journal.look(ALICE)
    running = asyncio.create_task(opened.journal.run())

    await until(lambda: not opened.journal.is_open(ALICE))

    assert await opened.storage.events.owners() == ()
    opened.journal.stop()
    await running


async def test_changes_wait_while_the_store_cannot_be_written(tmp_path: object) -> None:
    async with open_journal(f"sqlite:{tmp_path}/a.db") as opened:
        await opened.journal.look(ALICE)
        async with read_only(opened.storage):
            opened.journal.note_roster_push(ALICE, [Contact(jid=BOB, name="old")], [])
            await opened.journal.look(ALICE)
            assert await opened.last() == 0
            opened.journal.note_roster_push(ALICE, [Contact(jid=BOB, name="new")], [])
        assert '"new"' in (await opened.entries())[BOB]
        assert opened.woken == [ALICE]


async def test_first_look_fails_while_the_store_cannot_be_written(tmp_path: object) -> None:
    async with open_journal(f"sqlite:{tmp_path}/a.db") as opened:
        async with read_only(opened.storage):
            with pytest.raises(Overloaded):
                await opened.journal.look(ALICE)
        assert await opened.journal.look(ALICE)


async def test_waiting_changes_are_bounded() -> None:
    async with open_journal(pending_max=2) as opened:
        opened.server.roster_of_alice = contacts(BOB)
        await opened.journal.look(ALICE)
        pushed = [Contact(jid=f"{number}@{HOST}") for number in range(5)]
        opened.journal.note_roster_push(ALICE, pushed, [])

        # The roster is compared again, as changes were dropped.
        assert set(await opened.entries()) == {BOB}
        assert opened.server.reads == 2


async def test_forgotten_account_is_not_entered(opened: Opened) -> None:
    await opened.journal.look(ALICE)
    opened.journal.note_roster_push(ALICE, [Contact(jid=BOB)], [])

    opened.journal.forget(ALICE)

    assert not opened.journal.is_open(ALICE)
    assert await opened.last() == 0


async def test_request_waits_until_it_is_answered(opened: Opened) -> None:
    await opened.journal.look(ALICE)
    opened.journal.note_request(ALICE, ROMEO, "Let me in")
    assert await opened.entries() == {ROMEO: '{"status":"Let me in"}'}

    opened.journal.note_request_ended(ALICE, ROMEO)
    assert await opened.entries() == {}


@pytest.mark.parametrize("subscription", ["from", "both"])
async def test_request_ends_when_the_contact_sees_the_user(
    opened: Opened, subscription: str
) -> None:
    await opened.journal.look(ALICE)
    opened.journal.note_request(ALICE, BOB)
    await opened.entries()
    contact = Contact(jid=BOB, subscription=subscription)
    opened.journal.note_roster_push(ALICE, [contact], [])
    assert (await opened.entries()).keys() == {BOB}
    [entry] = (await opened.storage.events.snapshot(ALICE)).entries
    assert entry.kind is EntryKind.CONTACT

    # The server itself answers such a request.
    opened.journal.note_request(ALICE, BOB)
    await opened.entries()
    [entry] = (await opened.storage.events.snapshot(ALICE)).entries
    assert entry.kind is EntryKind.CONTACT


async def test_requests_are_bounded_and_contacts_stay(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("component.core.events.journal.REQUESTS_MAX", 3)
    await opened.journal.look(ALICE)
    opened.journal.note_roster_push(ALICE, [Contact(jid=BOB)], [])
    for number in range(5):
        opened.journal.note_request(ALICE, f"stranger{number}@remote.example")
        await opened.entries()
    assert (await opened.entries()).keys() == {
        BOB,
        *(f"stranger{number}@remote.example" for number in range(3)),
    }


async def test_late_refusal_is_an_event_and_no_state(opened: Opened) -> None:
    await opened.journal.look(ALICE)
    before = await opened.last()
    opened.journal.note_refusal(
        ALICE, "m", peer=ROMEO, is_message=True, condition="gone", text="Bye."
    )
    assert await opened.entries() == {}
    page = await opened.storage.events.page(ALICE, before, limit=10)
    [event] = page.events
    assert event.entry is not None
    assert (event.entry.kind, event.entry.subject) == (EntryKind.FAILED, "m")
    assert json.loads(event.entry.value) == {
        "peer": ROMEO,
        "type": "message",
        "error": "gone",
        "message": "Bye.",
    }


async def test_changes_of_a_session_are_entered(opened: Opened) -> None:
    changes = SessionChanges(opened.journal)
    await opened.journal.look(ALICE)
    for change in (
        RosterItem(jid=BOB, subscription="to", is_asked=True),
        PresenceOf(jid=f"{BOB}/phone", show="away"),
        PresenceOf(jid=ROMEO, type="subscribe", status="Hi"),
        PresenceOf(jid=JULIET, type="subscribe"),
        PresenceOf(jid=JULIET, type="unsubscribe"),
        RefusalOf("m", ROMEO, True, "gone", ""),
        ReceiptOf(BOB, "m"),
    ):
        changes.note(ALICE, change)
    entries = await opened.entries()
    assert entries.keys() == {BOB, f"{BOB}/phone", ROMEO}
    assert json.loads(entries[BOB])["asked"] is True

    changes.note(ALICE, RosterItem(jid=BOB, subscription="remove"))
    changes.note(ALICE, PresenceOf(jid=f"{BOB}/phone", type="unavailable"))
    assert (await opened.entries()).keys() == {ROMEO}


async def test_roster_of_another_server_comes_from_the_session(opened: Opened) -> None:
    carol = "carol@far.example"
    rosters: list[tuple[Contact, ...] | None] = [None]
    opened.journal.read_other_rosters(lambda _: rosters[-1], lambda jid: jid == carol)
    assert await opened.journal.look(carol) is False

    rosters.append((Contact(jid=BOB, subscription="to"),))
    assert await opened.journal.look(carol) is True
    [entry] = (await opened.storage.events.snapshot(carol)).entries
    assert entry.subject == BOB
    assert opened.server.reads == 0

    opened.journal.reconnected()
    rosters.append(())
    assert await opened.journal.look(carol) is True
    assert (await opened.storage.events.snapshot(carol)).entries == ()
