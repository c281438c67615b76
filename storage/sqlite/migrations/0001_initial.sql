-- "MUNI": by this number the file is known as ours.
PRAGMA application_id = 1297436233;

-- What this store keeps for itself.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

-- One row an archive. AUTOINCREMENT: a number is never given twice, so neither is a public id.
CREATE TABLE owners (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    jid    TEXT NOT NULL UNIQUE,
    last   INTEGER NOT NULL DEFAULT 0, -- sequence given last
    kept   INTEGER NOT NULL DEFAULT 0, -- messages in the archive now
    bytes  INTEGER NOT NULL DEFAULT 0, -- of their XML
    newest INTEGER NOT NULL DEFAULT 0  -- latest time of any message, microseconds since the epoch
);

-- Clustered by owner and arrival, so that a page is one stretch of the table.
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
    origin    BLOB NOT NULL,
    xml       TEXT NOT NULL,
    late      INTEGER NOT NULL DEFAULT 0, -- how late it came, 0 to 10: storage/lateness.py
    PRIMARY KEY (owner, sequence)
) WITHOUT ROWID;

-- A copy that comes again, even weeks later, meets its first here.
CREATE UNIQUE INDEX archive_origin ON archive (owner, origin);

CREATE INDEX archive_peer ON archive (owner, peer, sequence, at, direction, kind);

CREATE INDEX archive_at ON archive (owner, at, sequence, late);

-- The few messages that came behind newer ones; the times of all others rise with the sequence.
CREATE INDEX archive_late ON archive (owner, late, at, sequence) WHERE late > 0;

-- What was taken out of the middle: little of it, and left out of some counts.
CREATE INDEX archive_gone ON archive (owner, sequence) WHERE kind = 'gone';

-- How many messages each stretch of sequences has, short and long ones: counts and places without a scan.
-- Of each peer, and of all: under '' what is of people, under '/' what is groupchat.
CREATE TABLE tallies (
    owner INTEGER NOT NULL,
    scope TEXT NOT NULL,
    span  INTEGER NOT NULL, -- how long the stretch is: 512 or 32768
    block INTEGER NOT NULL, -- sequence / span
    kept  INTEGER NOT NULL,
    PRIMARY KEY (owner, scope, span, block)
) WITHOUT ROWID;

-- The newest message with each peer, and the newest that shows what the owner has seen.
CREATE TABLE conversations (
    owner INTEGER NOT NULL,
    peer  TEXT NOT NULL,
    last  INTEGER NOT NULL,
    seen  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, peer)
) WITHOUT ROWID;

-- Retractions that are not carried out yet, or not over all corrections of the retracted message.
-- AUTOINCREMENT: an answer to one of them never meets another.
CREATE TABLE unfinished_retractions (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    owner    INTEGER NOT NULL,
    sequence INTEGER NOT NULL, -- of the message that retracts
    target   INTEGER NOT NULL, -- sequence of the retracted message
    UNIQUE (owner, sequence)
);

-- Full text. rowid = owner << 40 | sequence, so one owner's are one stretch. Texts come folded, so
-- words end at blanks only, and begin with the number of the owner and "_". The peer is one word; so
-- is each name by which a message is referred to, and the place of the one that it is about itself.
CREATE VIRTUAL TABLE words USING fts5 (
    text, peer, marks, columnsize = 0, tokenize = "ascii tokenchars '_'"
);

CREATE TABLE preferences (
    owner   TEXT PRIMARY KEY,
    usual   TEXT NOT NULL,
    always  TEXT NOT NULL, -- JSON lists
    never   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE rules (
    owner    TEXT NOT NULL,
    peer     TEXT NOT NULL,
    days     INTEGER,
    messages INTEGER,
    bytes    INTEGER,
    PRIMARY KEY (owner, peer)
) WITHOUT ROWID;

-- How much stays of archives, as operators have confirmed it last; host '' is all other archives.
CREATE TABLE confirmed (
    host     TEXT PRIMARY KEY,
    days     INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    bytes    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE holds (
    subject TEXT PRIMARY KEY,
    reason  TEXT NOT NULL,
    ordered TEXT NOT NULL,
    at      INTEGER NOT NULL
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

CREATE TABLE occupants (
    room        TEXT NOT NULL,
    jid         TEXT NOT NULL,
    affiliation TEXT NOT NULL,
    heard       INTEGER NOT NULL, -- when the connection came up on which the room said so
    PRIMARY KEY (room, jid)
) WITHOUT ROWID;

-- When rooms were made, those that had the same name before not counting.
CREATE TABLE rooms (
    jid           TEXT PRIMARY KEY,
    made          INTEGER NOT NULL DEFAULT 0, -- 0: not known
    is_persistent INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Who can log in, where accounts are kept here. Clustered by domain, as they are listed.
CREATE TABLE accounts (
    domain     TEXT NOT NULL,
    jid        TEXT NOT NULL,
    verifier   TEXT NOT NULL, -- what a password is checked against
    is_enabled INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    PRIMARY KEY (domain, jid)
) WITHOUT ROWID;

-- Rosters, where they are kept here.
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

-- Stanzas that wait until their recipient comes online. The digest is of all that one consists of.
CREATE TABLE offline (
    number INTEGER PRIMARY KEY,
    owner  TEXT NOT NULL,
    digest BLOB NOT NULL,
    at     INTEGER NOT NULL,
    peer   TEXT NOT NULL,
    packet TEXT NOT NULL
);

CREATE UNIQUE INDEX offline_digest ON offline (owner, digest);
