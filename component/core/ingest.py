"""From one copy of a stanza to entries in the right archives, once each.

ejabberd sends a copy for every hook and resource a message passes, all alike and without a
direction. So each is taken for both sides, and what was taken before is left out: by a memory of
the last ones here, and for ever by a unique key in the store.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace

from component.core import jids
from component.core.policy import Policy
from component.core.stanza import Stanza
from component.core.writer import Writer
from storage.rows import Direction, Entry, Removal

#: How many entries are remembered, so that most second copies never reach the store.
REMEMBERED = 65_536

#: Messages without an id that say the same to the same within this time are one.
SLOT = 60_000_000  # microseconds


class Ingest:
    """Takes copies of stanzas and queues what is to be written."""

    def __init__(self, writer: Writer, policy: Policy, hosts: Collection[str]) -> None:
        self._writer = writer
        self._policy = policy
        self._hosts = frozenset(hosts)
        self._recent: OrderedDict[tuple[str, bytes], int] = OrderedDict()

    def take(self, stanza: Stanza, at: int) -> None:
        """Archive a stanza that was seen at that time, unless it was before. Raises Malformed."""
        if stanza.type == "error":
            self._cancel(stanza, at)
            return
        keep, _ = self._policy.judge(stanza)
        if not keep:
            return
        key = stanza.origin(_addressee(stanza))
        new = [side for side in self._sides(stanza) if self._is_new((side[0], key), stanza, at)]
        if not new:
            return
        xml, taken = stanza.xml, _taken(stanza, at)
        origin, twins = (key, None) if stanza.id else _slots(stanza, taken)
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
                )
                for owner, peer, direction in new
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

    def _is_new(self, key: tuple[str, bytes], stanza: Stanza, at: int) -> bool:
        """Whether this is the first copy, as far as it is remembered here; remember it."""
        seen = self._recent.get(key)
        if seen is not None and (stanza.id or at - seen < SLOT):
            return False
        self._recent[key] = at
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return True

    def _cancel(self, bounce: Stanza, at: int) -> None:
        """Take a message that came back out of the archive of whom it never reached.

        An error says what it answers: the same id and children, the addresses exchanged
        (RFC 6120 section 8.3.1). The sender keeps the message: it was sent.
        """
        owner = jids.bare(bounce.sender)
        if not self._is_user(bounce.sender) or owner == jids.bare(bounce.recipient):
            return
        lost = replace(bounce, sender=bounce.recipient, recipient=bounce.sender)
        self._recent.pop((owner, lost.origin(lost.recipient)), None)
        slots = [None] if lost.id else [at // SLOT, at // SLOT - 1]
        self._writer.put(
            [Removal(owner=owner, origin=lost.origin(lost.recipient, slot)) for slot in slots]
        )


def _addressee(stanza: Stanza) -> str:
    """The recipient, without the resource where each resource in a room has a copy of its own."""
    return jids.bare(stanza.recipient) if stanza.type == "groupchat" else stanza.recipient


def _taken(stanza: Stanza, at: int) -> int:
    """When the recipient's own server took the message: earlier when it was kept offline."""
    home = jids.domain(stanza.recipient)
    return min([at, *(stamp for server, stamp in stanza.delays if server == home)])


def _slots(stanza: Stanza, at: int) -> tuple[bytes, tuple[bytes, bytes] | None]:
    """Return the origin of a message without an id, and those its copies may have had instead.

    The minute stands for the id. A copy from the offline store knows its time only to within the
    clocks of the server and of us, so the minutes around it count too.
    """
    addressee, slot = _addressee(stanza), at // SLOT
    origin = stanza.origin(addressee, slot)
    if not stanza.delays:
        return origin, None
    return origin, (stanza.origin(addressee, slot - 1), stanza.origin(addressee, slot + 1))
