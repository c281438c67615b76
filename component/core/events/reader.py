"""Reads the events of accounts: pages behind a cursor, snapshots, and waits for the next event.

A page has, beside its events, the present state of each conversation that they touch. A reader who
replaces what it knows by these states has, behind the last page, what a snapshot would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass

from component.core.archiving.writer import Queue
from component.core.errors import CursorExpired, ItemNotFound
from component.core.events.journal import EventJournal
from component.core.events.values import fields_of
from component.core.reading.displayed import DisplayedMarkers
from component.core.reading.follow import Follower, Followers, within
from component.core.reading.pages import Pager
from component.core.reading.views import ReadableMessage, Views
from component.core.store_errors import translated
from storage.interface import Archive, EventsStore, Storage
from storage.rows import EntryKind, EventPage, JournalEntry
from storage.rows import Event as StoredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationState:
    """A conversation as it is now."""

    peer: str
    unread: int
    last: ReadableMessage | None  #: None: no message is left


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableEvent:
    """One event."""

    event: StoredEvent
    message: ReadableMessage | None  #: of an event of a message
    #: the message that this event is about, folded; None also if it is gone or does not fit
    target: ReadableMessage | None
    #: with the last event of a page that touches a conversation: that conversation
    conversation: ConversationState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableEvents:
    """The oldest events behind a place."""

    events: tuple[ReadableEvent, ...]
    event_id: int  #: of the place behind the page
    cursor: str
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of an account, and the place from which on events tell of its changes."""

    event_id: int
    cursor: str
    contacts: tuple[JournalEntry, ...] | None  #: None: the roster cannot be read now
    presences: tuple[JournalEntry, ...]
    requests: tuple[JournalEntry, ...]  #: subscription requests that wait for the user
    conversations: tuple[ConversationState, ...]
    next: str | None  #: id behind which there are older conversations, None: there are none


class EventReader:
    """Reads events for callers that are authorized already.

    A read sees all that was received before its call. Every method raises Overloaded, and those
    that read behind a place raise CursorExpired.
    """

    def __init__(
        self,
        storage: Storage,
        queue: Queue,
        pager: Pager,
        journal: EventJournal,
        followers: Followers,
        displayed: DisplayedMarkers | None = None,
    ) -> None:
        self._store: EventsStore = storage.events
        self._archive: Archive = storage.archive
        self._queue = queue
        self._pager = pager
        self._journal = journal
        self._followers = followers
        self._displayed = displayed
        self._views = Views(storage.archive)

    async def snapshot(self, owner: str, limit: int | None = None) -> Snapshot:
        """Return the state of an account, with the newest `limit` conversations."""
        has_roster = await self._look(owner)
        # What changes behind the cursor may be in the state already: its event repeats it.
        with translated():
            snapshot = await self._store.snapshot(owner)
            page = await self._archive.conversations(
                owner, limit=self._pager.size(limit), max_bytes=self._pager.max_bytes
            )
        rows = [conversation.last for conversation in page.conversations]
        messages = await self._views.of(owner, rows, folded=True)
        contacts = _of_kind(snapshot.entries, EntryKind.CONTACT)
        return Snapshot(
            event_id=snapshot.event_id,
            cursor=snapshot.cursor,
            contacts=contacts if has_roster else None,
            presences=_of_kind(snapshot.entries, EntryKind.PRESENCE),
            requests=_of_kind(snapshot.entries, EntryKind.REQUEST),
            conversations=tuple(
                ConversationState(peer=row.peer, unread=row.unread, last=last)
                for row, last in zip(page.conversations, messages, strict=True)
            ),
            next=None if page.complete else page.conversations[-1].newest,
        )

    async def cursor(self, owner: str) -> tuple[int, str]:
        """Return the place behind the last event: its number and its cursor."""
        with translated():
            snapshot = await self._store.snapshot(owner)
        return snapshot.event_id, snapshot.cursor

    async def page(self, owner: str, after: int | str, limit: int | None = None) -> ReadableEvents:
        """Return the oldest events behind an event id or a cursor."""
        await self._look(owner)
        try:
            return await self._page(owner, after, self._pager.size(limit))
        except ItemNotFound as error:
            # The archive was erased between two reads.
            raise CursorExpired from error

    async def wait(
        self, owner: str, after: int | str, limit: int | None = None, *, seconds: float
    ) -> ReadableEvents:
        """Return a page as `page` does, but wait for an event if there is none."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with self._followers.follow(owner, hears_events=True) as follower:
            while True:
                _check(follower)
                follower.changed.clear()
                page = await self.page(owner, after, limit)
                if page.events or not await within(deadline - loop.time(), follower.changed):
                    return page
                after = page.cursor

    async def pages(
        self, owner: str, after: int | str, *, pause: float
    ) -> AsyncGenerator[ReadableEvents, None]:
        """Yield the pages behind a place, without end, and an empty one after each `pause`."""
        with self._followers.follow(owner, hears_events=True) as follower:
            while True:
                _check(follower)
                follower.changed.clear()
                page = await self.page(owner, after)
                after = page.cursor
                if page.events:
                    yield page
                if page.complete and not await within(pause, follower.changed):
                    yield ReadableEvents(
                        events=(), event_id=page.event_id, cursor=page.cursor, complete=True
                    )

    async def _look(self, owner: str) -> bool:
        """Bring the journal up to date; return whether it has the whole roster."""
        has_roster = await self._journal.look(owner)
        await self._queue.wait_readable(owner)
        if self._displayed is not None:
            await self._displayed.refresh(owner)
        return has_roster

    async def _page(self, owner: str, after: int | str, limit: int) -> ReadableEvents:
        limit = max(1, limit)
        with translated():
            page = await self._store.page(
                owner, after, limit=limit, max_bytes=self._pager.max_bytes
            )
            touched = _touched(page)
            states = await self._conversations(owner, touched.values())
        if states is None:
            # Not all conversations fit, so the page is cut.
            return await self._page(owner, after, limit // 2)
        messages = [event.message for event in page.events if event.message is not None]
        readable = iter(await self._views.of(owner, messages, folded=False))
        targets = await self._views.of(owner, list(page.targets.values()), folded=True)
        target_of = dict(zip(page.targets, targets, strict=True))
        last = {peer: place for place, peer in touched.items()}
        return ReadableEvents(
            events=tuple(
                ReadableEvent(
                    event=event,
                    message=None if event.message is None else next(readable),
                    target=target_of.get(_target(event) or ""),
                    conversation=states[touched[place]]
                    if place in touched and last[touched[place]] == place
                    else None,
                )
                for place, event in enumerate(page.events)
            ),
            event_id=page.event_id,
            cursor=page.cursor,
            complete=page.complete,
        )

    async def _conversations(
        self, owner: str, peers: Collection[str]
    ) -> dict[str, ConversationState] | None:
        """Return conversations by peer, None if they do not fit on a page."""
        names = set(peers)
        if not names:
            return {}
        page = await self._archive.conversations(
            owner, limit=len(names), peers=names, max_bytes=self._pager.max_bytes
        )
        if not page.complete:
            return None
        rows = [conversation.last for conversation in page.conversations]
        messages = await self._views.of(owner, rows, folded=True)
        states = {peer: ConversationState(peer=peer, unread=0, last=None) for peer in names}
        for row, last in zip(page.conversations, messages, strict=True):
            states[row.peer] = ConversationState(peer=row.peer, unread=row.unread, last=last)
        return states


def _touched(page: EventPage) -> dict[int, str]:
    """Return the peer of the conversation that an event touches, by the place of the event."""
    touched = {}
    for place, event in enumerate(page.events):
        if event.message is not None:
            touched[place] = event.message.peer
        elif event.entry is not None and event.entry.kind is EntryKind.DISPLAYED:
            touched[place] = event.entry.subject
        elif event.entry is not None and event.entry.kind is EntryKind.CHANGED:
            touched[place] = fields_of(event.entry)["peer"]
    return touched


def _target(event: StoredEvent) -> str | None:
    """Return the id of the message that an event is about."""
    if event.entry is not None and event.entry.kind is EntryKind.CHANGED:
        return event.entry.subject
    return event.target


def _of_kind(entries: Collection[JournalEntry], kind: EntryKind) -> tuple[JournalEntry, ...]:
    ordered = sorted(entries, key=lambda entry: entry.subject)
    return tuple(entry for entry in ordered if entry.kind is kind)


def _check(follower: Follower) -> None:
    """Raise CursorExpired if the archive was erased meanwhile."""
    if follower.is_over:
        raise CursorExpired
