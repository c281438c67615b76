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
    newest INTEGER NOT NULL DEFAULT 0, -- latest time of any message, microseconds since the epoch
    skew   INTEGER NOT NULL DEFAULT 0  -- by how much a message's time was ever behind `newest`
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
    nick      TEXT NOT NULL,
    origin    BLOB NOT NULL,
    xml       TEXT NOT NULL,
    PRIMARY KEY (owner, sequence)
) WITHOUT ROWID;

-- A copy that comes again, even weeks later, meets its first here.
CREATE UNIQUE INDEX archive_origin ON archive (owner, origin);

CREATE INDEX archive_peer ON archive (owner, peer, sequence, at);

CREATE INDEX archive_at ON archive (owner, at, sequence);
