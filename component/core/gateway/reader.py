"""Reads contacts and messages of accounts behind an offset, and waits for the next ones.

An answer is the state at one place of the account's counter of events: it has no object from
behind that place. So a client that goes on with the greatest event id that it has, or with the
place itself, misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from component.core.events.reader import EventReader
from component.core.gateway.contacts import GatewayContact, contacts_of
from component.core.gateway.messages import (
    Change,
    GatewayMessage,
    Receipt,
    annotations_in,
    changes_of,
    message_of,
    receipt_of,
)
from component.core.gateway.offsets import Offset, timestamp
from component.core.reading.follow import Followers, within
from component.core.reading.views import Views
from component.core.store_errors import translated
from storage.interface import EventsStore, Storage
from storage.rows import Filter

#: The newest messages of a conversation among which the one that was sent is looked for.
_SENT_AMONG = (10, 250)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The objects behind an offset."""

    contacts: tuple[GatewayContact, ...] = ()
    messages: tuple[GatewayMessage, ...] = ()
    receipts: tuple[Receipt, ...] = ()  #: that are due for the messages
    event_id: int  #: the place of the answer
    more: bool = False  #: whether there are more messages behind the place


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The objects that a request asks for."""

    offset: Offset = field(default_factory=Offset)
    contacts: bool = False
    messages: bool = False
    peer: str | None = None  #: only messages with this contact
    limit: int


class GatewayReader:
    """Reads accounts for callers that are authorized already. Every method raises Overloaded."""

    def __init__(
        self, storage: Storage, events: EventReader, followers: Followers, *, max_bytes: int
    ) -> None:
        """`max_bytes` limits the XML of the messages that are read for one answer."""
        self._store: EventsStore = storage.events
        self._events = events
        self._followers = followers
        self._views = Views(storage.archive)
        self._max_bytes = max_bytes

    async def place(self, owner: str) -> int:
        """Return the event id of the last event of an account, 0: there is none."""
        await self._events.look(owner)
        return (await self._events.cursor(owner))[0]

    async def contacts(self, owner: str) -> tuple[GatewayContact, ...]:
        """Return all contacts of an account."""
        await self._events.look(owner)
        _, contacts = await self._state(owner)
        return contacts

    async def read(self, owner: str, query: Query) -> Changes:
        """Return the objects behind an offset: all contacts, and the oldest messages."""
        await self._events.look(owner)
        place, contacts = await self._state(owner)
        offset = query.offset
        if offset.event_id > place:
            # Only an archive that was erased meanwhile has fewer events.
            offset = replace(offset, event_id=0)
        changes = Changes(event_id=place)
        if query.messages:
            peers = {contact.jid for contact in contacts}
            if query.peer is not None:
                peers &= {query.peer}
            changes = await self._messages(owner, query, offset, place, peers)
        if query.contacts:
            changed = (
                contact
                for contact in contacts
                if offset.is_before(contact.event_id, contact.changed_at)
            )
            changes = replace(changes, contacts=tuple(changed))
        return _cut(changes, offset) if changes.more else changes

    async def wait(self, owner: str, query: Query, *, seconds: float) -> Changes:
        """Return the objects behind an offset, but wait for one if there is none."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with self._followers.follow(owner, hears_events=True) as follower:
            while True:
                follower.changed.clear()
                changes = await self.read(owner, query)
                if changes.contacts or changes.messages or follower.is_over:
                    return changes
                left = deadline - loop.time()
                if left <= 0 or not (changes.more or await within(left, follower.changed)):
                    return changes
                if query.offset.at is None:
                    query = replace(query, offset=Offset(changes.event_id))

    async def sent(self, owner: str, peer: str, id: str) -> GatewayMessage | None:
        """Return one of the newest messages with a contact by its archive id."""
        for limit in _SENT_AMONG:
            with translated():
                page = await self._store.messages(
                    owner, Filter(peer=peer), newest=True, limit=limit
                )
            for event in page.events:
                if event.message is not None and event.message.id == id:
                    [item] = await self._views.of(owner, [event.message], folded=True)
                    return message_of(owner, item, event.event_id)
        return None

    async def message_at(self, owner: str, peer: str, event_id: int) -> str | None:
        """Return the id of the last message with a contact up to an event id."""
        with translated():
            page = await self._store.messages(
                owner, Filter(peer=peer), before=event_id + 1, newest=True, limit=1
            )
        messages = [event.message for event in page.events if event.message is not None]
        return messages[0].position if messages else None

    async def _state(self, owner: str) -> tuple[int, tuple[GatewayContact, ...]]:
        """Return the place behind the last event, and the contacts there."""
        with translated():
            snapshot = await self._store.snapshot(owner, past=True)
            seen = await self._store.seen(owner)
        return snapshot.event_id, contacts_of(owner, snapshot.entries, seen)

    async def _messages(
        self, owner: str, query: Query, offset: Offset, place: int, peers: set[str]
    ) -> Changes:
        """Return the oldest messages with some peers behind an offset, up to a place.

        It reads up to the first message that is shown, however many are not: a client that goes
        on with the greatest event id, or the last time, of its messages would get stuck.
        """
        after, more = offset.event_id, bool(peers)
        filter = Filter(
            peer=query.peer,
            groupchat=False,
            since=None if offset.at is None else offset.at + 1,
        )
        messages: list[GatewayMessage] = []
        receipts: list[Receipt] = []
        while more and not messages:
            with translated():
                page = await self._store.messages(
                    owner,
                    filter,
                    after=after,
                    before=place + 1,
                    limit=query.limit,
                    max_bytes=self._max_bytes,
                )
            after, more = page.event_id, not page.complete
            parsed = await self._views.of(owner, annotations_in(page), folded=False)
            changes = [
                change
                for change in changes_of(page, [item.message for item in parsed])
                if change.row.peer in peers and (offset.at is None or change.row.at > offset.at)
            ]
            messages, receipts = await self._shown(owner, changes)
        return Changes(
            messages=tuple(messages),
            receipts=tuple(receipts),
            event_id=after if more else place,
            more=more,
        )

    async def _shown(
        self, owner: str, changes: Sequence[Change]
    ) -> tuple[list[GatewayMessage], list[Receipt]]:
        """Return the messages that have a text, and the receipts that are due for them."""
        items = await self._views.of(owner, [change.row for change in changes], folded=True)
        messages, receipts = [], []
        for item, change in zip(items, changes, strict=True):
            message, receipt = message_of(owner, item, change.event_id), receipt_of(owner, item)
            if message is not None:
                messages.append(message)
                receipts += [] if receipt is None else [receipt]
        return messages, receipts


def _cut(changes: Changes, offset: Offset) -> Changes:
    """Return an answer that has no contact from behind its last message: more messages follow."""
    if offset.at is None:
        contacts = [item for item in changes.contacts if item.event_id <= changes.event_id]
    else:
        last = max((item.timestamp for item in changes.messages), default=0.0)
        contacts = [item for item in changes.contacts if timestamp(item.changed_at) <= last]
    return replace(changes, contacts=tuple(contacts))
