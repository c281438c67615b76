"""Roles of operators over HTTP, and the audit log of their reads."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.archives import Talk, to_bob
from support.http_services import HOST, SECRET, SETTINGS

from component.core.access.principals import Operator, Role
from component.web.admin.family import ADMINISTRATION
from component.web.app import make_app
from component.web.server.settings import Services

OWNER = f"alice@{HOST}"
ARCHIVE = f"/api/v1/archives/{OWNER}"

AUDITOR = Operator(name="auditor", role=Role.READER, secret="reads")
CHIEF = Operator(name="chief", role=Role.ADMIN, secret="rules")
BY_XMPP = Operator(name="by-xmpp", role=Role.ADMIN, jid="boss@example.org")
KNOWN = replace(SETTINGS, operators=(AUDITOR, CHIEF, BY_XMPP))

READING = (ARCHIVE, f"{ARCHIVE}/messages", f"{ARCHIVE}/messages/x", f"{ARCHIVE}/conversations")
REMOTE = (
    "/api/archive?username=alice",
    "/api/archive/items?username=alice",
    "/api/roster?username=alice",
    "/api/offline/alice/count",
)
AUDIT = "/api/v1/audit"

#: Routes of the administration API that operators of the role reader may call. A command has a
#: role of its own.
FOR_READERS = {
    "GET /api/v1/archives/{owner}/export",
    "GET /api/v1/commands",
    "POST /api/v1/commands/{name}",
}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    return await aiohttp_client(make_app(KNOWN, services))


async def status(client: TestClient, path: str, secret: str, method: str = "GET") -> int:
    async with client.request(method, path, headers=bearer(secret)) as answer:
        return answer.status


async def audit_log(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    async with client.get(AUDIT, params=query, headers=bearer(SECRET)) as answer:
        return (await answer.json())["entries"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", READING)
@pytest.mark.parametrize("secret", [SECRET, "reads", "rules"])
async def test_every_operator_reads_archives(client: TestClient, path: str, secret: str) -> None:
    expected = 404 if path.endswith("/x") else 200

    assert await status(client, path, secret) == expected


@pytest.mark.parametrize("path", [*READING, *REMOTE, AUDIT])
@pytest.mark.parametrize("secret", ["wrong", "", "None", "auditor", "rule", "rulesx"])
async def test_unknown_secret_is_401(client: TestClient, path: str, secret: str) -> None:
    assert await status(client, path, secret) == 401


async def test_administration_is_403_for_a_reader_unless_the_route_is_for_readers(
    client: TestClient, services: Services
) -> None:
    routes = ADMINISTRATION.app(KNOWN, services).router.routes()
    named = {(r.method, r.resource.canonical.rstrip("/")) for r in routes if r.resource}

    allowed = {
        f"{method} {path}"
        for method, path in named
        if await status(client, re.sub(r"\{\w+\}", OWNER, path), "reads", method) != 403
    }

    assert {route for route in allowed if not route.startswith("HEAD ")} == FOR_READERS


@pytest.mark.parametrize("path", REMOTE)
async def test_remote_data_is_403_for_operators(
    client: TestClient, services: Services, path: str
) -> None:
    await services.accounts.admin.register("alice@example.org", "a password")
    assert await status(client, path, "reads") == 403
    assert await status(client, path, "rules") == 403
    assert await status(client, "/api/archive", "rules", "POST") == 403
    assert await status(client, path, SECRET) == 200


async def test_audit_log_is_403_for_readers(client: TestClient) -> None:
    assert await status(client, AUDIT, "reads") == 403
    assert await status(client, AUDIT, "rules") == 200
    assert await status(client, AUDIT, SECRET) == 200


async def test_changing_request_of_a_reader_is_403(client: TestClient) -> None:
    values = defaultdict(
        lambda: "x", owner=OWNER, subject=OWNER, jid=OWNER, host=HOST, name="erase"
    )
    routes = [
        (route.method, route.resource.canonical.format_map(values))
        for route in client.app.router.routes()
        if route.resource is not None and route.method not in ("GET", "HEAD")
    ]

    assert routes
    for method, path in routes:
        assert await status(client, path, "reads", method) == 403, f"{method} {path}"


async def test_trusted_network_is_the_server_unless_an_operator_sends_a_secret(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    client = await aiohttp_client(make_app(replace(KNOWN, trusts_network=True), services))

    async with client.get(AUDIT) as answer:
        assert answer.status == 200
    assert await status(client, AUDIT, "reads") == 403


async def test_every_read_is_audited(client: TestClient, services: Services) -> None:
    await Talk(services.writer).take(to_bob("secret plans", "m1"))
    paths = [
        ARCHIVE,
        f"{ARCHIVE}/messages?with=bob@{HOST}&start=2026-01-01T00:00:00Z&search=plans",
        f"{ARCHIVE}/messages?kind=message",
        f"{ARCHIVE}/messages/nothing",
        f"{ARCHIVE}/conversations",
    ]
    for path in paths:
        await status(client, path, "reads")

    audit_entries = await audit_log(client)

    assert [
        (entry["actor"], entry["action"], entry["subject"], entry["detail"])
        for entry in audit_entries
    ] == [
        ("auditor", "conversations", OWNER, "all"),
        ("auditor", "read", OWNER, "ids nothing"),
        ("auditor", "read", OWNER, "kinds message"),
        ("auditor", "search", OWNER, f"with bob@{HOST}, from 2026-01-01T00:00:00.000000Z"),
        ("auditor", "read", OWNER, "summary"),
    ]
    assert "plans" not in str(audit_entries)


async def test_malformed_request_is_not_audited(client: TestClient) -> None:
    assert await status(client, f"{ARCHIVE}/messages?nonsense=1", "reads") == 400
    assert await status(client, "/api/v1/archives/@/messages", "reads") == 404

    assert await audit_log(client) == []


async def test_read_is_503_if_it_cannot_be_audited(client: TestClient, services: Services) -> None:
    await services.storage.close()

    assert await status(client, f"{ARCHIVE}/messages", "reads") == 503


async def test_audit_log_is_paged_and_filtered_by_subject(client: TestClient) -> None:
    for name in ("a", "b", "a"):
        await status(client, f"/api/v1/archives/{name}@{HOST}", "rules")

    async with client.get(AUDIT, params={"limit": "2"}, headers=bearer("rules")) as answer:
        page = await answer.json()
        link = answer.links["next"]["url"]
    async with client.session.get(link, headers=bearer("rules")) as answer:
        second_page = await answer.json()

    assert [audit_entry["subject"] for audit_entry in page["entries"]] == [
        f"a@{HOST}",
        f"b@{HOST}",
    ]
    assert (page["complete"], page["next"]) == (False, page["entries"][-1]["number"])
    assert [audit_entry["subject"] for audit_entry in second_page["entries"]] == [f"a@{HOST}"]
    assert (second_page["complete"], second_page["next"]) == (True, None)
    assert len(await audit_log(client, subject=f"a@{HOST}")) == 2


@pytest.mark.parametrize("query", ["limit=x", "before=x", "subject=", "actor=chief"])
async def test_wrong_parameter_of_the_audit_log_is_400_with_its_name(
    client: TestClient, query: str
) -> None:
    async with client.get(f"{AUDIT}?{query}", headers=bearer("rules")) as answer:
        assert answer.status == 400
        assert (await answer.json())["message"].startswith(query.partition("=")[0])
