"""Profiles, avatars and slots for files over HTTP, with a server that keeps vCards."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from PIL import Image
from pytest_aiohttp import AiohttpClient
from support.account_server import AccountServer
from support.builders import ALICE, BOB
from support.chat import PASSWORD, chat_services, with_chat_for
from support.sign_in import BOTH

from component.core.chat.people.avatars import INPUT_MAX_BYTES
from component.web.app import make_app
from component.web.server.settings import Listener, Services
from component.wiring.live import with_live

PROFILE, UPLOADS = "/api/v1/chat/profile", "/api/v1/chat/uploads"
AVATAR = f"{PROFILE}/avatar"
USERS = "/api/v1/chat/users"


def image(colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (20, 20), colour).save(file, "GIF")
    return file.getvalue()


@pytest.fixture
def server(services: Services) -> AccountServer:
    return AccountServer(services.queue)


@pytest.fixture
async def chatting(services: Services, server: AccountServer) -> Services:
    with_chat = with_chat_for(await chat_services(services, ALICE, BOB))
    return with_live(with_chat, BOTH, server)


async def client_of(
    aiohttp_client: AiohttpClient, services: Services, jid: str = ALICE
) -> TestClient:
    assert services.sign_ins is not None
    tokens = await services.sign_ins.sign_in(jid, PASSWORD)
    app = make_app(BOTH, services, Listener.PUBLIC)
    return await aiohttp_client(app, headers={"Authorization": f"Bearer {tokens.access_token}"})


@pytest.fixture
async def alice(aiohttp_client: AiohttpClient, chatting: Services) -> TestClient:
    return await client_of(aiohttp_client, chatting)


@pytest.fixture
async def bob(aiohttp_client: AiohttpClient, chatting: Services) -> TestClient:
    return await client_of(aiohttp_client, chatting, BOB)


async def test_profile_of_a_new_user_is_empty(alice: TestClient) -> None:
    response = await alice.get(PROFILE)

    assert await response.json() == {"jid": ALICE, "name": "alice", "avatar": None}


async def test_name_is_seen_by_others_and_found_by_a_search(
    alice: TestClient, bob: TestClient
) -> None:
    response = await alice.patch(PROFILE, json={"name": " Alice Liddell "})
    assert (response.status, (await response.json())["name"]) == (200, "Alice Liddell")

    assert (await (await bob.get(f"{USERS}/{ALICE}")).json())["name"] == "Alice Liddell"
    found = await (await bob.get(USERS, params={"search": "liddell"})).json()
    assert [user["jid"] for user in found["users"]] == [ALICE]
    # An empty name removes it.
    response = await alice.patch(PROFILE, json={"name": ""})
    assert (await response.json())["name"] == "alice"
    assert await (await bob.get(USERS, params={"search": "liddell"})).json() == {"users": []}


@pytest.mark.parametrize(
    "fields", [{}, {"name": "x" * 101}, {"name": "a\nb"}, {"name": "\u202eecila"}, {"name": 1}]
)
async def test_malformed_name_is_refused(
    alice: TestClient, server: AccountServer, fields: dict[str, Any]
) -> None:
    response = await alice.patch(PROFILE, json=fields)

    assert response.status == 400
    assert "name" in (await response.json())["message"]
    assert server.vcards == {}


async def test_avatar_is_seen_by_others_as_an_image(alice: TestClient, bob: TestClient) -> None:
    response = await alice.put(AVATAR, data=image())
    assert response.status == 200, await response.text()
    id = (await response.json())["avatar"]

    profile = await (await bob.get(f"{USERS}/{ALICE}")).json()
    shown = await bob.get(f"{USERS}/{ALICE}/avatar")

    assert profile["avatar"] == id
    assert (shown.status, shown.content_type) == (200, "image/png")
    assert Image.open(BytesIO(await shown.read())).size == (20, 20)
    assert shown.headers["ETag"] == f'"{id}"'
    assert shown.headers["Cache-Control"].startswith("private")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"


async def test_avatar_that_the_client_has_is_not_sent_again(
    alice: TestClient, bob: TestClient
) -> None:
    await alice.put(AVATAR, data=image())
    etag = (await bob.get(f"{USERS}/{ALICE}/avatar")).headers["ETag"]

    same = await bob.get(f"{USERS}/{ALICE}/avatar", headers={"If-None-Match": etag})
    await alice.put(AVATAR, data=image("blue"))
    other = await bob.get(f"{USERS}/{ALICE}/avatar", headers={"If-None-Match": etag})

    assert (same.status, await same.read(), same.headers["ETag"]) == (304, b"", etag)
    assert other.status == 200
    assert other.headers["ETag"] != etag


async def test_removed_avatar_is_404(alice: TestClient, bob: TestClient) -> None:
    await alice.put(AVATAR, data=image())
    response = await alice.delete(AVATAR)
    assert response.status == 204

    assert (await bob.get(f"{USERS}/{ALICE}/avatar")).status == 404
    assert (await (await alice.get(PROFILE)).json())["avatar"] is None


@pytest.mark.parametrize(
    ("data", "status"), [(b"", 400), (b"<svg/>", 400), (b"x" * (INPUT_MAX_BYTES + 1), 413)]
)
async def test_what_is_no_image_is_refused(
    alice: TestClient, server: AccountServer, data: bytes, status: int
) -> None:
    assert (await alice.put(AVATAR, data=BytesIO(data))).status == status
    assert server.vcards == {}


async def test_account_that_does_not_exist_looks_like_one_without_a_vcard(
    alice: TestClient,
) -> None:
    nobody = await alice.get(f"{USERS}/nobody@example.org")

    assert nobody.status == 200
    assert await nobody.json() == {"jid": "nobody@example.org", "name": "nobody", "avatar": None}
    assert (await alice.get(f"{USERS}/example.org")).status == 404


async def test_slot_is_that_of_the_upload_service(alice: TestClient) -> None:
    fields = {"name": "cat.png", "size": 3, "type": "image/png"}
    response = await alice.post(UPLOADS, json=fields)

    assert response.status == 201, await response.text()
    assert await response.json() == {
        "put": "https://upload.example.org/slot/1",
        "get": "https://upload.example.org/slot/1",
        "headers": {"Authorization": "Basic xy"},
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 3},
        {"name": "a/b", "size": 3},
        {"name": "..", "size": 3},
        {"name": "a\nb", "size": 3},
        {"name": "a", "size": 0},
        {"name": "a", "size": "3"},
        {"name": "a", "size": 3, "type": "image"},
    ],
)
async def test_malformed_file_is_refused(
    alice: TestClient, server: AccountServer, fields: dict[str, Any]
) -> None:
    assert (await alice.post(UPLOADS, json=fields)).status == 400
    assert server.slots == []


@pytest.mark.parametrize(("upload_max", "status"), [(None, 501), (2, 413)])
async def test_server_that_does_not_take_the_file_refuses_it(
    alice: TestClient, server: AccountServer, upload_max: int | None, status: int
) -> None:
    server.upload_max = upload_max

    response = await alice.post(UPLOADS, json={"name": "a", "size": 3})

    assert response.status == status


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PROFILE), ("GET", f"{USERS}/{BOB}"), ("POST", UPLOADS)]
)
async def test_routes_need_sessions(
    aiohttp_client: AiohttpClient, services: Services, method: str, path: str
) -> None:
    with_chat = with_chat_for(await chat_services(services, ALICE))
    alice = await client_of(aiohttp_client, with_live(with_chat, BOTH, None))

    response = await alice.request(method, path, json={"name": "a", "size": 3})

    assert response.status == 501
