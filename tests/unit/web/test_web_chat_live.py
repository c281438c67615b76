"""Live events of chat by polls, streams and sockets, and typing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import ALICE, BOB, ROOM, entry
from support.chat import PASSWORD, chat_services, with_chat_for
from support.client_sessions import EchoServer
from support.sending import sender_of
from support.sign_in import BOTH

from component.core.chat.following import typing
from component.core.chat.following.live import MemberRoom
from component.core.sessions.outgoing import ChatState
from component.web.app import make_app
from component.web.chat import socket as sockets
from component.web.server.settings import Listener, Services, WebSettings
from component.wiring.live import with_live
from storage.rows import Contact

EVENTS = "/api/v1/chat/events"
STREAM, SOCKET = f"{EVENTS}/stream", f"{EVENTS}/socket"
TYPING = "/api/v1/chat/conversations/{}/typing"
SOON = 30.0

#: Streams look for the end of their sign-in, and send heartbeats, in this interval.
SETTINGS = replace(BOTH, stream_heartbeat_seconds=0.2)


@dataclass
class Members:
    """The rooms of each user, as a test sets them."""

    rooms: dict[str, list[MemberRoom]] = field(default_factory=dict)

    async def member_rooms(self, user: str) -> list[MemberRoom]:
        return self.rooms.get(user, [])

    async def is_member(self, user: str, room: str) -> bool:
        return any(item.jid == room for item in self.rooms.get(user, []))


@pytest.fixture
def members() -> Members:
    return Members({ALICE: [MemberRoom(jid=ROOM, name="Garden", affiliation="owner")]})


@pytest.fixture
def server(services: Services) -> EchoServer:
    return EchoServer(services.queue)


@pytest.fixture
async def chatting(services: Services, server: EchoServer, members: Members) -> Services:
    with_chat = with_chat_for(await chat_services(services, ALICE, BOB))
    return with_live(with_chat, SETTINGS, server, members)


async def client_of(
    aiohttp_client: AiohttpClient, services: Services, settings: WebSettings = SETTINGS
) -> TestClient:
    """Return a client of alice, with an access token."""
    assert services.sign_ins is not None
    tokens = await services.sign_ins.sign_in(ALICE, PASSWORD)
    app = make_app(settings, services, Listener.PUBLIC)
    return await aiohttp_client(app, headers={"Authorization": f"Bearer {tokens.access_token}"})


@pytest.fixture
async def alice(aiohttp_client: AiohttpClient, chatting: Services) -> TestClient:
    return await client_of(aiohttp_client, chatting)


async def get(client: TestClient, path: str, status: int = 200, **query: Any) -> dict[str, Any]:
    response = await client.get(path, params={name: str(v) for name, v in query.items()})
    assert response.status == status, await response.text()
    return await response.json()  # type: ignore[no-any-return]


async def ticket(client: TestClient) -> str:
    response = await client.post("/api/v1/tokens/tickets")
    assert response.status == 201, await response.text()
    return (await response.json())["ticket"]  # type: ignore[no-any-return]


def in_room(name: str) -> Any:
    return entry(name, owner=ROOM, peer=BOB, resource="bob", type="groupchat")


# Polls


async def test_poll_without_a_place_begins_at_the_end(
    alice: TestClient, chatting: Services
) -> None:
    await chatting.writer.store([entry("before")])
    begun = await get(alice, EVENTS)
    await chatting.writer.store([entry("hello"), in_room("hi")])

    page = await get(alice, EVENTS, after=begun["cursor"])

    assert (begun["events"], begun["complete"]) == ([], True)
    assert [(item["type"], item["jid"]) for item in page["events"]] == [
        ("message", BOB),
        ("message", ROOM),
    ]
    direct, room = page["events"]
    assert direct["message"]["body"] == "hello"
    assert direct["conversation"]["unread"] == 2
    assert "xml" not in direct["message"]
    assert room["message"]["body"] == "hi"
    assert page["cursor"] == room["cursor"]
    assert (await get(alice, EVENTS, after=page["cursor"]))["events"] == []


async def test_every_event_has_every_key(alice: TestClient, chatting: Services) -> None:
    begun = (await get(alice, EVENTS))["cursor"]
    await chatting.storage.contacts.put(ALICE, Contact(jid=BOB))
    chatting.journal.roster_changed(ALICE)
    await chatting.writer.store([entry("hello")])
    page = await get(alice, EVENTS, after=begun)

    assert {item["type"] for item in page["events"]} == {"message", "contact"}
    for item in page["events"]:
        assert item.keys() == {
            *("cursor", "jid", "type", "time", "message", "contact", "presence", "displayed"),
            *("request", "failed", "about", "target", "conversation", "rooms", "typing"),
        }


async def test_cursor_of_the_events_api_is_a_place_too(
    alice: TestClient, chatting: Services
) -> None:
    snapshot = await get(alice, f"/api/v1/archives/{ALICE}/snapshot")
    await chatting.writer.store([entry("hello")])

    page = await get(alice, EVENTS, after=snapshot["cursor"])

    rooms, message = page["events"]
    assert rooms["rooms"] == [{"jid": ROOM, "name": "Garden", "affiliation": "owner"}]
    assert message["message"]["body"] == "hello"


async def test_waiting_poll_gets_the_next_message_of_a_room(
    alice: TestClient, chatting: Services
) -> None:
    begun = (await get(alice, EVENTS))["cursor"]
    waiting = asyncio.create_task(get(alice, EVENTS, after=begun, wait=30))
    await asyncio.sleep(0.05)
    await chatting.writer.store([in_room("hi")])

    [event] = (await waiting)["events"]

    assert event["message"]["body"] == "hi"


async def test_expired_place_is_410_with_a_valid_one(alice: TestClient) -> None:
    expired = await get(alice, EVENTS, 410, after=4711)

    assert expired["error"] == "cursor-expired"
    assert (await get(alice, EVENTS, after=expired["cursor"]))["events"] == []


@pytest.mark.parametrize("after", ["x.!", "x" * 5000])
async def test_text_that_is_no_place_is_refused(alice: TestClient, after: str) -> None:
    assert "cursor" in (await get(alice, EVENTS, 400, after=after))["message"]


# Streams


async def blocks(response: Any, count: int) -> list[dict[str, str]]:
    """Return the next blocks with data."""
    found: list[dict[str, str]] = []
    async with asyncio.timeout(SOON):
        while len(found) < count:
            block: dict[str, str] = {}
            while line := (await response.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                block[name] = value
            if "data" in block:
                found.append(block)
    return found


async def test_stream_with_a_ticket_has_events_and_signals(
    alice: TestClient, chatting: Services
) -> None:
    begun = (await get(alice, EVENTS))["cursor"]
    query = {"ticket": await ticket(alice), "after": begun}
    response = await alice.get(
        STREAM, params=query, headers={"Authorization": ""}, skip_auto_headers=["Authorization"]
    )
    assert response.status == 401
    del alice.session.headers["Authorization"]
    async with alice.get(STREAM, params=query) as response:
        assert response.status == 200, await response.text()
        await chatting.writer.store([in_room("hi")])
        [message] = await blocks(response, 1)
        chatting.signals.note_contact(ALICE, BOB, ChatState.COMPOSING)
        [state] = await blocks(response, 1)

    assert message["event"] == "message"
    data = json.loads(message["data"])
    assert (data["jid"], data["message"]["body"], data["cursor"]) == (ROOM, "hi", message["id"])
    assert state["event"] == "typing"
    assert "id" not in state
    data = json.loads(state["data"])
    assert data["cursor"] is None
    assert data["jid"] == BOB
    assert data["typing"] == {"author": BOB, "nick": None, "state": "composing", "seconds": 10.0}


async def test_stream_goes_on_behind_the_last_event_id(
    alice: TestClient, chatting: Services
) -> None:
    begun = (await get(alice, EVENTS))["cursor"]
    await chatting.writer.store([entry("one"), entry("two"), in_room("three")])
    async with alice.get(STREAM, params={"after": begun}) as response:
        first, _, _ = await blocks(response, 3)
    headers = {"Last-Event-ID": first["id"]}
    async with alice.get(STREAM, params={"after": begun}, headers=headers) as response:
        texts = [json.loads(block["data"]) for block in await blocks(response, 2)]

    assert [item["message"]["body"] for item in texts] == ["two", "three"]


# Sockets


@asynccontextmanager
async def connected(client: TestClient, **options: Any) -> AsyncIterator[ClientWebSocketResponse]:
    """Open a socket with a ticket."""
    query = {"ticket": await ticket(client), **options.pop("query", {})}
    token = client.session.headers.pop("Authorization")
    try:
        async with client.ws_connect(SOCKET, params=query, **options) as socket:
            client.session.headers["Authorization"] = token
            yield socket
    finally:
        client.session.headers["Authorization"] = token


async def receive(socket: ClientWebSocketResponse) -> Any:
    return json.loads(await socket.receive_str(timeout=SOON))


async def closed(socket: ClientWebSocketResponse) -> int | None:
    """Return the code with which the server closes."""
    async with asyncio.timeout(SOON):
        while (await socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
            pass
    return socket.close_code


async def test_socket_has_its_place_then_events_and_signals(
    alice: TestClient, chatting: Services
) -> None:
    async with connected(alice) as socket:
        begun = await receive(socket)
        await chatting.writer.store([entry("hello"), in_room("hi")])
        events = [await receive(socket) for _ in range(2)]
        chatting.signals.note_contact(ALICE, BOB, ChatState.PAUSED)
        state = await receive(socket)

    assert begun["type"] == "begun"
    assert sorted(item["message"]["body"] for item in events) == ["hello", "hi"]
    assert state["typing"]["state"] == "paused"
    page = await get(alice, EVENTS, after=begun["cursor"])
    assert len(page["events"]) == 2


async def test_socket_goes_on_behind_a_place(alice: TestClient, chatting: Services) -> None:
    begun = (await get(alice, EVENTS))["cursor"]
    await chatting.writer.store([in_room("missed")])

    async with connected(alice, query={"after": begun}) as socket:
        assert await receive(socket) == {"type": "begun", "cursor": begun}
        assert (await receive(socket))["message"]["body"] == "missed"


async def test_socket_closes_when_the_sign_in_ends(alice: TestClient) -> None:
    async with connected(alice) as socket:
        await receive(socket)
        response = await alice.delete("/api/v1/tokens/current")
        assert response.status == 204

        assert await closed(socket) == sockets.SIGN_IN_ENDED


async def test_socket_of_an_expired_place_tells_a_valid_one(alice: TestClient) -> None:
    async with connected(alice, query={"after": "4711"}) as socket:
        error = await receive(socket)

        assert (error["type"], error["error"]) == ("error", "cursor-expired")
        assert await closed(socket) == sockets.CURSOR_EXPIRED
    assert (await get(alice, EVENTS, after=error["cursor"]))["events"] == []


async def test_client_that_sends_anything_is_disconnected(alice: TestClient) -> None:
    async with connected(alice) as socket:
        await receive(socket)
        await socket.send_str("hello")

        assert await closed(socket) == sockets.UNEXPECTED


async def test_ticket_opens_one_socket(alice: TestClient) -> None:
    used = await ticket(alice)
    del alice.session.headers["Authorization"]
    async with alice.ws_connect(SOCKET, params={"ticket": used}) as socket:
        await receive(socket)

        with pytest.raises(WSServerHandshakeError) as refused:
            await alice.ws_connect(SOCKET, params={"ticket": used})
        assert refused.value.status == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://elsewhere.example", 403),
        ("null", 403),
        ("http://[", 403),
        ("http://{host}:1", 403),
        ("https://chat.example", 101),
        ("http://{host}:{port}", 101),
        ("https://{host}:{port}", 101),
    ],
)
async def test_only_pages_of_our_origins_open_sockets(
    aiohttp_client: AiohttpClient, chatting: Services, origin: str, status: int
) -> None:
    public = replace(SETTINGS.public, cors_origins=("https://chat.example",))
    alice = await client_of(aiohttp_client, chatting, replace(SETTINGS, public=public))
    headers = {"Origin": origin.format(host=alice.host, port=alice.port)}

    if status == 101:
        async with connected(alice, headers=headers) as socket:
            assert (await receive(socket))["type"] == "begun"
    else:
        with pytest.raises(WSServerHandshakeError) as refused:
            async with connected(alice, headers=headers):
                pass
        assert refused.value.status == status


async def test_client_that_sends_too_much_is_disconnected(alice: TestClient) -> None:
    async with connected(alice) as socket:
        await receive(socket)
        await socket.send_bytes(bytes(2 * sockets.MESSAGE_MAX_BYTES))

        assert await closed(socket) in (sockets.UNEXPECTED, 1009)


async def test_client_that_answers_no_ping_is_disconnected(
    aiohttp_client: AiohttpClient, chatting: Services
) -> None:
    public = replace(SETTINGS.public, max_streams_per_caller=1)
    alice = await client_of(aiohttp_client, chatting, replace(SETTINGS, public=public))
    async with connected(alice, autoping=False) as socket:
        await receive(socket)
        statuses: list[int] = []
        async with asyncio.timeout(SOON):
            while statuses[-1:] != [200]:
                async with alice.get(STREAM) as response:
                    statuses.append(response.status)

    assert statuses[0] == 429


async def test_sockets_and_streams_share_their_limit(
    aiohttp_client: AiohttpClient, chatting: Services
) -> None:
    public = replace(SETTINGS.public, max_streams_per_caller=1)
    # No heartbeats, because nobody reads the socket while a refusal is on its way.
    settings = replace(SETTINGS, public=public, stream_heartbeat_seconds=SOON)
    alice = await client_of(aiohttp_client, chatting, settings)
    async with connected(alice) as socket:
        await receive(socket)

        response = await alice.get(STREAM)
        assert response.status == 429
        with pytest.raises(WSServerHandshakeError) as refused:
            async with connected(alice):
                pass
        assert refused.value.status == 429


async def test_request_that_is_no_upgrade_is_refused(alice: TestClient) -> None:
    assert "WebSocket" in (await get(alice, SOCKET, 400))["message"]


async def test_stopping_server_closes_its_sockets(
    aiohttp_client: AiohttpClient, chatting: Services
) -> None:
    alice = await client_of(aiohttp_client, chatting)
    async with connected(alice) as socket:
        await receive(socket)
        closing = asyncio.create_task(alice.server.close())

        assert await closed(socket) in (sockets.GOING_AWAY, 1006, None)
        await closing


# Typing


async def test_chat_state_is_sent_to_a_user_or_a_room(
    aiohttp_client: AiohttpClient, chatting: Services, server: EchoServer
) -> None:
    hosts = type(chatting.hosts)(list(chatting.hosts), [ROOM.partition("@")[2]])
    alice = await client_of(aiohttp_client, replace(chatting, hosts=hosts))
    for jid in (BOB, ROOM):
        response = await alice.post(TYPING.format(jid), json={"state": "composing"})
        assert response.status == 204, await response.text()

    assert [(item.to, item.type, item.payload) for item in server.messages] == [
        (BOB, "chat", ChatState.COMPOSING),
        (ROOM, "groupchat", ChatState.COMPOSING),
    ]


async def test_chat_state_behind_a_message_is_sent_at_once(
    aiohttp_client: AiohttpClient, services: Services, server: EchoServer
) -> None:
    signing_in = await chat_services(services, ALICE, BOB)
    sender = sender_of(services, server, seconds=SOON)
    sending = with_chat_for(replace(signing_in, sender=sender), server)
    alice = await client_of(aiohttp_client, with_live(sending, SETTINGS, server))
    for _ in range(2):
        await alice.post(TYPING.format(BOB), json={"state": "composing"})
    path = f"/api/v1/chat/conversations/{BOB}/messages"
    response = await alice.post(path, json={"body": "first"})
    assert response.status in (201, 202), await response.text()
    await alice.post(TYPING.format(BOB), json={"state": "composing"})

    states = [item for item in server.messages if item.payload is ChatState.COMPOSING]
    assert len(states) == 2


async def test_too_many_chat_states_are_429(alice: TestClient) -> None:
    statuses = []
    for number in range(typing.BURST + 5):
        path = TYPING.format(f"{number}@example.org")
        statuses.append((await alice.post(path, json={"state": "paused"})).status)

    assert statuses[: typing.BURST] == [204] * typing.BURST
    assert 429 in statuses


@pytest.mark.parametrize(
    ("jid", "fields", "status"),
    [(BOB, {}, 400), (BOB, {"state": "asleep"}, 400), ("example.org", {"state": "paused"}, 404)],
)
async def test_malformed_chat_state_is_refused(
    alice: TestClient, server: EchoServer, jid: str, fields: dict[str, str], status: int
) -> None:
    response = await alice.post(TYPING.format(jid), json=fields)

    assert (response.status, server.sent) == (status, [])


async def test_chat_state_needs_sessions(
    aiohttp_client: AiohttpClient, services: Services, members: Members
) -> None:
    with_chat = with_chat_for(await chat_services(services, ALICE))
    alice = await client_of(aiohttp_client, with_live(with_chat, SETTINGS, None, members))

    response = await alice.post(TYPING.format(BOB), json={"state": "paused"})

    assert response.status == 501


async def test_user_is_on_line_while_following(alice: TestClient, server: EchoServer) -> None:
    await get(alice, EVENTS)
    assert server.used == []

    async with connected(alice) as socket:
        await receive(socket)
        # Again with each heartbeat, so that the session does not count as idle.
        async with asyncio.timeout(SOON):
            await until(lambda: len(server.used) >= 2)
    assert set(server.used) == {ALICE}


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.02)
