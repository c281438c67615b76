"""The data that crosses the storage contract: frozen, named, free of any driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Direction(StrEnum):
    """The direction of a message, as the owner of the archive sees it."""

    SENT = "send"
    RECEIVED = "recv"


class Kind(StrEnum):
    """The role of a message in a conversation."""

    MESSAGE = "message"  #: has content: a text, something encrypted, an invitation, a call
    ANNOTATION = "annotation"  #: corrects, retracts or reacts to another message
    RECEIPT = "receipt"  #: only says that another message was received or displayed
    TOMBSTONE = "tombstone"  #: replaces a message that was retracted or moderated
    BLANKED = "blanked"  #: a message whose content was removed; `xml` is empty


#: Kinds of messages that still have content.
READABLE = frozenset(Kind) - {Kind.BLANKED}


class Relation(StrEnum):
    """The relation of a message to the message that it refers to."""

    CORRECTION = "correction"  #: replaces that message (XEP-0308)
    RETRACTION = "retraction"  #: retracts or moderates that message (XEP-0424, XEP-0425)
    OTHER = "note"  #: any other relation: a reaction, a receipt or a marker


class NewMessage(NamedTuple):
    """A stanza to be stored in one owner's archive; a tuple, as `ArchivedMessage` is."""

    owner: str  #: bare JID of the archive, prepared
    at: int  #: when the server received the message, microseconds since the epoch, UTC
    peer: str  #: bare JID of the other side; in the archive of a room, the occupant
    resource: str  #: resource of the other side, "" if there was none
    type: str  #: message type of RFC 6121: chat, normal, groupchat, headline
    direction: Direction
    xml: str  #: the whole stanza, one well-formed element that declares all its prefixes
    dedup_key: bytes  #: 16 bytes that are the same for every copy of this message in this archive
    #: dedup keys under which the same message may be stored already: six at most
    alternative_keys: tuple[bytes, ...] | None = None
    nick: str = ""  #: nickname of a room occupant, if the caller gave one
    kind: Kind = Kind.MESSAGE
    text: str = ""  #: the words by which a search finds the message: folded, separated by blanks
    #: hashes (64 bits, signed) of the names by which other messages refer to this message
    name_hashes: tuple[int, ...] = ()
    #: name hashes of the target: the last earlier message that has one of them
    refers_to: tuple[int, ...] = ()
    relation: Relation = Relation.OTHER  #: relation to the target
    #: whether the message proves that its owner has read the conversation; a receipt proves it
    #: only up to the target
    is_seen: bool = False
    #: an id of the message that others know, which is to be its public id in the archive; "": none
    stanza_id: str = ""
    #: in the archive of a room: the bare JID of the author, if that is one of our users; `is_seen`
    #: is then about the author
    author: str = ""

    def received_at(self, at: int) -> NewMessage:
        """Return the message with another time; `_replace` takes five times as long."""
        return tuple.__new__(NewMessage, (self[0], at, *self[2:]))


class ImportedMessage(NamedTuple):
    """A message of another archive, to be stored before those that arrive here."""

    message: NewMessage
    old_id: str = ""  #: its id in that archive, by which its readers know it; "": none
    #: dedup keys under which the message may be stored already
    known_keys: tuple[bytes, ...] = ()


class ImportOutcome(StrEnum):
    """The result of one imported message."""

    ADDED = "added"
    PRESENT = "present"  #: the archive has the message already
    NO_ROOM = "no room"  #: the archive has newer messages, and no room before them


class FillOutcome(StrEnum):
    """The result of one missing message that was found elsewhere."""

    ADDED = "added"
    PRESENT = "present"  #: the archive has the message already
    ERASED = "erased"  #: the archive was erased after the message was sent
    NO_PLACE = (
        "no place"  #: the archive has messages behind the gap, and no free place before them
    )


class LaterRetraction(NamedTuple):
    """A retraction that may have arrived before the message that it retracts."""

    id: str  #: of the retraction in the archive
    refers_to: tuple[int, ...]  #: name hashes of the retracted message


#: Maximum number of corrections in one answer of `Archive.unfinished_retractions`.
TOMBSTONES_MAX = 200

#: Maximum number of retractions in one answer of `Archive.unfinished_retractions`.
UNFINISHED_MAX = 100


class ArchivedMessage(NamedTuple):
    """A stanza in one owner's archive.

    It is a tuple, because a page has fifty messages, and Python takes four times as long to create
    a frozen dataclass.
    """

    #: the public id, unique in the archive: the `stanza_id` of the message, or else an id that the
    #: store makes, which is opaque, unpredictable and never reused
    id: str
    at: int  #: microseconds since the epoch, UTC
    peer: str
    resource: str
    type: str
    direction: Direction
    xml: str
    nick: str
    kind: Kind = Kind.MESSAGE
    #: the id that the store made, "" if that is `id`: `Archive.page_after` knows it for ever
    made_id: str = ""
    author: str = ""  #: in the archive of a room: the bare JID of the author, "": not known

    @property
    def position(self) -> str:
        """The id behind which `Archive.page_after` reads on, also after the message is deleted."""
        return self.made_id or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedRetraction:
    """A stored retraction, and the messages that it may replace with tombstones.

    The store notes the retraction in the transaction that stores it, and returns it until an
    outcome says that it is done.
    """

    number: int  #: rises in the order of arrival, over all archives
    owner: str
    message: ArchivedMessage  #: the retraction itself
    target: ArchivedMessage | None  #: the retracted message; None: it has no content any more
    #: corrections of the target that arrived before the retraction, the newest first
    corrections: tuple[ArchivedMessage, ...] = ()
    is_last: bool = True  #: whether these are all unsettled corrections of the target


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """The replacement of a retracted message, or of a correction of it."""

    id: str  #: id of the replaced message
    xml: str
    kind: Kind  #: TOMBSTONE for the retracted message, ANNOTATION for its corrections


@dataclass(frozen=True, slots=True, kw_only=True)
class RetractionOutcome:
    """The decision of core about an unfinished retraction; the store carries it out."""

    number: int  #: number of the unfinished retraction
    tombstones: tuple[Tombstone, ...] = ()
    settled: tuple[str, ...] = ()  #: ids of corrections that the store need not return again
    is_done: bool = True  #: whether the store need not return the retraction again


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The messages that refer to one message."""

    messages: tuple[ArchivedMessage, ...] = ()  #: in arrival order
    left_out: int = 0  #: number of older references that are not among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Folded words that follow one another in a text."""

    words: tuple[str, ...]
    is_prefix: bool = False  #: whether the last word matches every word that begins with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The conditions that a message has to meet; None: no condition."""

    peer: str | None = None  #: bare JID
    resource: str | None = None  #: only with `peer`: exactly this resource
    #: local part of the other side on any domain (Remote Data); not together with `peer`
    peer_local: str | None = None
    since: int | None = None  #: earliest time, inclusive, microseconds since the epoch
    until: int | None = None  #: latest time, inclusive, microseconds since the epoch
    groupchat: bool | None = None  #: True: only groupchat; False: all but groupchat
    after: str | None = None  #: messages that arrived after the message of this id
    before: str | None = None  #: messages that arrived before the message of this id
    ids: tuple[str, ...] | None = None  #: messages with one of these ids
    kinds: frozenset[Kind] | None = None  #: messages of one of these kinds
    phrases: tuple[Phrase, ...] | None = None  #: messages whose text has all of these phrases


ANY = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Messages in archive order, oldest first."""

    messages: tuple[ArchivedMessage, ...] = field(default=())
    complete: bool = True  #: whether no more messages match in the requested direction
    #: number of matching messages before the first one of the page; None: not requested, or costly
    index: int | None = None
    count: int | None = None  #: number of all matching messages; None: not requested, or costly


@dataclass(frozen=True, slots=True)
class DayCount:
    """The number of messages of one day."""

    day: int  #: days since the epoch, UTC
    messages: int


#: The number of messages whose XML one call of `Archive.search_xml` examines.
XML_EXAMINED_MAX = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedPage:
    """Messages that a search through the XML of the newest messages of a filter has found."""

    messages: tuple[ArchivedMessage, ...] = ()  #: in archive order, oldest first
    count: int = 0  #: number of all matches among the examined messages
    examined: int = 0  #: number of examined messages
    #: id of the message before which to search on; None: there are no older messages
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The messages of one archive with one peer."""

    peer: str
    newest: str  #: id of the newest message of any kind
    messages: int  #: number of messages of every kind
    last: ArchivedMessage  #: the newest message with content, or the newest of any kind
    #: number of received messages after the last one that the owner has seen, at most UNREAD_MAX
    unread: int
    #: id of the last message with content that the owner has seen; None: of none
    displayed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomConversation:
    """The archive of a room, as one of its members sees it."""

    room: str  #: bare JID
    last: ArchivedMessage | None  #: the newest message with content; None: there is none
    #: number of messages with content behind the last one that the member has seen, at most
    #: UNREAD_MAX
    unread: int
    displayed: (
        str | None
    )  #: id of the last message with content that the member has seen; None: of none


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """Some conversations of one archive, the one with the newest message first."""

    conversations: tuple[Conversation, ...] = ()
    complete: bool = True  #: whether no older conversations match


#: Unread messages are counted up to this number.
UNREAD_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayedMarker:
    """The message up to which a conversation was displayed to its owner (XEP-0490)."""

    owner: str
    peer: str
    #: what is known of the message: its id in the archive, one of its `name_hashes`, or that the
    #: first of these that finds a message is right
    id: str | None = None
    name_hash: int | None = None
    is_room: bool = False  #: whether the peer is a room with an archive: it is displayed too


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The size of one archive."""

    owner: str
    messages: int  #: number of messages
    bytes: int  #: of XML
    oldest: int | None  #: earliest time of a message, microseconds; None: there is no message
    newest: int | None  #: latest time of a message


class UsageOrder(StrEnum):
    """The order of a list of archives."""

    OWNER = "owner"  #: by owner
    ACTIVITY = "activity"  #: the archive with the latest message first
    MESSAGES = "messages"  #: the archive with the most messages first
    SIZE = "size"  #: the archive with the most bytes of XML first


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The usage of all archives together."""

    archives: int
    messages: int
    bytes: int  #: of XML


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """The limits that an archive, or a conversation in it, is brought within; None: no limit."""

    since: int | None = None  #: earliest time of a message that may stay, microseconds
    messages: int | None = None  #: number of messages
    bytes: int | None = None  #: of XML


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The messages that one step deleted or blanked."""

    messages: int = 0  #: number of messages
    old_ids: int = 0  #: number of ids of other archives, which named these messages
    bytes: int = 0  #: of XML
    done: bool = True  #: whether nothing is left to delete or to blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The space that a store takes, in bytes."""

    disk: int  #: size of its files, 0 for a store in memory
    used: int | None  #: of what holds data or once held it, None if the database does not tell
    free: int | None  #: unused inside the files: new messages take it first; None as `used`
    has_steps: bool  #: whether `release` gives back what is unused; else only `scrub_files`


@dataclass(frozen=True, slots=True, kw_only=True)
class OverLimit:
    """The messages that are over the limits of a cutoff."""

    messages: int = 0  #: number of messages
    oldest: int | None = None  #: earliest time of these messages, microseconds
    newest: int | None = None  #: latest time of these messages

    def plus(self, other: OverLimit) -> OverLimit:
        """Return the sum of both."""
        oldest = [at for at in (self.oldest, other.oldest) if at is not None]
        newest = [at for at in (self.newest, other.newest) if at is not None]
        return OverLimit(
            messages=self.messages + other.messages,
            oldest=min(oldest, default=None),
            newest=max(newest, default=None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRetention:
    """The confirmed retention limits of the archives of one host; 0: no limit."""

    host: str  #: virtual host; "" for all other archives
    days: int
    messages: int
    bytes: int  #: of XML


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesRow:
    """The archiving preferences of one user (XEP-0441)."""

    owner: str
    default: str  #: always, never or roster
    always: tuple[str, ...] = ()  #: bare or full JIDs, prepared
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The retention limits of one archive, or of its messages with one peer.

    None: the default limit applies. 0: there is no limit.
    """

    owner: str
    peer: str = ""  #: bare JID; "" for the whole archive
    days: int | None = None
    messages: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: no message of this archive, or of any archive of this host, is removed."""

    subject: str  #: bare JID of a user or a room, or a host
    reason: str
    by: str  #: name of the operator
    at: int  #: microseconds since the epoch


#: The reason of a gap that was made of gaps with different reasons.
SEVERAL = "several"


class GapState(StrEnum):
    """The state of a gap: whether its messages are fetched from elsewhere."""

    MISSING = "missing"  #: nothing fetches them
    OPEN = "open"  #: they will be fetched
    FILLING = "filling"  #: they are being fetched
    FILLED = "filled"
    PARTIAL = "partial"  #: some of them could not be fetched
    UNFILLABLE = "unfillable"  #: they could not be fetched
    UNVERIFIED = "unverified"  #: there are none, but it is not known whether all were kept


#: States of gaps whose messages are still to come.
UNSETTLED = frozenset({GapState.OPEN, GapState.FILLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which no copies of stanzas arrived, so that all archives may lack messages.

    Times are in microseconds since the epoch.
    """

    number: int = 0  #: rises; the store assigns it
    begins_at: int
    ends_at: int | None  #: None: it lasts still; the store has no such gap
    reason: str
    filled_at: int = 0  #: when the missing messages were fetched from elsewhere; 0: they were not
    state: GapState = GapState.MISSING
    filled: int = 0  #: the number of messages that were added
    place: str = ""  #: that the filling has reached, in JSON
    failure: str = ""  #: why it cannot be filled, or could not at the last attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class GapProgress:
    """A step in filling a gap."""

    state: GapState | None = None  #: None: the one before
    added: int = 0  #: messages that were added since the last step
    place: str | None = None  #: None: the one before
    failure: str | None = None  #: None: the one before


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An entry of the audit log."""

    number: int = 0  #: rises; the store assigns it
    at: int  #: microseconds since the epoch
    actor: str  #: name of the operator, or "server"
    action: str  #: read, search, stream, export, erase, delete, hold, release, purge, ...
    subject: str  #: owner of the archive
    detail: str = ""  #: details of the action; never a text of a message


#: The rows that a store writes in one transaction.
Batch = Sequence[NewMessage | AuditEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """The last known affiliation of a user in a room."""

    room: str
    jid: str
    affiliation: str  #: XEP-0045: owner, admin, member, none or outcast
    #: start of the connection on which the room reported the affiliation, microseconds
    heard_at: int = field(default=0, compare=False)
    #: when the room began to remove the member, microseconds; 0: not known, or it did not
    lost_at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Room:
    """The known facts about a room; the defaults if no user was ever in it."""

    created_at: int = 0  #: microseconds; 0: unknown
    is_persistent: bool = False  #: whether it outlives its occupants (XEP-0045 section 4.2)
    name: str = ""  #: for people; "": unknown, or none


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The membership of a user in a room."""

    room: str
    jid: str
    affiliation: str  #: owner, admin or member
    name: str  #: of the room
    created_at: int = 0  #: of the room, microseconds; 0: unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomInvitation:
    """An invitation to a room, which a token redeems any number of times."""

    token_hash: bytes = field(repr=False)
    room: str
    inviter: str  #: bare JID
    expires_at: int  #: microseconds since the epoch, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomChanges:
    """Changes of a room, in the order in which the store writes them."""

    room: str
    #: time of creation, microseconds; all earlier affiliations are removed. None: the same room
    created_at: int | None = None
    #: with `created_at`: keep bans, and affiliations heard at that time or later
    keep_banned: bool = False
    is_persistent: bool | None = None  #: None: unchanged
    name: str | None = None  #: None: unchanged
    occupants: tuple[Occupant, ...] = ()  #: affiliations to set
    removed: tuple[Occupant, ...] = ()  #: affiliations to set for users who were members


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of a user."""

    jid: str  #: bare JID
    verifier: str = field(repr=False)  #: a hash that passwords are checked against
    is_enabled: bool = True
    created: int  #: microseconds since the epoch, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a user of chat has entered about the account, as far as others may find it."""

    jid: str  #: bare JID
    name: str = ""
    email: str = ""  #: only the user may see it
    folded_name: str = ""  #: the words of `name` by which a search finds it, separated by blanks


class IdentifierKind(StrEnum):
    """What an identifier stands for."""

    USER = "user"  #: its key is a bare JID
    ROOM = "room"  #: its key is the bare JID of a room
    DIRECT = "direct"  #: a direct chat; its key has the two bare JIDs in their order, and a blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """The names under which APIs that know no JIDs speak of a user, a room or a direct chat."""

    kind: IdentifierKind
    key: str
    number: int  #: unique over all kinds, never used again
    uri: str  #: 15 random hexadecimal digits, unique over all kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierPage:
    """Identifiers of conversations of a user, in the order of their numbers."""

    identifiers: tuple[Identifier, ...]
    count: int  #: of all conversations of the user


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A sign-in of a user; all times are microseconds since the epoch, UTC."""

    id: str
    jid: str  #: bare JID of the user
    label: str = ""  #: the name that the client gave itself
    created_at: int  #: when the request of the sign-in began
    refreshed_at: int  #: when its refresh token was replaced last
    expires_at: int
    token_hash: bytes = field(repr=False)  #: of the refresh token in use
    previous_hash: bytes = field(default=b"", repr=False)  #: of the refresh token before
    salt: bytes = field(default=b"", repr=False)  #: makes the one in use out of the one before
    #: of a session of the REST gateway: its settings in JSON, which have secrets; "": it is none
    gateway: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTotals:
    """The sessions of the REST gateway that have not expired."""

    sessions: int
    users: int  #: number of accounts that have them


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One item of a roster (RFC 6121 section 2.1.2)."""

    jid: str  #: bare JID
    name: str = ""
    subscription: str = "none"  #: none, to, from or both
    #: pending requests: "subscribe" (sent to the contact), "in" (received from it), or "both"
    ask: str = ""
    ask_message: str = ""  #: text of a request of the contact (Remote Data)
    is_approved: bool = False  #: pre-approved (RFC 6121 section 3.4)
    groups: tuple[str, ...] = ()


class PersonalTable(NamedTuple):
    """A table with rows about users."""

    name: str
    meaning: str  #: of its rows, for people


#: The place behind a row of a table, the values of its key.
Place = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalPage:
    """Rows about a user in one table, without secrets."""

    #: values by their names: texts, numbers, flags, values of JSON, times as `datetime`
    records: tuple[Mapping[str, object], ...]
    place: Place | None = None  #: where the next page begins; None: there is none


class EntryKind(StrEnum):
    """The subject of an entry in the journal of an account."""

    CONTACT = "contact"  #: a contact on the roster, by bare JID
    PRESENCE = "presence"  #: the presence of a contact, by full JID
    DISPLAYED = "displayed"  #: the last message that the owner has displayed, by peer
    CHANGED = "changed"  #: a message whose content was replaced or removed, by its id
    REQUEST = "request"  #: a subscription request that waits for the owner, by bare JID
    FAILED = "failed"  #: a stanza of the owner that was refused later, by the id that it had


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """The latest state of one subject in the journal of an account."""

    owner: str
    kind: EntryKind
    subject: str
    #: the state in JSON; "": the contact was removed, or is not available, or the request was
    #: answered. The store writes `id` for a displayed message, and `peer` for a changed one
    value: str
    at: int  #: microseconds since the epoch
    #: number of the event of the last change, as a snapshot has it; 0: not known
    event_id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLimits:
    """The limits of the journal of one account."""

    entries: int = 5000
    #: how long entries stay that tell of the past: of removed contacts, ended presences,
    #: displayed and changed messages
    past_micros: int = 30 * 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A message in the archive of an account, or an entry in its journal."""

    event_id: int  #: rises in the order of the events of one account, from 1 on, with gaps
    cursor: str  #: the place behind the event: opaque, and void after the archive is erased
    message: ArchivedMessage | None = None
    target: str | None = None  #: the id of the message that this message refers to
    entry: JournalEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """The oldest events behind a cursor, in their order."""

    events: tuple[Event, ...]
    #: the messages that events of the page refer to, by id, as far as they are stored and fit
    targets: Mapping[str, ArchivedMessage]
    event_id: int  #: number of the last event of the page, or if it is complete, of the account
    cursor: str  #: the place behind the page
    complete: bool  #: whether there are no more events


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSnapshot:
    """The entries of a journal, and the place behind them."""

    event_id: int
    cursor: str
    entries: tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineStanza:
    """A stanza that waits until its recipient is online (Remote Data)."""

    peer: str  #: full JID of the sender
    stanza: str
    at: int  #: microseconds since the epoch, UTC


class PushKind(StrEnum):
    """How a receiver of events is reached."""

    WEBHOOK = "webhook"  #: a signed request to a URL of the user
    WEB_PUSH = "web-push"  #: an encrypted one to the push service of a browser (RFC 8030)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSubscription:
    """A receiver to which the events of an account are sent, and the place that it has reached.

    It lasts as long as the sign-in that it was made in. All times are in microseconds since the
    epoch.
    """

    id: str
    jid: str  #: bare JID of the account
    sign_in: str  #: id of the sign-in
    kind: PushKind
    endpoint: str = field(repr=False)  #: URL
    secret: bytes = field(repr=False)  #: signs requests to a webhook; `auth` of RFC 8291
    public_key: bytes = field(default=b"", repr=False)  #: `p256dh` of RFC 8291
    label: str = ""  #: the name that the client gave it
    content: str  #: how much of an event is sent
    events: tuple[str, ...]  #: which events are sent
    created_at: int
    cursor: str  #: the place behind the last event that is done with; or an event id
    attempts: int = 0  #: failed attempts to send the next event
    retry_at: int = 0  #: time of the next attempt; 0: as soon as there is an event
    failure: str = ""  #: why the last attempt failed
    delivered_at: int = 0  #: time of the last event that was accepted; 0: none yet


@dataclass(frozen=True, slots=True)
class PushTime:
    """When a subscription is to be looked at."""

    id: str
    jid: str
    retry_at: int  #: microseconds since the epoch; 0: now


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a receiver did not accept, without the content of the event."""

    event_id: int
    type: str
    at: int  #: when it was given up, microseconds since the epoch
    attempts: int
    failure: str
    is_waiting: bool = False  #: whether it is to be sent once more


@dataclass(frozen=True, slots=True, kw_only=True)
class PushProgress:
    """What a delivery changes of a subscription."""

    id: str
    after: str  #: the cursor of the subscription before
    cursor: str
    attempts: int = 0
    retry_at: int = 0
    failure: str = ""
    delivered_at: int | None = None  #: None: unchanged
    dead_letters: tuple[DeadLetter, ...] = ()  #: new ones
