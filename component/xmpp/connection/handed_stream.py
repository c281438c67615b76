"""A stream that one process hands over to another one, which continues it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedStream:
    """An open stream (XEP-0114) at a place between two reads. The socket goes with it."""

    end: str  #: our domain, and the address of the server
    opening: bytes  #: the header of the server, the handshake, and the messages about grants
    unread: bytes  #: what was received and not read, from the beginning of a stanza on
    received_until: int  #: the time of the hand-over, microseconds since the epoch
