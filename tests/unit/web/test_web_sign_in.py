"""Sign-in of users on the public listener, and everything that an access token opens."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import HOST, SECRET_HEADERS, post
from support.sign_in import BOTH, with_sign_in

from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.access.principals import Operator, Role
from component.web.app import make_app, serve
from component.web.server.settings import Listener, Services
from storage.rows import Contact

ALICE, BOB = f"alice@{HOST}", f"bob@{HOST}"
PASSWORD = "pencil"


@pytest.fixture
async def signing_in(services: Services) -> Services:
    for jid in (ALICE, BOB):
        await services.accounts.admin.register(jid, PASSWORD)
    return with_sign_in(services)


@pytest.fixture
async def public(aiohttp_client: AiohttpClient, signing_in: Services) -> TestClient:
    """A caller of the public listener that shows nothing."""
    return await aiohttp_client(make_app(BOTH, signing_in, Listener.PUBLIC))


async def sign_in(public: TestClient, jid: str = ALICE, **fields: str) -> dict[str, Any]:
    """Return the tokens of a new sign-in."""
    body = {"jid": jid, "password": PASSWORD, **fields}
    response = await public.post("/api/v1/tokens", json=body)
    assert response.status == 201, await response.text()
    return await response.json()


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def test_password_gives_tokens_in_the_words_of_rfc_6749(public: TestClient) -> None:
    tokens = await sign_in(public, label="my phone")

    assert (tokens["token_type"], tokens["expires_in"], tokens["jid"]) == ("Bearer", 600, ALICE)
    assert tokens["label"] == "my phone"
    assert tokens["access_token"].count(".") == 2
    assert tokens["refresh_token"].count(".") == 1


async def test_jid_is_prepared(public: TestClient) -> None:
    body = {"jid": f"ALICE@{HOST}", "password": PASSWORD}
    response = await public.post("/api/v1/tokens", json=body)

    assert (await response.json())["jid"] == ALICE


@pytest.mark.parametrize(
    ("jid", "password"),
    [(ALICE, "wrong"), (f"nobody@{HOST}", PASSWORD), ("alice@elsewhere.example", PASSWORD)],
)
async def test_wrong_sign_in_is_refused_in_the_same_words(
    public: TestClient, jid: str, password: str
) -> None:
    response = await public.post("/api/v1/tokens", json={"jid": jid, "password": password})

    assert response.status == 401
    assert (await response.json())["message"] == "The JID or the password is wrong."


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"jid": ALICE}, "password: required, but missing"),
        ({"jid": f"{ALICE}/phone", "password": PASSWORD}, "jid: This has to be a bare JID"),
        ({"jid": ALICE, "password": 7}, "password: expected a string"),
        ({"jid": ALICE, "password": PASSWORD, "device": "x"}, "device: unknown"),
        ({"jid": ALICE, "password": PASSWORD, "label": "x" * 201}, "label: "),
        ({"jid": ALICE, "password": PASSWORD, "label": "x\n"}, "label: expected a text on one"),
        ({"jid": ALICE, "password": PASSWORD, "label": "\x1b[2J"}, "label: expected a text on"),
        ({"jid": ALICE, "password": PASSWORD, "label": "\0"}, "label: expected a text on one"),
    ],
)
async def test_malformed_sign_in_is_refused_with_the_field(
    public: TestClient, fields: dict[str, object], problem: str
) -> None:
    response = await public.post("/api/v1/tokens", json=fields)

    assert response.status == 400
    assert (await response.json())["message"].startswith(problem)


async def test_password_in_the_url_is_refused(public: TestClient) -> None:
    response = await public.post("/api/v1/tokens?password=pencil", json={"jid": ALICE})

    assert response.status == 400


async def test_refresh_token_gives_new_tokens(public: TestClient) -> None:
    tokens = await sign_in(public)

    response = await public.post(
        "/api/v1/tokens/refresh", json={"refresh_token": tokens["refresh_token"]}
    )

    refreshed = await response.json()
    assert (response.status, refreshed["id"]) == (200, tokens["id"])
    assert refreshed["refresh_token"] != tokens["refresh_token"]


async def test_unknown_refresh_token_is_refused(public: TestClient) -> None:
    response = await public.post("/api/v1/tokens/refresh", json={"refresh_token": "x.y"})

    assert response.status == 401


async def test_user_lists_own_sign_ins(public: TestClient) -> None:
    first, second = await sign_in(public, label="phone"), await sign_in(public)
    await sign_in(public, BOB)

    response = await public.get("/api/v1/tokens", headers=bearer(first))

    answer = await response.json()
    listed = {item["id"]: (item["label"], item["current"]) for item in answer["sign_ins"]}
    assert listed == {first["id"]: ("phone", True), second["id"]: ("", False)}
    assert "token" not in str(answer["sign_ins"])


async def test_signed_out_user_is_refused_at_once(public: TestClient) -> None:
    here, there = await sign_in(public), await sign_in(public)

    response = await public.delete("/api/v1/tokens/current", headers=bearer(here))

    assert response.status == 204
    assert (await public.get("/api/v1/tokens", headers=bearer(here))).status == 401
    assert (await public.get("/api/v1/tokens", headers=bearer(there))).status == 200
    refresh = {"refresh_token": here["refresh_token"]}
    assert (await public.post("/api/v1/tokens/refresh", json=refresh)).status == 401


async def test_user_signs_out_elsewhere_and_everywhere(public: TestClient) -> None:
    here, there = await sign_in(public), await sign_in(public)

    path = f"/api/v1/tokens/{there['id']}"
    assert (await public.delete(path, headers=bearer(here))).status == 204
    assert (await public.delete(path, headers=bearer(here))).status == 404
    assert (await public.get("/api/v1/tokens", headers=bearer(there))).status == 401

    assert (await public.delete("/api/v1/tokens", headers=bearer(here))).status == 204
    assert (await public.get("/api/v1/tokens", headers=bearer(here))).status == 401


async def test_sign_in_of_another_user_is_not_found(public: TestClient) -> None:
    alice, bob = await sign_in(public), await sign_in(public, BOB)

    response = await public.delete(f"/api/v1/tokens/{bob['id']}", headers=bearer(alice))

    assert response.status == 404
    assert (await public.get("/api/v1/tokens", headers=bearer(bob))).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": "Basic YWxpY2U6cGVuY2ls"},
        {"Authorization": f"Bearer {SECRET_HEADERS['X-Api-Key']}"},
        SECRET_HEADERS,
    ],
)
async def test_request_without_an_access_token_is_refused(
    public: TestClient, headers: dict[str, str]
) -> None:
    response = await public.get(f"/api/v1/archives/{ALICE}", headers=headers)

    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await response.json())["error"] == "not-authorized"


async def test_expired_access_token_is_refused(
    aiohttp_client: AiohttpClient, signing_in: Services
) -> None:
    expired = with_sign_in(signing_in, lifetime_seconds=0)
    public = await aiohttp_client(make_app(BOTH, expired, Listener.PUBLIC))
    tokens = await sign_in(public)

    response = await public.get("/api/v1/tokens", headers=bearer(tokens))

    assert response.status == 401
    assert "has expired" in (await response.json())["message"]


async def test_expired_access_tokens_are_no_guesses(
    aiohttp_client: AiohttpClient, signing_in: Services
) -> None:
    expired = with_sign_in(signing_in, lifetime_seconds=0)
    public = await aiohttp_client(make_app(BOTH, expired, Listener.PUBLIC))
    tokens = await sign_in(public)

    for _ in range(50):
        response = await public.get("/api/v1/tokens", headers=bearer(tokens))
        assert response.status == 401


async def test_guessing_of_tokens_is_slowed(public: TestClient) -> None:
    statuses = [
        (await public.get("/api/v1/tokens", headers={"Authorization": "Bearer x.y.z"})).status
        for _ in range(30)
    ]

    assert (statuses[0], statuses[-1]) == (401, 429)


async def test_guessing_of_passwords_is_slowed_whatever_the_account(public: TestClient) -> None:
    statuses = []
    for number in range(30):
        body = {"jid": f"user{number}@{HOST}", "password": "wrong"}
        statuses.append((await public.post("/api/v1/tokens", json=body)).status)

    assert (statuses[0], statuses[-1]) == (401, 429)


async def test_right_password_from_a_limited_address_makes_no_sign_in(
    public: TestClient, signing_in: Services
) -> None:
    for number in range(30):
        body = {"jid": f"user{number}@{HOST}", "password": "wrong"}
        await public.post("/api/v1/tokens", json=body)

    response = await public.post("/api/v1/tokens", json={"jid": ALICE, "password": PASSWORD})

    assert response.status == 429
    assert await signing_in.storage.sign_ins.list(ALICE) == ()


async def test_user_reads_own_archive(
    public: TestClient, aiohttp_client: AiohttpClient, signing_in: Services
) -> None:
    private = await aiohttp_client(make_app(BOTH, signing_in), headers=SECRET_HEADERS)
    stored = await private.post("/api/archive", json=post(1))
    assert stored.status == 200, await stored.text()
    tokens = await sign_in(public)

    for path, key in (("messages", "messages"), ("conversations", "conversations")):
        response = await public.get(f"/api/v1/archives/{ALICE}/{path}", headers=bearer(tokens))
        assert response.status == 200
        assert len((await response.json())[key]) == 1
    summary = await public.get(f"/api/v1/archives/{ALICE}", headers=bearer(tokens))
    assert (await summary.json())["count"] == 1


async def test_read_by_the_owner_is_not_audited(public: TestClient, signing_in: Services) -> None:
    tokens = await sign_in(public)

    await public.get(f"/api/v1/archives/{ALICE}", headers=bearer(tokens))

    assert await signing_in.storage.audit_log.entries(limit=10) == ()


def user_routes(services: Services) -> list[tuple[str, str]]:
    """Return method and path of each route about an owner on the public listener."""
    routes = make_app(BOTH, services, Listener.PUBLIC).router.routes()
    return [
        (route.method, route.resource.canonical)
        for route in routes
        if route.resource is not None and "{owner}" in route.resource.canonical
    ]


async def test_user_with_the_jid_of_an_operator_reads_nothing_more(
    aiohttp_client: AiohttpClient, signing_in: Services
) -> None:
    audit = Audit(signing_in.storage.audit_log, signing_in.writer)
    boss = Operator(name="boss", role=Role.ADMIN, jid=ALICE)
    authorizer = Authorizer(signing_in.hosts, [boss], audit, None)
    public = await aiohttp_client(
        make_app(BOTH, replace(signing_in, authorizer=authorizer), Listener.PUBLIC)
    )
    headers = bearer(await sign_in(public))

    response = await public.get(f"/api/v1/archives/{BOB}/messages", headers=headers)

    assert response.status == 403


async def test_user_reads_own_roster(public: TestClient, signing_in: Services) -> None:
    contact = Contact(jid=BOB, name="Bob", subscription="both", groups=("Friends",))
    await signing_in.storage.contacts.put(ALICE, contact)
    tokens = await sign_in(public)

    response = await public.get(f"/api/v1/rosters/{ALICE}", headers=bearer(tokens))

    assert await response.json() == {
        "owner": ALICE,
        "contacts": [
            {
                "jid": BOB,
                "name": "Bob",
                "subscription": "both",
                "asked": False,
                "groups": ["Friends"],
            }
        ],
    }


async def test_stream_of_a_user_ends_when_the_access_token_expires(
    aiohttp_client: AiohttpClient, signing_in: Services
) -> None:
    short = with_sign_in(signing_in, lifetime_seconds=2)
    public = await aiohttp_client(make_app(BOTH, short, Listener.PUBLIC))
    headers = bearer(await sign_in(public))

    async with asyncio.timeout(30):
        response = await public.get(f"/api/v1/archives/{ALICE}/stream", headers=headers)
        assert response.status == 200
        await response.read()

    second_response = await public.get(f"/api/v1/archives/{ALICE}/stream", headers=headers)
    assert second_response.status == 401


STREAM = f"/api/v1/archives/{ALICE}/stream"


async def get_ticket(public: TestClient, tokens: dict[str, Any]) -> str:
    response = await public.post("/api/v1/tokens/tickets", headers=bearer(tokens))
    assert response.status == 201, await response.text()
    return (await response.json())["ticket"]


async def test_ticket_opens_one_stream(public: TestClient, signing_in: Services) -> None:
    ticket = await get_ticket(public, await sign_in(public))

    response = await public.get(STREAM, params={"ticket": ticket, "kind": "message"})
    again = await public.get(STREAM, params={"ticket": ticket})

    assert (response.status, response.content_type) == (200, "text/event-stream")
    assert again.status == 401
    assert "ticket" in (await again.json())["message"]
    response.close()


async def test_ticket_opens_one_stream_of_events(public: TestClient) -> None:
    ticket = await get_ticket(public, await sign_in(public))
    url = f"/api/v1/archives/{ALICE}/events/stream"

    response = await public.get(url, params={"ticket": ticket, "after": "0"})
    again = await public.get(url, params={"ticket": ticket, "after": "0"})

    assert (response.status, response.content_type) == (200, "text/event-stream")
    assert again.status == 401
    response.close()


async def test_ticket_opens_nothing_but_a_stream(public: TestClient, signing_in: Services) -> None:
    ticket = await get_ticket(public, await sign_in(public))

    for method, path in user_routes(signing_in):
        url = path.replace("{owner}", ALICE).replace("{id}", "1")
        if not url.rstrip("/").endswith("/stream"):
            response = await public.request(method, url, params={"ticket": ticket})
            assert response.status == 401, f"{method} {url}"
    for path in ("/api/v1/tokens", "/api/v1/tokens/tickets", "/api/v1/nothing"):
        assert (await public.get(path, params={"ticket": ticket})).status in (401, 405), path

    response = await public.get(STREAM, params={"ticket": ticket})
    assert response.status == 200
    response.close()


async def test_ticket_opens_the_streams_of_its_user_alone(public: TestClient) -> None:
    ticket = await get_ticket(public, await sign_in(public, BOB))

    assert (await public.get(STREAM, params={"ticket": ticket})).status == 403


async def test_ticket_of_a_revoked_sign_in_is_refused(public: TestClient) -> None:
    tokens = await sign_in(public)
    ticket = await get_ticket(public, tokens)
    await public.delete("/api/v1/tokens/current", headers=bearer(tokens))

    assert (await public.get(STREAM, params={"ticket": ticket})).status == 401


async def test_stream_of_a_ticket_ends_when_the_access_token_expires(
    aiohttp_client: AiohttpClient, signing_in: Services
) -> None:
    short = with_sign_in(signing_in, lifetime_seconds=2)
    public = await aiohttp_client(make_app(BOTH, short, Listener.PUBLIC))
    tokens = await sign_in(public)
    first, second = await get_ticket(public, tokens), await get_ticket(public, tokens)

    async with asyncio.timeout(30):
        response = await public.get(STREAM, params={"ticket": first})
        assert response.status == 200
        await response.read()

    late = await public.get(STREAM, params={"ticket": second})
    assert late.status == 401
    assert "has expired" in (await late.json())["message"]


async def test_ticket_needs_an_access_token(public: TestClient) -> None:
    ticket = await get_ticket(public, await sign_in(public))

    for params in ({}, {"ticket": ticket}):
        assert (await public.post("/api/v1/tokens/tickets", params=params)).status == 401


async def test_ticket_is_shown_once_and_without_a_token(public: TestClient) -> None:
    tokens = await sign_in(public)
    ticket = await get_ticket(public, tokens)

    for params, headers in (
        ([("ticket", ticket), ("ticket", ticket)], {}),
        ([("ticket", ticket)], bearer(tokens)),
    ):
        assert (await public.get(STREAM, params=params, headers=headers)).status == 401


async def test_used_tickets_are_no_guesses(public: TestClient) -> None:
    tokens = await sign_in(public)
    for _ in range(50):
        assert (await public.get(STREAM, params={"ticket": "x.y"})).status == 401

    response = await public.get("/api/v1/tokens", headers={"Authorization": "Bearer x.y.z"})
    assert response.status == 401
    assert (await public.get("/api/v1/tokens", headers=bearer(tokens))).status == 200


async def test_operator_has_no_tickets(
    aiohttp_client: AiohttpClient, public: TestClient, signing_in: Services
) -> None:
    private = await aiohttp_client(make_app(BOTH, signing_in))
    ticket = await get_ticket(public, await sign_in(public))

    assert (await private.get(STREAM, params={"ticket": ticket})).status == 401
    response = await private.get(STREAM, params={"ticket": ticket}, headers=SECRET_HEADERS)
    assert response.status == 400


async def test_tickets_are_not_logged(
    signing_in: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        serve(BOTH, signing_in, Listener.PUBLIC) as url,
        ClientSession(url) as public,
    ):
        body = {"jid": ALICE, "password": PASSWORD}
        tokens = await (await public.post("/api/v1/tokens", json=body)).json()
        response = await public.post("/api/v1/tokens/tickets", headers=bearer(tokens))
        ticket = (await response.json())["ticket"]
        for params in ({"ticket": ticket, "limit": "x"}, {"ticket": ticket}):
            response = await public.get(STREAM, params=params)
            assert ticket not in await response.text()

    assert "/stream 40" in caplog.text
    assert ticket not in caplog.text
    assert ticket.partition(".")[2] not in caplog.text


async def test_neither_passwords_nor_tokens_are_logged(
    public: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = await sign_in(public)
    await public.post("/api/v1/tokens", json={"jid": ALICE, "password": "a wrong one"})
    await public.post("/api/v1/tokens/refresh", json={"refresh_token": tokens["refresh_token"]})
    await public.post("/api/v1/tokens/refresh", json={"refresh_token": "a wrong token"})

    for secret in (PASSWORD, "a wrong", tokens["access_token"], tokens["refresh_token"]):
        assert secret not in caplog.text


async def test_listener_without_a_key_has_no_sign_in(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    public = await aiohttp_client(make_app(BOTH, services, Listener.PUBLIC))

    assert (await public.post("/api/v1/tokens", json={})).status == 404
    assert (await public.get("/health/live")).status == 200
