"""Retention rules and legal holds over HTTP, and the role that may set them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import ALICE, BOB, HOST, entries
from support.http_services import SECRET_HEADERS, SETTINGS, open_services

from component.core.access.principals import Operator, Role
from component.core.retention.plan import RetentionDefaults, RetentionLimits
from component.web.app import make_app
from component.web.server.settings import Services
from storage.rows import Rule

V1 = "/api/v1"
RETENTION = f"{V1}/archives/{ALICE}/retention"
OPERATORS = (
    Operator(name="ann", role=Role.ADMIN, secret="of ann"),
    Operator(name="rob", role=Role.READER, secret="of rob"),
)
NOTHING = {"days": 0, "messages": 0, "bytes": 0}


async def audit_log(services: Services) -> list[tuple[str, str, str, str]]:
    audit_log = await services.storage.audit_log.entries(limit=100)
    return [
        (audit_entry.actor, audit_entry.action, audit_entry.subject, audit_entry.detail)
        for audit_entry in reversed(audit_log)
    ]


async def test_rule_is_set_read_and_removed(api: TestClient, services: Services) -> None:
    set_ = await api.put(RETENTION, json={"days": 7})
    of_bob = await api.put(RETENTION, params={"peer": BOB}, json={"messages": 5, "bytes": 0})
    read = await api.get(RETENTION)

    own = {"peer": None, "days": 7, "messages": None, "bytes": None}
    peer_rule = {"peer": BOB, "days": None, "messages": 5, "bytes": 0}
    assert (await set_.json(), await of_bob.json()) == (own, peer_rule)
    assert await read.json() == {"owner": ALICE, "defaults": NOTHING, "rules": [own, peer_rule]}
    assert set(await services.storage.rules.list()) == {
        Rule(owner=ALICE, days=7),
        Rule(owner=ALICE, peer=BOB, messages=5, bytes=0),
    }

    assert (await api.delete(RETENTION)).status == 204
    assert (await (await api.get(RETENTION)).json())["rules"] == [peer_rule]
    answer = await api.get(RETENTION, params={"peer": BOB})
    assert (await answer.json())["rules"] == [peer_rule]
    assert (await api.delete(RETENTION, params={"peer": BOB})).status == 204
    assert await services.storage.rules.list() == ()
    assert await audit_log(services) == [
        ("server", "set retention", ALICE, "days 7, messages None, bytes None"),
        ("server", "set retention", ALICE, f"days None, messages 5, bytes 0, with {BOB}"),
        ("server", "drop retention", ALICE, ""),
        ("server", "drop retention", ALICE, f"with {BOB}"),
    ]


@pytest.mark.parametrize("peer", [{}, {"peer": BOB}], ids=["the archive", "one peer"])
async def test_rule_that_would_delete_much_is_refused_until_confirmed(
    api: TestClient, services: Services, peer: dict[str, str]
) -> None:
    await services.storage.archive.append(entries(20))

    refused = await api.put(RETENTION, params=peer, json={"messages": 5})
    message = (await refused.json())["message"]
    rules = await services.storage.rules.list()
    little = await api.put(RETENTION, params=peer, json={"messages": 18})
    confirmed = await api.put(RETENTION, params={**peer, "confirm": "true"}, json={"messages": 5})
    no_more = await api.put(RETENTION, params=peer, json={"messages": 6})

    assert (refused.status, rules) == (409, ())
    assert message.startswith(
        "This rule would delete 15 messages of 1 archive, from 2026-01-01T12:00:00.000000Z"
    )
    assert [little.status, confirmed.status, no_more.status] == [200, 200, 200]


async def test_removal_of_a_rule_that_would_delete_much_is_refused_until_confirmed(
    aiohttp_client: AiohttpClient,
) -> None:
    async with open_services(
        defaults=RetentionDefaults(hosts={HOST: RetentionLimits(messages=5)})
    ) as services:
        await services.administration.rules.set(Rule(owner=ALICE, messages=0))
        await services.storage.archive.append(entries(20))
        api = await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)

        refused = (await api.delete(RETENTION)).status
        confirmed = (await api.delete(RETENTION, params={"confirm": "true"})).status
        await api.close()

    assert (refused, confirmed) == (409, 204)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"days": None},
        {"days": -1},
        {"days": "7"},
        {"days": 1.5},
        {"days": True},
        {"days": 10**9},
        {"bytes": 2**63},
        {"days": 7, "weeks": 1},
    ],
)
async def test_rule_without_valid_bounds_is_refused(
    api: TestClient, body: dict[str, object]
) -> None:
    assert (await api.put(RETENTION, json=body)).status == 400


async def test_hold_is_set_listed_and_released(api: TestClient, services: Services) -> None:
    set_ = await api.put(f"{V1}/holds/{HOST.upper()}", json={"reason": "case 7"})
    second = await api.put(f"{V1}/holds/{ALICE}", json={"reason": "case 8"})
    listed = await (await api.get(f"{V1}/holds")).json()

    assert (set_.status, second.status) == (200, 200)
    assert listed == {"holds": [await second.json(), await set_.json()]}
    assert [(hold["subject"], hold["reason"], hold["by"]) for hold in listed["holds"]] == [
        (ALICE, "case 8", "server"),
        (HOST, "case 7", "server"),
    ]

    assert (await api.delete(f"{V1}/holds/{HOST}")).status == 204
    assert [hold.subject for hold in services.administration.holds.all()] == [ALICE]
    assert await audit_log(services) == [
        ("server", "hold", HOST, "case 7"),
        ("server", "hold", ALICE, "case 8"),
        ("server", "release", HOST, ""),
    ]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": 7}, {"reason": "r", "by": "x"}])
async def test_hold_without_reason_is_refused(api: TestClient, body: dict[str, object]) -> None:
    assert (await api.put(f"{V1}/holds/{ALICE}", json=body)).status == 400


async def test_hold_on_a_full_jid_is_not_found(api: TestClient) -> None:
    answer = await api.put(f"{V1}/holds/{ALICE}%2Fphone", json={"reason": "r"})

    assert answer.status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/archives"),
        ("DELETE", f"/archives/{ALICE}"),
        ("DELETE", f"/archives/{ALICE}/messages/x"),
        ("GET", f"/archives/{ALICE}/retention"),
        ("PUT", f"/archives/{ALICE}/retention"),
        ("DELETE", f"/archives/{ALICE}/retention"),
        ("GET", "/holds"),
        ("PUT", f"/holds/{ALICE}"),
        ("DELETE", f"/holds/{ALICE}"),
        ("GET", "/purges"),
        ("POST", "/purges"),
    ],
)
async def test_reader_is_refused(
    aiohttp_client: AiohttpClient, services: Services, method: str, path: str
) -> None:
    client = await aiohttp_client(make_app(replace(SETTINGS, operators=OPERATORS), services))

    answer = await client.request(method, V1 + path, headers={"X-Api-Key": "of rob"})

    assert answer.status == 403
    assert await audit_log(services) == []


async def test_audit_log_names_the_admin(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    client = await aiohttp_client(make_app(replace(SETTINGS, operators=OPERATORS), services))

    answer = await client.put(
        f"{V1}/holds/{ALICE}", json={"reason": "r"}, headers={"X-Api-Key": "of ann"}
    )

    assert (await answer.json())["by"] == "ann"
    assert await audit_log(services) == [("ann", "hold", ALICE, "r")]
