"""Messages of people, and the other stanzas that their clients send with them.

Each message requests a receipt (XEP-0184) and a marker (XEP-0333), and gets both. A chat state
(XEP-0085) precedes it. Some messages are long, some encrypted in the form of OMEMO (XEP-0384).
With some of them, the sender also writes to a user who is away, and to a room.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from benchmarks.servers.ejabberd import HOST
from benchmarks.traffic import BODY, Flow, Traffic
from benchmarks.xmpp import Session

#: The room with all users as occupants.
ROOM = f"tea@conference.{HOST}"

#: Of this many messages, one goes also to a user who is away, and to the room.
AWAY_EVERY, ROOM_EVERY = 10, 20

#: The number of messages to a user who is away; servers keep more for such a user.
AWAY_MAX = 400

#: Of ten messages: four plain ones, two long ones, four encrypted ones.
_LONG, _ENCRYPTED = (3, 8), (1, 4, 6, 9)

_REQUESTS = (
    "<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
    "<active xmlns='http://jabber.org/protocol/chatstates'/>"
)
_COMPOSING = (
    "<message to='{to}' type='chat' id='w{number:08x}'>"
    "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
)
_ANSWERS = (
    "<message to='{to}' type='chat' id='r{id}'><received xmlns='urn:xmpp:receipts' id='m{id}'/>"
    "<store xmlns='urn:xmpp:hints'/></message>"
    "<message to='{to}' type='chat' id='d{id}'>"
    "<displayed xmlns='urn:xmpp:chat-markers:0' id='m{id}'/><store xmlns='urn:xmpp:hints'/>"
    "</message>"
)


def _bytes(length: int) -> str:
    return base64.b64encode(bytes(n * 37 % 256 for n in range(length))).decode()


_PLAIN = f"<body>{BODY}</body>"
_LONG_TEXT = f"<body>{' '.join([BODY] * 24)}</body>"  # some 2,000 characters
_KEYS = "".join(f"<key rid='{n}'>{_bytes(120)}</key>" for n in range(1, 5))
_ENCRYPTED_TEXT = (
    f"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'>{_KEYS}"
    f"<iv>{_bytes(12)}</iv></header><payload>{_bytes(200)}</payload></encrypted>"
    "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>"
    "<body>I sent you an OMEMO encrypted message but your client cannot read it.</body>"
    "<store xmlns='urn:xmpp:hints'/>"
)


def away(user: str) -> str:
    """Return the user who is away, and to whom the sender of messages to `user` also writes."""
    return f"away-{user}"


class Conversation(Flow):
    """One user's messages to another, with all stanzas that belong to them."""

    def __init__(self, traffic: Traffic, sender: Session, recipient: Session) -> None:
        super().__init__(traffic, sender, recipient)
        self.extra_stanzas = 0  #: stanzas beside the messages of the flow
        self.to_away = 0
        self._written = 0

    def stanzas(self, number: int) -> bytes:
        """Return a chat state, the message, and the messages to others that go with it."""
        to, place = self.recipient.jid, self._written
        self._written += 1
        parts = [
            _COMPOSING.format(to=to, number=number),
            f"<message to='{to}' type='chat' id='m{number:08x}'>{_content(place)}{_REQUESTS}"
            "</message>",
        ]
        if place % AWAY_EVERY == 0 and self.to_away < AWAY_MAX:
            self.to_away += 1
            absent = f"{away(self.sender.user)}@{HOST}"
            parts.append(
                f"<message to='{absent}' type='chat' id='o{number:08x}'>{_PLAIN}</message>"
            )
        if place % ROOM_EVERY == 0:
            parts.append(
                f"<message to='{ROOM}' type='groupchat' id='g{number:08x}'>{_PLAIN}</message>"
            )
        self.extra_stanzas += len(parts) - 1
        return "".join(parts).encode()

    def note_delivered(self, ids: Sequence[bytes]) -> None:
        """Have the recipient send receipts and markers."""
        to = self.sender.jid
        text = "".join(_ANSWERS.format(to=to, id=id.decode()) for id in ids)
        self.extra_stanzas += 2 * len(ids)
        self.recipient.send(text.encode())


def _content(place: int) -> str:
    kind = place % 10
    if kind in _LONG:
        return _LONG_TEXT
    return _ENCRYPTED_TEXT if kind in _ENCRYPTED else _PLAIN
