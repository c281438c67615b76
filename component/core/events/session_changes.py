"""Changes that the session of a user sees, for the journal of the account."""

from __future__ import annotations

from typing import Protocol

from component.core.chat.following.signals import Signals
from component.core.events.journal import EventJournal, OtherRosters
from component.core.events.values import ContactPresence
from component.core.rosters.contacts import REMOVE
from component.core.sessions.commands import Change, ChatStateOf, PresencesAre, RefusalOf
from component.core.sessions.events import PresenceOf, RosterItem
from component.core.sessions.machine import SessionMachine
from component.core.xml import jids
from storage.rows import Contact


class SessionChanges:
    """Notes contacts, presences, subscription requests and late refusals.

    ejabberd copies most of these too; the journal skips a repeated state.
    """

    def __init__(self, journal: EventJournal, signals: Signals | None = None) -> None:
        """`signals` passes chat states on, which are no events; None: nobody shows them."""
        self._journal = journal
        self._signals = signals

    def note(self, owner: str, change: Change) -> None:
        """Note a change; receipts are in the archive."""
        if isinstance(change, ChatStateOf) and self._signals is not None:
            self._signals.note_change(owner, change)
        elif isinstance(change, RosterItem):
            self._note_contact(owner, change)
        elif isinstance(change, PresenceOf):
            self._note_presence(owner, change)
        elif isinstance(change, PresencesAre):
            self._journal.note_presences(owner, change.jids)
        elif isinstance(change, RefusalOf):
            self._journal.note_refusal(
                owner,
                change.id,
                peer=change.jid,
                is_message=change.is_message,
                condition=change.condition,
                text=change.text,
            )

    def catch_up(self, owner: str, machine: SessionMachine | None) -> None:
        """Note the state of a session that began before the journal was opened, if any."""
        if machine is None:
            return
        changes: list[Change] = [*machine.contacts.values(), *machine.presences.values()]
        changes += [PresenceOf(jid=jid, type="subscribe") for jid in machine.requests]
        for change in changes:
            self.note(owner, change)

    def _note_contact(self, owner: str, item: RosterItem) -> None:
        if item.subscription == REMOVE:
            self._journal.note_roster_push(owner, (), (item.jid,))
        else:
            self._journal.note_roster_push(owner, (contact_of(item),), ())

    def _note_presence(self, owner: str, presence: PresenceOf) -> None:
        jid = jids.bare(presence.jid)
        if presence.type == "subscribe":
            self._journal.note_request(owner, jid, presence.status)
        elif presence.type == "unsubscribe":
            self._journal.note_request_ended(owner, jid)
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


class SessionRosters(Protocol):
    """Knows the rosters of users of other servers by their sessions."""

    def contacts(self, owner: str) -> tuple[RosterItem, ...] | None:
        """Return the roster that a session has, None: it has none yet.

        Raises NotAuthorized, Overloaded.
        """
        ...


def contacts_of_sessions(sessions: SessionRosters) -> OtherRosters:
    """Return what reads rosters of sessions, for the journal."""

    def contacts(owner: str) -> tuple[Contact, ...] | None:
        items = sessions.contacts(owner)
        return None if items is None else tuple(map(contact_of, items))

    return contacts


def contact_of(item: RosterItem) -> Contact:
    """Return a contact as it is on a roster."""
    return Contact(
        jid=item.jid,
        name=item.name,
        subscription=item.subscription,
        ask="subscribe" if item.is_asked else "",
        groups=item.groups,
    )
