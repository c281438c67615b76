"""A server in the place of ejabberd: it takes messages of users, archives or refuses them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.etree.ElementTree import tostring

from component.core.archiving.writer import Queue
from component.core.sessions.commands import Fail
from component.core.sessions.delivery import Delivery, Undelivered
from component.core.sessions.outgoing import (
    ChatState,
    Outgoing,
    OwnPresence,
    Query,
    Request,
    RoomEntry,
    nick_of,
)
from component.core.xml.jids import bare, resource
from component.core.xml.times import now
from component.sessions import stanzas
from storage.rows import Direction, NewMessage
from support.builders import dedup_key


@dataclass
class EchoServer:
    """Takes every message, and archives it for its sender at once."""

    queue: Queue
    sent: list[tuple[str, Request]] = field(default_factory=list)
    condition: str = ""  #: with which messages are refused
    #: with which messages are refused after they were archived
    late_condition: str = ""
    is_silent: bool = False  #: whether messages are neither taken nor refused
    archives: bool = True
    used: list[str] = field(default_factory=list)  #: users who were kept on line
    entered: set[str] = field(default_factory=set)  #: rooms

    @contextmanager
    def delivery(self, owner: str, message: Request) -> Iterator[Delivery]:
        """Take or refuse a stanza."""
        delivery = Delivery()
        self.sent.append((owner, message))
        if self.condition:
            # Servers answer IQs below; so the session itself refuses one here.
            is_query = isinstance(message, Query)
            by = "" if is_query else message.room or bare(getattr(message, "to", ""))
            delivery.fail(Undelivered(Fail(message.id, self.condition, "Not here.", by=by)))
        elif isinstance(message, Query):
            self.answer(owner, message, delivery)
        elif not self.is_silent:
            delivery.succeed()
            if isinstance(message, RoomEntry):
                self.entered.add(message.room)
            elif not isinstance(message, Outgoing):
                pass
            elif self.archives and not isinstance(message.payload, ChatState):
                self.queue.put([_row(owner, message)])
        if self.late_condition:
            failure = Fail(message.id, self.late_condition, "Not here.", by=_recipient(message))
            asyncio.get_running_loop().call_later(0.1, delivery.fail, Undelivered(failure))
        yield delivery

    def answer(self, owner: str, query: Query, delivery: Delivery) -> None:
        """Answer an IQ: no query is known here."""
        failure = Fail(query.id, "service-unavailable", "", by=query.to or owner)
        delivery.fail(Undelivered(failure))

    @property
    def messages(self) -> list[Outgoing]:
        """The messages among what was sent."""
        return [request for _, request in self.sent if isinstance(request, Outgoing)]

    def use(self, owner: str) -> None:
        self.used.append(owner)

    def presence(self, owner: str) -> OwnPresence | None:
        return None

    def rooms(self, owner: str) -> tuple[str, ...]:
        return tuple(sorted(self.entered))

    def leave(self, owner: str, room: str) -> None:
        self.entered.discard(room)


def _recipient(message: Request) -> str:
    return message.room or bare(getattr(message, "to", ""))


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
