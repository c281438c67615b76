"""The REST gateway: sessions, and who is refused."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import entry
from support.gateway import (
    ALICE,
    BOB,
    PASSWORD,
    GatewayWorld,
    OldClient,
    gateway_world,
)
from support.http_services import HOST, SECRET_HEADERS
from support.push import has_right_signature, pushing, receiving

from component.core.gateway.sessions import PER_ACCOUNT_MAX
from component.core.sessions.events import RosterItem
from component.core.sessions.servers import OpenedServers
from component.core.xml.times import now
from component.web.app import make_app
from component.web.server.settings import Listener, Services
from storage.rows import Direction

START = {"jid": ALICE, "password": PASSWORD, "server": HOST}
HEX32 = re.compile(r"[0-9a-f]{32}")


async def client_of(aiohttp_client: AiohttpClient, world: GatewayWorld) -> TestClient:
    return await aiohttp_client(make_app(world.web, world.services, Listener.PUBLIC))


@pytest.fixture
async def world(services: Services) -> GatewayWorld:
    return await gateway_world(services)


@pytest.fixture
async def http(aiohttp_client: AiohttpClient, world: GatewayWorld) -> TestClient:
    return await client_of(aiohttp_client, world)


@pytest.fixture
async def alice(http: TestClient) -> OldClient:
    client = OldClient(http)
    await client.start()
    return client


def error(code: str, text: str) -> dict[str, Any]:
    return {"error": {"code": code, "text": text}}


async def test_session_has_id_token_and_bare_jid(http: TestClient) -> None:
    response = await http.post("/start-session", data=START)

    assert response.status == 200
    assert response.content_type == "application/json"
    session = (await response.json())["session"]
    assert set(session) == {"session_id", "token", "jid"}
    assert session["jid"] == ALICE
    assert HEX32.fullmatch(session["session_id"])
    assert HEX32.fullmatch(session["token"])


@pytest.mark.parametrize("place", ["params", "data", "json"])
async def test_parameters_come_in_the_query_a_form_or_json(http: TestClient, place: str) -> None:
    fields = {**START, "jid": f"Alice@{HOST}/phone", "unknown": "1"}

    response = await http.post("/start-session/", **{place: fields})

    assert (await response.json())["session"]["jid"] == ALICE


@pytest.mark.parametrize("missing", START)
async def test_missing_parameter_is_400(http: TestClient, missing: str) -> None:
    fields = {name: value for name, value in START.items() if name != missing}

    response = await http.post("/start-session", data=fields)

    expected = error("XMPPServiceParametersError", f"Missing required parameters: {missing}")
    assert (response.status, await response.json()) == (400, expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [("client_id", "x" * 201), ("client_id", "a\nb"), ("push_token", "x" * 4097), ("jid", 7)],
)
async def test_wrong_parameter_is_400_with_its_name(
    http: TestClient, name: str, value: object
) -> None:
    response = await http.post("/start-session", json={**START, name: value})

    expected = error("XMPPServiceParametersError", f"Parameter has wrong value: {name}")
    assert (response.status, await response.json()) == (400, expected)


async def test_null_in_json_is_no_parameter(http: TestClient) -> None:
    optional = {"client_id": None, "push_token": None}
    assert (await http.post("/start-session", json={**START, **optional})).status == 200

    response = await http.post("/start-session", json={**START, "password": None})

    expected = error("XMPPServiceParametersError", "Missing required parameters: password")
    assert (response.status, await response.json()) == (400, expected)


async def test_wrong_password_and_unknown_account_are_502(http: TestClient) -> None:
    for jid in (ALICE, f"nobody@{HOST}", "alice@elsewhere.example"):
        response = await http.post("/start-session", data={**START, "jid": jid, "password": "x"})

        text = f"Can't authenticate on XMPP server with jid {jid}"
        assert (response.status, await response.json()) == (
            502,
            error("XMPPUpstreamAuthError", text),
        )


async def test_wrong_passwords_are_slowed_down(http: TestClient) -> None:
    statuses = {
        (await http.post("/start-session", data={**START, "password": f"{n}"})).status
        for n in range(30)
    }

    assert statuses == {502, 429}


@pytest.mark.parametrize(
    "server", ["elsewhere.example", "127.0.0.1", f"{HOST}:x", f"x.{HOST}", "[::1]:5222"]
)
async def test_server_of_others_is_refused(
    http: TestClient, world: GatewayWorld, server: str
) -> None:
    response = await http.post("/start-session", data={**START, "server": server})

    expected = error("XMPPUpstreamConnectionError", f"Can't connect to XMPP server {server}")
    assert (response.status, await response.json()) == (502, expected)
    assert len(world.sessions) == 0


async def test_server_may_have_a_port_or_a_configured_name(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await gateway_world(services, servers=("xmpp.internal",))
    http = await client_of(aiohttp_client, world)

    for server in (
        HOST,
        f"{HOST.upper()}:5222",
        f"{HOST}.",
        "xmpp.internal",
        "xmpp.internal:5222",
    ):
        await OldClient(http).start(server=server)


@pytest.mark.parametrize(
    ("refuses", "code"),
    [(True, "XMPPUpstreamAuthError"), (False, "XMPPUpstreamConnectionError")],
)
async def test_session_without_connection_is_502_and_does_not_stay(
    http: TestClient, world: GatewayWorld, refuses: bool, code: str
) -> None:
    world.sessions.accepts, world.sessions.refuses = False, refuses

    response = await http.post("/start-session", data=START)

    assert (response.status, (await response.json())["error"]["code"]) == (502, code)
    assert world.services.sign_ins is not None
    assert await world.services.sign_ins.list(ALICE) == ()


async def test_same_client_gets_the_same_session(http: TestClient) -> None:
    first = await OldClient(http).start(client_id="phone")

    assert await OldClient(http).start(client_id="phone") == first
    others = [
        await OldClient(http).start(client_id="desk"),
        await OldClient(http).start(),
        await OldClient(http).start(),
        await OldClient(http).start(BOB, client_id="phone"),
    ]
    assert len({session["token"] for session in [first, *others]}) == 5
    assert len({session["session_id"] for session in [first, *others]}) == 5


async def test_ended_session_of_a_client_does_not_come_back(http: TestClient) -> None:
    client = OldClient(http)
    first = await client.start(client_id="phone")
    assert await client.call("DELETE") == {}

    assert await client.call("GET", status=404) == error(
        "XMPPSessionError", f"There is no session with id {first['session_id']}"
    )
    second = await OldClient(http).start(client_id="phone")
    assert second["session_id"] != first["session_id"]
    assert second["token"] != first["token"]


async def test_session_survives_a_restart(
    aiohttp_client: AiohttpClient, world: GatewayWorld, alice: OldClient
) -> None:
    restarted = await client_of(aiohttp_client, world.restarted())

    again = replace(alice, http=restarted)

    assert (await again.call("GET"))["session"]["jid"] == ALICE


async def test_session_is_shown_and_changed(alice: OldClient) -> None:
    session = {"session_id": alice.session_id, "jid": ALICE, "should_send_message_body": False}
    assert await alice.call("GET") == {"session": session}
    assert await alice.call("PUT", json={"session": {"other": 1}}) == {"session": session}

    body = {"session": {"should_send_message_body": True}}
    changed = await alice.call("PUT", json=body)

    assert changed == {"session": {**session, "should_send_message_body": True}}
    assert await alice.call("GET") == changed


@pytest.mark.parametrize(
    "body", ['{"session": {"should_send_message_body": 1}}', "{}", "[]", "", "{"]
)
async def test_wrong_body_is_400(http: TestClient, alice: OldClient, body: str) -> None:
    response = await http.put(
        f"/sessions/{alice.session_id}",
        data=body,
        headers={"Authorization": f"Bearer {alice.token}"},
    )

    assert response.status == 400
    fields = (await response.json())["error"]
    assert fields["code"] == "XMPPServiceParametersError"
    assert re.match("Missing or wrong request body|Not a valid JSON format", fields["text"])


async def test_last_session_of_an_account_ends_its_connection(
    http: TestClient, world: GatewayWorld
) -> None:
    first, second = OldClient(http), OldClient(http)
    await first.start()
    await second.start()
    await first.call("DELETE")
    assert ALICE in world.sessions.open

    await second.call("DELETE")

    assert ALICE not in world.sessions.open


async def test_sign_out_everywhere_ends_the_session(world: GatewayWorld, alice: OldClient) -> None:
    assert world.services.sign_ins is not None
    [row] = await world.services.sign_ins.list(ALICE)
    assert (row.id, row.label) == (alice.session_id, "gateway")

    await world.services.sign_ins.revoke_all(ALICE)

    await alice.call("GET", status=404)


async def test_token_is_in_neither_store_nor_log(
    http: TestClient, world: GatewayWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "component")
    client = OldClient(http)
    session = await client.start(push_token="https://push.example/secret-place")
    await client.get("/contacts")

    row = await world.services.storage.sign_ins.get(session["session_id"])

    assert row is not None
    logged = "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("component")
    )
    for secret in (session["token"], PASSWORD):
        assert secret not in row.gateway
        assert secret.encode() not in row.token_hash
        assert secret not in logged
    assert "secret-place" not in logged


async def test_idle_session_expires_and_a_used_one_is_renewed(
    aiohttp_client: AiohttpClient, world: GatewayWorld, alice: OldClient
) -> None:
    store = world.services.storage.sign_ins
    row = await store.get(alice.session_id)
    assert row is not None
    day = 24 * 3600 * 1_000_000
    assert row.expires_at - row.created_at == 30 * day

    await store.renew(row.id, at=row.refreshed_at - day, expires_at=row.expires_at - day)
    await alice.call("GET")
    renewed = await store.get(row.id)
    assert renewed is not None
    assert renewed.expires_at >= row.expires_at

    await store.renew(row.id, at=row.refreshed_at, expires_at=row.created_at)
    await alice.call("GET", status=404)


async def test_sessions_of_all_accounts_are_bounded(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await gateway_world(services, max_sessions=2)
    http = await client_of(aiohttp_client, world)
    for client_id in ("a", "b", "a"):
        await OldClient(http).start(client_id=client_id)

    response = await http.post("/start-session", data=START)

    assert response.status == 502
    assert (await response.json())["error"]["code"] == "XMPPUpstreamConnectionError"


async def test_further_session_of_an_account_ends_the_one_that_was_not_used_for_longest(
    http: TestClient, world: GatewayWorld
) -> None:
    sign_ins = world.services.sign_ins
    assert sign_ins is not None
    await sign_ins.sign_in(ALICE, PASSWORD, "another program")
    first = OldClient(http)
    await first.start()
    store, at = world.services.storage.sign_ins, now()
    await store.renew(first.session_id, at=at - 1_000_000, expires_at=at + 1_000_000_000)
    others = [OldClient(http) for _ in range(PER_ACCOUNT_MAX)]
    for client in others:
        await client.start()

    await first.call("GET", status=404)
    for client in others:
        await client.call("GET")
    assert "another program" in {row.label for row in await sign_ins.list(ALICE)}


async def test_missing_credentials_are_401_or_as_configured(
    aiohttp_client: AiohttpClient, services: Services, alice: OldClient, world: GatewayWorld
) -> None:
    old = replace(
        world, web=replace(world.web, gateway=replace(world.web.gateway, missing_token_status=502))
    )
    for status, http in ((401, alice.http), (502, await client_of(aiohttp_client, old))):
        response = await http.get(f"/sessions/{alice.session_id}")

        text = "No authorization information provided"
        assert (response.status, await response.json()) == (status, error("XMPPAuthError", text))


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer ", "Basic {token}", "{token}", "1234567{token}", "Bearer é"]
)
async def test_wrong_token_is_401(http: TestClient, alice: OldClient, header: str) -> None:
    response = await http.get(
        f"/sessions/{alice.session_id}",
        headers={"Authorization": header.replace("{token}", alice.token)},
    )

    expected = error("XMPPAuthError", "Wrong authorization data")
    assert (response.status, await response.json()) == (401, expected)


async def test_wrong_tokens_are_slowed_down(http: TestClient, alice: OldClient) -> None:
    alice.token = "0" * 32

    statuses = {
        (
            await http.get(
                f"/sessions/{alice.session_id}", headers={"Authorization": f"Bearer {n}"}
            )
        ).status
        for n in range(30)
    }

    assert statuses == {401, 429}


def session_routes(world: GatewayWorld) -> list[tuple[str, str]]:
    """Return method and path of each route about a session."""
    routes = make_app(world.web, world.services, Listener.PUBLIC).router.routes()
    return [
        (route.method, route.resource.canonical)
        for route in routes
        if route.resource is not None and "{session_id}" in route.resource.canonical
    ]


@pytest.mark.parametrize("changes_by_get", [False, True])
async def test_no_route_shows_or_changes_anything_of_a_foreign_account(
    aiohttp_client: AiohttpClient, services: Services, changes_by_get: bool
) -> None:
    world = await gateway_world(services, changes_by_get=changes_by_get)
    await world.befriend(RosterItem(jid=BOB, name="Bob", subscription="both"))
    http = await client_of(aiohttp_client, world)
    alice, bob = OldClient(http), OldClient(http)
    await alice.start()
    await bob.start(BOB)
    contact = (await alice.contact(BOB))["id"]
    await services.writer.store([entry("private")])
    before = await alice.get("/feed")
    routes = session_routes(world)

    assert len(routes) >= (36 if changes_by_get else 30)
    for method, path in routes:
        url = path.replace("{contact_id}", contact)
        # The token of another session.
        foreign = url.replace("{session_id}", alice.session_id)
        response = await http.request(
            method, foreign, headers={"Authorization": f"Bearer {bob.token}"}
        )
        assert response.status in (401, 429), f"{method} {path}"
        assert "private" not in await response.text()
        # A session id without token, and with the secret of the private listener.
        assert (await http.request(method, foreign)).status == 401
        assert (await http.request(method, foreign, headers=SECRET_HEADERS)).status == 401
        if method in ("GET", "HEAD") and "{contact_id}" in path:
            # The contact of another account, in the own session.
            own = url.replace("{session_id}", bob.session_id)
            response = await http.request(
                method, own, headers={"Authorization": f"Bearer {bob.token}"}
            )
            assert "private" not in await response.text()
            is_empty = path.rstrip("/").endswith(("messages", "delete"))
            assert response.status == (200 if is_empty else 404), f"{method} {path}"

    assert await alice.get("/feed") == before
    await bob.call("POST", f"/contacts/{contact}/messages", 404, {"messages": {"text": "x"}})
    await bob.call("PUT", f"/contacts/{contact}", 404, {"contact": {"name": "x"}})
    assert await bob.call("DELETE", f"/contacts/{contact}") == {}
    assert await alice.get("/feed") == before


async def test_token_of_a_session_opens_nothing_else(http: TestClient, alice: OldClient) -> None:
    headers = {"Authorization": f"Bearer {alice.token}"}

    for path in (f"/api/v1/archives/{ALICE}/messages", "/api/v1/tokens"):
        assert (await http.get(path, headers=headers)).status == 401


async def test_gateway_is_alive(http: TestClient) -> None:
    assert (await http.head("/")).status == 200
    assert (await http.get("/")).status == 405


async def test_unknown_path_is_404_in_the_form_of_all_errors(http: TestClient) -> None:
    for path in ("/nothing", "/sessions", "/sessions/1/2/3/4/5"):
        response = await http.get(path)

        assert response.status == 404
        assert (await response.json())["error"]["code"] == "item-not-found"


async def test_get_changes_nothing_by_default(http: TestClient, alice: OldClient) -> None:
    await alice.get("/delete", 404)
    await alice.get("/contacts/1/delete", 404)
    await alice.get("/contacts/1/authorize", 404)

    assert (await alice.call("GET"))["session"]["jid"] == ALICE


async def test_session_ends_by_get_if_configured(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await gateway_world(services, changes_by_get=True)
    client = OldClient(await client_of(aiohttp_client, world))
    await client.start()
    response = await client.http.get(f"/sessions/{client.session_id}/delete")
    assert response.status == 401
    assert (
        await client.http.head(
            f"/sessions/{client.session_id}/delete",
            headers={"Authorization": f"Bearer {client.token}"},
        )
    ).status == 405

    assert await client.get("/delete") == {}

    await client.call("GET", status=404)


async def test_figures_are_for_operators(
    aiohttp_client: AiohttpClient, http: TestClient, world: GatewayWorld, alice: OldClient
) -> None:
    private = await aiohttp_client(make_app(world.web, world.services))
    await OldClient(http).start()
    await OldClient(http).start(BOB)

    assert (await http.get("/server-status")).status == 401
    assert (await http.get("/server-status", headers=SECRET_HEADERS)).status == 401
    assert (await private.get("/server-status")).status == 401
    figures = await (await private.get("/server-status", headers=SECRET_HEADERS)).json()

    memory = figures.pop("memory")
    assert 1 < memory["value"] < 1024
    assert memory["units"] == "MB"
    assert figures.pop("threads") >= 1
    assert figures == {"im_sessions": 3, "im_clients": 2, "xmpp_clients": 2}


async def test_figures_are_public_if_configured(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await gateway_world(services, public_status=True)
    http = await client_of(aiohttp_client, world)

    figures = await (await http.get("/server-status")).json()

    assert figures["im_sessions"] == 0


async def test_all_paths_have_the_configured_prefix(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await gateway_world(services, prefix="/xmpp")
    http = await client_of(aiohttp_client, world)

    response = await http.post("/xmpp/start-session", data=START)

    assert response.status == 200
    assert (await http.post("/start-session", data=START)).status == 404
    assert (await http.head("/xmpp/")).status == 200


async def test_page_of_another_origin_may_call(
    aiohttp_client: AiohttpClient, world: GatewayWorld
) -> None:
    page = "https://chat.example"
    web = replace(world.web, public=replace(world.web.public, cors_origins=(page,)))
    http = await aiohttp_client(make_app(web, world.services, Listener.PUBLIC))

    response = await http.get("/sessions/1", headers={"Origin": page})

    assert response.status == 401
    assert response.headers["Access-Control-Allow-Origin"] == page


async def test_incoming_messages_are_pushed_to_the_push_token(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    async with receiving() as receiver, pushing(services) as with_push:
        world = await gateway_world(with_push)
        client = OldClient(await client_of(aiohttp_client, world))
        secret = (await client.start(push_token=receiver.url, client_id="phone"))["push_secret"]
        # The same program gets the secret once.
        assert "push_secret" not in await client.start(client_id="phone")
        await services.writer.store([entry("sent", direction=Direction.SENT)])
        await services.writer.store([entry("first")])
        [request] = await receiver.wait_for(1)
        assert has_right_signature(request, secret)
        assert "message" not in request.json["data"]

        await client.call("PUT", json={"session": {"should_send_message_body": True}})
        await services.writer.store([entry("second")])
        [_, request] = await receiver.wait_for(2)
        assert request.json["data"]["message"]["body"] == "second"

        # Another place replaces the first one.
        async with receiving() as other:
            session = await client.start(push_token=other.url, client_id="phone")
            await services.writer.store([entry("third")])
            [request] = await other.wait_for(1)
            assert has_right_signature(request, session["push_secret"])
            assert request.json["data"]["message"]["body"] == "third"
        assert len(receiver.requests) == 2

        await client.call("DELETE")
        assert with_push.push is not None
        assert await with_push.push.list(ALICE) == ()


@pytest.mark.parametrize("token", ["device token of old", "{", "ftp://push.example/"])
async def test_push_token_of_another_kind_has_no_effect(
    aiohttp_client: AiohttpClient, services: Services, token: str
) -> None:
    async with pushing(services) as with_push:
        world = await gateway_world(with_push)
        client = OldClient(await client_of(aiohttp_client, world))

        assert set(await client.start(push_token=token)) == {"session_id", "token", "jid"}


async def test_push_token_of_another_kind_replaces_a_webhook(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    async with pushing(services) as with_push:
        assert with_push.push is not None
        world = await gateway_world(with_push)
        client = OldClient(await client_of(aiohttp_client, world))
        await client.start(push_token="https://a.example", client_id="phone")
        assert len(await with_push.push.list(ALICE)) == 1

        await client.start(push_token="device token of old", client_id="phone")

        assert await with_push.push.list(ALICE) == ()


async def test_opened_server_may_be_that_of_the_user(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    opened = OpenedServers(("elsewhere.example",), (HOST,))
    world = await gateway_world(replace(services, opened=opened))
    http = await client_of(aiohttp_client, world)
    for jid, server, code in (
        ("x@elsewhere.example", "elsewhere.example", "XMPPUpstreamAuthError"),
        ("x@other.example", "other.example", "XMPPUpstreamConnectionError"),
        (ALICE, "elsewhere.example", "XMPPUpstreamConnectionError"),
    ):
        response = await http.post("/start-session", data={**START, "jid": jid, "server": server})

        assert (response.status, (await response.json())["error"]["code"]) == (502, code)
