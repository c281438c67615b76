"""Users send over HTTP: requests, answers and refusals, over a real store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.client_sessions import EchoServer
from support.http_services import HOST
from support.sending import sender_of
from support.sign_in import BOTH, with_sign_in

from component.core.messages.files import File
from component.core.sessions.outgoing import (
    ChatState,
    Correction,
    Displayed,
    Payload,
    Reactions,
    Retraction,
    Text,
)
from component.web.app import make_app
from component.web.server.settings import Listener, Services

ALICE, BOB, ROOM = f"alice@{HOST}", f"bob@{HOST}", f"room@conference.{HOST}"
PASSWORD = "pencil"


@pytest.fixture
def server(services: Services) -> EchoServer:
    return EchoServer(services.queue)


@pytest.fixture
async def sending_services(services: Services, server: EchoServer) -> Services:
    await services.accounts.admin.register(ALICE, PASSWORD)
    return replace(with_sign_in(services), sender=sender_of(services, server))


async def signed_in(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    public = await aiohttp_client(make_app(BOTH, services, Listener.PUBLIC))
    body = {"jid": ALICE, "password": PASSWORD}
    tokens = await (await public.post("/api/v1/tokens", json=body)).json()
    public.session.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return public


@pytest.fixture
async def alice(aiohttp_client: AiohttpClient, sending_services: Services) -> TestClient:
    """A client of the public listener, signed in as alice."""
    return await signed_in(aiohttp_client, sending_services)


async def send(alice: TestClient, owner: str = ALICE, **fields: Any) -> tuple[int, Any]:
    """Send a message to bob; return the status and the answer."""
    path = f"/api/v1/archives/{owner}/messages"
    response = await alice.post(path, json={"to": BOB, **fields})
    return response.status, await response.json()


async def test_answer_is_the_message_as_the_archive_has_it(alice: TestClient) -> None:
    status, sent = await send(alice, body="Hi", id="m-1")

    assert (status, sent["message_id"], sent["body"]) == (201, "m-1", "Hi")
    response = await alice.get(f"/api/v1/archives/{ALICE}/messages/{sent['id']}")
    assert await response.json() == sent


async def test_message_without_id_gets_one(alice: TestClient) -> None:
    _, first = await send(alice, body="Hi")
    _, second = await send(alice, body="Hi")

    assert len({first["message_id"], second["message_id"], ""}) == 3


async def test_same_id_is_sent_once(alice: TestClient, server: EchoServer) -> None:
    first = await send(alice, body="Hi", id="m-1")
    second = await send(alice, body="Hi", id="m-1")
    at_once = await asyncio.gather(*(send(alice, body="Ho", id="m-2") for _ in range(3)))

    assert (first[0], second[0], first[1]) == (201, 200, second[1])
    assert sorted(status for status, _ in at_once) == [200, 200, 201]
    assert len({answer["id"] for _, answer in at_once}) == 1
    assert [message.id for _, message in server.sent] == ["m-1", "m-2"]


async def test_same_id_with_another_content_is_a_conflict(
    alice: TestClient, server: EchoServer
) -> None:
    _, first = await send(alice, body="Hi", id="m-1")

    for fields in ({"body": "Ho"}, {"reacts_to": first["id"], "reactions": ["👍"]}):
        status, answer = await send(alice, id="m-1", **fields)
        assert (status, answer["error"]) == (409, "conflict")
    assert len(server.sent) == 1


async def test_each_content_becomes_its_payload(alice: TestClient, server: EchoServer) -> None:
    _, first = await send(alice, body="Hi", id="first")
    about: list[tuple[dict[str, Any], Payload]] = [
        ({"body": "Ho", "replaces": first["id"]}, Correction("first", "Ho")),
        ({"retracts": first["id"]}, Retraction("first")),
        ({"reacts_to": first["id"], "reactions": ["👍", "👍"]}, Reactions("first", ("👍",))),
        ({"reacts_to": first["id"], "reactions": []}, Reactions("first", ())),
        ({"displayed": first["id"]}, Displayed("first")),
    ]
    for fields, _ in about:
        status, answer = await send(alice, **fields)
        assert status == 201, answer

    payloads = [message.payload for message in server.messages]
    assert payloads == [Text("Hi"), *(payload for _, payload in about)]


async def test_chat_state_is_sent_and_not_archived(alice: TestClient, server: EchoServer) -> None:
    status, answer = await send(alice, chat_state="paused", id="s-1")

    assert (status, answer) == (202, {"id": None, "message_id": "s-1"})
    assert server.messages[0].payload is ChatState.PAUSED


async def test_message_that_is_not_archived_is_accepted(
    alice: TestClient, server: EchoServer
) -> None:
    server.archives = False

    answers = [await send(alice, body="off the record", id="m-1") for _ in range(2)]

    assert answers == [(202, {"id": None, "message_id": "m-1"})] * 2
    assert len(server.sent) == 1


async def test_message_that_the_server_does_not_take_can_be_sent_again(
    alice: TestClient, server: EchoServer
) -> None:
    server.is_silent = True
    status, answer = await send(alice, body="Hi", id="m-1")
    assert (status, answer["error"]) == (503, "resource-constraint")
    server.is_silent = False

    assert (await send(alice, body="Hi", id="m-1"))[0] == 201


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("item-not-found", 404),
        ("forbidden", 403),
        ("not-authorized", 403),
        ("registration-required", 403),
        ("policy-violation", 413),
        ("resource-constraint", 503),
        ("service-unavailable", 409),
        ("undefined-condition", 409),
    ],
)
async def test_refusal_of_a_message_is_told_with_its_condition(
    alice: TestClient, server: EchoServer, condition: str, status: int
) -> None:
    server.condition = condition

    answer = await send(alice, body="Hi", id="m-1")

    body = {"error": condition, "message": f"{BOB}: Not here.", "status": status}
    assert answer == (status, body)
    server.condition = ""
    assert (await send(alice, body="Hi", id="m-1"))[0] == 201


async def test_nobody_sends_in_the_name_of_another(alice: TestClient, server: EchoServer) -> None:
    for owner in (BOB, ROOM):
        status, answer = await send(alice, owner, body="forged")
        assert (status, answer["error"]) == (403, "forbidden")

    assert server.sent == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "expected one of body, file, retracts, "),
        ({"body": "Hi", "chat_state": "active"}, "expected one of body, "),
        ({"replaces": "x"}, "expected one of body, "),
        ({"retracts": "x", "replaces": "y"}, "replaces: required with it, but missing: body"),
        ({"body": ""}, "body: "),
        ({"body": "a\x00b"}, "body: has a character that XML does not allow"),
        ({"body": "a\ud800b"}, ""),
        ({"body": "Hi", "id": "<m>"}, "id: expected 1 to 128 letters"),
        ({"body": "Hi", "id": ""}, "id: expected 1 to 128 letters"),
        ({"body": "Hi", "type": "headline"}, "type: expected "),
        ({"body": "Hi", "to": "@"}, "to: "),
        ({"body": "Hi", "to": f"{ROOM}/bob", "type": "groupchat"}, "to: a message of type"),
        ({"chat_state": "sleeping"}, "chat_state: expected "),
        ({"reacts_to": "x"}, "reacts_to and reactions: "),
        ({"body": "Hi", "reactions": ["x"]}, "reacts_to and reactions: "),
        ({"body": "Hi", "from": BOB}, "from: unknown"),
    ],
)
async def test_malformed_message_is_refused_with_the_field(
    alice: TestClient, server: EchoServer, fields: dict[str, Any], problem: str
) -> None:
    status, answer = await send(alice, **fields)

    assert status == 400, answer
    assert answer["message"].startswith(problem)
    assert server.sent == []


async def test_too_long_text_is_refused(alice: TestClient) -> None:
    status, answer = await send(alice, body="ß" * 32_769)

    assert (status, answer["error"]) == (413, "policy-violation")
    assert answer["message"].startswith("body: too long")


@pytest.mark.parametrize("field", ["replaces", "retracts", "reacts_to", "displayed"])
async def test_message_about_an_unknown_or_foreign_one_is_refused(
    alice: TestClient, server: EchoServer, field: str
) -> None:
    _, other = await send(alice, to=ROOM, type="groupchat", body="in a room")
    more = {"body": "x"} if field == "replaces" else {}
    more |= {"reactions": []} if field == "reacts_to" else {}

    status, answer = await send(alice, **{field: "unknown"}, **more)
    assert (status, answer["message"].partition(":")[0]) == (404, field)
    status, answer = await send(alice, **{field: other["id"]}, **more)
    assert (status, answer["message"]) == (
        400,
        f"{field}: this message is of another conversation",
    )
    assert len(server.sent) == 1


async def test_server_without_sessions_refuses_to_send(
    aiohttp_client: AiohttpClient, sending_services: Services
) -> None:
    alice = await signed_in(aiohttp_client, replace(sending_services, sender=None))

    status, answer = await send(alice, body="Hi")

    assert (status, answer["error"]) == (501, "feature-not-implemented")


async def test_message_with_a_file_has_its_address_as_text(
    alice: TestClient, server: EchoServer
) -> None:
    file = {"url": "https://files.one.test/cat.png", "type": "image/png", "size": 3}
    status, sent = await send(alice, id="f", file=file)
    again, _ = await send(alice, id="f", file=file)
    other, _ = await send(alice, id="f", body=file["url"])

    assert (status, again, other) == (201, 200, 409)
    assert (sent["body"], sent["file"]) == (file["url"], {**file, "name": None})
    [message] = server.messages
    assert message.payload == Text(
        "https://files.one.test/cat.png",
        File(url="https://files.one.test/cat.png", type="image/png", size=3),
    )


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ({}, "url"),
        ({"url": "javascript:alert(1)"}, "begins with https://"),
        ({"url": "https://a b/"}, "begins with https://"),
        ({"url": "https://a/", "type": "image"}, "media type"),
        ({"url": "https://a/", "size": -1}, "size"),
        ({"url": "https://a/", "more": 1}, "more"),
        ("https://a/", "file"),
    ],
)
async def test_malformed_file_is_refused(
    alice: TestClient, server: EchoServer, file: object, text: str
) -> None:
    status, answer = await send(alice, file=file)

    assert (status, server.sent) == (400, [])
    assert text in answer["message"]
