"""Changes that the session of a user sees, for the journal of the account."""

from __future__ import annotations

from component.core.events.journal import EventJournal
from component.core.events.values import ContactPresence
from component.core.rosters.contacts import REMOVE
from component.core.sessions.commands import Change, RefusalOf
from component.core.sessions.events import PresenceOf, RosterItem
from component.core.xml import jids
from storage.rows import Contact


class SessionChanges:
    """Notes contacts, presences, subscription requests and late refusals.

    ejabberd copies most of these too; the journal skips a repeated state.
    """

    def __init__(self, journal: EventJournal) -> None:
        self._journal = journal

    def note(self, owner: str, change: Change) -> None:
        """Note a change; chat states are no events, and receipts are in the archive."""
        if isinstance(change, RosterItem):
            self._note_contact(owner, change)
        elif isinstance(change, PresenceOf):
            self._note_presence(owner, change)
        elif isinstance(change, RefusalOf):
            self._journal.note_refusal(
                owner,
                change.id,
                peer=change.jid,
                is_message=change.is_message,
                condition=change.condition,
                text=change.text,
            )

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


def contact_of(item: RosterItem) -> Contact:
    """Return a contact as it is on a roster."""
    return Contact(
        jid=item.jid,
        name=item.name,
        subscription=item.subscription,
        ask="subscribe" if item.is_asked else "",
        groups=item.groups,
    )
