"""Changes of client sessions reach the journal of the user."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, ROMEO

from component.core.events.journal import EventJournal
from component.core.events.session_changes import SessionChanges
from component.core.sessions import events
from component.core.sessions.commands import Change, ChatStateOf, PresencesAre
from component.core.sessions.events import PresenceOf, RosterItem
from component.core.sessions.machine import Limits, SessionMachine
from component.core.sessions.outgoing import ChatState
from storage.interface import Storage
from storage.open import open_storage
from storage.rows import Contact, EntryKind


class NoRosters:
    """Rosters that nobody may read."""

    async def roster(self, _: str) -> tuple[Contact, ...] | None:
        return None

    def are_readable(self, _: str) -> bool:
        return False


async def entered(storage: Storage, *changes: Change) -> set[tuple[EntryKind, str, str]]:
    """Return the state of the journal after some changes."""
    journal = EventJournal(storage.events, NoRosters())
    await journal.look(ALICE)
    for change in changes:
        SessionChanges(journal).note(ALICE, change)
        if isinstance(change, PresenceOf):
            # Later changes meet it in the journal.
            await journal.look(ALICE)
    await journal.look(ALICE)
    snapshot = await storage.events.snapshot(ALICE)
    return {(entry.kind, entry.subject, entry.value) for entry in snapshot.entries}


CONTACT = '{"asked":true,"groups":["Friends"],"name":"Bob","subscription":"none"}'
PRESENT = '{"priority":0,"show":null,"status":null}'
ADDED = RosterItem(jid=BOB, name="Bob", is_asked=True, groups=("Friends",))
ASKS = PresenceOf(jid=ROMEO, type="subscribe", status="Hi")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([ADDED], {(EntryKind.CONTACT, BOB, CONTACT)}),
        ([ADDED, RosterItem(jid=BOB, subscription="remove")], set()),
        (
            [ADDED, PresenceOf(jid=f"{BOB}/a", show="away", priority=3)],
            {
                (EntryKind.CONTACT, BOB, CONTACT),
                (EntryKind.PRESENCE, f"{BOB}/a", '{"priority":3,"show":"away","status":null}'),
            },
        ),
        (
            [ADDED, PresenceOf(jid=f"{BOB}/a"), PresenceOf(jid=f"{BOB}/a", type="unavailable")],
            {(EntryKind.CONTACT, BOB, CONTACT)},
        ),
        (
            [
                ADDED,
                PresenceOf(jid=f"{BOB}/a"),
                PresenceOf(jid=f"{BOB}/b"),
                PresencesAre(frozenset({f"{BOB}/b"})),
                PresenceOf(jid=f"{BOB}/c"),
            ],
            {
                (EntryKind.CONTACT, BOB, CONTACT),
                (EntryKind.PRESENCE, f"{BOB}/b", PRESENT),
                (EntryKind.PRESENCE, f"{BOB}/c", PRESENT),
            },
        ),
        ([ASKS], {(EntryKind.REQUEST, ROMEO, '{"status":"Hi"}')}),
        ([ASKS, PresenceOf(jid=ROMEO, type="unsubscribe")], set()),
        ([PresenceOf(jid=f"{ROMEO}/a", type="subscribed")], set()),
        ([ChatStateOf(BOB, ChatState.COMPOSING)], set()),
    ],
)
async def test_state_of_the_journal_after_changes(
    changes: list[Change], expected: set[tuple[EntryKind, str, str]]
) -> None:
    async with open_storage("sqlite::memory:") as storage:
        assert await entered(storage, *changes) == expected


async def test_contact_who_sees_the_user_asks_no_more() -> None:
    async with open_storage("sqlite::memory:") as storage:
        accepted = RosterItem(jid=ROMEO, subscription="from")

        entries = await entered(storage, ASKS, accepted)

    assert {kind for kind, _, _ in entries} == {EntryKind.CONTACT}


async def test_journal_that_is_opened_later_has_what_the_session_knows() -> None:
    async with open_storage("sqlite::memory:") as storage:
        machine = SessionMachine(ALICE, now=0.0, limits=Limits(), uniform=max)
        machine.handle(events.Used(), 0.0)
        machine.handle(events.LoggedIn(), 0.0)
        for change in (ADDED, PresenceOf(jid=f"{BOB}/a"), ASKS):
            machine.handle(change, 0.0)
        journal = EventJournal(storage.events, NoRosters())
        changes = SessionChanges(journal)
        journal.on_opened(lambda owner: changes.catch_up(owner, machine))

        await journal.look(ALICE)

        snapshot = await storage.events.snapshot(ALICE)
        assert [(entry.kind, entry.subject) for entry in snapshot.entries] == [
            (EntryKind.CONTACT, BOB),
            (EntryKind.PRESENCE, f"{BOB}/a"),
            (EntryKind.REQUEST, ROMEO),
        ]
