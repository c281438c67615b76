"""The messages in the archives, which are the same for every server."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.servers.ejabberd import HOST

#: The number of peers of an owner, who talks to them in turn.
PEERS = 10

#: Time between two messages, in whole seconds, because Prosody stores no fractions.
STEP_SECONDS = 10

#: The time of the last message.
END = 1_767_225_600  # 2026-01-01T00:00:00Z

_TEXT = """
the quick brown fox jumps over the lazy dog while seven wizards box with quivering daft zebras and
nobody of them minds the rain
"""
_WORDS = _TEXT.split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A message of an archive."""

    number: int
    at: int  #: seconds since the epoch
    peer: str  #: local part
    is_sent: bool
    id: str
    body: str


def line(number: int, size: int) -> Line:
    """Return a message of an archive of `size` messages; the oldest has the number 0."""
    words = [_WORDS[(number * 7 + n * 5) % len(_WORDS)] for n in range(14)]
    return Line(
        number=number,
        at=END - (size - 1 - number) * STEP_SECONDS,
        peer=f"peer{number % PEERS}",
        is_sent=number * 7 % 16 < 8,
        id=f"m{number:08x}",
        body=" ".join([str(number), *words]),
    )


def stanza(owner: str, number: int, size: int = 1) -> str:
    """Return a message in the form in which ejabberd copies it."""
    message = line(number, size)
    own, other = f"{owner}@{HOST}", f"{message.peer}@{HOST}"
    sender, recipient = (own, other) if message.is_sent else (other, own)
    return (
        f"<message xml:lang='en' to='{recipient}' from='{sender}/phone' type='chat' "
        f"id='{message.id}' xmlns='jabber:client'><body>{message.body}</body>"
        f"<active xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
