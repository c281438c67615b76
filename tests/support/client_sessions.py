"""A server in the place of ejabberd: it takes messages of users, archives or refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.etree.ElementTree import tostring

from component.core.archiving.writer import Queue
from component.core.sessions.commands import Fail
from component.core.sessions.delivery import Delivery, Undelivered
from component.core.sessions.outgoing import ChatState, Outgoing, nick_of
from component.core.xml.jids import bare, resource
from component.core.xml.times import now
from component.sessions import stanzas
from storage.rows import Direction, NewMessage
from support.builders import dedup_key


@dataclass
class EchoServer:
    """Takes every message, and archives it for its sender at once."""

    queue: Queue
    sent: list[tuple[str, Outgoing]] = field(default_factory=list)
    condition: str = ""  #: with which messages are refused
    is_silent: bool = False  #: whether messages are neither taken nor refused
    archives: bool = True

    @contextmanager
    def delivery(self, owner: str, message: Outgoing) -> Iterator[Delivery]:
        """Take or refuse a message."""
        delivery = Delivery()
        self.sent.append((owner, message))
        if self.condition:
            failure = Fail(message.id, self.condition, "Not here.", by=bare(message.to))
            delivery.fail(Undelivered(failure))
        elif not self.is_silent:
            delivery.succeed()
            if self.archives and not isinstance(message.payload, ChatState):
                self.queue.put([_row(owner, message)])
        yield delivery


def _row(owner: str, message: Outgoing) -> NewMessage:
    stanza = stanzas.message(message)
    stanza.set("from", f"{owner}/here")
    is_groupchat = message.room is not None
    return NewMessage(
        owner=owner,
        at=now(),
        peer=bare(message.to),
        resource=nick_of(owner) if is_groupchat else resource(message.to),
        type=message.type,
        direction=Direction.RECEIVED if is_groupchat else Direction.SENT,
        xml=tostring(stanza, "unicode"),
        dedup_key=dedup_key((owner, message.id)),
    )
