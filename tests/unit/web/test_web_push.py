"""Push subscriptions over HTTP: made, listed, tested, replayed and removed by their user alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_aiohttp import AiohttpClient
from support.builders import ALICE, BOB, entry
from support.push import Browser, Receiver, has_right_signature, pushing, receiving
from support.sign_in import BOTH, with_sign_in

from component.core.push.values import EventFilter
from component.web.app import make_app
from component.web.server.settings import Listener, Services

PASSWORD = "pencil"
PATH = "/api/v1/push-subscriptions"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def with_push(services: Services) -> AsyncIterator[Services]:
    for jid in (ALICE, BOB):
        await services.accounts.admin.register(jid, PASSWORD)
    key = ec.generate_private_key(ec.SECP256R1())
    async with pushing(with_sign_in(services), key=key) as services:
        yield services


async def client_of(
    aiohttp_client: AiohttpClient, services: Services, jid: str
) -> TestClient[Any, Any]:
    assert services.sign_ins is not None
    tokens = await services.sign_ins.sign_in(jid, PASSWORD)
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    return await aiohttp_client(make_app(BOTH, services, Listener.PUBLIC), headers=headers)


@pytest.fixture
async def alice(aiohttp_client: AiohttpClient, with_push: Services) -> TestClient[Any, Any]:
    return await client_of(aiohttp_client, with_push, ALICE)


async def ask(
    client: TestClient[Any, Any], method: str, path: str = "", status: int = 200, **fields: Any
) -> dict[str, Any]:
    """Send a request, and return its answer."""
    options = {"json": fields} if fields else {}
    response = await client.request(method, f"{PATH}{path}", **options)
    assert response.status == status, await response.text()
    return {} if status == 204 else await response.json()


async def test_webhook_is_subscribed_with_a_secret_that_is_shown_once(
    alice: TestClient[Any, Any], with_push: Services, receiver: Receiver
) -> None:
    created = await ask(alice, "POST", "", 201, url=receiver.url, content="sender", label="bot")
    secret = created.pop("secret")

    assert created["type"] == "webhook"
    assert created["events"] == [name.value for name in EventFilter][1:]
    assert await ask(alice, "GET") == {"jid": ALICE, "subscriptions": [created]}
    assert await ask(alice, "GET", f"/{created['id']}") == created
    await with_push.writer.store([entry("hello")])
    [request] = await receiver.wait_for(1)
    assert has_right_signature(request, secret)
    assert request.json["data"]["peer"] == BOB
    assert "message" not in request.json["data"]


async def test_browser_is_subscribed_by_what_it_gives(
    alice: TestClient[Any, Any], with_push: Services, receiver: Receiver
) -> None:
    browser = Browser(receiver.url)

    created = await ask(alice, "POST", "", 201, **browser.subscription, content="text")

    assert (created["type"], created["secret"]) == ("web-push", None)
    assert created["events"] == ["incoming"]
    await with_push.writer.store([entry("hello")])
    [request] = await receiver.wait_for(1)
    assert browser.decrypt(request)["data"]["message"]["body"] == "hello"
    key = (await (await alice.get("/api/v1/push-key")).json())["key"]
    assert f"k={key}" in request.headers["Authorization"]


async def test_content_is_changed_and_subscription_removed(
    alice: TestClient[Any, Any], with_push: Services, receiver: Receiver
) -> None:
    id = (await ask(alice, "POST", "", 201, url=receiver.url))["id"]

    changed = await ask(alice, "PATCH", f"/{id}", content="text")
    assert changed["content"] == "text"
    await with_push.writer.store([entry("hello")])
    [request] = await receiver.wait_for(1)
    assert request.text == "hello"

    await ask(alice, "DELETE", f"/{id}", 204)
    assert (await ask(alice, "GET"))["subscriptions"] == []
    await ask(alice, "DELETE", f"/{id}", 404)


async def test_test_says_what_became_of_it(
    alice: TestClient[Any, Any], receiver: Receiver
) -> None:
    id = (await ask(alice, "POST", "", 201, url=receiver.url))["id"]
    receiver.statuses.append(418)

    failed = await ask(alice, "POST", f"/{id}/test")
    accepted = await ask(alice, "POST", f"/{id}/test")

    assert failed == {"accepted": False, "failure": "status 418"}
    assert accepted == {"accepted": True, "failure": None}
    assert receiver.requests[0].json["type"] == "test"


async def test_tests_are_limited(alice: TestClient[Any, Any], receiver: Receiver) -> None:
    id = (await ask(alice, "POST", "", 201, url=receiver.url))["id"]
    for _ in range(10):
        await ask(alice, "POST", f"/{id}/test")

    response = await alice.post(f"{PATH}/{id}/test")

    assert response.status == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 10


async def test_dead_letters_are_listed_and_replayed(
    alice: TestClient[Any, Any], with_push: Services, receiver: Receiver
) -> None:
    id = (await ask(alice, "POST", "", 201, url=receiver.url, events=["incoming"]))["id"]
    receiver.statuses.extend([500, 502, 503])
    await with_push.writer.store([entry("poison"), entry("next")])
    await receiver.wait_for(4)
    letters: list[dict[str, Any]] = []
    while not letters:
        letters = (await ask(alice, "GET", f"/{id}/dead-letters"))["dead_letters"]

    [letter] = letters
    assert (letter["event_id"], letter["type"], letter["failure"]) == (1, "message", "status 503")
    answer = await ask(alice, "POST", f"/{id}/dead-letters/replay", 202)

    assert answer == {"replayed": 1}
    requests = await receiver.wait_for(5)
    assert requests[4].json["data"]["event_id"] == 1


async def test_events_are_replayed_from_an_event_id(
    alice: TestClient[Any, Any], with_push: Services, receiver: Receiver
) -> None:
    id = (await ask(alice, "POST", "", 201, url=receiver.url))["id"]
    await with_push.writer.store([entry("one")])
    await receiver.wait_for(1)

    await ask(alice, "POST", f"/{id}/replay", 202, after="0")
    await receiver.wait_for(2)
    expired = await ask(alice, "POST", f"/{id}/replay", 410, after="nowhere")

    assert expired["error"] == "cursor-expired"


@pytest.mark.parametrize("after", [None, True, 1.5, [], "", "x" * 2000])
async def test_replay_from_what_is_no_place_is_refused(
    alice: TestClient[Any, Any], after: object
) -> None:
    id = (await ask(alice, "POST", "", 201, url="https://a.example"))["id"]

    refused = await ask(alice, "POST", f"/{id}/replay", 400, after=after)

    assert refused["message"].startswith("after: expected an event id, or a cursor of up to ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either url or endpoint"),
        ({"content": "text"}, "either url or endpoint"),
        ({"url": "https://a.example", "endpoint": "https://b.example"}, "either url or endpoint"),
        ({"endpoint": "https://a.example/secret"}, "endpoint and keys"),
        ({"url": "https://a.example", "keys": {"p256dh": "a", "auth": "b"}}, "endpoint and keys"),
        ({"url": "nonsense-secret"}, "url: expected a URL"),
        ({"url": 5}, "url: expected"),
        ({"url": "https://a.example", "content": "all"}, 'one of "nothing", "sender", "text"'),
        ({"url": "https://a.example", "events": ["typing"]}, "events"),
        ({"url": "https://a.example", "events": []}, "events"),
        (
            {"url": "https://a.example", "label": "two\nlines"},
            "label: expected a text on one line",
        ),
        ({"endpoint": "https://a.example", "keys": {"p256dh": "secret"}}, "keys"),
        ({"endpoint": "https://a.example", "keys": {"p256dh": "secret", "auth": "a"}}, "p256dh"),
        ({"endpoint": "https://a.example", "keys": "secret"}, "keys"),
        ({"address": "https://a.example"}, "address: unknown"),
    ],
)
async def test_unfit_subscription_is_refused_with_what_to_change(
    alice: TestClient[Any, Any], fields: dict[str, Any], message: str
) -> None:
    response = await alice.post(PATH, json=fields)

    answer = await response.json()
    assert (response.status, answer["error"]) == (400, "bad-request")
    assert message in answer["message"]
    assert "secret" not in answer["message"]


async def test_subscriptions_of_others_do_not_exist(
    aiohttp_client: AiohttpClient,
    alice: TestClient[Any, Any],
    with_push: Services,
    receiver: Receiver,
) -> None:
    id = (await ask(alice, "POST", "", 201, url=receiver.url))["id"]
    bob = await client_of(aiohttp_client, with_push, BOB)

    assert (await ask(bob, "GET"))["subscriptions"] == []
    await ask(bob, "GET", f"/{id}", 404)
    await ask(bob, "PATCH", f"/{id}", 404, content="text")
    await ask(bob, "DELETE", f"/{id}", 404)
    await ask(bob, "POST", f"/{id}/test", 404)
    await ask(bob, "POST", f"/{id}/replay", 404, after="0")
    await ask(bob, "GET", f"/{id}/dead-letters", 404)
    await ask(bob, "POST", f"/{id}/dead-letters/replay", 404)
    assert (await ask(alice, "GET", f"/{id}"))["content"] == "nothing"
    assert receiver.requests == []


async def test_routes_need_an_access_token(
    aiohttp_client: AiohttpClient, with_push: Services
) -> None:
    stranger = await aiohttp_client(make_app(BOTH, with_push, Listener.PUBLIC))

    for path in ("push-key", "push-subscriptions"):
        assert (await stranger.get(f"/api/v1/{path}")).status == 401


async def test_nothing_is_pushed_where_push_is_not_enabled(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    await services.accounts.admin.register(ALICE, PASSWORD)
    alice = await client_of(aiohttp_client, with_sign_in(services), ALICE)

    refused = await ask(alice, "GET", "", 501)

    assert "push.enabled" in refused["message"]


async def test_web_push_needs_a_key(aiohttp_client: AiohttpClient, services: Services) -> None:
    await services.accounts.admin.register(ALICE, PASSWORD)
    async with pushing(with_sign_in(services)) as without_key:
        alice = await client_of(aiohttp_client, without_key, ALICE)

        assert (await alice.get("/api/v1/push-key")).status == 501
        browser = Browser("https://push.example/1")
        refused = await ask(alice, "POST", "", 501, **browser.subscription)

    assert "push.key_file" in refused["message"]
