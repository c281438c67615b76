"""Who may do what by which secret, and that nobody reads an archive unseen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.archives import Talk, to_bob
from support.http_services import HOST, SECRET, SETTINGS

from component.core.access.principals import Operator, Role
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


def showing(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    return await aiohttp_client(make_app(KNOWN, services))


async def status(client: TestClient, path: str, secret: str, method: str = "GET") -> int:
    async with client.request(method, path, headers=showing(secret)) as answer:
        return answer.status


async def audit_log(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    async with client.get(AUDIT, params=query, headers=showing(SECRET)) as answer:
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


@pytest.mark.parametrize("path", REMOTE)
async def test_remote_data_is_for_the_server_alone(
    client: TestClient, services: Services, path: str
) -> None:
    await services.accounts.admin.register("alice@example.org", "a password")
    assert await status(client, path, "reads") == 403
    assert await status(client, path, "rules") == 403
    assert await status(client, "/api/archive", "rules", "POST") == 403
    assert await status(client, path, SECRET) == 200


async def test_the_audit_log_is_for_admins(client: TestClient) -> None:
    assert await status(client, AUDIT, "reads") == 403
    assert await status(client, AUDIT, "rules") == 200
    assert await status(client, AUDIT, SECRET) == 200


async def test_a_reader_changes_nothing(client: TestClient) -> None:
    named = defaultdict(
        lambda: "x", owner=OWNER, subject=OWNER, jid=OWNER, host=HOST, name="erase"
    )
    changing = [
        (route.method, route.resource.canonical.format_map(named))
        for route in client.app.router.routes()
        if route.resource is not None and route.method not in ("GET", "HEAD")
    ]

    assert changing
    for method, path in changing:
        assert await status(client, path, "reads", method) == 403, f"{method} {path}"


async def test_a_near_network_is_the_server_unless_an_operator_shows_itself(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    client = await aiohttp_client(make_app(replace(KNOWN, trusts_network=True), services))

    async with client.get(AUDIT) as answer:
        assert answer.status == 200
    assert await status(client, AUDIT, "reads") == 403


async def test_every_read_is_in_the_audit_log(client: TestClient, services: Services) -> None:
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

    found = await audit_log(client)

    assert [(one["actor"], one["action"], one["subject"], one["detail"]) for one in found] == [
        ("auditor", "conversations", OWNER, "all"),
        ("auditor", "read", OWNER, "ids nothing"),
        ("auditor", "read", OWNER, "kinds message"),
        ("auditor", "search", OWNER, f"with bob@{HOST}, from 2026-01-01T00:00:00.000000Z"),
        ("auditor", "read", OWNER, "summary"),
    ]
    assert "plans" not in str(found)


async def test_malformed_request_is_not_recorded(client: TestClient) -> None:
    assert await status(client, f"{ARCHIVE}/messages?nonsense=1", "reads") == 400
    assert await status(client, "/api/v1/archives/@/messages", "reads") == 404

    assert await audit_log(client) == []


async def test_read_is_refused_if_it_cannot_be_recorded(
    client: TestClient, services: Services
) -> None:
    await services.storage.close()

    assert await status(client, f"{ARCHIVE}/messages", "reads") == 503


async def test_the_audit_log_is_paged_and_picked_by_subject(client: TestClient) -> None:
    for name in ("a", "b", "a"):
        await status(client, f"/api/v1/archives/{name}@{HOST}", "rules")

    async with client.get(AUDIT, params={"limit": "2"}, headers=showing("rules")) as answer:
        page = await answer.json()
        link = answer.links["next"]["url"]
    async with client.session.get(link, headers=showing("rules")) as answer:
        rest = await answer.json()

    assert [audit_entry["subject"] for audit_entry in page["entries"]] == [
        f"a@{HOST}",
        f"b@{HOST}",
    ]
    assert (page["complete"], page["next"]) == (False, page["entries"][-1]["number"])
    assert [audit_entry["subject"] for audit_entry in rest["entries"]] == [f"a@{HOST}"]
    assert (rest["complete"], rest["next"]) == (True, None)
    assert len(await audit_log(client, subject=f"a@{HOST}")) == 2


@pytest.mark.parametrize("query", ["limit=x", "before=x", "subject=", "actor=chief"])
async def test_a_wrong_parameter_of_the_audit_log_is_named(client: TestClient, query: str) -> None:
    async with client.get(f"{AUDIT}?{query}", headers=showing("rules")) as answer:
        assert answer.status == 400
        assert (await answer.json())["message"].startswith(query.partition("=")[0])
