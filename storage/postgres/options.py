"""The options of a store in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field

#: The beginning of the URL of a store.
POSTGRESQL = "postgresql://"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresOptions:
    """How to connect, and the limits of connections and statements; times are in seconds."""

    password: str | None = field(default=None, repr=False)
    connections: int = 4  #: for short reads; besides, there are one that writes and two long ones
    connect: float = 5.0  #: how long a connection may take to be made
    answer: float = 4.0  #: how long a server with an open request may refuse new connections
    statement: float = 60.0  #: how long a statement may take that writes, or reads no archive
    statement_cache: int = 300  #: prepared statements of a connection; 0: none
    partitions: int = 0  #: of each large table, if the tables are created now; 0: none
    short_read: float = 0.25  #: a read of an archive that takes longer is a long read
    turn: float = 10.0  #: how long a long read waits for its turn
    long_read: float = 5.0  #: how long a long read may take
    #: the name of this process among those that use the database; None: it is the only one
    process: str | None = None
    is_read_only: bool = False  #: only reads, beside a process that may write
    is_synchronous: bool = True  #: whether a commit survives a crash of the server


DEFAULT_OPTIONS = PostgresOptions()
