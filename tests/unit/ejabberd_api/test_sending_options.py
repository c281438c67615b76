"""send_message with the options `confirm`, `id` and `dry_run`, over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import encode_basic_auth
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.client_sessions import EchoServer
from support.ejabberd_api import ADMIN, FakeModHttpApi, with_ejabberd_api
from support.http_services import open_services
from support.sending import sender_of
from support.sign_in import BOTH, with_sign_in

from component.core.ejabberd_api.native.backend import Reply
from component.core.sessions.outgoing import BODY_MAX_BYTES
from component.web.app import make_app
from component.web.server.settings import Listener, Services

ALICE, BOB, ROOM = "alice@example.org", "bob@example.org", "garden@conference.example.org"
PASSWORD = "alice123"


@pytest.fixture
def fake() -> FakeModHttpApi:
    return FakeModHttpApi(
        replies={
            "get_room_occupants": Reply(200, []),
            "get_subscribers": Reply(200, []),
        }
    )


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as services:
        for jid in (ADMIN, ALICE):
            await services.accounts.admin.register(jid, PASSWORD)
        yield with_sign_in(services)


@pytest.fixture
def server(services: Services) -> EchoServer:
    return EchoServer(services.queue)


@pytest.fixture
async def api(
    aiohttp_client: AiohttpClient, services: Services, server: EchoServer, fake: FakeModHttpApi
) -> TestClient:
    sending = replace(services, sender=sender_of(services, server))
    sending = with_ejabberd_api(sending, fake)
    return await aiohttp_client(make_app(BOTH, sending, Listener.PUBLIC))


async def send(
    api: TestClient,
    query: str,
    caller: str = ALICE,
    path: str = "send_message",
    **arguments: Any,
) -> tuple[int, Any]:
    """Call send_message; return the status and the body."""
    message = {"type": "chat", "from": ALICE, "to": BOB, "subject": "", "body": "Hi", **arguments}
    headers = {"Authorization": encode_basic_auth(caller, PASSWORD, encoding="utf-8")}
    answer = await api.post(f"/api/{path}?{query}", json=message, headers=headers)
    return answer.status, await answer.json()


async def test_archived_message_is_confirmed_with_its_archive_id(
    api: TestClient, services: Services
) -> None:
    status, data = await send(api, "confirm=1&id=m-1")

    assert services.sign_ins is not None
    tokens = await services.sign_ins.sign_in(ALICE, PASSWORD, "test")
    bearer = {"Authorization": f"Bearer {tokens.access_token}"}
    archive = await api.get(f"/api/v1/archives/{ALICE}/messages", headers=bearer)
    [archived] = (await archive.json())["messages"]
    assert (status, data["result"]) == (
        200,
        {
            "outcome": "archived",
            "by": ALICE,
            "message_id": "m-1",
            "archive_id": archived["id"],
            "repeated": False,
        },
    )


@pytest.mark.parametrize("query", ["confirm=1", "id=m-1", "confirm=1&dry_run=1"])
async def test_text_that_would_end_the_session_is_refused(api: TestClient, query: str) -> None:
    status, data = await send(api, query, body="&" * (BODY_MAX_BYTES + 1))

    assert (status, data["message"]) == (
        413,
        "body: too long: 65536 bytes of UTF-8 at most",
    )


async def test_reflection_by_a_room_is_confirmed(api: TestClient) -> None:
    status, data = await send(api, "confirm=1", path="v3/send_message", type="groupchat", to=ROOM)

    assert (status, data["outcome"], data["by"]) == (200, "reflected", ROOM)
    assert data["message_id"]


async def test_message_that_is_not_archived_is_not_confirmed(
    api: TestClient, server: EchoServer
) -> None:
    server.archives = False

    status, data = await send(api, "confirm=1&id=m-1")

    assert status == 202
    assert data["result"] == {
        "outcome": "unconfirmed",
        "by": None,
        "message_id": "m-1",
        "archive_id": None,
        "repeated": False,
    }


async def test_bounce_is_an_error_with_its_condition_and_author(
    api: TestClient, server: EchoServer
) -> None:
    server.condition = "registration-required"

    assert await send(api, "confirm=1", type="groupchat", to=ROOM) == (
        403,
        {"error": "registration_required", "message": f"{ROOM}: Not here."},
    )


async def test_message_that_is_not_taken_in_time_names_its_id(
    api: TestClient, server: EchoServer
) -> None:
    server.is_silent = True

    status, data = await send(api, "confirm=1")

    [(_, message)] = server.sent
    assert (status, data["error"]) == (503, "resource_constraint")
    assert data["message"].endswith(f"Its id is {message.id}.")


async def test_message_with_a_repeated_id_is_sent_once(
    api: TestClient, server: EchoServer
) -> None:
    _, first = await send(api, "confirm=1&id=m-1")
    status, again = await send(api, "confirm=1&id=m-1")
    other = await send(api, "confirm=1&id=m-1", body="something else")

    assert (status, again["result"]) == (200, {**first["result"], "repeated": True})
    assert (other[0], other[1]["error"]) == (409, "conflict")
    assert len(server.sent) == 1


async def test_message_with_an_id_is_acknowledged_without_confirm(api: TestClient) -> None:
    assert await send(api, "id=m-1") == (200, {"result": "ok"})
    assert await send(api, "id=m-1", path="v3/send_message") == (200, 0)


async def test_admin_confirms_in_the_name_of_users_who_are_signed_in(
    api: TestClient, services: Services, server: EchoServer
) -> None:
    refused = await send(api, "confirm=1&id=m-1", caller=ADMIN)
    planned = await send(api, "confirm=1&dry_run=1", caller=ADMIN)
    assert server.sent == []
    assert services.sign_ins is not None
    await services.sign_ins.sign_in(ALICE, PASSWORD, "test")

    status, data = await send(api, "confirm=1&id=m-1", caller=ADMIN)

    text = f"{ALICE} is signed in nowhere, so Muniment cannot send as this user."
    assert refused == planned == (409, {"error": "no_session", "message": text})
    assert (status, data["result"]["outcome"], data["result"]["by"]) == (200, "archived", ALICE)
    assert [owner for owner, _ in server.sent] == [ALICE]


async def test_refusal_after_the_archive_has_the_message_is_no_confirmation(
    api: TestClient, server: EchoServer
) -> None:
    server.late_condition = "service-unavailable"

    refused = await send(api, "confirm=1&id=m-1")
    again = await send(api, "confirm=1&id=m-1")

    message = f"{BOB}: Not here."
    assert refused == (409, {"error": "service_unavailable", "message": message})
    assert again == refused
    assert len(server.sent) == 1


async def test_missing_room_has_one_name(api: TestClient, server: EchoServer) -> None:
    server.condition = "item-not-found"

    for query in ("confirm=1", "id=m-1", "confirm=1&id=m-2"):
        status, data = await send(api, query, type="groupchat", to=ROOM)
        assert (status, data["error"]) == (404, "room_not_found")


@pytest.mark.parametrize("query", ["", "dry_run=1"])
async def test_text_that_no_archive_could_have_is_refused(
    api: TestClient, fake: FakeModHttpApi, query: str
) -> None:
    maximum = 1024 * 1024 - 16 * 1024

    status, data = await send(api, query, body="&" * 207_000)
    fits = await send(api, query, body="&" * (maximum // 5 - 3), subject="'<>")

    assert (status, data["error"], data["message"]) == (
        413,
        "policy_violation",
        f"subject and body: too long: together 1035000 bytes as XML, {maximum} at most",
    )
    assert fits[0] == 200


async def test_messages_by_sessions_need_no_mod_http_api(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    fake.is_up = False

    assert (await send(api, "confirm=1"))[0] == 200
    assert (await send(api, "id=r-1", type="groupchat", to=ROOM))[0] == 200
    assert await send(api, "", type="groupchat", to=ROOM) == (200, {"result": "ok"})
    assert (await send(api, ""))[0] == 502


@pytest.mark.parametrize(
    ("query", "arguments", "run_by"),
    [
        ("", {}, f"ejabberd, as {ALICE}"),
        ("&confirm=1", {}, f"a session of {ALICE} that Muniment keeps"),
        ("", {"type": "groupchat", "to": ROOM}, f"a session of {ALICE} that Muniment keeps"),
    ],
)
async def test_dry_run_says_how_the_message_would_go_out(
    api: TestClient,
    server: EchoServer,
    fake: FakeModHttpApi,
    query: str,
    arguments: dict[str, str],
    run_by: str,
) -> None:
    status, data = await send(api, f"dry_run=1{query}", **arguments)

    assert (status, data["result"]["run_by"]) == (200, run_by)
    assert data["result"]["arguments"]["body"] == "Hi"
    assert server.sent == []
    assert [path for path, _ in fake.requests if path.startswith("send_message")] == []


async def test_dry_run_of_an_occupant_names_the_resource_in_the_room(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    occupant = {"jid": f"{ALICE}/phone", "nick": "alice", "role": "participant"}
    fake.replies["get_room_occupants"] = Reply(200, [occupant])

    _, data = await send(api, "dry_run=1", type="groupchat", to=ROOM)

    assert data["result"]["run_by"] == f"ejabberd, as {ALICE}/phone"


async def test_dry_run_of_a_message_that_would_be_refused_is_refused(
    api: TestClient, fake: FakeModHttpApi
) -> None:
    in_a_room = {"type": "groupchat", "to": ROOM}

    assert (await send(api, "dry_run=1", caller=ADMIN, **in_a_room))[1]["error"] == "not_in_room"
    assert (await send(api, "dry_run=1&confirm=1", subject="x"))[0] == 400
    assert fake.requests[-1][0].startswith("get_subscribers")
