"""The storage contract on one page. Every backend passes `tests/contract`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from storage.rows import (
    Account,
    ArchivedMessage,
    AuditEntry,
    Batch,
    Contact,
    Conversations,
    Cutoff,
    Filter,
    Hold,
    HostRetention,
    OfflineStanza,
    OverLimit,
    Page,
    PreferencesRow,
    References,
    Removed,
    RetractionOutcome,
    Room,
    RoomChanges,
    Rule,
    SignIn,
    Totals,
    UnfinishedRetraction,
    Usage,
)


class Archive(Protocol):
    """Messages, keyed by the owner of the archive."""

    async def append(self, batch: Batch) -> None:
        """Store messages and lines of the audit log in their order, all or none, durably.

        A message is left out when its owner's archive has one with the same dedup key, or with one
        of its alternative keys. A reference is resolved now: it means the last message before it
        that has such a name. A retraction of a stored message is noted as unfinished.
        Raises Unavailable (the same call may succeed later) or Rejected (it never will).
        """
        ...

    async def page(
        self,
        owner: str,
        filter: Filter,
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        backwards: bool = False,
        index: int | None = None,
        counted: bool = False,
        max_bytes: int | None = None,
    ) -> Page:
        """Return up to `limit` messages in arrival order between two ids, both exclusive.

        Forwards these are the oldest messages, backwards the newest; the oldest comes first either
        way. `max_bytes` bounds the size of their XML: the page holds the messages that fit, at
        least one, and no more are read. A page that this bound cuts short is not complete.
        `index` skips that many matching messages; it excludes `after`, `before` and `backwards`.
        `counted` adds the number of matching messages and the position of the page among them, as
        far as that is cheap; `after`, `before` and `index` are positions and do not filter.
        Raises NotFound for an id that is not in this archive, and TooCostly when `index` cannot be
        reached in reasonable time under this filter.
        """
        ...

    async def page_after(
        self, owner: str, id: str, *, limit: int, max_bytes: int | None = None
    ) -> Page:
        """Return the oldest `limit` messages behind the position of an id, bounded as in `page`.

        The message of the id may have been deleted since. Raises NotFound for an id that this
        archive never gave.
        """
        ...

    async def page_by_time(
        self,
        owner: str,
        filter: Filter,
        *,
        limit: int | None,
        newest: bool = False,
        counted: bool = False,
        max_bytes: int | None = None,
    ) -> Page:
        """Return the oldest (or newest) `limit` messages in the order of their time.

        Bounded by `max_bytes` as in `page`. Messages of the same microsecond are never separated,
        so a page may be a little longer than either bound.
        `counted` adds the exact number of matching messages.
        """
        ...

    async def count(self, owner: str, filter: Filter) -> int:
        """Return the exact number of matching messages; without a filter that costs nothing."""
        ...

    async def first_and_last(self, owner: str) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        """Return the first and the last message of an archive, None when it is empty."""
        ...

    async def references(
        self, owner: str, ids: Sequence[str], *, limit: int, max_bytes: int | None = None
    ) -> dict[str, References]:
        """Return the messages that refer to each of these ids; ids without any are left out.

        A message refers to another when it was stored later and names it, or names a correction of
        it. Of each message come the newest `limit` corrections and retractions, and the newest
        `limit` others, without corrections that a retraction has settled. `max_bytes` bounds the
        XML of each of the two groups; at least one message of a group comes.
        Raises NotFound for an id that this archive never gave.
        """
        ...

    async def unfinished_retractions(self, *, after: int = 0) -> tuple[UnfinishedRetraction, ...]:
        """Return up to UNFINISHED_MAX retractions that are not done, by number, behind `after`.

        Together they have up to TOMBSTONES_MAX corrections.
        """
        ...

    async def apply_retractions(self, outcomes: Sequence[RetractionOutcome]) -> None:
        """Replace messages with tombstones, all or none, durably.

        Outcomes of retractions that were removed meanwhile change nothing, and messages whose
        content was removed meanwhile get no tombstone. Raises Unavailable.
        """
        ...

    async def conversations(
        self,
        owner: str,
        *,
        limit: int,
        before: str | None = None,
        since: str | None = None,
        max_bytes: int | None = None,
    ) -> Conversations:
        """Return up to `limit` conversations of an archive, those with the newest messages.

        `max_bytes` bounds the XML of their last messages as in `page`.
        `before`: only conversations whose newest message, of any kind, arrived before this id.
        `since`: count messages behind this id as unread, regardless of what the owner has seen.
        Raises NotFound.
        """
        ...


class Retention(Protocol):
    """Removes messages, in short transactions: one per call."""

    async def usage(
        self, *, domain: str | None = None, after: str = "", limit: int = 100
    ) -> tuple[Usage, ...]:
        """Return the usage of archives that have messages, in the order of their owners' JIDs."""
        ...

    async def usage_of(self, owner: str) -> Usage:
        """Return the usage of one archive; all zero where there is none."""
        ...

    async def totals(self) -> Totals:
        """Return the usage of all archives together."""
        ...

    async def delete_oldest(self, owner: str, cutoff: Cutoff, *, limit: int) -> Removed:
        """Delete up to `limit` of the oldest messages, until the archive is within the limits.

        Messages are deleted in arrival order, up to the first one that may stay.
        """
        ...

    async def blank_oldest(self, owner: str, peer: str, cutoff: Cutoff, *, limit: int) -> Removed:
        """Blank up to `limit` of the oldest messages with one peer, until those are within limits.

        A blanked message keeps its id and its time and has no content (XEP-0313 section 3.1).
        """
        ...

    async def over_limit(
        self, owner: str, cutoff: Cutoff, *, peer: str | None = None
    ) -> OverLimit:
        """Return what `delete_oldest`, or with a peer `blank_oldest`, would remove in all.

        Nothing is removed. The store reads in many short steps, so a message that is stored or
        removed meanwhile may be counted or not.
        """
        ...

    async def blank(self, owner: str, id: str) -> Removed:
        """Blank one message. Raises NotFound."""
        ...

    async def erase(self, owner: str, *, limit: int) -> Removed:
        """Delete up to `limit` messages, and with the last one all other rows about the owner.

        Those are preferences, rules, waiting stanzas and affiliations; holds and the audit log
        stay. Ids of the erased archive are never given again.
        """
        ...

    async def scrub_index(self) -> None:
        """Leave no trace of removed messages in the full-text index or in the journal.

        No file is rewritten, and messages can be written meanwhile.
        """
        ...

    async def scrub_files(self) -> None:
        """Leave no trace of removed messages in unused parts of the files either.

        All files are rewritten, if anything was removed; no message can be written meanwhile.
        """
        ...


class PreferencesStore(Protocol):
    """Archiving preferences of users (XEP-0441)."""

    async def get(self, owner: str) -> PreferencesRow | None:
        """Return the preferences of a user, None where the user has set none."""
        ...

    async def list(self, *, after: str, limit: int) -> tuple[PreferencesRow, ...]:
        """Return up to `limit` preferences in the order of their owners' JIDs, behind `after`."""
        ...

    async def set(self, preferences: PreferencesRow) -> None:
        """Store preferences, replacing those of the same owner."""
        ...


class RulesStore(Protocol):
    """Retention rules, and the configured bounds that operators have confirmed."""

    async def list(self) -> tuple[Rule, ...]:
        """Return all rules."""
        ...

    async def set(self, rule: Rule) -> None:
        """Store a rule, replacing that of the same owner and peer."""
        ...

    async def remove(self, owner: str, peer: str = "") -> None:
        """Remove a rule; without such a rule nothing changes."""
        ...

    async def confirmed(self) -> tuple[HostRetention, ...]:
        """Return the bounds that operators confirmed last, by host."""
        ...

    async def confirm(self, bounds: Sequence[HostRetention]) -> None:
        """Store bounds, replacing all that were confirmed before."""
        ...


class HoldsStore(Protocol):
    """Legal holds."""

    async def list(self) -> tuple[Hold, ...]:
        """Return all holds."""
        ...

    async def set(self, hold: Hold) -> None:
        """Store a hold, replacing that on the same subject."""
        ...

    async def remove(self, subject: str) -> None:
        """Remove a hold; without such a hold nothing changes."""
        ...


class AuditLog(Protocol):
    """The audit log. `Archive.append` writes it."""

    async def entries(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        """Return up to `limit` entries, newest first, with smaller numbers than `before`."""
        ...


class RoomsStore(Protocol):
    """Rooms (XEP-0045), and the last known affiliations of users in them."""

    async def get(self, room: str) -> Room:
        """Return the facts that are stored about a room; the defaults where there are none."""
        ...

    async def affiliation(self, room: str, jid: str) -> str | None:
        """Return the last known affiliation of a user, None where none is known."""
        ...

    async def change(self, changes: RoomChanges) -> None:
        """Store changes of a room and of its occupants. `created_at` of a room never decreases."""
        ...


class Accounts(Protocol):
    """Accounts, by bare JID."""

    async def get(self, jid: str) -> Account | None: ...

    async def add(self, account: Account) -> bool:
        """Add an account; return False, and change nothing, where the JID has one already."""
        ...

    async def change(self, account: Account) -> bool:
        """Replace the account of the same JID; return False where there is none."""
        ...

    async def remove(self, jid: str) -> bool:
        """Remove an account, its roster and its waiting stanzas; return whether there was one."""
        ...

    async def list(self, domain: str, *, after: str, limit: int) -> tuple[Account, ...]:
        """Return up to `limit` accounts of a domain in the order of their JIDs, behind `after`."""
        ...

    async def count(self, domain: str) -> int:
        """Return the number of accounts of a domain."""
        ...


class SignIns(Protocol):
    """Sign-ins of users, with the hashes of their refresh tokens."""

    async def get(self, id: str) -> SignIn | None:
        """Return a sign-in, expired or not; None where there is none."""
        ...

    async def list(self, jid: str) -> tuple[SignIn, ...]:
        """Return the sign-ins of a user, expired or not, the one that was refreshed last first."""
        ...

    async def add(self, sign_in: SignIn, *, limit: int) -> bool:
        """Add a sign-in, and remove expired ones of all users.

        A user keeps `limit` of them, those that were refreshed last. Returns False, and adds
        nothing, if all sign-ins of the user were removed at `created_at` or later.
        """
        ...

    async def rotate(self, sign_in: SignIn) -> bool:
        """Replace a sign-in if `previous_hash` is the hash of its token in use.

        Returns False, and changes nothing, if it is not, or if there is no such sign-in.
        """
        ...

    async def remove(self, jid: str, id: str) -> bool:
        """Remove a sign-in of a user; return whether there was one."""
        ...

    async def remove_all(self, jid: str, *, at: int) -> int:
        """Remove all sign-ins of a user, and those that began before `at` and are not added yet.

        Returns the number of those that were removed.
        """
        ...


class Contacts(Protocol):
    """Rosters, where Muniment keeps them."""

    async def roster(self, owner: str) -> tuple[Contact, ...]:
        """Return the contacts of a user in the order of their JIDs."""
        ...

    async def put(self, owner: str, contact: Contact) -> None:
        """Store a contact, replacing that of the same JID."""
        ...

    async def remove(self, owner: str, jid: str) -> bool:
        """Remove a contact; return whether there was one."""
        ...

    async def clear(self, owner: str) -> None:
        """Remove all contacts of a user."""
        ...


class Offline(Protocol):
    """Stanzas that wait until their recipient comes online."""

    async def add(self, owner: str, stanza: OfflineStanza) -> None:
        """Store a stanza; where the same stanza waits already, nothing changes."""
        ...

    async def count(self, owner: str) -> int:
        """Return the number of stanzas that wait for a user."""
        ...

    async def pop(self, owner: str) -> tuple[OfflineStanza, ...]:
        """Remove and return all stanzas that wait for a user, oldest first."""
        ...


class Storage(Protocol):
    """An open store, migrated to the schema of this program."""

    @property
    def archive(self) -> Archive: ...

    @property
    def retention(self) -> Retention: ...

    @property
    def preferences(self) -> PreferencesStore: ...

    @property
    def rules(self) -> RulesStore: ...

    @property
    def holds(self) -> HoldsStore: ...

    @property
    def audit_log(self) -> AuditLog: ...

    @property
    def rooms(self) -> RoomsStore: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def sign_ins(self) -> SignIns: ...

    @property
    def contacts(self) -> Contacts: ...

    @property
    def offline(self) -> Offline: ...

    async def check(self) -> None:
        """Raise Unavailable unless the store can be written."""
        ...

    async def close(self) -> None:
        """Close every connection. A second call does nothing."""
        ...
