"""The data that crosses the storage contract: frozen, named, free of any driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Direction(StrEnum):
    """Which way a message went, seen by the owner of the archive."""

    SENT = "send"
    RECEIVED = "recv"


class Kind(StrEnum):
    """What a message is to its reader."""

    MESSAGE = "message"  #: says something: a text, something encrypted, an invitation, a call
    ANNOTATION = "annotation"  #: corrects, retracts or reacts to another message
    RECEIPT = "receipt"  #: tells no more than that another message was received or displayed
    TOMBSTONE = "tombstone"  #: was retracted or moderated; only that is left of it
    BLANKED = "blanked"  #: was taken out of the middle of the archive; `xml` is empty


#: Of which there is something to be read.
READABLE = frozenset(Kind) - {Kind.BLANKED}


class Relation(StrEnum):
    """How a message is about another one."""

    CORRECTION = "correction"  #: takes its place (XEP-0308)
    RETRACTION = "retraction"  #: takes it back (XEP-0424, XEP-0425)
    OTHER = "note"  #: all else: a reaction, a receipt or a marker


class NewMessage(NamedTuple):
    """One stanza on its way into one owner's archive; a tuple, as `ArchivedMessage` is."""

    owner: str  #: bare JID of the archive, prepared
    at: int  #: when the server took the message, microseconds since the epoch, UTC
    peer: str  #: bare JID of the other side; in the archive of a room its occupant
    resource: str  #: resource of the other side, "" when there was none
    type: str  #: message type as RFC 6121 names it: chat, normal, groupchat, headline
    direction: Direction
    xml: str  #: the whole stanza, one well-formed element that stands alone
    dedup_key: bytes  #: 16 bytes that are the same for every copy of this message in this archive
    #: origins that the same message may have been stored under before (copies without an id)
    alternative_keys: tuple[bytes, bytes] | None = None
    nick: str = ""  #: nickname of a room occupant where the caller gave one
    kind: Kind = Kind.MESSAGE
    text: str = ""  #: what a search finds it by: folded words, one blank between two of them
    #: marks (64 bits, signed) that stand for the names by which other messages refer to this one
    name_hashes: tuple[int, ...] = ()
    #: marks of which the message that this one is about has one: the last that was stored before
    refers_to: tuple[int, ...] = ()
    relation: Relation = Relation.OTHER  #: how it is about that message
    #: it shows that the owner had read the conversation when it was sent, a receipt up to the
    #: message that it refers to
    is_seen: bool = False


#: How many corrections of retracted messages a store offers at once.
TOMBSTONES_MAX = 200

#: How many unfinished retractions a store offers at once.
UNFINISHED_MAX = 100


class ArchivedMessage(NamedTuple):
    """One stanza in one owner's archive.

    A tuple, for a page has fifty of them, and a frozen dataclass takes four times as long to make.
    """

    id: str  #: the public id: opaque, unpredictable, unique for ever
    at: int  #: microseconds since the epoch, UTC
    peer: str
    resource: str
    type: str
    direction: Direction
    xml: str
    nick: str
    kind: Kind = Kind.MESSAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedRetraction:
    """A stored retraction, and the messages that it may replace with tombstones.

    A store notes a retraction in the transaction that stores it, and offers it until it is done.
    """

    number: int  #: rises in the order of arrival, over all archives
    owner: str
    message: ArchivedMessage  #: the message that retracts
    target: ArchivedMessage | None  #: the retracted message; None: it has no content any more
    #: corrections of the target that arrived before the retraction, the newest first
    corrections: tuple[ArchivedMessage, ...] = ()
    is_last: bool = True  #: whether the target has no other corrections to be replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What takes the place of a retracted message, or of a correction of it."""

    id: str  #: id of the message that is replaced
    xml: str
    kind: Kind  #: TOMBSTONE for the retracted message, ANNOTATION for its corrections


@dataclass(frozen=True, slots=True, kw_only=True)
class RetractionOutcome:
    """The answer to an unfinished retraction: what the store is to do for it."""

    number: int  #: of the unfinished retraction
    tombstones: tuple[Tombstone, ...] = ()
    settled: tuple[str, ...] = ()  #: ids of corrections that need not be offered again
    is_done: bool = True  #: whether the retraction need not be offered again


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What is about one message."""

    messages: tuple[ArchivedMessage, ...] = ()  #: in arrival order
    left_out: int = 0  #: how many older ones there are


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Folded words that have to follow one another in a text."""

    words: tuple[str, ...]
    is_prefix: bool = False  #: the last word may go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which messages of an archive are wanted; None means any."""

    peer: str | None = None  #: bare JID
    resource: str | None = None  #: only with `peer`: exactly this resource
    #: local part of the other side, whatever its domain (Remote Data); not together with `peer`
    peer_local: str | None = None
    since: int | None = None  #: inclusive, microseconds
    until: int | None = None  #: inclusive, microseconds
    groupchat: bool | None = None  #: True: only groupchat; False: all but groupchat
    after: str | None = None  #: only what arrived behind the message of this id
    before: str | None = None  #: only what arrived before the message of this id
    ids: tuple[str, ...] | None = None  #: only these messages
    kinds: frozenset[Kind] | None = None
    phrases: tuple[Phrase, ...] | None = None  #: all of them are in the text


ANY = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Messages in archive order, oldest first."""

    messages: tuple[ArchivedMessage, ...] = field(default=())
    complete: bool = True  #: nothing more in the direction that was asked for
    #: how many messages match before the first of the page; None: not asked for, or not cheap
    index: int | None = None
    count: int | None = None  #: how many match in all; None: not asked for, or not cheap


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """All that one owner's archive has of one other side."""

    peer: str
    newest: str  #: id of the newest message of any kind
    messages: int  #: messages of every kind
    last: (
        ArchivedMessage  #: the newest that says something, the newest of any kind where none does
    )
    #: received texts behind the last one that the owner is known to have seen, UNREAD_MAX at most
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """Some conversations of one archive, the one with the newest message first."""

    conversations: tuple[Conversation, ...] = ()
    complete: bool = True  #: there are no others behind these


#: Unread messages are counted no further.
UNREAD_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one archive takes up."""

    owner: str
    messages: int
    bytes: int  #: of XML
    oldest: int | None  #: time of the first message, microseconds; None: there is none
    newest: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The usage of all archives together."""

    archives: int
    messages: int
    bytes: int  #: of XML


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """How much of an archive stays; None: no bound."""

    since: int | None = None  #: what is older goes, microseconds
    messages: int | None = None
    bytes: int | None = None  #: of XML


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What one step of a clean-up took away."""

    messages: int = 0
    bytes: int = 0
    done: bool = True  #: no more is to go


@dataclass(frozen=True, slots=True, kw_only=True)
class OverLimit:
    """What a clean-up would take away."""

    messages: int = 0
    oldest: int | None = None  #: earliest time of them, microseconds
    newest: int | None = None

    def plus(self, other: OverLimit) -> OverLimit:
        """Return both together."""
        oldest = [at for at in (self.oldest, other.oldest) if at is not None]
        newest = [at for at in (self.newest, other.newest) if at is not None]
        return OverLimit(
            messages=self.messages + other.messages,
            oldest=min(oldest, default=None),
            newest=max(newest, default=None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRetention:
    """How much stays of the archives of one host; 0: no bound."""

    host: str  #: virtual host; "" for all other archives
    days: int
    messages: int
    bytes: int  #: of XML


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesRow:
    """What one user wants archived (XEP-0441)."""

    owner: str
    default: str  #: always, never or roster
    always: tuple[str, ...] = ()  #: bare or full JIDs, prepared
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long messages of one user, or of that user with one peer, are kept; None: as is usual.

    0 means without a bound, where what is usual has one.
    """

    owner: str
    peer: str = ""  #: bare JID; "" for all of the archive
    days: int | None = None
    messages: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: nothing of this archive, or of all archives of this host, is taken away."""

    subject: str  #: bare JID of a user, or a virtual host
    reason: str
    by: str  #: who ordered it
    at: int  #: microseconds since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit log."""

    number: int = 0  #: rises; given by the store
    at: int  #: microseconds since the epoch
    actor: str  #: who did it: an operator by name, or a JID
    action: str  #: read, search, stream, export, erase, delete, hold, release, purge, ...
    subject: str  #: whose archive
    detail: str = ""  #: what exactly, in words; never a text of a message


#: What a store writes in one transaction.
Batch = Sequence[NewMessage | AuditEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupant:
    """What was last known of a user in a room."""

    room: str
    jid: str
    affiliation: str  #: XEP-0045: owner, admin, member, none or outcast
    #: when the connection came up on which the room said so, microseconds
    heard_at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Room:
    """What is known of a room; nothing of one that nobody was in."""

    created_at: int = 0  #: microseconds; 0: that is not known
    is_persistent: bool = False  #: whether it stays when nobody is in it (XEP-0045 section 4.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomChanges:
    """What is written of a room at once, in this order."""

    room: str
    #: when it was made, microseconds: all that was known before goes; None: it is the same room
    created_at: int | None = None
    #: but who was banned, and what was heard on a connection that came up at that time or later
    keep_banned: bool = False
    is_persistent: bool | None = None  #: None: as it was
    occupants: tuple[Occupant, ...] = ()
    removed: tuple[Occupant, ...] = ()  #: what those are that were members


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of a user."""

    jid: str  #: bare JID
    verifier: str = field(repr=False)  #: a hash that passwords are checked against
    is_enabled: bool = True
    created: int  #: microseconds since the epoch, UTC


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineStanza:
    """A stanza that waits until its recipient comes online (Remote Data)."""

    peer: str  #: full JID of the sender
    stanza: str
    at: int  #: microseconds since the epoch, UTC
