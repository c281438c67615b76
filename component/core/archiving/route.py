"""Find the archives that a stanza belongs to, and the key that its copies share.

ejabberd copies a stanza for every hook and session that it passes. No copy shows whether the
stanza was sent or received, so the addresses alone decide. A stanza has two candidates at most:
the archives of the users who sent and received it, and the archive of the room that sent it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from component.core.archiving.sessions import OFFLINE_DELIVERY, Sessions
from component.core.hosts import Hosts
from component.core.xml import jids
from component.core.xml.stanza import GROUPCHAT, NS_MUC_USER, Stanza
from storage.rows import Direction

_MUC_USER = (NS_MUC_USER, "x")


#: An archive that keeps a stanza: the bare JID of its owner, the full JID of the peer, and the
#: direction. A plain tuple, because each message makes one.
Side = tuple[str, str, Direction]


class Candidate(NamedTuple):
    """Archives that keep a stanza in the same form, if the policy keeps it; a tuple for speed."""

    sides: list[Side]  #: that of the recipient is the last one
    is_for_room: bool  #: for the archive of the room; False: for those of users


class Router:
    """Knows the users and rooms that have an archive here."""

    def __init__(self, hosts: Hosts, sessions: Sessions) -> None:
        self._hosts = hosts
        self._sessions = sessions

    def candidates(self, stanza: Stanza) -> Iterator[Candidate]:
        """Yield the candidates for a stanza."""
        if sides := self._sides_of_users(stanza):
            yield Candidate(sides, False)
        if stanza.type == GROUPCHAT:
            room = jids.bare(stanza.sender)
            if self._hosts.is_room(room):
                yield Candidate([(room, stanza.sender, Direction.RECEIVED)], True)

    def key(self, stanza: Stanza) -> bytes:
        """Return the key that all copies of a stanza have in archives of users.

        A room sends a message to each session of an occupant, so there the resource of the
        recipient does not count.
        """
        recipient = stanza.recipient
        is_of_room = stanza.type == GROUPCHAT or _MUC_USER in stanza.payloads
        if is_of_room and self._hosts.is_user(recipient):
            recipient = jids.bare(recipient)
        return stanza.key(recipient)

    def awaits_delivery(
        self, stanza: Stanza, sides: list[Side], since: int, at: int, host: str
    ) -> bool:
        """Return whether the first copy, made by `host`, does not prove a delivery to our user.

        `since` is when the recipient's server claims to have received the message, `at` when the
        copy was made.
        """
        if not self._hosts.is_user(stanza.sender) or sides[-1][2] is Direction.SENT:
            return False
        if jids.bare(stanza.sender) == jids.bare(stanza.recipient):
            return False
        if since < at:
            return not self._is_from_offline_store(stanza, since, at)
        return not _is_recipients_copy(stanza, host)

    def time_of(self, stanza: Stanza, since: int, at: int) -> int:
        """Return the time of a message in the recipient's archive, microseconds.

        `since` is the time that its delay claims. Any sender can write a delay, and ejabberd adds
        none if the stanza has one of its domain. So a delay counts only if the recipient was away
        at that time and has just come back. It never counts in a message of a room to an occupant,
        or in a message of our own user, which was copied when it was sent.
        """
        if since == at or self._hosts.is_user(stanza.sender):
            return at
        is_from_room = stanza.type == GROUPCHAT and jids.resource(stanza.recipient) != ""
        was_away = self._sessions.was_away(jids.bare(stanza.recipient), since, at)
        return since if was_away and not is_from_room else at

    def _sides_of_users(self, stanza: Stanza) -> list[Side]:
        sides: list[Side] = []
        # A room sends each message back to its author, and that copy is the one to keep.
        if stanza.type != GROUPCHAT and self._hosts.is_user(stanza.sender):
            sides.append((jids.bare(stanza.sender), stanza.recipient, Direction.SENT))
        if self._hosts.is_user(stanza.recipient):
            owner = jids.bare(stanza.recipient)
            # A message to oneself is in one archive, once.
            if not sides or sides[0][0] != owner:
                sides.append((owner, stanza.sender, Direction.RECEIVED))
        return sides

    def _is_from_offline_store(self, stanza: Stanza, since: int, at: int) -> bool:
        """Return whether the recipient came on line shortly before, and so gets offline messages.

        The delay alone proves nothing: a user who is blocked by the recipient can write one.
        """
        online_since = self._sessions.last_announced(jids.bare(stanza.recipient))
        return since <= online_since and at - online_since < OFFLINE_DELIVERY


def _is_recipients_copy(stanza: Stanza, host: str) -> bool:
    """Return whether a user's first copy can only be that of the recipient.

    A client always sends from its full JID; a server may write in the name of a bare JID, and then
    there is no copy of the sender. Between two hosts, each logs its own users only.
    """
    if not jids.resource(stanza.sender):
        return True
    return host == jids.domain(stanza.recipient) != jids.domain(stanza.sender)
