"""Which copies are one message: those that are alike and near in time, or tell the same time.

An id is unique in one stream only (RFC 6120 section 8.1.3), so the same words with the same id may
be said again. Copies of one delivery follow each other within milliseconds.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from component.core.archiving.deliveries import Delivery
from component.core.xml.stanza import ORIGIN_BYTES, Stanza

#: After so much silence the same words are another message.
NEAR = 2_000_000  # microseconds

#: Between the last copy and a presence of the sender that may have begun another session.
APART = 50_000  # microseconds

#: Messages that say the same are numbered within this time: what one delivery is called in the
#: store is told by it after a restart, or when it comes from the offline store days later.
SLOT = 60_000_000  # microseconds

#: How many messages are remembered.
REMEMBERED = 32_768


@dataclass(slots=True, eq=False)
class RecentMessage:
    """One message as its copies tell it."""

    sender: str
    recipient: str  #: of the first copy
    first: int  #: when it was sent, microseconds
    last: int  #: when its last copy was seen
    number: int  #: of those that are alike in its slot
    delivery: Delivery | None = None  #: to a recipient whose own copy tells that it was delivered

    @property
    def slot(self) -> int:
        """The time in which it is numbered."""
        return self.first // SLOT


class RecentMessages:
    """The last messages by what all copies of one have in common."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[bytes, RecentMessage] = OrderedDict()

    def get(self, key: bytes) -> RecentMessage | None:
        """Return the last message of a key."""
        return self._by_key.get(key)

    def add(self, key: bytes, stanza: Stanza, first: int, at: int) -> RecentMessage:
        """Remember a new message of a key, sent at `first_seen`, of which a copy was seen."""
        before = self._by_key.pop(key, None)
        number = 0
        if before is not None and before.slot == first // SLOT:
            number = before.number + 1
        message = RecentMessage(stanza.sender, stanza.recipient, first, at, number)
        self._by_key[key] = message
        if len(self._by_key) > REMEMBERED:
            self._by_key.popitem(last=False)
        return message


def dedup_keys(
    key: bytes, message: RecentMessage, *, is_delayed: bool = False
) -> tuple[bytes, tuple[bytes, bytes] | None]:
    """Return what names a message of a key in the store, and what else it may be stored under.

    A delayed copy knows its time only to within the clocks of the server and of us, so the slots
    around its own count too.
    """
    slot, number = message.slot, message.number
    origin = _origin(key, slot, number)
    if not is_delayed:
        return origin, None
    return origin, (_origin(key, slot - 1, number), _origin(key, slot + 1, number))


def _origin(key: bytes, slot: int, number: int) -> bytes:
    return blake2b(b"%b %d %d" % (key, slot, number), digest_size=ORIGIN_BYTES).digest()
