"""From one copy of a stanza to entries in the right archives, once each.

ejabberd sends a copy for every hook and resource a message passes, all alike and without a
direction. So each is taken for both sides, and what was taken before is left out: by a memory of
the last ones here, and for ever by a unique key in the store.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from hashlib import blake2b

from component.core import jids, sanitise
from component.core.meaning import meaning_of, room_name
from component.core.policy import Policy
from component.core.recent import Recent
from component.core.stanza import GROUPCHAT, ORIGIN_BYTES, Stanza, digest_of
from component.core.tombstones import retraction
from component.core.wellformed import standalone
from component.core.writer import Queue
from storage.rows import Direction, Entry, Removal, Work

#: Messages without an id that say the same to the same within this time are one.
SLOT = 60_000_000  # microseconds

#: Older delays than this are not believed.
LONGEST_OFFLINE = 30 * 86_400_000_000  # microseconds


#: One archive that a message belongs to: its owner, the full JID of the other side, and which way.
_Side = tuple[str, str, Direction]


class Ingest:
    """Takes copies of stanzas and queues what is to be written."""

    def __init__(
        self,
        writer: Queue,
        policy: Policy,
        hosts: Collection[str],
        room_services: Collection[str] = (),
    ) -> None:
        """`room_services` are the domains of the rooms that have an archive of their own here."""
        self._writer = writer
        self._policy = policy
        self._hosts = frozenset(hosts)
        self._room_services = frozenset(room_services)
        self._recent = Recent()
        self._recent_bytes = Recent()
        self._said_in_rooms = Recent()  # by our users; rooms send it back to them as to all others

    def is_repeat(self, raw: bytes, at: int) -> bool:
        """Whether this stanza was here before to the byte: nothing else need be known of it then.

        It was from now on. Only for stanzas with an id.
        """
        return self._recent_bytes.first(_digest(raw), at) is not None

    def was_here(self, raw: bytes) -> bool:
        """Whether these bytes are a stanza that `is_repeat` was asked about before."""
        return _digest(raw) in self._recent_bytes

    def take(self, stanza: Stanza, at: int) -> None:
        """Archive a stanza that was seen at that time, unless it was before. Raises Malformed."""
        if stanza.type == "error":
            self._cancel(stanza, at)
            return
        if not stanza.recipient:
            # Then it is for oneself, RFC 6120 section 10.3.1.
            stanza = stanza._replace(recipient=jids.bare(stanza.sender))
        if stanza.type == GROUPCHAT and stanza.id and self._is_user(stanza.sender):
            self._said_in_rooms.put(_said(stanza.sender, stanza.recipient, stanza.id), at)
        self._into_users(stanza, at)
        if self._room_services and stanza.type == GROUPCHAT:
            self._into_room(stanza, at)

    def _into_users(self, stanza: Stanza, at: int) -> None:
        keep, _ = self._policy.judge(stanza)
        sides = self._sides(stanza) if keep else []
        if not sides:
            return
        addressee, since = self._addressee(stanza), _kept_since(stanza, at)
        key = stanza.origin(addressee)
        if self._is_copy(key, stanza.id, since):
            return
        origin, twins = (key, None) if stanza.id else _slots(stanza, addressee, since)
        xml = sanitise.for_user(stanza, self._hosts)
        self._put(stanza, sides, xml, self._taken(stanza, at, since), origin, twins)

    def _into_room(self, stanza: Stanza, at: int) -> None:
        """Archive what a room sends to its occupants for the room itself, once."""
        room = jids.bare(stanza.sender)
        if jids.domain(room) not in self._room_services or not jids.local(room):
            return
        keep, _ = self._policy.judge_for_room(stanza)
        if not keep:
            return
        name = room_name(stanza)
        key = digest_of([stanza.sender.encode(), name.encode()]) if name else stanza.origin("")
        if self._is_copy(key, name or stanza.id, at):
            return
        origin, twins = (key, None) if name or stanza.id else _slots(stanza, "", at)
        side = (room, stanza.sender, Direction.RECEIVED)
        xml = sanitise.for_room(stanza, self._hosts)
        self._put(stanza, [side], xml, at, origin, twins)

    def _put(
        self,
        stanza: Stanza,
        sides: list[_Side],
        raw: bytes,
        at: int,
        origin: bytes,
        twins: tuple[bytes, bytes] | None,
    ) -> None:
        # What is taken out of a stanza declares nothing for the rest of it.
        xml = (raw if stanza.element.is_bound else standalone(raw)).decode()
        meaning = meaning_of(stanza)
        work: list[Work] = []
        for owner, other, direction in sides:
            peer, resource = jids.bare(other), jids.resource(other)
            names, about = meaning.marks(peer, resource, stanza.type, direction)
            entry = Entry(
                owner=owner,
                at=at,
                peer=peer,
                resource=resource,
                type=stanza.type,
                direction=direction,
                xml=xml,
                origin=origin,
                twins=twins,
                nick=resource if stanza.type == GROUPCHAT else "",
                kind=meaning.kind,
                text=meaning.text,
                names=names,
                about=about,
                relation=meaning.relation,
                is_seen=meaning.is_seeing and self._is_own(stanza, owner, direction),
            )
            work.append(entry)
            # In the same batch, so that nobody reads what was taken back beside its retraction.
            taken_back = retraction(entry)
            if taken_back:
                work.append(taken_back)
        self._writer.put(work)

    def _is_own(self, stanza: Stanza, owner: str, direction: Direction) -> bool:
        """Whether the owner of an archive wrote a message, to a room too."""
        if direction is Direction.SENT or stanza.type != GROUPCHAT:
            return direction is Direction.SENT
        return _said(owner, stanza.sender, stanza.id) in self._said_in_rooms

    def _sides(self, stanza: Stanza) -> list[_Side]:
        """Return whose archives a stanza belongs to."""
        sides = []
        # A room sends each message back to its author too, and that is the one to keep.
        if stanza.type != GROUPCHAT and self._is_user(stanza.sender):
            sides.append((jids.bare(stanza.sender), stanza.recipient, Direction.SENT))
        if self._is_user(stanza.recipient):
            owner = jids.bare(stanza.recipient)
            # A message to oneself is in one archive, once.
            if not sides or sides[0][0] != owner:
                sides.append((owner, stanza.sender, Direction.RECEIVED))
        return sides

    def _is_user(self, address: str) -> bool:
        return jids.domain(address) in self._hosts and jids.local(address) != ""

    def _is_copy(self, key: bytes, name: str, at: int) -> bool:
        """Whether a message, of a name or without, is remembered here; it is from now on."""
        first = self._recent.first(key, at)
        if first is None:
            return False
        if name or abs(at - first) < SLOT:
            return True
        # A copy from the offline store comes behind later messages of the same words.
        self._recent.put(key, max(at, first))
        return False

    def _addressee(self, stanza: Stanza) -> str:
        """The recipient, without the resource where a room sends to each resource in it apart."""
        is_of_room = stanza.type == GROUPCHAT or sanitise.MUC_USER in stanza.payloads
        if is_of_room and self._is_user(stanza.recipient):
            return jids.bare(stanza.recipient)
        return stanza.recipient

    def _taken(self, stanza: Stanza, at: int, since: int) -> int:
        """When a message came to its recipient's server, as far as that can be believed.

        Anybody can write a delay, so none is believed that would turn the archive upside down; and
        none from our own users, whose messages were seen when they were sent.
        """
        return at if self._is_user(stanza.sender) or at - since > LONGEST_OFFLINE else since

    def _cancel(self, bounce: Stanza, at: int) -> None:
        """Take a message that came back out of the archive of whom it never reached.

        An error says what it answers: the same id and children, the addresses exchanged
        (RFC 6120 section 8.3.1). The sender keeps the message: it was sent.
        """
        owner = jids.bare(bounce.sender)
        if not self._is_user(bounce.sender) or owner == jids.bare(bounce.recipient):
            return
        lost = bounce._replace(sender=bounce.recipient, recipient=bounce.sender)
        addressee = self._addressee(lost)
        # Sent again it may arrive, so it is not to be taken for a copy.
        self._recent.forget(lost.origin(addressee))
        self._recent_bytes.clear()
        slots = [None] if lost.id else [at // SLOT, at // SLOT - 1]
        self._writer.put(
            [Removal(owner=owner, origin=lost.origin(addressee, slot)) for slot in slots]
        )


@lru_cache(1)  # it is asked about, and then taken
def _digest(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=ORIGIN_BYTES).digest()


def _said(author: str, room: str, id: str) -> bytes:
    """Return what stands for a message of a user in a room."""
    return digest_of([jids.bare(author).encode(), jids.bare(room).encode(), id.encode()])


def _kept_since(stanza: Stanza, at: int) -> int:
    """When the recipient's own server says that it took the message: earlier if kept offline."""
    if not stanza.delays:
        return at
    home = jids.domain(stanza.recipient)
    return min([at, *(stamp for server, stamp in stanza.delays if server == home)])


def _slots(stanza: Stanza, addressee: str, at: int) -> tuple[bytes, tuple[bytes, bytes] | None]:
    """Return the origin of a message without an id, and those its copies may have had instead.

    The minute stands for the id. A copy from the offline store knows its time only to within the
    clocks of the server and of us, so the minutes around it count too.
    """
    slot = at // SLOT
    origin = stanza.origin(addressee, slot)
    if not stanza.delays:
        return origin, None
    return origin, (stanza.origin(addressee, slot - 1), stanza.origin(addressee, slot + 1))
