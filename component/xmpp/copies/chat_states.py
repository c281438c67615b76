"""Chat states (XEP-0085) in copies, for those who follow.

A user who only follows over HTTP has no client to which the server would deliver them. So the copy
of the sender counts, also where the recipient blocks the sender.
"""

from __future__ import annotations

from component.core.chat.following.signals import Signals
from component.core.hosts import Hosts
from component.core.sessions.outgoing import ChatState
from component.core.xml import jids
from component.core.xml.stanza import GROUPCHAT, Stanza

NS = "http://jabber.org/protocol/chatstates"

_STATES = {(NS, state.value): state for state in ChatState}


class ChatStateCopies:
    """Notes the chat states that users send and receive."""

    def __init__(self, signals: Signals, hosts: Hosts) -> None:
        self._signals = signals
        self._hosts = hosts

    def take_message(self, stanza: Stanza) -> None:
        """Note the chat state of a message, unless the message was stored meanwhile."""
        names = _STATES.keys() & stanza.payloads
        if len(names) != 1 or stanza.type == "error" or stanza.delays:
            return
        state = _STATES[names.pop()]
        sender, recipient = jids.bare(stanza.sender), jids.bare(stanza.recipient)
        if stanza.type != GROUPCHAT:
            # A private message of an occupant is from a room, which is no contact.
            is_private = self._hosts.is_room(sender) or self._hosts.is_room(recipient)
            if self._hosts.is_user(recipient) and not is_private:
                self._signals.note_contact(recipient, sender, state)
        elif self._hosts.is_user(sender):
            self._signals.note_member(recipient, sender, state)
        elif self._hosts.is_user(recipient) and not self._hosts.is_room(sender):
            nick = jids.resource(stanza.sender)
            if nick:
                self._signals.note_occupant(recipient, sender, nick, state)
