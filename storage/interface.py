"""The storage contract on one page. Every backend passes `tests/contract`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from storage.processes import Processes
from storage.rows import (
    Account,
    ArchivedMessage,
    AuditEntry,
    Batch,
    Contact,
    Conversations,
    Cutoff,
    DayCount,
    DeadLetter,
    DisplayedMarker,
    EventPage,
    ExaminedPage,
    FillOutcome,
    Filter,
    Gap,
    GapProgress,
    GatewayTotals,
    Hold,
    HostRetention,
    Identifier,
    IdentifierKind,
    IdentifierPage,
    ImportedMessage,
    ImportOutcome,
    JournalEntry,
    JournalSnapshot,
    LaterRetraction,
    Membership,
    OfflineStanza,
    OverLimit,
    Page,
    PersonalPage,
    PersonalTable,
    Place,
    PreferencesRow,
    Profile,
    PushProgress,
    PushSubscription,
    PushTime,
    References,
    Removed,
    RetractionOutcome,
    Room,
    RoomChanges,
    RoomConversation,
    RoomInvitation,
    Rule,
    SignIn,
    Space,
    Totals,
    UnfinishedRetraction,
    Usage,
    UsageOrder,
)


class Archive(Protocol):
    """Messages, keyed by the owner of the archive.

    A message has an id that the store makes. `NewMessage.stanza_id` is the public id in its place,
    unless it is empty, or another message of the archive has it, or the store could have made it.
    Every method accepts both ids of a message. An id that the store has made means the same
    message for ever.
    """

    async def append(self, batch: Batch) -> None:
        """Store messages and audit entries in their order, all or none, durably.

        A message is skipped if its owner's archive has a message with the same dedup key, or with
        one of its alternative keys. The store resolves the references of each message now: a
        reference means the last earlier message that has one of the name hashes. It notes a
        retraction of a stored message as unfinished.
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

        The page has the oldest of these messages, or the newest if `backwards`; the oldest message
        of the page comes first in both cases. `max_bytes` limits the size of their XML: the page
        holds the messages that fit, but at least one, and the store reads no further. A page that
        is shorter for that reason is not complete.
        `index` skips that many matching messages; it excludes `after`, `before` and `backwards`.
        `counted` adds the number of matching messages and the index of the page among them, if
        the store can find them cheaply; `after`, `before` and `index` do not affect that number.
        Raises NotFound for an id that is not in this archive, and TooCostly if the store cannot
        reach `index` under this filter in reasonable time.
        """
        ...

    async def page_after(
        self, owner: str, id: str, *, limit: int, max_bytes: int | None = None
    ) -> Page:
        """Return the oldest `limit` messages after the position of an id, limited as in `page`.

        The message of an id that the store made may have been deleted. Raises NotFound for an id
        that no message of this archive ever had, and for the stanza id of a deleted message.
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

        `max_bytes` limits the page as in `page`. Messages of the same microsecond are always on
        the same page, so a page may exceed both limits a little.
        `counted` adds the exact number of matching messages.
        """
        ...

    async def count(self, owner: str, filter: Filter) -> int:
        """Return the exact number of matching messages; it is stored for the empty filter."""
        ...

    async def days(self, owner: str, filter: Filter) -> tuple[DayCount, ...]:
        """Return the number of matching messages of each day (UTC) that has any, oldest first.

        The store reads every matching message, so a filter with times is faster.
        """
        ...

    async def search_xml(
        self,
        owner: str,
        filter: Filter,
        texts: Sequence[str],
        *,
        limit: int,
        before: str | None = None,
        max_bytes: int | None = None,
    ) -> ExaminedPage:
        """Return up to `limit` of the newest messages whose XML contains one of `texts`.

        The store examines the XML of the newest XML_EXAMINED_MAX messages of a filter without
        phrases that arrived before the message of the id `before`. `max_bytes` limits the page as
        in `page`. Raises NotFound.
        """
        ...

    async def first_and_last(self, owner: str) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        """Return the first and the last message of an archive, None if the archive is empty."""
        ...

    async def references(
        self, owner: str, ids: Sequence[str], *, limit: int, max_bytes: int | None = None
    ) -> dict[str, References]:
        """Return the messages that refer to each of these ids, by id; ids without any are absent.

        A message refers to another one if it was stored later and names that message, or a
        correction of it. For each id the result has the newest `limit` corrections and
        retractions, and the newest `limit` other messages, without corrections that a retraction
        has settled. `max_bytes` limits the XML of each of the two groups, but each group has at
        least one message. Raises NotFound for an id that no message of this archive ever had.
        """
        ...

    async def named(
        self, owner: str, name_hashes: Collection[int]
    ) -> Mapping[int, ArchivedMessage]:
        """Return the last message that has each of these name hashes, by name hash.

        The name of a correction means the message that it corrects. Names that no message has are
        not in the result, and in the archive of a room neither are messages from before the room
        was created.
        """
        ...

    async def unfinished_retractions(self, *, after: int = 0) -> tuple[UnfinishedRetraction, ...]:
        """Return up to UNFINISHED_MAX unfinished retractions with numbers greater than `after`.

        They are in the order of their numbers, and have up to TOMBSTONES_MAX corrections together.
        """
        ...

    async def apply_retractions(self, outcomes: Sequence[RetractionOutcome]) -> None:
        """Replace messages with tombstones, all or none, durably.

        An outcome changes nothing if the retraction was deleted meanwhile, and replaces no message
        whose content was deleted meanwhile. Raises Unavailable.
        """
        ...

    async def conversations(
        self,
        owner: str,
        *,
        limit: int,
        before: str | None = None,
        since: str | None = None,
        peers: Collection[str] | None = None,
        max_bytes: int | None = None,
    ) -> Conversations:
        """Return up to `limit` conversations of an archive, those with the newest messages.

        `peers` selects conversations with these peers.

        `max_bytes` limits the XML of their last messages as in `page`. `before` selects
        conversations whose newest message, of any kind, arrived before the message of this id.
        With `since`, messages that arrived after this id are unread, whether or not the owner has
        seen them. Raises NotFound.
        """
        ...

    async def room_conversations(
        self, jid: str, rooms: Collection[str]
    ) -> tuple[RoomConversation, ...]:
        """Return the archives of some rooms as a user sees them, in no order.

        Rooms without an archive are not among them, and messages from before a room was created
        do not count.
        """
        ...

    async def read_rooms(self, room: str, jids: Collection[str]) -> None:
        """Note that users have seen all messages of a room, unless they have seen any before."""
        ...

    async def note_displayed(self, markers: Sequence[DisplayedMarker]) -> frozenset[str]:
        """Note that owners have seen the messages up to those of the markers, durably.

        A marker of a room counts in the archive of the room as well.
        Returns the owners of whose conversations this changed any.

        A marker of a message that is not in that conversation changes nothing, and neither does
        one of an older message than was seen before. Raises Unavailable.
        """
        ...


class Retention(Protocol):
    """Deletes and blanks messages. Each call is one short transaction, except where it says so.

    Nothing of an archive under a legal hold is removed: the same transaction asks for holds.
    """

    async def usage(
        self, *, domain: str | None = None, after: str = "", limit: int = 100
    ) -> tuple[Usage, ...]:
        """Return the usage of up to `limit` archives that have messages, by owner, after `after`.

        `domain` selects the archives of that domain and of users at it.
        """
        ...

    async def ranked_usage(
        self, order: UsageOrder, *, part: str = "", after: str | None = None, limit: int = 100
    ) -> tuple[Usage, ...]:
        """Return the usage of up to `limit` archives that have messages, in an order.

        `part` selects the owners whose JID has this text in it. `after` is the last owner of the
        page before, by the present place of its archive; after an archive that is gone there is
        none.
        """
        ...

    async def usage_of(self, owner: str) -> Usage:
        """Return the usage of one archive; all numbers are 0 if there is no such archive."""
        ...

    async def totals(self) -> Totals:
        """Return the usage of all archives together."""
        ...

    async def delete_oldest(self, owner: str, cutoff: Cutoff, *, limit: int) -> Removed:
        """Delete up to `limit` of the oldest messages, until the archive is within the cutoff.

        Messages are deleted in arrival order, up to the first message that may stay.
        """
        ...

    async def blank_oldest(self, owner: str, peer: str, cutoff: Cutoff, *, limit: int) -> Removed:
        """Blank up to `limit` of the oldest messages with one peer, as the cutoff requires.

        A blanked message keeps id, time and peer, and has no content (XEP-0313 section 3.1).
        """
        ...

    async def over_limit(
        self, owner: str, cutoff: Cutoff, *, peer: str | None = None
    ) -> OverLimit:
        """Count the messages that `delete_oldest`, or with a peer `blank_oldest`, would remove.

        Nothing is removed. The store reads in many short steps, so the result may or may not count
        a message that is stored or removed meanwhile.
        """
        ...

    async def blank(self, owner: str, id: str) -> Removed:
        """Blank one message. Raises NotFound, Held."""
        ...

    async def erase(self, owner: str, *, limit: int) -> Removed:
        """Delete up to `limit` messages, and with the last one all other rows about the owner.

        The other rows are preferences, rules, offline stanzas, affiliations and the journal; holds
        and the audit log stay. The ids of the erased archive are never used again. Raises Held.
        """
        ...

    async def scrub_index(self) -> None:
        """Remove all traces of removed messages from the full-text index and from the journal.

        The store rewrites no file, and messages can be written meanwhile.
        """
        ...

    async def scrub_files(self) -> bool:
        """Remove the traces of removed messages from unused parts of the files too.

        Return whether the store was rewritten.

        If any message was removed since the last time, the store rewrites all files; no message
        can be written meanwhile. A store whose unused space `release` cannot give back is also
        rewritten if it has some, so that `release` can from then on.
        """
        ...

    async def space(self) -> Space:
        """Return the space that the files of the store take."""
        ...

    async def release(self) -> bool:
        """Give some of the unused space back to the disk; return whether there may be more.

        One call takes some hundredths of a second, so that messages can be written between two.
        """
        ...


class Imports(Protocol):
    """Messages of other archives, which come before the messages that arrive here.

    Every method of `Archive` accepts the old id of a message as well as its id. After the message
    is deleted, nothing accepts it any more.
    """

    async def add(
        self,
        messages: Sequence[ImportedMessage],
        *,
        behind: bool = False,
        source: str = "",
        place: str = "",
    ) -> tuple[ImportOutcome, ...]:
        """Store messages in their order, all or none, durably; return an outcome for each.

        They come behind the messages that were imported before, and before the messages that
        arrived by `Archive.append`. An archive whose first message arrived by `Archive.append` has
        no room for them: then nothing is stored, or with `behind` they are stored as if they
        arrived now. A message that the archive has already, by one of its keys, is not stored
        again, but its old id is noted. An old id keeps its first meaning.
        The same transaction notes the `place` that the import from `source` has reached, if
        `source` is not empty. Raises Unavailable, Rejected.
        """
        ...

    async def outcomes(
        self, messages: Sequence[ImportedMessage], *, behind: bool = False
    ) -> tuple[ImportOutcome, ...]:
        """Return the outcomes that `add` would return now, and change nothing."""
        ...

    async def place(self, source: str) -> str | None:
        """Return the place that an import has reached, None if there is none."""
        ...

    async def forget(self, source: str) -> None:
        """Forget the place of an import, because it is finished."""
        ...


class PreferencesStore(Protocol):
    """Archiving preferences of users (XEP-0441)."""

    async def get(self, owner: str) -> PreferencesRow | None:
        """Return the preferences of a user, None if the user has set none."""
        ...

    async def list(self, *, after: str, limit: int) -> tuple[PreferencesRow, ...]:
        """Return up to `limit` preferences in the order of their owners, after `after`."""
        ...

    async def set(self, preferences: PreferencesRow) -> None:
        """Store preferences; they replace earlier preferences of the same owner."""
        ...


class RulesStore(Protocol):
    """Retention rules, and the retention limits that were confirmed last."""

    async def list(self) -> tuple[Rule, ...]:
        """Return all rules."""
        ...

    async def set(self, rule: Rule) -> None:
        """Store a rule; it replaces an earlier rule for the same owner and peer."""
        ...

    async def remove(self, owner: str, peer: str = "") -> None:
        """Remove a rule, if there is one."""
        ...

    async def confirmed(self) -> tuple[HostRetention, ...]:
        """Return the retention limits that were confirmed last, by host."""
        ...

    async def confirm(self, limits: Sequence[HostRetention]) -> None:
        """Store confirmed limits; they replace all limits that were confirmed before."""
        ...


class HoldsStore(Protocol):
    """Legal holds."""

    async def list(self) -> tuple[Hold, ...]:
        """Return all holds."""
        ...

    async def set(self, hold: Hold) -> None:
        """Store a hold; it replaces an earlier hold on the same subject."""
        ...

    async def remove(self, subject: str) -> None:
        """Remove a hold, if there is one."""
        ...


class GapsStore(Protocol):
    """Gaps of all archives, and until when copies of stanzas were received."""

    async def received_until(self) -> int:
        """Return the time until which all copies are in the store, microseconds; 0: unknown."""
        ...

    async def note_received(self, until: int) -> None:
        """Note that all copies until a time are in the store; the time never decreases."""
        ...

    async def list(self) -> tuple[Gap, ...]:
        """Return all gaps in the order of their times."""
        ...

    async def add(self, gap: Gap, *, limit: int) -> None:
        """Store a gap, and note its end as received.

        Over the `limit` the two oldest gaps become one, which spans both.
        """
        ...

    async def fill(self, number: int, *, at: int) -> bool:
        """Note that a gap was filled at a time; return whether there is such a gap."""
        ...

    async def claim(self, number: int, filler: str, *, at: int, idle_since: int) -> bool:
        """Let one process fill an unsettled gap; return whether it may.

        It may if no other one was heard of since a time. Call it again to go on.
        """
        ...

    async def note_progress(self, number: int, progress: GapProgress, *, at: int) -> None:
        """Note a step in filling a gap."""
        ...


class BackfillStore(Protocol):
    """Missing messages of gaps, which come between the messages before and behind their gap."""

    def reserve(self, ends_at: int) -> None:
        """Leave sequences free in each archive before its first message after a time.

        That is from now on, for the missing messages of the gap that ended then.
        """
        ...

    async def add(
        self, messages: Sequence[ImportedMessage], *, ends_at: int
    ) -> tuple[FillOutcome, ...]:
        """Store missing messages of the gap that ended at a time; return an outcome for each.

        All are stored or none, durably. They come behind those of the gap that were added before,
        and before the messages behind the gap. A message that the archive has already, by one of
        its keys, is not stored again, but its old id is noted: a stored message with another old
        id is another message, and then the first of the known keys identifies the new one. Raises
        Unavailable, Rejected.
        """
        ...

    async def retract(self, owner: str, retractions: Sequence[LaterRetraction]) -> int:
        """Note retractions of added messages as unfinished, for `Archive.unfinished_retractions`.

        Returns their number.
        """
        ...

    async def tidy(self, *, before: int, limit: int) -> bool:
        """Free reserved sequences that no unsettled gap needs; return whether that is all.

        Gaps that ended later than a time may not be stored yet. `limit` is a number of archives.
        """
        ...


class AuditLog(Protocol):
    """The audit log. `Archive.append` writes it."""

    async def entries(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        """Return up to `limit` entries with numbers less than `before`, the newest first."""
        ...

    async def delete_oldest_calls(self, *, before: int, after: int, limit: int) -> int | None:
        """Delete calls of ejabberd's API that are older than a time, microseconds.

        The store looks at the next `limit` entries whose numbers are greater than `after`, up to
        the first one that is not older. It deletes those whose action begins with `api `, except
        erasures of archives. Returns the number of the last entry that it looked at, None if no
        further entry can be old enough.
        """
        ...


class RoomsStore(Protocol):
    """Rooms (XEP-0045), and the last known affiliations of users in them."""

    async def get(self, room: str) -> Room:
        """Return the stored facts about a room, the defaults if there are none."""
        ...

    async def affiliation(self, room: str, jid: str) -> str | None:
        """Return the last known affiliation of a user in a room, None if it is unknown."""
        ...

    async def change(self, changes: RoomChanges) -> None:
        """Store changes of a room and of its occupants; `created_at` of a room never decreases."""
        ...

    async def memberships(self, jid: str) -> tuple[Membership, ...]:
        """Return the rooms of which a user is a member, admin or owner, in their order.

        Those that the user has left are not among them.
        """
        ...

    async def members(self, room: str) -> tuple[Membership, ...]:
        """Return the known members, admins and owners of a room by JID, those who left too."""
        ...

    async def lost(self, jid: str, *, limit: int) -> Mapping[str, int]:
        """Return rooms that have removed a member, with the time in microseconds.

        They are the last `limit` ones of which the time is known.
        """
        ...

    async def departed(self, room: str) -> frozenset[str]:
        """Return the users who have left a room, whether or not it still has them as members."""
        ...

    async def set_departed(self, room: str, jid: str, has_left: bool) -> None:
        """Note that a user has left a room, or is to be a member again."""
        ...

    async def invite(self, invitation: RoomInvitation, *, at: int) -> None:
        """Add an invitation, and remove those that have expired at a time, in microseconds."""
        ...

    async def invitation(self, token_hash: bytes) -> RoomInvitation | None:
        """Return an invitation, expired or not; None where there is none."""
        ...


class Accounts(Protocol):
    """Accounts, by bare JID."""

    async def get(self, jid: str) -> Account | None: ...

    async def add(self, account: Account) -> bool:
        """Add an account; return False, and change nothing, if the JID has an account already."""
        ...

    async def change(self, account: Account) -> bool:
        """Replace the account of the same JID; return False if there is none."""
        ...

    async def remove(self, jid: str) -> bool:
        """Remove an account, its roster and its offline stanzas; return whether there was one."""
        ...

    async def list(
        self, domain: str, *, after: str, limit: int, part: str = ""
    ) -> tuple[Account, ...]:
        """Return up to `limit` accounts of a domain in the order of their JIDs, after `after`.

        The beginning of each JID, up to the @, contains `part`.
        """
        ...

    async def count(self, domain: str) -> int:
        """Return the number of accounts of a domain."""
        ...


class ProfilesStore(Protocol):
    """Profiles of users of chat, by bare JID."""

    async def get(self, jids: Collection[str]) -> Mapping[str, Profile]:
        """Return the profiles of some users, by JID; users without one are not in it."""
        ...

    async def with_email(self, email: str) -> Profile | None:
        """Return the profile with an e-mail address, in any case of letters; None without one."""
        ...

    async def add(self, jid: str) -> None:
        """Add an empty profile of a user, unless there is one: the directory finds the user."""
        ...

    async def put(self, profile: Profile) -> bool:
        """Store a profile; it replaces that of the same JID.

        Returns False, and changes nothing, if another profile has the e-mail address.
        """
        ...

    async def search(
        self, domain: str, *, local: str | None, words: str | None, limit: int
    ) -> tuple[Profile, ...]:
        """Return up to `limit` users of a domain in the order of their JIDs.

        The part before the @ of their JID contains `local`, or their folded name contains `words`;
        None is in none. They have an enabled account in this store, or a profile.
        """
        ...


class IdentifiersStore(Protocol):
    """Identifiers of users, rooms and direct chats.

    Removing an account, or erasing an archive, makes the identifiers of its JID point to nothing.
    """

    async def of(self, kind: IdentifierKind, keys: Collection[str]) -> Mapping[str, Identifier]:
        """Return the identifiers of some keys, by key, and make those that do not exist yet."""
        ...

    async def with_numbers(
        self, kind: IdentifierKind, numbers: Collection[int]
    ) -> Mapping[int, Identifier]:
        """Return the identifiers with some numbers, by number."""
        ...

    async def with_uri(self, uri: str) -> Identifier | None:
        """Return the identifier with an URI, None without one."""
        ...

    async def unlisted(self, owner: str, *, limit: int) -> Mapping[str, str]:
        """Return up to `limit` peers of an archive for which `list_chats` was not called yet.

        Each has the type of the newest message.
        """
        ...

    async def list_chats(self, owner: str, chats: Mapping[str, Identifier | None]) -> None:
        """Note the identifiers of conversations of an archive, by peer.

        None: the conversation is no direct chat, and `page` leaves it out.
        """
        ...

    async def page(
        self, owner: str, rooms: Collection[str], *, offset: int, limit: int
    ) -> IdentifierPage:
        """Return the identifiers of conversations, behind the first `offset` ones by number.

        The conversations are the direct chats of an archive that `list_chats` has noted and that
        have messages, and those of the `rooms` that have an identifier.
        """
        ...


class SignIns(Protocol):
    """Sign-ins of users, with the hashes of their refresh tokens."""

    async def get(self, id: str) -> SignIn | None:
        """Return a sign-in, expired or not; None where there is none."""
        ...

    async def list(self, jid: str) -> tuple[SignIn, ...]:
        """Return the sign-ins of a user, expired or not, the one that was refreshed last first."""
        ...

    async def revocations(self, jid: str) -> int:
        """Return how often `remove_all` was called for a user."""
        ...

    async def add(self, sign_in: SignIn, *, limit: int, revocations: int) -> bool:
        """Add a sign-in, and remove expired ones of all users.

        A user keeps `limit` of them, those that were refreshed last. Returns False, and adds
        nothing, if all sign-ins of the user were removed since there were that many `revocations`.
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

    async def remove_all(self, jid: str) -> int:
        """Remove all sign-ins of a user, and let `add` refuse those that began before.

        Returns the number of those that were removed.
        """
        ...

    async def renew(self, id: str, *, at: int, expires_at: int) -> None:
        """Let a sign-in expire later, with the same token; `at` is now. All in microseconds."""
        ...

    async def set_gateway(self, id: str, gateway: str) -> None:
        """Replace the settings of a session of the REST gateway."""
        ...

    async def gateway_totals(self, *, at: int) -> GatewayTotals:
        """Return the number of sessions of the REST gateway that have not expired at a time."""
        ...


class Contacts(Protocol):
    """Rosters that Muniment keeps."""

    async def roster(self, owner: str) -> tuple[Contact, ...]:
        """Return the contacts of a user in the order of their JIDs."""
        ...

    async def put(self, owner: str, contact: Contact) -> None:
        """Store a contact; it replaces the contact of the same JID."""
        ...

    async def remove(self, owner: str, jid: str) -> bool:
        """Remove a contact; return whether there was one."""
        ...

    async def clear(self, owner: str) -> None:
        """Remove all contacts of a user."""
        ...


class EventsStore(Protocol):
    """The events of accounts: the messages in their archives, and a journal of all else.

    One counter numbers both: an entry of the journal takes the next sequence of the archive. A
    journal is written only while it is open. It has one entry for each subject, and a change moves
    the entry to the end. `Archive` and `Retention` enter what they change besides: displayed
    messages, and messages whose content is replaced by a tombstone or blanked one by one.
    """

    async def open(self, owner: str) -> None:
        """Open the journal of an account, unless it is open.

        If it was open before, all places before now expire.
        """
        ...

    async def owners(self) -> tuple[str, ...]:
        """Return the accounts whose journals are open."""
        ...

    async def close_unused(self, *, at: int) -> tuple[str, ...]:
        """Close and empty the journals of accounts without a sign-in that is valid at a time.

        Returns these accounts. `at` is in microseconds.
        """
        ...

    async def put(self, entries: Sequence[JournalEntry]) -> frozenset[str]:
        """Enter changes in their order, all or none, durably; return the owners with new events.

        An entry of a journal that is not open is ignored, and one that changes nothing: it has the
        value of its subject, or is the end of a subject without entry. Over its limits a journal
        loses its oldest entries, those that tell of the past first, and cursors from before them
        expire. Raises Unavailable.
        """
        ...

    async def snapshot(self, owner: str, *, past: bool = False) -> JournalSnapshot:
        """Return the contacts, presences and requests, and the place behind the last event.

        With `past`, all entries of the journal are returned, also those that tell of the past.
        """
        ...

    async def seen(self, owner: str) -> Mapping[str, int]:
        """Return by peer the event id of the last message that the owner has seen, if any."""
        ...

    async def page(
        self, owner: str, after: int | str, *, limit: int, max_bytes: int | None = None
    ) -> EventPage:
        """Return the oldest `limit` events behind an event id or a cursor, in their order.

        `max_bytes` limits the XML of the messages, as in `Archive.page`, and again that of the
        messages that they refer to. 0 is the place before all events. Raises Expired for a cursor
        of an archive that was erased, for an event id that no event had yet, and for a place
        before entries that were deleted.
        """
        ...

    async def messages(
        self,
        owner: str,
        filter: Filter,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        limit: int,
        max_bytes: int | None = None,
    ) -> EventPage:
        """Return the oldest (or newest) `limit` messages that match as events, in their order.

        They are between two event ids, both exclusive, which need not be those of messages; no
        place expires. `max_bytes` limits the page as in `page`. The page is complete if no more
        messages match in that direction; its place is behind its last message, or `after`.
        Raises NotFound for an id in the filter that is not in this archive.
        """
        ...


class PushStore(Protocol):
    """Push subscriptions of accounts, each with a cursor of its own, and their dead letters.

    A subscription whose sign-in has ended does not exist for a reader. `at` is the present time,
    in microseconds since the epoch. Erasing an archive removes the subscriptions of its owner,
    and removing a sign-in those that were made in it.
    """

    async def add(self, subscription: PushSubscription, *, limit: int) -> bool:
        """Add a subscription; it replaces one of the same account and endpoint.

        Returns False, and adds nothing, if the account has `limit` others.
        """
        ...

    async def get(self, id: str, *, at: int) -> PushSubscription | None:
        """Return a subscription, None where there is none."""
        ...

    async def list(self, jid: str, *, at: int) -> tuple[PushSubscription, ...]:
        """Return the subscriptions of an account, the oldest first."""
        ...

    async def times(self, *, at: int) -> tuple[PushTime, ...]:
        """Return when each subscription of all accounts is to be looked at, in no order."""
        ...

    async def set_content(self, jid: str, id: str, content: str) -> bool:
        """Set how much of an event is sent; return whether there is such a subscription."""
        ...

    async def set_cursor(self, jid: str, id: str, cursor: str) -> bool:
        """Move a subscription to a place, and forget failed attempts.

        Returns whether there is such a subscription.
        """
        ...

    async def save(self, progress: Sequence[PushProgress], *, dead_letters_max: int) -> None:
        """Save what deliveries have changed, all or nothing, durably.

        A change of a subscription that has another cursor by now is ignored. Each subscription
        keeps its newest `dead_letters_max` dead letters.
        """
        ...

    async def remove(self, jid: str, id: str) -> bool:
        """Remove a subscription and its dead letters; return whether there was one."""
        ...

    async def remove_ended(self, *, at: int) -> int:
        """Remove the subscriptions whose sign-ins have ended, and return their number."""
        ...

    async def dead_letters(self, id: str) -> tuple[DeadLetter, ...]:
        """Return the dead letters of a subscription in the order of their events."""
        ...

    async def replay_dead_letters(self, id: str) -> int:
        """Note that all dead letters of a subscription are to be sent; return their number."""
        ...

    async def put_dead_letter(self, id: str, letter: DeadLetter) -> None:
        """Replace a dead letter; without the letter of this event, do nothing."""
        ...

    async def remove_dead_letter(self, id: str, event_id: int) -> None:
        """Remove a dead letter, if there is one of this event."""
        ...

    async def unread(self, owner: str) -> int:
        """Return the number of conversations of an archive that have unread messages."""
        ...


class Offline(Protocol):
    """Stanzas that wait until their recipient comes online."""

    async def add(self, owner: str, stanza: OfflineStanza) -> None:
        """Store a stanza, unless the same stanza waits already."""
        ...

    async def count(self, owner: str) -> int:
        """Return the number of stanzas that wait for a user."""
        ...

    async def pop(self, owner: str) -> tuple[OfflineStanza, ...]:
        """Remove and return all stanzas that wait for a user, oldest first."""
        ...


class PersonalData(Protocol):
    """What the store has about a user, whatever table it is in; messages are in `Archive`."""

    @property
    def tables(self) -> tuple[PersonalTable, ...]:
        """The tables that may have rows about a user, in a constant order."""
        ...

    async def page(
        self, jid: str, table: str, *, limit: int, after: Place | None = None
    ) -> PersonalPage:
        """Return up to `limit` rows of a table about a user, those behind the place `after`.

        A row has all that the table knows about the user, but no secret: nothing that lets anybody
        sign in, or send to a receiver of push.
        """
        ...


class Storage(Protocol):
    """An open store, migrated to the schema of this program."""

    @property
    def archive(self) -> Archive: ...

    @property
    def retention(self) -> Retention: ...

    @property
    def imports(self) -> Imports: ...

    @property
    def backfill(self) -> BackfillStore: ...

    @property
    def preferences(self) -> PreferencesStore: ...

    @property
    def rules(self) -> RulesStore: ...

    @property
    def holds(self) -> HoldsStore: ...

    @property
    def gaps(self) -> GapsStore: ...

    @property
    def audit_log(self) -> AuditLog: ...

    @property
    def rooms(self) -> RoomsStore: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def sign_ins(self) -> SignIns: ...

    @property
    def profiles(self) -> ProfilesStore: ...

    @property
    def identifiers(self) -> IdentifiersStore: ...

    @property
    def contacts(self) -> Contacts: ...

    @property
    def offline(self) -> Offline: ...

    @property
    def events(self) -> EventsStore: ...

    @property
    def push(self) -> PushStore: ...

    @property
    def personal_data(self) -> PersonalData: ...

    @property
    def processes(self) -> Processes:
        """The processes that use this store."""
        ...

    async def check(self) -> None:
        """Raise Unavailable unless the store can be written."""
        ...

    async def close(self) -> None:
        """Close every connection. A second call does nothing."""
        ...
