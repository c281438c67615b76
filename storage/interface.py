"""The storage contract on one page. Every backend passes `tests/contract`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from storage.people import Accounts, Contacts, Offline
from storage.rows import (
    ArchivedMessage,
    AuditEntry,
    Batch,
    Conversations,
    Cutoff,
    Filter,
    Hold,
    HostRetention,
    OverLimit,
    Page,
    PreferencesRow,
    References,
    Removed,
    RetractionOutcome,
    Room,
    RoomChanges,
    Rule,
    UnfinishedRetraction,
    Usage,
)


class Archive(Protocol):
    """Messages, keyed by the owner of the archive."""

    async def append(self, batch: Batch) -> None:
        """Store a batch in its order, with lines of the audit log, and make it durable.

        An entry whose origin (or a twin of it) is already in its owner's archive is left out.
        What an entry is about is found out now: the last entry before it with such a name.
        A retraction of a stored message is noted as unfinished.
        All of the batch is stored or none. Raises Unavailable (try again) or Rejected.
        """
        ...

    async def page(
        self,
        owner: str,
        wanted: Filter,
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

        Forwards it is the oldest of them, backwards the newest; oldest comes first either way.
        `max_bytes` bounds their XML as well: a page holds those that fit, one at least, and no
        more are read. A page that this cuts short is not complete.
        `index` skips that many of all that match; it excludes `after`, `before` and `backwards`.
        `counted` also tells how many match, and where the page stands among them (`after`,
        `before` and `index` are places, no filter), as far as that is cheap.
        Raises NotFound when any id that was named is not in this archive, and TooCostly when
        `index` cannot be reached in reasonable time under this filter.
        """
        ...

    async def page_after(
        self, owner: str, id: str, *, limit: int, max_bytes: int | None = None
    ) -> Page:
        """Return the oldest `limit` messages behind the place of an id, bounded as in `page`.

        The message itself may have been taken away since. Raises NotFound for an id that this
        archive never gave.
        """
        ...

    async def page_by_time(
        self,
        owner: str,
        wanted: Filter,
        *,
        limit: int | None,
        newest: bool = False,
        counted: bool = False,
        max_bytes: int | None = None,
    ) -> Page:
        """Return the oldest (or newest) `limit` messages in the order of their time.

        Bounded by `max_bytes` as in `page`. Messages of the very same microsecond are never
        parted, so a page may be a little longer than either bound.
        `counted` also tells exactly how many match.
        """
        ...

    async def count(self, owner: str, wanted: Filter) -> int:
        """Return exactly how many messages match; free of cost when the filter is empty."""
        ...

    async def first_and_last(self, owner: str) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        """Return the first and the last message of an archive, None when it is empty."""
        ...

    async def references(
        self, owner: str, ids: Sequence[str], *, limit: int, max_bytes: int | None = None
    ) -> dict[str, References]:
        """Return what is about each of these messages, as far as there is anything.

        That is what was stored later and named it, or a correction of it, when that was the last
        message of this name. The newest `limit` corrections and retractions, and as many others,
        without the corrections that a retraction was carried out over. `max_bytes` bounds the XML
        of the ones and of the others, for each message; one is told at least.
        Raises NotFound for an id that this archive never gave.
        """
        ...

    async def unfinished_retractions(self, *, after: int = 0) -> tuple[UnfinishedRetraction, ...]:
        """Return up to UNFINISHED_MAX retractions that are not done, by number, behind `after`.

        Together they have up to TOMBSTONES_MAX corrections.
        """
        ...

    async def apply_retractions(self, outcomes: Sequence[RetractionOutcome]) -> None:
        """Replace messages with tombstones, all or none, and make that durable.

        Tombstones of messages that have no content any more, and outcomes of retractions that are
        not there any more, are left out. Raises Unavailable.
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

        The XML of their last messages is bounded by `max_bytes` as in `page`.

        `before`: only those whose newest message (of any kind) arrived before that id.
        `since`: count as unread what came behind that id, whatever the owner has seen.
        Raises NotFound.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What all archives take up together."""

    archives: int
    messages: int
    bytes: int  #: of XML


class Retention(Protocol):
    """What takes messages away again. Each call is one short transaction."""

    async def usage(
        self, *, domain: str | None = None, after: str = "", limit: int = 100
    ) -> tuple[Usage, ...]:
        """Return what archives take up, by owner in the order of their JIDs, behind `after`."""
        ...

    async def usage_of(self, owner: str) -> Usage:
        """Return what one archive takes up; nothing where there is none."""
        ...

    async def totals(self) -> Totals:
        """Return what all archives take up together."""
        ...

    async def delete_oldest(self, owner: str, limits: Cutoff, *, limit: int) -> Removed:
        """Take away up to `limit` of the oldest messages, until the archive is within the limits.

        In arrival order and without leaving holes: it ends at the first message that may stay.
        """
        ...

    async def blank_oldest(self, owner: str, peer: str, limits: Cutoff, *, limit: int) -> Removed:
        """Empty up to `limit` of the oldest messages with one peer, until those are within limits.

        They stay as GONE (XEP-0313 section 3.1): with id and time, without content.
        """
        ...

    async def over_limit(
        self, owner: str, limits: Cutoff, *, peer: str | None = None
    ) -> OverLimit:
        """Return what `delete_oldest`, or with a peer `blank_oldest`, would remove in all.

        Nothing is removed. It reads in many short steps, so a message that comes or goes
        meanwhile may be counted or not.
        """
        ...

    async def blank(self, owner: str, id: str) -> Removed:
        """Empty one message. Raises NotFound."""
        ...

    async def erase(self, owner: str, *, limit: int) -> Removed:
        """Take away up to `limit` messages; with the last of them all else that names the owner.

        That is preferences, rules, stanzas that wait for it, and what is known of it as an
        occupant; not holds and audit_log.
        Ids of the erased archive are never given again.
        """
        ...

    async def scrub_index(self) -> None:
        """Leave no trace of what was taken away in the index of words or in the journal.

        Nothing is written anew for it, and messages are written in between.
        """
        ...

    async def scrub_files(self) -> None:
        """Leave no trace of what was taken away in unused parts of the files either.

        All is written anew, if anything was taken away; no message can be written meanwhile.
        """
        ...


class Records(Protocol):
    """Small things that are kept beside messages."""

    async def preferences(self, owner: str) -> PreferencesRow | None:
        """Return the preferences of a user, None of one that has set none."""
        ...

    async def all_preferences(self, *, after: str, limit: int) -> tuple[PreferencesRow, ...]:
        """Return up to `limit` preferences in the order of their owners' JIDs, behind `after`."""
        ...

    async def set_preferences(self, preferences: PreferencesRow) -> None: ...

    async def rules(self) -> tuple[Rule, ...]: ...

    async def set_rule(self, rule: Rule) -> None:
        """Keep a rule in the place of the one for the same owner and peer."""
        ...

    async def remove_rule(self, owner: str, peer: str = "") -> None: ...

    async def confirmed_retention(self) -> tuple[HostRetention, ...]:
        """Return the bounds that operators have confirmed last, by host."""
        ...

    async def confirm_retention(self, bounds: Sequence[HostRetention]) -> None:
        """Keep bounds in the place of all that were confirmed before."""
        ...

    async def holds(self) -> tuple[Hold, ...]: ...

    async def set_hold(self, hold: Hold) -> None: ...

    async def remove_hold(self, subject: str) -> None: ...

    async def audit_entries(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        """Return lines of the audit log, newest first, with smaller numbers than `before`."""
        ...

    async def room(self, room: str) -> Room:
        """Return what is known of a room."""
        ...

    async def affiliation(self, room: str, jid: str) -> str | None:
        """Return what was last known of a user in a room, None where that is nothing."""
        ...

    async def change_room(self, changes: RoomChanges) -> None:
        """Keep what was heard of a room and of users in it. A room is never made earlier again."""
        ...


class Storage(Protocol):
    """An open store, migrated to the schema of this program."""

    @property
    def archive(self) -> Archive: ...

    @property
    def retention(self) -> Retention: ...

    @property
    def records(self) -> Records: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def contacts(self) -> Contacts: ...

    @property
    def offline(self) -> Offline: ...

    async def check(self) -> None:
        """Raise Unavailable unless the store can be written."""
        ...

    async def close(self) -> None:
        """Close every connection. Calling it twice is fine."""
        ...
