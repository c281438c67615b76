"""From one copy of a stanza to entries in the right archives, once each.

ejabberd sends a copy for every hook and resource a message passes, all alike and without a
direction. So each is taken for both sides, and what was taken before is left out: by a memory of
the last ones here, and for ever by a unique key in the store.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from hashlib import blake2b

from component.core import jids
from component.core.policy import Policy
from component.core.stanza import ORIGIN_BYTES, Stanza
from component.core.writer import Writer
from storage.rows import Direction, Entry, Removal

#: How many messages are remembered, so that most further copies never reach the store.
REMEMBERED = 32_768

#: Messages without an id that say the same to the same within this time are one.
SLOT = 60_000_000  # microseconds

#: What rooms put into private messages (XEP-0045 section 7.5).
MUC_USER = ("http://jabber.org/protocol/muc#user", "x")

#: Older delays than this are not believed.
LONGEST_OFFLINE = 30 * 86_400_000_000  # microseconds


class _Memory:
    """When keys were met first, for the last ones of them."""

    def __init__(self) -> None:
        self._first: OrderedDict[bytes, int] = OrderedDict()

    def first(self, key: bytes, at: int) -> int | None:
        """Return when a key was met first, None when that is now."""
        first = self._first.get(key)
        if first is None:
            self.put(key, at)
        return first

    def put(self, key: bytes, at: int) -> None:
        """Remember a key as met first at that time."""
        self._first[key] = at
        if len(self._first) > REMEMBERED:
            self._first.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """Know nothing of a key."""
        self._first.pop(key, None)

    def clear(self) -> None:
        """Know nothing of any key."""
        self._first.clear()


class Ingest:
    """Takes copies of stanzas and queues what is to be written."""

    def __init__(self, writer: Writer, policy: Policy, hosts: Collection[str]) -> None:
        self._writer = writer
        self._policy = policy
        self._hosts = frozenset(hosts)
        self._recent = _Memory()
        self._recent_bytes = _Memory()

    def is_repeat(self, raw: bytes, at: int) -> bool:
        """Whether this stanza was here before to the byte: nothing else need be known of it then.

        Only for stanzas with an id.
        """
        digest = blake2b(raw, digest_size=ORIGIN_BYTES).digest()
        return self._recent_bytes.first(digest, at) is not None

    def take(self, stanza: Stanza, at: int) -> None:
        """Archive a stanza that was seen at that time, unless it was before. Raises Malformed."""
        if stanza.type == "error":
            self._cancel(stanza, at)
            return
        if not stanza.recipient:
            # Then it is for oneself, RFC 6120 section 10.3.1.
            stanza = replace(stanza, recipient=jids.bare(stanza.sender))
        keep, _ = self._policy.judge(stanza)
        sides = self._sides(stanza) if keep else []
        if not sides:
            return
        addressee, since = self._addressee(stanza), _kept_since(stanza, at)
        key = stanza.origin(addressee)
        if self._is_copy(key, stanza, since):
            return
        xml, taken = stanza.xml, self._taken(stanza, at, since)
        origin, twins = (key, None) if stanza.id else _slots(stanza, addressee, since)
        self._writer.put(
            [
                Entry(
                    owner=owner,
                    at=taken,
                    peer=jids.bare(peer),
                    resource=jids.resource(peer),
                    type=stanza.type,
                    direction=direction,
                    xml=xml,
                    origin=origin,
                    twins=twins,
                    nick=jids.resource(peer) if stanza.type == "groupchat" else "",
                )
                for owner, peer, direction in sides
            ]
        )

    def _sides(self, stanza: Stanza) -> list[tuple[str, str, Direction]]:
        """Return whose archives a stanza belongs to: owner, address of the other, direction."""
        sides = []
        # A room sends each message back to its author too, and that is the one to keep.
        if stanza.type != "groupchat" and self._is_user(stanza.sender):
            sides.append((jids.bare(stanza.sender), stanza.recipient, Direction.SENT))
        if self._is_user(stanza.recipient):
            owner = jids.bare(stanza.recipient)
            # A message to oneself is in one archive, once.
            if not sides or sides[0][0] != owner:
                sides.append((owner, stanza.sender, Direction.RECEIVED))
        return sides

    def _is_user(self, address: str) -> bool:
        return jids.domain(address) in self._hosts and jids.local(address) != ""

    def _is_copy(self, key: bytes, stanza: Stanza, at: int) -> bool:
        """Whether this message is remembered here; it is from now on."""
        first = self._recent.first(key, at)
        if first is None:
            return False
        if stanza.id or abs(at - first) < SLOT:
            return True
        # A copy from the offline store comes behind later messages of the same words.
        self._recent.put(key, max(at, first))
        return False

    def _addressee(self, stanza: Stanza) -> str:
        """The recipient, without the resource where a room sends to each resource in it apart."""
        is_of_room = stanza.type == "groupchat" or MUC_USER in stanza.payloads
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
        lost = replace(bounce, sender=bounce.recipient, recipient=bounce.sender)
        addressee = self._addressee(lost)
        # Sent again it may arrive, so it is not to be taken for a copy.
        self._recent.forget(lost.origin(addressee))
        self._recent_bytes.clear()
        slots = [None] if lost.id else [at // SLOT, at // SLOT - 1]
        self._writer.put(
            [Removal(owner=owner, origin=lost.origin(addressee, slot)) for slot in slots]
        )


def _kept_since(stanza: Stanza, at: int) -> int:
    """When the recipient's own server says that it took the message: earlier if kept offline."""
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
