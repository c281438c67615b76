"""Presence in chat: a user who follows is on line, and sees which contacts are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from component.core.errors import Refused
from component.core.events.values import fields_of
from component.core.sessions.delivery import ClientSessions
from component.core.store_errors import translated
from component.core.xml.jids import bare
from storage.interface import EventsStore
from storage.rows import EntryKind


@dataclass(frozen=True, slots=True)
class Availability:
    """The presence of a contact that is on line."""

    show: str | None  #: away, chat, dnd or xa; None: available
    status: str | None


class ChatPresence:
    """Reads presences from the journals of users, and keeps their sessions open."""

    def __init__(self, store: EventsStore, sessions: ClientSessions | None) -> None:
        self._store = store
        self._sessions = sessions

    def attend(self, owner: str) -> None:
        """Keep a user on line who follows; call it again and again.

        Without a session, if the user has to sign in or there are too many, nothing happens.
        """
        if self._sessions is not None:
            with suppress(Refused):
                self._sessions.use(owner)

    async def of_contacts(self, owner: str) -> Mapping[str, Availability]:
        """Return the contacts that are on line, by bare JID. Raises Overloaded.

        Of several resources the one with the highest priority counts.
        """
        with translated():
            snapshot = await self._store.snapshot(owner)
        priorities: dict[str, int] = {}
        contacts: dict[str, Availability] = {}
        for entry in snapshot.entries:
            if entry.kind is not EntryKind.PRESENCE or not entry.value:
                continue
            jid, fields = bare(entry.subject), fields_of(entry)
            if jid not in contacts or fields["priority"] > priorities[jid]:
                contacts[jid] = Availability(fields["show"], fields["status"])
                priorities[jid] = fields["priority"]
        return contacts
