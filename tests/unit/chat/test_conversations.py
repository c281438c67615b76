"""Conversations: direct chats and rooms in one list, their messages, and read marks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from support.builders import dedup_key
from support.chat import SERVICE, ChatWorld, chat_world
from support.http_services import HOST

from component.core.access.principals import User
from component.core.chat.conversations import ChatConversations, ConversationView, MessagesQuery
from component.core.errors import BadRequest, Conflict, ItemNotFound
from component.core.messages import fulltext
from component.core.sessions.outgoing import Correction, Displayed, Query, Reactions, Text
from component.core.sessions.sending import Sent
from component.web.server.settings import Services
from storage.rows import Direction, DisplayedMarker, NewMessage

ALICE, BOB, CAROL = (User(f"{name}@{HOST}") for name in ("alice", "bob", "carol"))
GARDEN = f"garden@{SERVICE}"
SECONDS = 30.0


@pytest.fixture
async def world(services: Services) -> AsyncIterator[ChatWorld]:
    opened = await chat_world(services, ALICE.jid, BOB.jid, CAROL.jid)
    opened.server.add_room(GARDEN, {ALICE.jid: "owner", BOB.jid: "member"}, "Garden")
    rooms = opened.chat.rooms
    assert rooms is not None
    await rooms.get(ALICE, GARDEN)
    yield opened
    await opened.chat.close()


@pytest.fixture
def conversations(world: ChatWorld) -> ChatConversations:
    return world.chat.conversations


async def say(
    conversations: ChatConversations, user: User, jid: str, body: str, id: str | None = None
) -> Sent:
    payload = Text(body)
    return await conversations.send(
        user, jid, id or str(uuid4()), payload, may_be_repeated=id is not None
    )


async def bodies(
    conversations: ChatConversations, user: User, jid: str, **query: object
) -> list[str | None]:
    page = await conversations.messages(user, jid, MessagesQuery(**query))  # type: ignore[arg-type]
    return [item.message.content.body for item in page.messages]


async def listed(conversations: ChatConversations, user: User) -> dict[str, ConversationView]:
    page = await conversations.page(user)
    return {view.jid: view for view in page.conversations}


async def ids(conversations: ChatConversations, user: User, jid: str) -> list[str]:
    page = await conversations.messages(user, jid, MessagesQuery())
    return [item.message.stored.id for item in page.messages]


async def test_direct_chats_and_rooms_are_in_one_list_the_newest_first(
    conversations: ChatConversations,
) -> None:
    await say(conversations, ALICE, BOB.jid, "to bob")
    await say(conversations, ALICE, GARDEN, "to all")
    await say(conversations, CAROL, ALICE.jid, "from carol")

    page = await conversations.page(ALICE)

    assert [(view.jid, view.is_room, view.name, view.unread) for view in page.conversations] == [
        (CAROL.jid, False, "carol", 1),
        (GARDEN, True, "Garden", 0),
        (BOB.jid, False, "bob", 0),
    ]
    assert page.next is None
    assert list(await listed(conversations, BOB)) == [GARDEN, ALICE.jid]
    assert list(await listed(conversations, CAROL)) == [ALICE.jid]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
async def test_pages_of_the_list_have_each_conversation_once(
    world: ChatWorld, conversations: ChatConversations, limit: int
) -> None:
    rooms = world.chat.rooms
    assert rooms is not None
    others = [(await rooms.create(ALICE, f"room {n}", [])).room for n in range(3)]
    for number in range(4):
        await say(conversations, ALICE, f"peer{number}@{HOST}", "hello")
        if number < 2:
            await say(conversations, ALICE, others[number], "hello")
    whole = [view.jid for view in (await conversations.page(ALICE)).conversations]

    paged: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        page = await conversations.page(ALICE, cursor, limit)
        paged += [view.jid for view in page.conversations]
        cursor = page.next
        if cursor is None:
            break

    assert paged == whole
    assert len(set(whole)) == 8


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "é", "bnVsbA", "WzEsMiwzXQ", "W251bGwsZmFsc2UsWzFdXQ"),
        # The time of its room is 1e999.
        "W251bGwsZmFsc2UsWzFlOTk5LCJ4Il1d",
    ],
)
async def test_text_that_is_no_cursor_is_refused(
    conversations: ChatConversations, cursor: str
) -> None:
    with pytest.raises(BadRequest, match="before"):
        await conversations.page(ALICE, cursor)


async def test_messages_of_rooms_in_the_own_archive_are_no_direct_chats(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    rows = [
        NewMessage(
            owner=ALICE.jid,
            at=number,
            peer=peer,
            resource="nick",
            type=type,
            direction=Direction.RECEIVED,
            xml="<message xmlns='jabber:client'><body>x</body></message>",
            dedup_key=dedup_key(peer),
        )
        for number, (peer, type) in enumerate(
            [(GARDEN, "groupchat"), ("x@muc.elsewhere.example", "groupchat"), (HOST, "normal")], 1
        )
    ]
    await world.services.writer.store(rows)

    assert [view.jid for view in (await conversations.page(ALICE)).conversations] == [GARDEN]


async def test_member_who_was_away_reads_the_room(conversations: ChatConversations) -> None:
    for number in range(5):
        await say(conversations, ALICE, GARDEN, f"message {number}")

    assert await bodies(conversations, BOB, GARDEN) == [f"message {n}" for n in range(5)]
    view = await conversations.get(BOB, GARDEN)
    assert (view.unread, view.displayed) == (5, None)
    assert view.last is not None
    assert view.last.message.stored.author == ALICE.jid


async def test_pages_of_messages_go_both_ways(conversations: ChatConversations) -> None:
    for number in range(7):
        await say(conversations, ALICE, GARDEN, f"message {number}")
    all_ids = await ids(conversations, BOB, GARDEN)

    newest = await conversations.messages(BOB, GARDEN, MessagesQuery(limit=3))
    older = await conversations.messages(
        BOB, GARDEN, MessagesQuery(limit=3, before=newest.previous)
    )
    oldest = await conversations.messages(
        BOB, GARDEN, MessagesQuery(limit=3, before=older.previous)
    )
    newer = await conversations.messages(BOB, GARDEN, MessagesQuery(limit=9, after=older.next))
    around = await conversations.messages(BOB, GARDEN, MessagesQuery(limit=3, around=all_ids[3]))

    assert [m.message.stored.id for m in newest.messages] == all_ids[4:]
    assert (newest.previous, newest.next, newest.complete) == (all_ids[4], None, False)
    assert [m.message.stored.id for m in older.messages] == all_ids[1:4]
    assert [m.message.stored.id for m in oldest.messages] == all_ids[:1]
    assert (oldest.previous, oldest.next) == (None, all_ids[0])
    assert [m.message.stored.id for m in newer.messages] == all_ids[4:]
    assert newer.next is None
    assert [m.message.stored.id for m in around.messages] == all_ids[2:5]
    assert (around.previous, around.next) == (all_ids[2], all_ids[4])


async def test_search_finds_messages_of_one_conversation(conversations: ChatConversations) -> None:
    await say(conversations, ALICE, GARDEN, "red apples")
    await say(conversations, ALICE, GARDEN, "green pears")
    await say(conversations, ALICE, BOB.jid, "red cherries")

    phrases = fulltext.parse("red")
    assert await bodies(conversations, BOB, GARDEN, phrases=phrases) == ["red apples"]
    assert await bodies(conversations, BOB, ALICE.jid, phrases=phrases) == ["red cherries"]


async def test_same_id_is_one_message_in_a_room(conversations: ChatConversations) -> None:
    first = await say(conversations, ALICE, GARDEN, "once", id="m-1")
    second = await say(conversations, ALICE, GARDEN, "once", id="m-1")

    assert (first.is_new, second.is_new) == (True, False)
    assert first.item is not None
    assert second.item is not None
    assert first.item.message.stored.id == second.item.message.stored.id
    with pytest.raises(Conflict):
        await say(conversations, ALICE, GARDEN, "something else", id="m-1")
    # An id of another member is another message.
    assert (await say(conversations, BOB, GARDEN, "mine", id="m-1")).is_new


async def test_messages_of_a_room_refer_to_each_other_by_the_ids_of_the_room(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    sent = await say(conversations, ALICE, GARDEN, "typo", id="m-1")
    assert sent.item is not None
    id = sent.item.message.stored.id
    await conversations.send(ALICE, GARDEN, "m-2", Correction(id, "text"), may_be_repeated=False)
    await conversations.send(BOB, GARDEN, "m-3", Reactions(id, ("👍",)), may_be_repeated=False)

    payloads = [message.payload for message in world.server.messages]
    # A correction names the id of the author, anything else that of the room.
    assert payloads[1] == Correction("m-1", "text")
    with pytest.raises(BadRequest, match="not yours"):
        await conversations.send(BOB, GARDEN, "m-4", Correction(id, "x"), may_be_repeated=False)


async def test_message_of_another_conversation_is_not_found(
    conversations: ChatConversations,
) -> None:
    await say(conversations, ALICE, BOB.jid, "to bob")
    [id] = await ids(conversations, ALICE, BOB.jid)
    for jid in (CAROL.jid, GARDEN):
        with pytest.raises(ItemNotFound):
            await conversations.message(ALICE, jid, id)
        with pytest.raises(ItemNotFound):
            await conversations.mark(ALICE, jid, id)
        with pytest.raises(ItemNotFound):
            await conversations.messages(ALICE, jid, MessagesQuery(around=id))


async def test_stranger_reads_sends_and_marks_nothing_in_a_room(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    await say(conversations, ALICE, GARDEN, "secret")
    [id] = await ids(conversations, ALICE, GARDEN)
    sent = len(world.server.messages)
    for call in (
        lambda: conversations.get(CAROL, GARDEN),
        lambda: conversations.messages(CAROL, GARDEN, MessagesQuery()),
        lambda: conversations.message(CAROL, GARDEN, id),
        lambda: conversations.mark(CAROL, GARDEN, id),
        lambda: say(conversations, CAROL, GARDEN, "hello"),
    ):
        with pytest.raises(ItemNotFound):
            await call()
    assert len(world.server.messages) == sent


async def test_mark_of_a_room_moves_forward_and_tells_room_and_other_clients(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    for number in range(3):
        await say(conversations, ALICE, GARDEN, f"message {number}")
    all_ids = await ids(conversations, BOB, GARDEN)

    assert await conversations.mark(BOB, GARDEN, all_ids[1])
    assert not await conversations.mark(BOB, GARDEN, all_ids[0])

    view = await conversations.get(BOB, GARDEN)
    assert (view.unread, view.displayed) == (1, all_ids[1])
    assert (await conversations.get(ALICE, GARDEN)).unread == 0
    async with asyncio.timeout(SECONDS):
        while not _published(world, BOB):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    [payload] = _published(world, BOB)
    assert f'<item id="{GARDEN}">' in payload
    assert f'by="{GARDEN}" id="{all_ids[1]}"' in payload
    [marker] = [m for m in world.server.messages if isinstance(m.payload, Displayed)]
    assert (marker.to, marker.type, marker.payload) == (GARDEN, "groupchat", Displayed(all_ids[1]))


async def test_mark_of_a_direct_chat_moves_forward_and_tells_the_peer(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    for number in range(3):
        await say(conversations, ALICE, BOB.jid, f"message {number}", id=f"m-{number}")
    all_ids = await ids(conversations, BOB, ALICE.jid)

    assert await conversations.mark(BOB, ALICE.jid, all_ids[1])

    view = await conversations.get(BOB, ALICE.jid)
    assert (view.unread, view.displayed) == (1, all_ids[1])
    async with asyncio.timeout(SECONDS):
        while not _published(world, BOB):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert f'by="{BOB.jid}" id="{all_ids[1]}"' in _published(world, BOB)[0]
    [marker] = [m for m in world.server.messages if isinstance(m.payload, Displayed)]
    assert (marker.to, marker.type, marker.payload) == (ALICE.jid, "chat", Displayed("m-1"))


def _published(world: ChatWorld, user: User) -> list[str]:
    queries = [item for jid, item in world.server.sent if jid == user.jid]
    payloads = [item.payload for item in queries if isinstance(item, Query)]
    return [payload for payload in payloads if "urn:xmpp:mds:displayed:0" in payload]


async def test_room_without_ids_of_its_own_is_not_published(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    world.server.gives_ids = False
    await say(conversations, ALICE, GARDEN, "message")
    [id] = await ids(conversations, BOB, GARDEN)

    assert await conversations.mark(BOB, GARDEN, id)
    async with asyncio.timeout(SECONDS):
        while len(world.server.messages) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert _published(world, BOB) == []
    assert (await conversations.get(BOB, GARDEN)).unread == 0


async def test_mark_that_another_client_publishes_counts_in_the_room(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    for number in range(2):
        await say(conversations, ALICE, GARDEN, f"message {number}")
    all_ids = await ids(conversations, BOB, GARDEN)
    marker = DisplayedMarker(owner=BOB.jid, peer=GARDEN, id=all_ids[0], is_room=True)
    await world.services.storage.archive.note_displayed([marker])

    view = await conversations.get(BOB, GARDEN)

    assert (view.unread, view.displayed) == (1, all_ids[0])


async def test_removed_member_has_no_conversation_with_the_room(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    rooms = world.chat.rooms
    assert rooms is not None
    await say(conversations, ALICE, GARDEN, "message")
    await rooms.remove(ALICE, GARDEN, BOB.jid)

    assert await listed(conversations, BOB) == {}
    with pytest.raises(ItemNotFound):
        await conversations.messages(BOB, GARDEN, MessagesQuery())


async def test_member_who_joins_later_has_read_what_was_said_before(
    world: ChatWorld, conversations: ChatConversations
) -> None:
    rooms = world.chat.rooms
    assert rooms is not None
    await say(conversations, ALICE, GARDEN, "before")
    await rooms.set_affiliation(ALICE, GARDEN, CAROL.jid, "member")
    await say(conversations, ALICE, GARDEN, "after")

    assert (await conversations.get(CAROL, GARDEN)).unread == 1
    assert await bodies(conversations, CAROL, GARDEN) == ["before", "after"]


async def test_direct_chat_without_messages_is_empty(conversations: ChatConversations) -> None:
    view = await conversations.get(ALICE, BOB.jid)

    assert (view.jid, view.name, view.unread, view.last) == (BOB.jid, "bob", 0, None)
    page = await conversations.messages(ALICE, BOB.jid, MessagesQuery())
    assert (page.messages, page.complete) == ((), True)
