"""Marks: by which a store finds the messages that refer to each other, without keeping names."""

from __future__ import annotations

from hashlib import blake2b

MARK_BYTES = 8


def mark(peer: str, name: str) -> int:
    """Return the mark of a message that is called so in the conversation with a bare JID.

    64 bits with a sign. Names are ids that clients chose, so one is only of use together with the
    conversation, and two messages may share it: whoever looks a mark up has to check who wrote.
    """
    digest = blake2b(f"{peer}\n{name}".encode(), digest_size=MARK_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)
