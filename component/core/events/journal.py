"""The journal of accounts whose users read events: contacts, presences, requests, late refusals.

Roster pushes and presences come in copies, and through the sessions of users. Rosters change
without a push as well: while no client of the user is connected, or while Muniment is not. So a
roster is read at the first look of a user on a connection, and every ten minutes, and the
differences are entered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace

from cachetools import LRUCache, TTLCache

from component.core.errors import Refused
from component.core.events.values import (
    ENDED,
    ContactPresence,
    contact_value,
    fields_of,
    refusal_value,
    request_value,
)
from component.core.rosters.protocol import Rosters
from component.core.shared_tasks import SharedTasks
from component.core.store_errors import translated
from component.core.xml import jids
from component.core.xml.times import now
from storage.errors import StorageError, Unavailable
from storage.interface import EventsStore
from storage.rows import Contact, EntryKind, JournalEntry, JournalSnapshot

log = logging.getLogger(__name__)

#: How long a look waits at most for a roster.
WAIT_SECONDS = 2.0

#: How long a roster is not read again, and after a failure; of how many users that is remembered.
FRESH_SECONDS = 600.0
UNREADABLE_SECONDS = 60.0
USERS_MAX = 20_000

#: How often a roster is read that changes while it is read.
READS_MAX = 3

#: A larger roster is not entered in a journal.
CONTACTS_MAX = 2000

#: Subscription requests that a journal keeps: anybody can send some.
REQUESTS_MAX = 500

#: Changes that wait to be written; the oldest are dropped first.
PENDING_MAX = 20_000

#: How long to wait after a failure, and between two searches for journals that nobody reads.
RETRY_SECONDS = 1.0
CLOSE_SECONDS = 3600.0

#: Returns the contacts of a user of another server, None if the session has no roster yet. Raises
#: NotAuthorized, Overloaded.
OtherRosters = Callable[[str], tuple[Contact, ...] | None]

_Key = tuple[str, EntryKind, str]  # owner, kind, subject


class EventJournal:
    """Enters changes of contacts and presences, for accounts whose journals are open."""

    def __init__(
        self,
        store: EventsStore,
        rosters: Rosters,
        *,
        on_written: Callable[[Collection[str]], None] = lambda _: None,
        wait_seconds: float = WAIT_SECONDS,
        pending_max: int = PENDING_MAX,
    ) -> None:
        """`on_written` is called with the owners who have new events.

        A look waits `wait_seconds` for a roster. Up to `pending_max` changes wait to be written.
        """
        self._store = store
        self._rosters = rosters
        self._on_written = on_written
        self._wait_seconds = wait_seconds
        self._pending_max = pending_max
        self._on_opened: Callable[[str], None] = lambda _: None
        self._open: set[str] = set()
        self._pending: dict[_Key, JournalEntry] = {}
        #: by owner the full JIDs outside which all presences have ended, not written yet
        self._available: dict[str, frozenset[str]] = {}
        #: bare JIDs of contacts by owner, as the journal has them
        self._contacts: LRUCache[str, set[str]] = LRUCache(USERS_MAX)
        self._fresh: TTLCache[str, None] = TTLCache(USERS_MAX, FRESH_SECONDS, time.monotonic)
        self._unreadable: TTLCache[str, None] = TTLCache(
            USERS_MAX, UNREADABLE_SECONDS, time.monotonic
        )
        self._reading: set[str] = set()  # owners whose roster has not changed while it is read
        self._refreshing = SharedTasks[str, None](_log_failure)
        self._other_contacts: OtherRosters = lambda _: None
        self._is_other: Callable[[str], bool] = lambda _: False
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._is_failing = False

    def read_other_rosters(self, contacts: OtherRosters, is_other: Callable[[str], bool]) -> None:
        """Read the rosters of users of other servers, whom `is_other` knows, from sessions."""
        self._other_contacts, self._is_other = contacts, is_other

    async def load(self) -> None:
        """Load which journals are open. Raises StorageError."""
        self._open.update(await self._store.owners())

    def opened_elsewhere(self, owners: Iterable[str]) -> None:
        """Enter the changes of accounts too whose journals another process has opened."""
        for owner in set(owners) - self._open:
            self._open.add(owner)
            self._on_opened(owner)

    def on_opened(self, call: Callable[[str], None]) -> None:
        """Call `call` with the owner of each journal that is opened, to enter what is known."""
        self._on_opened = call

    def is_open(self, owner: str) -> bool:
        """Return whether the changes of an account are entered."""
        return owner in self._open

    async def look(self, owner: str) -> bool:
        """Open the journal of a user who reads events, and bring its contacts up to date.

        Returns whether the journal has the whole roster of the user. Raises Overloaded, and
        NotAuthorized if a user of another server has to sign in again.
        """
        if owner not in self._open:
            with translated():
                await self._store.open(owner)
            self._open.add(owner)
            self._on_opened(owner)
        if self._is_other(owner):
            # What changes, the session reports by itself.
            contacts = self._other_contacts(owner)
            if contacts is not None and owner not in self._fresh:
                await self._compare(owner, contacts)
            await self._write()
            return contacts is not None
        if owner not in self._fresh and owner not in self._unreadable:
            with suppress(Refused):
                await self._refreshing.run(
                    owner, lambda: self._refresh(owner), wait_seconds=self._wait_seconds
                )
        await self._write()
        return owner in self._fresh

    def note_roster_push(
        self, owner: str, contacts: Iterable[Contact], removed: Iterable[str]
    ) -> None:
        """Note contacts that were added or changed, and the JIDs of removed ones."""
        self._reading.discard(owner)
        if self.is_open(owner):
            self._note_contacts(owner, contacts, removed)

    def note_presence(self, owner: str, presence: ContactPresence) -> None:
        """Note a presence that a user received; the journal keeps only those of contacts."""
        if self.is_open(owner):
            self._note(owner, EntryKind.PRESENCE, presence.jid, presence.value())

    def note_presences(self, owner: str, jids: Collection[str]) -> None:
        """Note that these full JIDs are available, and that all other presences have ended."""
        if self.is_open(owner):
            self._available[owner] = frozenset(jids)
            self._wake.set()

    def note_request(self, owner: str, jid: str, status: str = "") -> None:
        """Note that somebody asks to see the presence of a user. `jid` is a bare JID."""
        if self.is_open(owner):
            self._note(owner, EntryKind.REQUEST, jid, request_value(status))

    def note_request_ended(self, owner: str, jid: str) -> None:
        """Note that a request was answered or withdrawn."""
        if self.is_open(owner):
            self._note(owner, EntryKind.REQUEST, jid, ENDED)

    def note_refusal(
        self, owner: str, id: str, *, peer: str, is_message: bool, condition: str, text: str
    ) -> None:
        """Note that a stanza of a user was refused after its sender had an answer.

        `peer` is the bare JID to which it was sent.
        """
        if self.is_open(owner):
            value = refusal_value(peer=peer, is_message=is_message, condition=condition, text=text)
            self._note(owner, EntryKind.FAILED, id, value)

    def roster_changed(self, owner: str) -> None:
        """Read a roster again: it was changed over HTTP, or by a command."""
        self._reading.discard(owner)
        self._fresh.pop(owner, None)
        self._unreadable.pop(owner, None)
        if self.is_open(owner):
            self._on_written({owner})

    def reconnected(self) -> None:
        """Read all rosters again: what changed meanwhile was not copied."""
        self._reading.clear()
        self._fresh.clear()
        self._unreadable.clear()

    def forget(self, owner: str) -> None:
        """Forget an account whose archive, and with it its journal, was erased."""
        self._open.discard(owner)
        self._contacts.pop(owner, None)
        self._fresh.pop(owner, None)
        self._reading.discard(owner)
        self._available.pop(owner, None)
        for key in [key for key in self._pending if key[0] == owner]:
            del self._pending[key]

    async def run(self) -> None:
        """Write changes until `stop` is called, and close journals that nobody reads."""
        close_at = 0.0
        while not self._is_stopping:
            if time.monotonic() >= close_at:
                await self._close_unused()
                close_at = time.monotonic() + CLOSE_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    RETRY_SECONDS if self._pending or self._available else CLOSE_SECONDS
                ):
                    await self._wake.wait()
            self._wake.clear()
            await self._write()
        await self._refreshing.close()

    def stop(self) -> None:
        """Let `run` return once what waits is written, or cannot be."""
        self._is_stopping = True
        self._wake.set()

    def _note_contacts(
        self, owner: str, contacts: Iterable[Contact], removed: Iterable[str]
    ) -> None:
        for contact in contacts:
            self._note(owner, EntryKind.CONTACT, contact.jid, contact_value(contact))
        for jid in removed:
            self._note(owner, EntryKind.CONTACT, jid, ENDED)

    def _note(self, owner: str, kind: EntryKind, subject: str, value: str) -> None:
        key = owner, kind, subject
        self._pending.pop(key, None)
        self._pending[key] = JournalEntry(
            owner=owner, kind=kind, subject=subject, value=value, at=now()
        )
        self._drop_excess()
        self._wake.set()

    def _drop_excess(self) -> None:
        while len(self._pending) > self._pending_max:
            owner, _, _ = key = next(iter(self._pending))
            del self._pending[key]
            # Its contacts are compared at the next look.
            self._fresh.pop(owner, None)

    async def _refresh(self, owner: str) -> None:
        """Enter the differences between a roster and the journal. Raises Refused."""
        for _ in range(READS_MAX):
            self._reading.add(owner)
            await self._write()
            with translated():
                snapshot = await self._store.snapshot(owner)
            roster = await self._roster(owner)
            # Nothing may be awaited from here on: a push would be overwritten.
            if owner not in self._reading:
                continue
            self._reading.discard(owner)
            if roster is None:
                break
            self._note_differences(owner, snapshot, roster)
            return
        self._unreadable[owner] = None

    async def _compare(self, owner: str, roster: tuple[Contact, ...]) -> None:
        """Enter the differences between the roster of a session and the journal."""
        await self._write()
        with translated():
            snapshot = await self._store.snapshot(owner)
        # The session has reported meanwhile what has changed.
        current = self._other_contacts(owner)
        self._note_differences(owner, snapshot, roster if current is None else current)

    def _note_differences(
        self, owner: str, snapshot: JournalSnapshot, roster: Collection[Contact]
    ) -> None:
        contacts = {contact.jid for contact in roster}
        entered = {entry.subject for entry in snapshot.entries if entry.kind is EntryKind.CONTACT}
        # The store skips the contacts that have not changed.
        self._note_contacts(owner, roster, entered - contacts)
        self._fresh[owner] = None

    async def _roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return a roster, None if it cannot be read or is too large for a journal."""
        try:
            roster = await self._rosters.roster(owner)
        except Refused:
            return None
        if roster is not None and len(roster) > CONTACTS_MAX:
            log.info("the roster of %s is too large for its journal", owner)
            return None
        return roster

    async def _write(self) -> None:
        """Write the changes that wait."""
        async with self._writing:
            pending, self._pending = self._pending, {}
            available, self._available = self._available, {}
            if not pending and not available:
                return
            try:
                entries = await self._admitted(pending.values())
                for owner, jids_available in available.items():
                    entries += await self._ended_besides(owner, jids_available, pending)
                changed = await self._store.put(entries)
            except Unavailable as error:
                # Changes that came meanwhile are newer.
                self._pending = {**pending, **self._pending}
                self._available = {**available, **self._available}
                self._drop_excess()
                if not self._is_failing:
                    log.warning("events of contacts cannot be written yet: %s", error)
                self._is_failing = True
            except StorageError as error:
                log.error("the store refuses events of contacts: %s", error)
            else:
                self._is_failing = False
                if changed:
                    self._on_written(changed)

    async def _admitted(self, entries: Iterable[JournalEntry]) -> list[JournalEntry]:
        """Return the entries without those of presences and requests that do not count."""
        admitted: list[JournalEntry] = []
        for entry in entries:
            contacts = await self._contacts_of(entry.owner)
            bare = jids.bare(entry.subject)
            if entry.kind is EntryKind.CONTACT:
                (contacts.add if entry.value else contacts.discard)(bare)
                admitted.append(entry)
                if not entry.value:
                    admitted += await self._ended_presences(entry)
                elif _sees_owner(entry):
                    admitted.append(
                        replace(entry, kind=EntryKind.REQUEST, value=ENDED, subject=bare)
                    )
            elif entry.kind is EntryKind.REQUEST:
                if not entry.value or await self._may_ask(entry):
                    admitted.append(entry)
            elif entry.kind is not EntryKind.PRESENCE:
                admitted.append(entry)
            elif bare not in contacts:
                continue
            elif entry.subject == bare:
                admitted += await self._ended_presences(entry)
            else:
                admitted.append(entry)
        return admitted

    async def _may_ask(self, request: JournalEntry) -> bool:
        """Return whether a request waits for the user; the server itself answers some."""
        entries = (await self._store.snapshot(request.owner)).entries
        requests = [entry.subject for entry in entries if entry.kind is EntryKind.REQUEST]
        if request.subject not in requests and len(requests) >= REQUESTS_MAX:
            return False
        return not any(
            entry.kind is EntryKind.CONTACT
            and entry.subject == request.subject
            and _sees_owner(entry)
            for entry in entries
        )

    async def _contacts_of(self, owner: str) -> set[str]:
        contacts = self._contacts.get(owner)
        if contacts is None:
            snapshot = await self._store.snapshot(owner)
            contacts = self._contacts[owner] = {
                entry.subject for entry in snapshot.entries if entry.kind is EntryKind.CONTACT
            }
        return contacts

    async def _ended_presences(self, contact: JournalEntry) -> list[JournalEntry]:
        """Return the ends of all presences of a contact."""
        snapshot = await self._store.snapshot(contact.owner)
        return [
            replace(entry, value=ENDED, at=contact.at)
            for entry in snapshot.entries
            if entry.kind is EntryKind.PRESENCE and jids.bare(entry.subject) == contact.subject
        ]

    async def _ended_besides(
        self, owner: str, available: Collection[str], pending: Collection[_Key]
    ) -> list[JournalEntry]:
        """Return the ends of all presences but those of some JIDs, and those that are newer."""
        snapshot = await self._store.snapshot(owner)
        return [
            replace(entry, value=ENDED, at=now())
            for entry in snapshot.entries
            if entry.kind is EntryKind.PRESENCE
            and entry.subject not in available
            and (owner, entry.kind, entry.subject) not in pending
        ]

    async def _close_unused(self) -> None:
        try:
            closed = await self._store.close_unused(at=now())
        except StorageError as error:
            log.warning("journals that nobody reads are not closed yet: %s", error)
            return
        for owner in closed:
            self.forget(owner)


def _sees_owner(contact: JournalEntry) -> bool:
    """Return whether a contact sees the presence of the user (RFC 6121 section 2.1.2.5)."""
    return fields_of(contact).get("subscription") in ("from", "both")


def _log_failure(owner: str, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        fault = None if isinstance(error, Refused) else error
        log.warning("the roster of %s cannot be compared: %s", owner, error, exc_info=fault)
