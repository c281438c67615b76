"""XEP-0334: Message Processing Hints, version 1.0.0, and whatever else decides what is kept.

A pure decision on one stanza, with its reason; XEP-0313 section 6 has the rules for storing.
"""

from __future__ import annotations

from dataclasses import dataclass

from component.core.xml import jids
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import GROUPCHAT, NS_MUC_USER, Stanza

_HINTS = "urn:xmpp:hints"
_NO_STORE = frozenset({(_HINTS, "no-store"), (_HINTS, "no-permanent-store")})
STORE = (_HINTS, "store")

#: Copies of messages that were archived when they were first sent, and archives being read.
_COPIES = frozenset(
    {
        ("urn:xmpp:mam:2", "result"),
        ("urn:xmpp:carbons:2", "sent"),
        ("urn:xmpp:carbons:2", "received"),
        ("http://jabber.org/protocol/pubsub#event", "event"),
    }
)

BODY = (NS_CLIENT, "body")
_SUBJECT = (NS_CLIENT, "subject")

_NOTHING = "nothing to keep"

#: What is worth keeping although it has no body.
MEANINGFUL = {
    ("urn:xmpp:eme:0", "encryption"): "encrypted",
    ("urn:xmpp:omemo:2", "encrypted"): "encrypted",
    ("eu.siacs.conversations.axolotl", "encrypted"): "encrypted",
    ("urn:xmpp:openpgp:0", "openpgp"): "encrypted",
    ("jabber:x:encrypted", "x"): "encrypted",
    ("urn:xmpp:message-correct:0", "replace"): "correction",
    ("urn:xmpp:message-retract:1", "retract"): "retraction",
    ("urn:xmpp:message-moderate:1", "moderate"): "moderation",
    ("urn:xmpp:fasten:0", "apply-to"): "retraction",
    ("urn:xmpp:reactions:0", "reactions"): "reaction",
    ("jabber:x:conference", "x"): "invitation",
    (NS_MUC_USER, "invite"): "invitation",
    (NS_MUC_USER, "decline"): "invitation",
    ("urn:xmpp:jingle-message:0", "propose"): "call",
    ("urn:xmpp:jingle-message:0", "accept"): "call",
    ("urn:xmpp:jingle-message:0", "proceed"): "call",
    ("urn:xmpp:jingle-message:0", "reject"): "call",
    ("urn:xmpp:jingle-message:0", "retract"): "call",
    ("urn:xmpp:jingle-message:0", "finish"): "call",
}

RECEIPT = ("urn:xmpp:receipts", "received")
MARKERS = frozenset(
    {
        ("urn:xmpp:chat-markers:0", "received"),
        ("urn:xmpp:chat-markers:0", "displayed"),
        ("urn:xmpp:chat-markers:0", "acknowledged"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the operator wants kept beside what has a body."""

    groupchat: bool = True  #: messages of rooms, in the archives of the users in them
    receipts: bool = True  #: delivery receipts (XEP-0184)
    markers: bool = True  #: chat markers (XEP-0333)

    def judge(self, stanza: Stanza) -> tuple[bool, str]:
        """Return whether a stanza is kept in the archives of users, and why."""
        if stanza.type == GROUPCHAT and not self.groupchat:
            return False, "groupchat"
        return self._judge(stanza)

    def judge_for_room(self, stanza: Stanza) -> tuple[bool, str]:
        """Return whether a stanza is kept in the archive of the room that sent it, and why.

        Its subjects are too (XEP-0313 section 5.1.2), but only as they change: whoever comes is
        told the last one again, without the id of the message that set it.
        """
        keep, reason = self._judge(stanza)
        if reason == _NOTHING and _SUBJECT in stanza.payloads and stanza.id:
            return True, "subject"
        return keep, reason

    def _judge(self, stanza: Stanza) -> tuple[bool, str]:
        payloads = stanza.payloads
        # A hint in an error asks for nothing (XEP-0334 section 5).
        if stanza.type == "error":
            return False, "error"
        if not payloads.isdisjoint(_COPIES):
            return False, "copy"
        # Hints may contradict each other: what is not stored betrays nobody.
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
        # Clients ask for it with every marker, so what is switched off stays off.
        return (True, "store") if is_wanted and reason == _NOTHING else (keep, reason)

    def _judge_without_body(self, payloads: frozenset[tuple[str, str]]) -> tuple[bool, str]:
        # In the order of the table: a set has another one in each process.
        for payload, reason in MEANINGFUL.items():
            if payload in payloads:
                return True, reason
        is_receipt, is_marker = RECEIPT in payloads, not payloads.isdisjoint(MARKERS)
        if is_receipt and (self.receipts or not is_marker):
            return self.receipts, "receipt"
        if is_marker:
            return self.markers, "marker"
        return False, _NOTHING


def _is_history(stanza: Stanza) -> bool:
    """Whether a room repeats what was said before its occupant came (XEP-0045 section 7.2.13)."""
    room = jids.bare(stanza.sender)
    return any(server in (room, jids.domain(room)) for server, _ in stanza.delays)
