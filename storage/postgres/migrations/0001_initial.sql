-- The tables of messages have keys that begin with the number of the owner, and no statement joins rows
-- of two owners: so a database that distributes tables can keep each archive in one place. Texts that
-- are sorted have the collation "C", which is the order of SQLite. A comment PARTITION BY takes effect
-- if `storage.partitions` is set when the tables are created.

-- Lets one index have the number of the owner and the words of a message.
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- Values for the store alone, such as the key of the public ids.
CREATE TABLE secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);

-- One row per archive. The sequence of the numbers never repeats one, so no public id is used twice.
CREATE TABLE owners (
    jid           text COLLATE "C" PRIMARY KEY,
    number        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    last_sequence bigint NOT NULL DEFAULT 0, -- highest sequence that a message ever had
    messages      bigint NOT NULL DEFAULT 0, -- number of messages in the archive
    bytes         bigint NOT NULL DEFAULT 0, -- size of their XML
    latest_at     bigint NOT NULL DEFAULT 0, -- latest time of any message, microseconds since the epoch
    last_imported bigint NOT NULL DEFAULT 0, -- highest sequence of an imported message
    imported_at   bigint NOT NULL DEFAULT 0, -- latest time of an imported message
    reserved_at   bigint NOT NULL DEFAULT 0  -- end of the latest gap for which sequences are reserved
);

-- Most messages change the row of an owner, but no index of it.
ALTER TABLE owners SET (fillfactor = 50);

CREATE TABLE archive (
    owner     bigint NOT NULL,
    sequence  bigint NOT NULL,
    at        bigint NOT NULL,
    peer      text COLLATE "C" NOT NULL,
    resource  text COLLATE "C" NOT NULL,
    type      text COLLATE "C" NOT NULL,
    direction text COLLATE "C" NOT NULL,
    kind      text COLLATE "C" NOT NULL,
    nick      text COLLATE "C" NOT NULL,
    dedup_key bytea NOT NULL,
    xml       text COLLATE "C" NOT NULL,
    lateness  integer NOT NULL DEFAULT 0, -- 0 to 10, on the scale of storage/sql/messages/lateness.py
    stanza_id text COLLATE "C",           -- public id in the place of the one made of owner and sequence
    author    text COLLATE "C",           -- in the archive of a room: bare JID of our user who wrote it
    PRIMARY KEY (owner, sequence)
) /* PARTITION BY HASH (owner) */;

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
    owner       bigint NOT NULL,
    series      text COLLATE "C" NOT NULL,
    bucket_size bigint NOT NULL, -- 512 or 32768 sequences
    bucket      bigint NOT NULL, -- sequence / bucket_size
    messages    bigint NOT NULL,
    PRIMARY KEY (owner, series, bucket_size, bucket)
) /* PARTITION BY HASH (owner) */;

-- The sequences of the newest message with each peer, and of the newest one that the owner has seen.
CREATE TABLE conversations (
    owner      bigint NOT NULL,
    peer       text COLLATE "C" NOT NULL,
    newest     bigint NOT NULL,
    seen       bigint NOT NULL DEFAULT 0,
    identifier bigint NOT NULL DEFAULT 0, -- its number; 0: not asked for, -1: there is none
    PRIMARY KEY (owner, peer)
) /* PARTITION BY HASH (owner) */;

CREATE INDEX conversations_listed ON conversations (owner, identifier);

-- The ids that imported messages had in the archive that they come from.
CREATE TABLE old_ids (
    owner    bigint NOT NULL,
    old_id   text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (owner, old_id)
) /* PARTITION BY HASH (owner) */;

CREATE INDEX old_ids_sequence ON old_ids (owner, sequence);

-- The places that unfinished imports have reached.
CREATE TABLE imports (
    source text COLLATE "C" PRIMARY KEY,
    place  text NOT NULL -- JSON
);

-- Retractions that are not carried out yet, or not for all corrections of the retracted message.
CREATE TABLE unfinished_retractions (
    owner    bigint NOT NULL,
    sequence bigint NOT NULL, -- sequence of the retraction
    target   bigint NOT NULL, -- sequence of the retracted message
    number   bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    PRIMARY KEY (owner, sequence)
);

-- The folded text of messages. `words` has each word once, and a word for the peer; a phrase is
-- compared with the text.
CREATE TABLE fulltext (
    owner    bigint NOT NULL,
    sequence bigint NOT NULL,
    folded   text COLLATE "C" NOT NULL,
    words    tsvector NOT NULL,
    PRIMARY KEY (owner, sequence)
) /* PARTITION BY HASH (owner) */;

CREATE INDEX fulltext_words ON fulltext USING gin (owner, words);

-- The names by which other messages refer to a message, as hashes of 64 bits.
CREATE TABLE names (
    owner    bigint NOT NULL,
    name     bigint NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (owner, name, sequence)
) /* PARTITION BY HASH (owner) */;

CREATE INDEX names_sequence ON names (owner, sequence);

-- The message that a message refers to.
CREATE TABLE links (
    owner    bigint NOT NULL,
    sequence bigint NOT NULL,
    target   bigint NOT NULL,               -- sequence of that message
    relation text COLLATE "C" NOT NULL,     -- correction, retraction or note; settled: a correction
    PRIMARY KEY (owner, sequence)           -- that no retraction has to find any more
) /* PARTITION BY HASH (owner) */;

CREATE INDEX links_target ON links (owner, target, sequence, relation);

-- Archiving preferences of users (XEP-0441).
CREATE TABLE preferences (
    owner          text COLLATE "C" PRIMARY KEY,
    default_policy text COLLATE "C" NOT NULL, -- always, never or roster
    always         text NOT NULL,             -- JSON list of JIDs
    never          text NOT NULL              -- JSON list of JIDs
);

-- Retention rules for a user, or for the messages of a user with one peer.
CREATE TABLE rules (
    owner    text COLLATE "C" NOT NULL,
    peer     text COLLATE "C" NOT NULL, -- '': the whole archive
    days     bigint,
    messages bigint,
    bytes    bigint,
    PRIMARY KEY (owner, peer)
);

-- Retention limits that operators confirmed last.
CREATE TABLE confirmed_retention (
    host     text COLLATE "C" PRIMARY KEY, -- '': all other archives
    days     bigint NOT NULL,
    messages bigint NOT NULL,
    bytes    bigint NOT NULL
);

-- Legal holds.
CREATE TABLE holds (
    subject    text COLLATE "C" PRIMARY KEY,
    reason     text NOT NULL,
    ordered_by text NOT NULL,
    at         bigint NOT NULL
);

CREATE TABLE audit_log (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    detail  text NOT NULL
);

CREATE INDEX audit_log_subject ON audit_log (subject, number);

-- The last known affiliations of users in rooms.
CREATE TABLE occupants (
    room        text COLLATE "C" NOT NULL,
    jid         text COLLATE "C" NOT NULL,
    affiliation text COLLATE "C" NOT NULL,
    heard_at    bigint NOT NULL, -- start of the connection on which the room reported the affiliation
    lost_at     bigint NOT NULL DEFAULT 0, -- when a member was removed, 0: not known
    PRIMARY KEY (room, jid)
);

CREATE INDEX occupants_jid ON occupants (jid);

-- Rooms as they are now; an earlier room of the same name is another room.
CREATE TABLE rooms (
    jid           text COLLATE "C" PRIMARY KEY,
    created_at    bigint NOT NULL DEFAULT 0, -- 0: unknown
    is_persistent integer NOT NULL DEFAULT 0,
    name          text COLLATE "C" NOT NULL DEFAULT ''
);

-- Up to which message users have read the archives of rooms; those of users are in conversations.
CREATE TABLE read_marks (
    room     bigint NOT NULL, -- number of the archive of the room
    jid      text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (room, jid)
);

CREATE INDEX read_marks_jid ON read_marks (jid);

-- Users who have left a room that still has them as members, because only its owners can remove them.
CREATE TABLE departures (
    room text COLLATE "C" NOT NULL,
    jid  text COLLATE "C" NOT NULL,
    PRIMARY KEY (room, jid)
);

CREATE INDEX departures_jid ON departures (jid);

-- Invitations to rooms, for everybody who knows the token.
CREATE TABLE invitations (
    token_hash bytea PRIMARY KEY,
    room       text COLLATE "C" NOT NULL,
    inviter    text COLLATE "C" NOT NULL,
    expires_at bigint NOT NULL
);

CREATE INDEX invitations_room ON invitations (room);

CREATE INDEX invitations_inviter ON invitations (inviter);

CREATE INDEX invitations_expires ON invitations (expires_at);

-- Accounts that Muniment keeps. The key begins with the domain, because lists have this order.
CREATE TABLE accounts (
    domain     text COLLATE "C" NOT NULL,
    jid        text COLLATE "C" NOT NULL,
    verifier   text NOT NULL, -- a hash that passwords are checked against
    is_enabled integer NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (domain, jid)
);

-- What users of chat have entered about themselves.
CREATE TABLE profiles (
    jid         text COLLATE "C" PRIMARY KEY,
    domain      text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL DEFAULT '',
    email       text COLLATE "C" NOT NULL DEFAULT '',
    folded_name text COLLATE "C" NOT NULL DEFAULT '', -- the words of the name
    email_key   text COLLATE "C" -- the address in lower case, null without one
);

CREATE INDEX profiles_domain ON profiles (domain, jid);

CREATE UNIQUE INDEX profiles_email ON profiles (email_key) WHERE email_key IS NOT NULL;

-- Names of users, rooms and direct chats for APIs that know no JIDs. No number is used again.
CREATE TABLE identifiers (
    number bigint PRIMARY KEY,
    kind   text COLLATE "C" NOT NULL, -- user, room or direct
    key    text COLLATE "C" NOT NULL, -- one bare JID or two, or 'NUMBER removed': it points to nothing
    uri    text COLLATE "C" NOT NULL
);

CREATE UNIQUE INDEX identifiers_key ON identifiers (kind, key);

CREATE UNIQUE INDEX identifiers_uri ON identifiers (uri);

-- Rosters that Muniment keeps.
CREATE TABLE contacts (
    owner        text COLLATE "C" NOT NULL,
    jid          text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    subscription text NOT NULL,
    ask          text NOT NULL,
    ask_message  text NOT NULL,
    is_approved  integer NOT NULL,
    groups       text NOT NULL, -- JSON list
    PRIMARY KEY (owner, jid)
);

-- The journals of accounts whose users read events, or have read them.
CREATE TABLE journals (
    owner      bigint PRIMARY KEY,
    is_open    integer NOT NULL, -- whether changes are entered
    expired_to bigint NOT NULL   -- behind an earlier sequence, entries are missing
);

-- The latest change of each subject in a journal. The sequences are those of the archive: no message
-- has the sequence of an entry.
CREATE TABLE journal (
    owner    bigint NOT NULL,
    kind     text COLLATE "C" NOT NULL, -- contact, presence, displayed, changed, request or failed
    subject  text COLLATE "C" NOT NULL, -- a JID, or the id of a message
    sequence bigint NOT NULL,
    at       bigint NOT NULL,
    value    text NOT NULL,             -- JSON; '': removed, or not available
    PRIMARY KEY (owner, kind, subject)
);

CREATE UNIQUE INDEX journal_sequence ON journal (owner, sequence);

-- Stanzas that wait until their recipient is online. The digest covers sender, stanza and time.
CREATE TABLE offline (
    owner  text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    at     bigint NOT NULL,
    peer   text NOT NULL,
    stanza text NOT NULL,
    PRIMARY KEY (owner, digest)
);

-- Sign-ins of users, each with one refresh token in use.
CREATE TABLE sign_ins (
    id            text COLLATE "C" PRIMARY KEY,
    jid           text COLLATE "C" NOT NULL,
    label         text NOT NULL,
    created_at    bigint NOT NULL,
    refreshed_at  bigint NOT NULL,
    expires_at    bigint NOT NULL,
    token_hash    bytea NOT NULL,
    previous_hash bytea NOT NULL, -- of the token before, empty at first
    salt          bytea NOT NULL, -- with which the token was made of the one before
    gateway       text NOT NULL DEFAULT '' -- JSON of a session of the REST gateway; '': it is none
);

CREATE INDEX sign_ins_jid ON sign_ins (jid, refreshed_at);

CREATE INDEX sign_ins_expires ON sign_ins (expires_at);

CREATE INDEX sign_ins_gateway ON sign_ins (expires_at, jid) WHERE gateway <> '';

-- How often all sign-ins of a user were revoked: none that began before the last time is added later.
CREATE TABLE sign_in_revocations (
    jid   text COLLATE "C" PRIMARY KEY,
    times bigint NOT NULL
);

-- Receivers of the events of accounts. One lasts as long as the sign-in that it was made in.
CREATE TABLE push_subscriptions (
    id           text COLLATE "C" PRIMARY KEY,
    jid          text COLLATE "C" NOT NULL,
    sign_in      text COLLATE "C" NOT NULL,
    kind         text NOT NULL, -- webhook or web-push
    endpoint     text COLLATE "C" NOT NULL,
    secret       bytea NOT NULL,
    public_key   bytea NOT NULL, -- of Web Push
    label        text NOT NULL,
    content      text NOT NULL,
    events       text NOT NULL, -- JSON list
    created_at   bigint NOT NULL,
    cursor       text COLLATE "C" NOT NULL, -- the place behind the last event that is done with
    attempts     bigint NOT NULL,
    retry_at     bigint NOT NULL,
    failure      text NOT NULL,
    delivered_at bigint NOT NULL
);

CREATE UNIQUE INDEX push_subscriptions_jid ON push_subscriptions (jid, endpoint);

-- Events that a receiver did not accept.
CREATE TABLE dead_letters (
    subscription text COLLATE "C" NOT NULL,
    event_id     bigint NOT NULL,
    type         text NOT NULL,
    at           bigint NOT NULL,
    attempts     bigint NOT NULL,
    failure      text NOT NULL,
    is_waiting   integer NOT NULL, -- whether it is to be sent once more
    PRIMARY KEY (subscription, event_id)
);

-- The processes that use this database. `connected_since` is since when processes receive copies of
-- stanzas without a break, microseconds since the epoch; 0: this process receives none.
CREATE TABLE processes (
    name            text COLLATE "C" PRIMARY KEY,
    connected_since bigint NOT NULL
);

-- Archives that were erased in the last hour, while several processes use this database.
CREATE TABLE erasures (
    owner text COLLATE "C" PRIMARY KEY,
    at    bigint NOT NULL
);

-- Times in which no copies of stanzas arrived. They are microseconds since the epoch.
CREATE TABLE gaps (
    number    bigint PRIMARY KEY,
    begins_at bigint NOT NULL,
    ends_at   bigint NOT NULL,
    reason    text NOT NULL,
    filled_at bigint NOT NULL,           -- 0: it is not filled
    state     text NOT NULL,             -- missing, open, filling, filled, partial or unfillable
    filled    bigint NOT NULL DEFAULT 0, -- number of messages that were added
    place     text NOT NULL DEFAULT '',  -- that the filling has reached, in JSON
    failure   text NOT NULL DEFAULT '',  -- why it cannot be filled, or was not at the last attempt
    filler    text NOT NULL DEFAULT '',  -- the process that fills it
    filler_at bigint NOT NULL DEFAULT 0  -- when that process was last heard of
);

-- Sequences that are left free for the missing messages of gaps, between the messages before and
-- behind a gap.
CREATE TABLE reserved_sequences (
    owner         bigint NOT NULL,
    ends_at       bigint NOT NULL, -- end of the gap, or later
    next_sequence bigint NOT NULL, -- the first one that is free
    last_sequence bigint NOT NULL,
    latest_at     bigint NOT NULL, -- latest time of a message before the free ones
    PRIMARY KEY (owner, ends_at)
);

-- When archives were erased that a gap may concern, so that no erased message comes back.
CREATE TABLE erased (
    digest bytea PRIMARY KEY, -- of the owner, with the key of the ids
    at     bigint NOT NULL
);

-- One row: all copies that arrived until this time are stored.
CREATE TABLE received (
    name     text COLLATE "C" PRIMARY KEY,
    until_at bigint NOT NULL
);
