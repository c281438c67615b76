"""Live events: of the account, of rooms without their copies in it, and signals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.builders import ALICE, BOB, HOST, NOON, ROOM, entry
from support.sign_in import BOTH

from component.core.chat.following.live import LiveEvent, LiveReader, MemberRoom, conversations_of
from component.core.chat.following.place import Place, parse
from component.core.errors import CursorExpired
from component.core.sessions.outgoing import ChatState
from component.web.server.settings import Services, events_of, pager_of
from storage.rows import DisplayedMarker, NewMessage

CAROL = f"carol@{HOST}"
HALL = f"hall@conference.{HOST}"
SOON = 30.0


@dataclass
class Members:
    """The rooms of each user, as a test sets them."""

    rooms: dict[str, list[MemberRoom]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)  #: rooms that have removed alice
    #: what happens while the rooms of a user are read, once
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def member_rooms(self, user: str) -> list[MemberRoom]:
        rooms = self.rooms.get(user, [])
        if (happens := self.meanwhile) is not None:
            self.meanwhile = None
            await happens()
        return rooms

    async def lost_rooms(self, user: str) -> dict[str, int]:
        return self.lost if user == ALICE else {}

    async def is_member(self, user: str, room: str) -> bool:
        return any(item.jid == room for item in self.rooms.get(user, []))

    def set(self, user: str, *jids: str) -> None:
        self.rooms[user] = [MemberRoom(jid=jid, name="", affiliation="member") for jid in jids]


@dataclass
class Live:
    """The live events of alice."""

    services: Services
    members: Members
    reader: LiveReader

    async def store(self, *rows: NewMessage) -> None:
        await self.services.writer.store(rows)

    async def page(self, after: Place, limit: int | None = None) -> tuple[list[str], Place]:
        page = await self.reader.page(ALICE, after, limit)
        return list(map(shown, page.events)), page.place


def shown(item: LiveEvent) -> str:
    """Return the text of a message, or the type of another event."""
    if item.event is not None and item.event.message is not None:
        body = item.event.message.message.content.body or ""
        return f"{body} in {item.room}" if item.room else body
    if item.event is not None and item.event.event.entry is not None:
        return item.event.event.entry.kind.value
    if item.rooms is not None:
        return f"rooms {' '.join(room.jid for room in item.rooms)}".strip()
    if item.expired is not None:
        return f"expired {item.expired}"
    assert item.typing is not None
    return f"{item.typing.author} {item.typing.state}"


def in_room(name: str, room: str = ROOM, **fields: Any) -> NewMessage:
    """Return a row of the archive of a room."""
    return entry(name, owner=room, peer=BOB, resource="bob", type="groupchat", **fields)


def copy_of(name: str, room: str = ROOM) -> NewMessage:
    """Return a row of the archive of alice, who was in the room."""
    return entry(f"{name} copy", peer=room, resource="bob", type="groupchat")


@pytest.fixture
def live(services: Services) -> Live:
    members = Members()
    reader = LiveReader(
        events_of(BOTH, services),
        services.storage,
        services.queue,
        pager_of(BOTH, services),
        services.followers,
        services.signals,
        members,
    )
    return Live(services, members, reader)


async def test_events_of_the_account_and_of_rooms_come_once(live: Live) -> None:
    live.members.set(ALICE, ROOM)
    begun = await live.reader.begin(ALICE)
    await live.store(entry("direct"), in_room("first"), copy_of("first"), in_room("second"))

    events, place = await live.page(begun)

    assert events == ["direct", f"first in {ROOM}", f"second in {ROOM}"]
    assert await live.page(place) == ([], place)


async def test_room_comes_before_its_messages_if_it_is_joined_during_a_reading(
    live: Live,
) -> None:
    begun = await live.reader.begin(ALICE)

    async def join() -> None:
        live.members.set(ALICE, ROOM)
        live.services.signals.note_rooms([ALICE])
        await live.store(in_room("first"), copy_of("first"), entry("direct"))

    live.members.meanwhile = join
    pages = live.reader.pages(ALICE, begun, pause=SOON)
    async with aclosing(pages), asyncio.timeout(SOON):
        events = list(map(shown, (await anext(pages)).events))

    # The follower reads the first message with those from before.
    assert events == [f"rooms {ROOM}", "direct"]


async def test_each_event_has_the_place_behind_it(live: Live) -> None:
    live.members.set(ALICE, ROOM, HALL)
    begun = await live.reader.begin(ALICE)
    await live.store(
        entry("a"), in_room("b"), in_room("c"), in_room("d", HALL), entry("e"), copy_of("b")
    )
    page = await live.reader.page(ALICE, begun)
    texts = list(map(shown, page.events))
    assert len(texts) == 5

    for number, item in enumerate(page.events):
        rest, _ = await live.page(parse(item.place.text()))
        assert rest == texts[number + 1 :]


async def test_pages_with_a_limit_have_every_event_once(live: Live) -> None:
    live.members.set(ALICE, ROOM, HALL)
    place = await live.reader.begin(ALICE)
    names = [f"{number}" for number in range(5)]
    await live.store(*map(entry, names), *(in_room(f"r{name}") for name in names))
    await live.store(*(in_room(f"h{name}", HALL) for name in names))
    events: list[str] = []
    while True:
        page = await live.reader.page(ALICE, place, 2)
        assert len(page.events) <= 4
        events += map(shown, page.events)
        place = page.place
        if page.complete:
            break

    assert sorted(events) == sorted(
        names + [f"r{name} in {ROOM}" for name in names] + [f"h{name} in {HALL}" for name in names]
    )


async def test_room_that_is_none_of_the_user_stays_as_the_account_has_it(live: Live) -> None:
    begun = await live.reader.begin(ALICE)
    await live.store(in_room("first"), copy_of("first"))

    events, _ = await live.page(begun)

    assert events == ["first copy"]


async def test_place_without_rooms_begins_behind_what_they_have(live: Live) -> None:
    await live.store(entry("old"), in_room("old in the room"))
    live.members.set(ALICE, ROOM)

    events, place = await live.page(Place(0))
    await live.store(in_room("new"))

    assert events == [f"rooms {ROOM}", "old"]
    assert (await live.page(place))[0] == [f"new in {ROOM}"]


async def test_change_of_rooms_while_the_follower_was_away_is_an_event(live: Live) -> None:
    live.members.set(ALICE, ROOM)
    place = await live.reader.begin(ALICE)
    live.members.set(ALICE, HALL)
    await live.store(in_room("unseen"), in_room("before", HALL))

    events, place = await live.page(place)
    assert events == [f"rooms {HALL}"]
    await live.store(in_room("unseen too"), in_room("after", HALL))
    assert await live.page(place) == (
        [f"after in {HALL}"],
        (await live.page(place))[1],
    )


async def test_messages_from_before_a_removal_come_and_none_from_after_it(live: Live) -> None:
    live.members.set(ALICE, ROOM, HALL)
    begun = await live.reader.begin(ALICE)
    await live.store(*(in_room(f"before {n}", at=NOON + n) for n in range(3)))
    await live.store(in_room("after", at=NOON + 3), in_room("unseen", HALL, at=NOON))
    live.members.set(ALICE)
    live.members.lost = {ROOM: NOON + 2}

    events, place = await live.page(begun)

    before = [f"before {n} in {ROOM}" for n in range(3)]
    assert events == [*before, "rooms"]
    assert await live.page(place) == ([], place)
    # In smaller pages too; the list of rooms comes last.
    events, place = [], begun
    for _ in range(3):
        page = await live.reader.page(ALICE, place, 2)
        events += map(shown, page.events)
        place = page.place
        if page.complete:
            break
        assert len(page.events) == 2
    assert events == [*before, "rooms"]


async def test_change_of_rooms_wakes_a_follower(live: Live) -> None:
    begun = await live.reader.begin(ALICE)
    async with aclosing(live.reader.pages(ALICE, begun, pause=SOON)) as pages:
        following = asyncio.ensure_future(anext(pages))
        await asyncio.sleep(0)
        live.members.set(ALICE, ROOM)
        live.services.signals.note_rooms([ALICE, BOB])
        page = await asyncio.wait_for(following, SOON)
        assert list(map(shown, page.events)) == [f"rooms {ROOM}"]

        following = asyncio.ensure_future(anext(pages))
        await live.store(in_room("hello"))
        page = await asyncio.wait_for(following, SOON)
        assert list(map(shown, page.events)) == [f"hello in {ROOM}"]


async def test_chat_states_are_signals_without_a_place_of_their_own(live: Live) -> None:
    live.members.set(ALICE, ROOM)
    live.members.set(BOB, ROOM)
    begun = await live.reader.begin(ALICE)
    async with aclosing(live.reader.pages(ALICE, begun, pause=0.05)) as pages:
        await anext(pages)
        signals = live.services.signals
        signals.note_contact(ALICE, BOB, ChatState.COMPOSING)
        signals.note_member(ROOM, BOB, ChatState.COMPOSING)
        # He is no member, so the room does not show it either.
        signals.note_member(ROOM, CAROL, ChatState.COMPOSING)
        page = await anext(pages)
        while not page.events:
            page = await anext(pages)

    assert list(map(shown, page.events)) == [f"{BOB} composing", f"{BOB} composing"]
    assert [item.typing.conversation for item in page.events if item.typing] == [BOB, ROOM]
    assert page.place == begun


async def test_follower_without_events_gets_empty_pages(live: Live) -> None:
    begun = await live.reader.begin(ALICE)
    async with aclosing(live.reader.pages(ALICE, begun, pause=0.01)) as pages:
        for _ in range(3):
            page = await anext(pages)
            assert (page.events, page.place, page.complete) == ((), begun, True)


async def test_poll_waits_for_the_next_event(live: Live) -> None:
    live.members.set(ALICE, ROOM)
    begun = await live.reader.begin(ALICE)
    waiting = asyncio.create_task(live.reader.wait(ALICE, begun, seconds=SOON))
    await asyncio.sleep(0)
    await live.store(in_room("hello"))

    page = await waiting

    assert list(map(shown, page.events)) == [f"hello in {ROOM}"]


async def test_poll_without_an_event_ends_in_time(live: Live) -> None:
    begun = await live.reader.begin(ALICE)

    assert (await live.reader.wait(ALICE, begun, seconds=0.01)).events == ()


async def test_erased_archive_of_the_user_expires_the_place(live: Live) -> None:
    begun = await live.reader.begin(ALICE)
    async with aclosing(live.reader.pages(ALICE, begun, pause=SOON)) as pages:
        following = asyncio.ensure_future(anext(pages))
        await asyncio.sleep(0)
        live.services.followers.end(ALICE)
        with pytest.raises(CursorExpired):
            await asyncio.wait_for(following, SOON)


async def test_place_that_a_room_does_not_have_expires_for_that_room_alone(live: Live) -> None:
    live.members.set(ALICE, ROOM)
    begun = await live.reader.begin(ALICE)
    await live.store(entry("direct"), in_room("first"))

    events, place = await live.page(begun.behind(ROOM, 1000))

    assert events == ["direct", f"expired {ROOM}"]
    assert (await live.page(place))[0] == []


async def test_displayed_marker_of_a_room_comes_without_unread_messages(live: Live) -> None:
    live.members.set(ALICE, ROOM)
    begun = await live.reader.begin(ALICE)
    await live.store(copy_of("first"))
    [row] = (await live.services.storage.archive.conversations(ALICE, limit=1)).conversations
    marker = DisplayedMarker(owner=ALICE, peer=ROOM, id=row.newest)
    await live.services.storage.archive.note_displayed([marker])

    page = await live.reader.page(ALICE, begun)

    assert list(map(shown, page.events)) == ["displayed"]
    assert page.events[0].event is not None
    assert page.events[0].event.conversation is None


async def test_last_event_of_each_conversation_is_found(live: Live) -> None:
    live.members.set(ALICE, ROOM)
    begun = await live.reader.begin(ALICE)
    await live.store(entry("a"), in_room("b"), entry("c"), in_room("d"))
    page = await live.reader.page(ALICE, begun)

    assert conversations_of(page.events) == {1: BOB, 3: ROOM}
