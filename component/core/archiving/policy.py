"""XEP-0334: Message Processing Hints, version 1.0.0, and the other rules for archiving a message.

A pure decision on one stanza, with its reason, by the rules of XEP-0313 section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

from component.core.messages.payloads import BODY, OPTIONAL, PURPOSES, Purpose
from component.core.xml import jids
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import GROUPCHAT, Stanza

_HINTS = "urn:xmpp:hints"
_NO_STORE = frozenset({(_HINTS, "no-store"), (_HINTS, "no-permanent-store")})
STORE = (_HINTS, "store")

#: Copies of messages that were archived when they were sent, and results of archive queries.
_COPIES = frozenset(
    {
        ("urn:xmpp:mam:2", "result"),
        ("urn:xmpp:carbons:2", "sent"),
        ("urn:xmpp:carbons:2", "received"),
        ("http://jabber.org/protocol/pubsub#event", "event"),
    }
)

_SUBJECT = (NS_CLIENT, "subject")

_NOTHING = "nothing to keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's choice of messages to archive."""

    groupchat: bool = True  #: messages of rooms, in the archives of the users in them
    receipts: bool = True  #: delivery receipts (XEP-0184)
    markers: bool = True  #: chat markers (XEP-0333)

    def judge(self, stanza: Stanza) -> tuple[bool, str]:
        """Return whether to archive a stanza for users, and the reason."""
        if stanza.type == GROUPCHAT and not self.groupchat:
            return False, "groupchat"
        return self._judge(stanza)

    def judge_for_room(self, stanza: Stanza) -> tuple[bool, str]:
        """Return whether to archive a stanza for the room that sent it, and the reason.

        A change of the subject is archived too (XEP-0313 section 5.1.2). A room also sends its
        subject to each new occupant, but without the id of the message that set it.
        """
        keep, reason = self._judge(stanza)
        if reason == _NOTHING and _SUBJECT in stanza.payloads and stanza.id:
            return True, "subject"
        return keep, reason

    def _judge(self, stanza: Stanza) -> tuple[bool, str]:
        payloads = stanza.payloads
        # A hint in an error has no effect (XEP-0334 section 5).
        if stanza.type == "error":
            return False, "error"
        if not payloads.isdisjoint(_COPIES):
            return False, "copy"
        # Hints may contradict each other: then privacy comes first.
        if not payloads.isdisjoint(_NO_STORE):
            return False, "no-store"
        if stanza.type == GROUPCHAT and _is_history(stanza):
            return False, "room history"
        is_wanted = STORE in payloads
        if stanza.type == "headline" and not is_wanted:
            return False, "headline"
        if BODY in payloads:
            return True, "store" if is_wanted else "body"
        keep, reason = self._judge_without_body(payloads)
        # Clients add `store` to every marker, so it does not override the operator's choice.
        return (True, "store") if is_wanted and reason == _NOTHING else (keep, reason)

    def _judge_without_body(self, payloads: frozenset[tuple[str, str]]) -> tuple[bool, str]:
        # The order of the table decides the reason; that of a set differs between processes.
        purposes = [purpose for name, purpose in PURPOSES.items() if name in payloads]
        for purpose in purposes:
            if purpose not in OPTIONAL:
                return True, purpose
        is_receipt, is_marker = Purpose.RECEIPT in purposes, Purpose.MARKER in purposes
        if is_receipt and (self.receipts or not is_marker):
            return self.receipts, Purpose.RECEIPT
        if is_marker:
            return self.markers, Purpose.MARKER
        return False, _NOTHING


def _is_history(stanza: Stanza) -> bool:
    """Return whether a room repeats a message to a new occupant (XEP-0045 section 7.2.13)."""
    room = jids.bare(stanza.sender)
    return any(server in (room, jids.domain(room)) for server, _ in stanza.delays)
