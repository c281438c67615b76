-- "MUNI" in ASCII: distinguishes this file from databases of other programs.
PRAGMA application_id = 1297436233;

-- Values for the store alone, such as the key of the public ids.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

-- One row per archive. AUTOINCREMENT never uses a number twice, so no public id is used twice.
CREATE TABLE owners (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    jid           TEXT NOT NULL UNIQUE,
    last_sequence INTEGER NOT NULL DEFAULT 0, -- highest sequence that a message ever had
    messages      INTEGER NOT NULL DEFAULT 0, -- number of messages in the archive
    bytes         INTEGER NOT NULL DEFAULT 0, -- size of their XML
    latest_at     INTEGER NOT NULL DEFAULT 0, -- latest time of any message, microseconds since the epoch
    last_imported INTEGER NOT NULL DEFAULT 0, -- highest sequence of an imported message
    imported_at   INTEGER NOT NULL DEFAULT 0, -- latest time of an imported message
    reserved_at   INTEGER NOT NULL DEFAULT 0  -- end of the latest gap for which sequences are reserved
);

-- Clustered by owner and order of arrival, so that a page is one range of the table.
CREATE TABLE archive (
    owner     INTEGER NOT NULL,
    sequence  INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    peer      TEXT NOT NULL,
    resource  TEXT NOT NULL,
    type      TEXT NOT NULL,
    direction TEXT NOT NULL,
    kind      TEXT NOT NULL,
    nick      TEXT NOT NULL,
    dedup_key BLOB NOT NULL,
    xml       TEXT NOT NULL,
    lateness  INTEGER NOT NULL DEFAULT 0, -- 0 to 10, on the scale of storage/sql/messages/lateness.py
    stanza_id TEXT,                       -- public id in the place of the one made of owner and sequence
    author    TEXT,                       -- in the archive of a room: bare JID of our user who wrote it
    PRIMARY KEY (owner, sequence)
) WITHOUT ROWID;

-- A repeated copy of a message, even weeks later, conflicts with the first copy in this index.
CREATE UNIQUE INDEX archive_dedup_key ON archive (owner, dedup_key);

-- Messages that have a public id from elsewhere, as those of rooms have; all others are not in it.
CREATE UNIQUE INDEX archive_stanza_id ON archive (owner, stanza_id) WHERE stanza_id IS NOT NULL;

CREATE INDEX archive_peer ON archive (owner, peer, sequence, at, direction, kind);

CREATE INDEX archive_at ON archive (owner, at, sequence, lateness);

-- The few messages that arrived after a newer message. The times of all others rise with the sequence.
CREATE INDEX archive_late ON archive (owner, lateness, at, sequence) WHERE lateness > 0;

-- The few messages whose content was removed; some counts subtract them.
CREATE INDEX archive_blanked ON archive (owner, sequence) WHERE kind = 'blanked';

-- The number of messages in each bucket of sequences, so that a count needs no scan. There is one
-- series for each peer, the series '' for all messages but groupchat, and '/' for groupchat.
CREATE TABLE counters (
    owner       INTEGER NOT NULL,
    series      TEXT NOT NULL,
    bucket_size INTEGER NOT NULL, -- 512 or 32768 sequences
    bucket      INTEGER NOT NULL, -- sequence / bucket_size
    messages    INTEGER NOT NULL,
    PRIMARY KEY (owner, series, bucket_size, bucket)
) WITHOUT ROWID;

-- The sequences of the newest message with each peer, and of the newest one that the owner has seen.
CREATE TABLE conversations (
    owner      INTEGER NOT NULL,
    peer       TEXT NOT NULL,
    newest     INTEGER NOT NULL,
    seen       INTEGER NOT NULL DEFAULT 0,
    identifier INTEGER NOT NULL DEFAULT 0, -- its number; 0: not asked for, -1: there is none
    PRIMARY KEY (owner, peer)
) WITHOUT ROWID;

CREATE INDEX conversations_listed ON conversations (owner, identifier);

-- The ids that imported messages had in the archive that they come from.
CREATE TABLE old_ids (
    owner    INTEGER NOT NULL,
    old_id   TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (owner, old_id)
) WITHOUT ROWID;

CREATE INDEX old_ids_sequence ON old_ids (owner, sequence);

-- The places that unfinished imports have reached.
CREATE TABLE imports (
    source TEXT PRIMARY KEY,
    place  TEXT NOT NULL -- JSON
) WITHOUT ROWID;

-- Retractions that are not carried out yet, or not for all corrections of the retracted message.
-- AUTOINCREMENT: an outcome for a deleted row never applies to a later row.
CREATE TABLE unfinished_retractions (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    owner    INTEGER NOT NULL,
    sequence INTEGER NOT NULL, -- sequence of the retraction
    target   INTEGER NOT NULL, -- sequence of the retracted message
    UNIQUE (owner, sequence)
);

-- Full-text index. rowid = owner << 40 | sequence, so the rows of one owner are one range. Texts are
-- already folded: blanks separate the words, and each word begins with the number of the owner and
-- "_". `peer` is one word. `links` has one word for each name by which other messages refer to the
-- message, and one word for the message that it refers to.
CREATE VIRTUAL TABLE fulltext USING fts5 (
    text, peer, links, columnsize = 0, tokenize = "ascii tokenchars '_'"
);

-- Archiving preferences of users (XEP-0441).
CREATE TABLE preferences (
    owner          TEXT PRIMARY KEY,
    default_policy TEXT NOT NULL, -- always, never or roster
    always         TEXT NOT NULL, -- JSON list of JIDs
    never          TEXT NOT NULL  -- JSON list of JIDs
) WITHOUT ROWID;

-- Retention rules for a user, or for the messages of a user with one peer.
CREATE TABLE rules (
    owner    TEXT NOT NULL,
    peer     TEXT NOT NULL, -- '': the whole archive
    days     INTEGER,
    messages INTEGER,
    bytes    INTEGER,
    PRIMARY KEY (owner, peer)
) WITHOUT ROWID;

-- Retention limits that operators confirmed last.
CREATE TABLE confirmed_retention (
    host     TEXT PRIMARY KEY, -- '': all other archives
    days     INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    bytes    INTEGER NOT NULL
) WITHOUT ROWID;

-- Legal holds.
CREATE TABLE holds (
    subject    TEXT PRIMARY KEY,
    reason     TEXT NOT NULL,
    ordered_by TEXT NOT NULL,
    at         INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit_log (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
);

CREATE INDEX audit_log_subject ON audit_log (subject, number);

-- The last known affiliations of users in rooms.
CREATE TABLE occupants (
    room        TEXT NOT NULL,
    jid         TEXT NOT NULL,
    affiliation TEXT NOT NULL,
    heard_at    INTEGER NOT NULL, -- start of the connection on which the room reported the affiliation
    lost_at     INTEGER NOT NULL DEFAULT 0, -- when a member was removed, 0: not known
    PRIMARY KEY (room, jid)
) WITHOUT ROWID;

CREATE INDEX occupants_jid ON occupants (jid);

-- Rooms as they are now; an earlier room of the same name is another room.
CREATE TABLE rooms (
    jid           TEXT PRIMARY KEY,
    created_at    INTEGER NOT NULL DEFAULT 0, -- 0: unknown
    is_persistent INTEGER NOT NULL DEFAULT 0,
    name          TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- Up to which message users have read the archives of rooms; those of users are in conversations.
CREATE TABLE read_marks (
    room     INTEGER NOT NULL, -- number of the archive of the room
    jid      TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (room, jid)
) WITHOUT ROWID;

CREATE INDEX read_marks_jid ON read_marks (jid);

-- Users who have left a room that still has them as members, because only its owners can remove them.
CREATE TABLE departures (
    room TEXT NOT NULL,
    jid  TEXT NOT NULL,
    PRIMARY KEY (room, jid)
) WITHOUT ROWID;

CREATE INDEX departures_jid ON departures (jid);

-- Invitations to rooms, for everybody who knows the token.
CREATE TABLE invitations (
    token_hash BLOB PRIMARY KEY,
    room       TEXT NOT NULL,
    inviter    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX invitations_room ON invitations (room);

CREATE INDEX invitations_inviter ON invitations (inviter);

CREATE INDEX invitations_expires ON invitations (expires_at);

-- Accounts that Muniment keeps. Clustered by domain, because lists have this order.
CREATE TABLE accounts (
    domain     TEXT NOT NULL,
    jid        TEXT NOT NULL,
    verifier   TEXT NOT NULL, -- a hash that passwords are checked against
    is_enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (domain, jid)
) WITHOUT ROWID;

-- What users of chat have entered about themselves.
CREATE TABLE profiles (
    jid         TEXT PRIMARY KEY,
    domain      TEXT NOT NULL,
    name        TEXT NOT NULL DEFAULT '',
    email       TEXT NOT NULL DEFAULT '',
    folded_name TEXT NOT NULL DEFAULT '', -- the words of the name
    email_key   TEXT -- the address in lower case, null without one
) WITHOUT ROWID;

CREATE INDEX profiles_domain ON profiles (domain, jid);

CREATE UNIQUE INDEX profiles_email ON profiles (email_key) WHERE email_key IS NOT NULL;

-- Names of users, rooms and direct chats for APIs that know no JIDs. No number is used again.
CREATE TABLE identifiers (
    number INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL, -- user, room or direct
    key    TEXT NOT NULL, -- one bare JID or two, or 'NUMBER removed': it points to nothing
    uri    TEXT NOT NULL
);

CREATE UNIQUE INDEX identifiers_key ON identifiers (kind, key);

CREATE UNIQUE INDEX identifiers_uri ON identifiers (uri);

-- Rosters that Muniment keeps.
CREATE TABLE contacts (
    owner        TEXT NOT NULL,
    jid          TEXT NOT NULL,
    name         TEXT NOT NULL,
    subscription TEXT NOT NULL,
    ask          TEXT NOT NULL,
    ask_message  TEXT NOT NULL,
    is_approved  INTEGER NOT NULL,
    groups       TEXT NOT NULL, -- JSON list
    PRIMARY KEY (owner, jid)
) WITHOUT ROWID;

-- The journals of accounts whose users read events, or have read them.
CREATE TABLE journals (
    owner      INTEGER PRIMARY KEY,
    is_open    INTEGER NOT NULL, -- whether changes are entered
    expired_to INTEGER NOT NULL  -- behind an earlier sequence, entries are missing
);

-- The latest change of each subject in a journal. The sequences are those of the archive: no message
-- has the sequence of an entry.
CREATE TABLE journal (
    owner    INTEGER NOT NULL,
    kind     TEXT NOT NULL, -- contact, presence, displayed, changed, request or failed
    subject  TEXT NOT NULL, -- a JID, or the id of a message
    sequence INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    value    TEXT NOT NULL, -- JSON; '': removed, or not available
    PRIMARY KEY (owner, kind, subject)
) WITHOUT ROWID;

CREATE UNIQUE INDEX journal_sequence ON journal (owner, sequence);

-- Stanzas that wait until their recipient is online. The digest covers sender, stanza and time.
CREATE TABLE offline (
    number INTEGER PRIMARY KEY,
    owner  TEXT NOT NULL,
    digest BLOB NOT NULL,
    at     INTEGER NOT NULL,
    peer   TEXT NOT NULL,
    stanza TEXT NOT NULL
);

CREATE UNIQUE INDEX offline_digest ON offline (owner, digest);

-- Sign-ins of users, each with one refresh token in use.
CREATE TABLE sign_ins (
    id            TEXT PRIMARY KEY,
    jid           TEXT NOT NULL,
    label         TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    refreshed_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    token_hash    BLOB NOT NULL,
    previous_hash BLOB NOT NULL, -- of the token before, empty at first
    salt          BLOB NOT NULL, -- with which the token was made of the one before
    gateway       TEXT NOT NULL DEFAULT '' -- JSON of a session of the REST gateway; '': it is none
) WITHOUT ROWID;

CREATE INDEX sign_ins_jid ON sign_ins (jid, refreshed_at);

CREATE INDEX sign_ins_expires ON sign_ins (expires_at);

CREATE INDEX sign_ins_gateway ON sign_ins (expires_at, jid) WHERE gateway <> '';

-- How often all sign-ins of a user were revoked: none that began before the last time is added later.
CREATE TABLE sign_in_revocations (
    jid   TEXT PRIMARY KEY,
    times INTEGER NOT NULL
) WITHOUT ROWID;

-- Receivers of the events of accounts. One lasts as long as the sign-in that it was made in.
CREATE TABLE push_subscriptions (
    id           TEXT PRIMARY KEY,
    jid          TEXT NOT NULL,
    sign_in      TEXT NOT NULL,
    kind         TEXT NOT NULL, -- webhook or web-push
    endpoint     TEXT NOT NULL,
    secret       BLOB NOT NULL,
    public_key   BLOB NOT NULL, -- of Web Push
    label        TEXT NOT NULL,
    content      TEXT NOT NULL,
    events       TEXT NOT NULL, -- JSON list
    created_at   INTEGER NOT NULL,
    cursor       TEXT NOT NULL, -- the place behind the last event that is done with
    attempts     INTEGER NOT NULL,
    retry_at     INTEGER NOT NULL,
    failure      TEXT NOT NULL,
    delivered_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE UNIQUE INDEX push_subscriptions_jid ON push_subscriptions (jid, endpoint);

-- Events that a receiver did not accept.
CREATE TABLE dead_letters (
    subscription TEXT NOT NULL,
    event_id     INTEGER NOT NULL,
    type         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    failure      TEXT NOT NULL,
    is_waiting   INTEGER NOT NULL, -- whether it is to be sent once more
    PRIMARY KEY (subscription, event_id)
) WITHOUT ROWID;

-- Times in which no copies of stanzas arrived. They are microseconds since the epoch.
CREATE TABLE gaps (
    number    INTEGER PRIMARY KEY,
    begins_at INTEGER NOT NULL,
    ends_at   INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    filled_at INTEGER NOT NULL,           -- 0: it is not filled
    state     TEXT NOT NULL,              -- missing, open, filling, filled, partial or unfillable
    filled    INTEGER NOT NULL DEFAULT 0, -- number of messages that were added
    place     TEXT NOT NULL DEFAULT '',   -- that the filling has reached, in JSON
    failure   TEXT NOT NULL DEFAULT '',   -- why it cannot be filled, or was not at the last attempt
    filler    TEXT NOT NULL DEFAULT '',   -- the process that fills it
    filler_at INTEGER NOT NULL DEFAULT 0  -- when that process was last heard of
);

-- Sequences that are left free for the missing messages of gaps, between the messages before and
-- behind a gap.
CREATE TABLE reserved_sequences (
    owner         INTEGER NOT NULL,
    ends_at       INTEGER NOT NULL, -- end of the gap, or later
    next_sequence INTEGER NOT NULL, -- the first one that is free
    last_sequence INTEGER NOT NULL,
    latest_at     INTEGER NOT NULL, -- latest time of a message before the free ones
    PRIMARY KEY (owner, ends_at)
) WITHOUT ROWID;

-- When archives were erased that a gap may concern, so that no erased message comes back.
CREATE TABLE erased (
    digest BLOB PRIMARY KEY, -- of the owner, with the key of the ids
    at     INTEGER NOT NULL
) WITHOUT ROWID;

-- One row: all copies that arrived until this time are stored.
CREATE TABLE received (
    name     TEXT PRIMARY KEY,
    until_at INTEGER NOT NULL
) WITHOUT ROWID;
