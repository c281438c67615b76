"""Changes that client sessions of users report, for the journals of these users."""

from __future__ import annotations

from component.core.events.journal import EventJournal
from component.core.events.values import ContactPresence
from component.core.rosters.contacts import REMOVE
from component.core.sessions.commands import Change
from component.core.sessions.events import PresenceOf, RosterItem
from component.core.sessions.machine import SessionMachine
from component.core.xml.jids import bare
from storage.rows import Contact

#: Subscriptions of contacts that see the presence of the user, so that they ask no more.
_SEES_US = frozenset({"from", "both"})


class SessionChanges:
    """Enters contacts, presences and requests; calling it takes a change of a user's session."""

    def __init__(self, journal: EventJournal) -> None:
        self._journal = journal

    def __call__(self, owner: str, change: Change) -> None:
        """Take one change. Chat states are no events, and receipts come with the archive."""
        if isinstance(change, RosterItem):
            self._take_contact(owner, change)
        elif isinstance(change, PresenceOf):
            self._take_presence(owner, change)

    def catch_up(self, owner: str, machine: SessionMachine | None) -> None:
        """Take the state of a session that began before the journal was opened, if any."""
        if machine is None:
            return
        changes: list[Change] = [*machine.contacts.values(), *machine.presences.values()]
        changes += [PresenceOf(jid=jid, type="subscribe") for jid in machine.requests]
        for change in changes:
            self(owner, change)

    def _take_contact(self, owner: str, item: RosterItem) -> None:
        if item.subscription == REMOVE:
            self._journal.note_roster_push(owner, [], [item.jid])
            return
        contact = Contact(
            jid=item.jid,
            name=item.name,
            subscription=item.subscription,
            ask="subscribe" if item.is_asked else "",
            groups=item.groups,
        )
        self._journal.note_roster_push(owner, [contact], [])
        if item.subscription in _SEES_US:
            self._journal.note_request(owner, item.jid, is_pending=False)

    def _take_presence(self, owner: str, presence: PresenceOf) -> None:
        if presence.type in ("subscribe", "unsubscribe"):
            is_pending = presence.type == "subscribe"
            self._journal.note_request(owner, bare(presence.jid), is_pending=is_pending)
        elif presence.type in ("available", "unavailable"):
            self._journal.note_presence(
                owner,
                ContactPresence(
                    jid=presence.jid,
                    is_available=presence.type == "available",
                    show=presence.show,
                    status=presence.status,
                    priority=presence.priority,
                ),
            )
