"""The place of a follower of chat: in the journal of the account and in the archives of rooms.

As text it is the cursor of the journal, a point, and the rest in base64url: a digest of the list
of rooms, and by the digest of each room the number of its last event.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from component.core.errors import BadRequest

#: Characters of a place as text: with ROOMS_MAX rooms it fits into a header.
TEXT_MAX = 4096

#: The number of rooms that one follower hears.
ROOMS_MAX = 200

#: Bytes of a digest. Equal digests of two rooms of one user only cost a repeated reading.
_DIGEST_BYTES = 5

#: Event ids are 64-bit integers.
_VARINT_BYTES_MAX = 9
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Place:
    """A place; the next events are behind it."""

    journal: int | str
    rooms: Mapping[bytes, int] = field(default_factory=dict)  #: event ids by digests of rooms
    list_digest: bytes = b""  #: of the list of rooms; b"": the follower has none yet

    def in_room(self, room: str) -> int | None:
        """Return the event id of the place in a room, None: the follower does not know it."""
        return self.rooms.get(digest(room))

    def has_others(self, rooms: Iterable[str]) -> bool:
        """Return whether the place is also in rooms that are not named."""
        return not self.rooms.keys() <= set(map(digest, rooms))

    def behind(self, room: str, event_id: int) -> Place:
        """Return this place with another one in a room."""
        return replace(self, rooms={**self.rooms, digest(room): event_id})

    def only(self, rooms: Iterable[str]) -> Place:
        """Return this place without the rooms that are not named."""
        digests = set(map(digest, rooms))
        kept = {room: event_id for room, event_id in self.rooms.items() if room in digests}
        return replace(self, rooms=kept)

    def text(self) -> str:
        """Return the place as text."""
        packed = bytearray(self.list_digest.ljust(_DIGEST_BYTES, b"\0"))
        for room, event_id in sorted(self.rooms.items()):
            packed += room + _varint(event_id)
        return f"{self.journal}.{urlsafe_b64encode(packed).decode().rstrip('=')}"


def digest(text: str) -> bytes:
    """Return the digest of the JID of a room, or of a list of rooms."""
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()


def parse(text: str) -> Place:
    """Return the place that a text stands for; the cursor of a journal is one too.

    Raises BadRequest.
    """
    journal, _, rest = text.partition(".")
    is_number = journal.isascii() and journal.isdigit()
    place: int | str = int(journal[:_DIGITS]) if is_number else journal
    if not rest:
        return Place(place)
    try:
        padded = rest.encode("ascii") + b"=" * (-len(rest) % 4)
        packed = b64decode(padded, b"-_", validate=True)
        rooms, position = {}, _DIGEST_BYTES
        while position < len(packed):
            room = packed[position : position + _DIGEST_BYTES]
            event_id, position = _read_varint(packed, position + _DIGEST_BYTES)
            rooms[room] = event_id
    except (ValueError, IndexError) as error:
        raise BadRequest("after: this is no cursor of the events of chat") from error
    return Place(place, rooms, packed[:_DIGEST_BYTES])


def _varint(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first; the last one has no high bit."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _read_varint(packed: bytes, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position behind it. Raises ValueError."""
    number = 0
    for place in range(_VARINT_BYTES_MAX):
        group = packed[position + place]
        number |= (group & 0x7F) << 7 * place
        if group < 0x80:
            return number, position + place + 1
    raise ValueError(position)
