"""Administration of archives over HTTP: list, erase, blank, purge."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import ALICE, BOB, HOST, ROMEO, entries, entry, everything, texts
from support.http_services import SECRET_HEADERS, SETTINGS, open_services
from support.sqlite_probe import SqliteProbe

from component.core.retention.plan import RetentionDefaults, RetentionLimits
from component.web.admin.models import MAX_DAYS
from component.web.app import make_app
from component.web.server.settings import Services
from storage.open import open_storage
from storage.rows import ANY, Hold, Rule

V1 = "/api/v1"


async def hold(services: Services, subject: str = ALICE) -> None:
    await services.administration.holds.set(Hold(subject=subject, reason="r", by="me", at=1))


async def audited(services: Services) -> list[tuple[str, str, str]]:
    """Return the entries of the audit log, oldest first."""
    audit_log = await services.storage.audit_log.entries(limit=100)
    return [
        (audit_entry.actor, audit_entry.action, audit_entry.subject)
        for audit_entry in reversed(audit_log)
    ]


async def purge_audited(services: Services) -> None:
    """Wait until the audit log has the result of a purge."""
    async with asyncio.timeout(30):
        while (await audited(services))[-1][1] != "purged":  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)


async def purged(api: TestClient) -> dict[str, Any]:
    """Return the progress of the running purge after its end."""
    while True:
        progress: dict[str, Any] = await (await api.get(f"{V1}/purges")).json()
        if progress["current"] is None and progress["last"] is not None:
            last: dict[str, Any] = progress["last"]
            return last


async def test_archives_are_listed_with_their_sizes(api: TestClient, services: Services) -> None:
    await services.storage.archive.append([entry(owner=owner) for owner in (BOB, ALICE, ROMEO)])

    answer = await api.get(f"{V1}/archives", params={"domain": HOST, "limit": "1"})
    archives = await answer.json()

    time = "2026-01-01T12:00:00.000000Z"
    assert archives == {
        "archives": [
            {
                "owner": ALICE,
                "messages": 1,
                "bytes": len(entry().xml),
                "oldest": time,
                "newest": time,
            }
        ],
        "next": ALICE,
        "complete": False,
    }
    second = await api.get(f"{V1}/archives", params={"domain": HOST, "after": ALICE})
    assert [archive["owner"] for archive in (await second.json())["archives"]] == [BOB]
    assert await audited(services) == [("server", "list", HOST)] * 2


async def test_delete_erases_an_archive(api: TestClient, services: Services) -> None:
    await services.storage.archive.append([*entries(25), entry(owner=BOB)])
    await services.administration.rules.set(Rule(owner=ALICE, days=MAX_DAYS))

    answer = await api.delete(f"{V1}/archives/{ALICE}")

    size = sum(map(len, texts(entries(25))))
    assert answer.status == 200
    assert await answer.json() == {"messages": 25, "bytes": size, "done": True}
    assert [await services.storage.archive.count(owner, ANY) for owner in (ALICE, BOB)] == [0, 1]
    assert services.administration.rules.of(ALICE) == {}
    assert await audited(services) == [("server", "erase", ALICE)]


async def test_delete_blanks_a_message(api: TestClient, services: Services) -> None:
    await services.storage.archive.append(entries(2))
    first, second = (await everything(services.storage.archive)).messages

    answer = await api.delete(f"{V1}/archives/{ALICE}/messages/{first.id}")

    fields = {"messages": 1, "bytes": len(first.xml), "done": True}
    assert (answer.status, await answer.json()) == (200, fields)
    assert texts(await everything(services.storage.archive)) == ["", second.xml]
    assert await audited(services) == [("server", "delete", ALICE)]


async def test_delete_of_an_unknown_message_is_not_found(api: TestClient) -> None:
    answer = await api.delete(f"{V1}/archives/{ALICE}/messages/unknown")

    assert (answer.status, (await answer.json())["error"]) == (404, "item-not-found")


@pytest.mark.parametrize("path", ["", "/messages/unknown"])
@pytest.mark.parametrize("subject", [ALICE, HOST])
async def test_delete_under_a_legal_hold_is_refused(
    api: TestClient, services: Services, path: str, subject: str
) -> None:
    await services.storage.archive.append([entry()])
    await hold(services, subject)

    answer = await api.delete(f"{V1}/archives/{ALICE}{path}")

    assert (answer.status, (await answer.json())["error"]) == (409, "conflict")
    assert await services.storage.archive.count(ALICE, ANY) == 1


async def test_post_starts_a_purge_and_get_shows_it(api: TestClient, services: Services) -> None:
    await services.storage.archive.append([*entries(25), *entries(25, owner=BOB)])
    await purged(api)
    for owner in (ALICE, BOB):
        await services.administration.rules.set(Rule(owner=owner, messages=1))

    answer = await api.post(f"{V1}/purges", json={"owner": ALICE})
    last = await purged(api)

    assert (answer.status, (await answer.json())["state"]) == (202, "running")
    assert last["finished"] is not None
    assert {**last, "started": None, "finished": None} == {
        "by": "server",
        "owner": ALICE,
        "state": "done",
        "started": None,
        "finished": None,
        "archives": 1,
        "archives_done": 1,
        "messages": 24,
        "deleted": 24,
        "blanked": 0,
        "old_ids": 0,
        "bytes": sum(map(len, texts(entries(24)))),
        "freed_bytes": last["freed_bytes"],
        # A store in memory.
        "released_bytes": 0,
        "free_bytes": 0,
        "remedy": None,
        "error": None,
    }
    assert type(last["freed_bytes"]) is int
    await purge_audited(services)
    assert await audited(services) == [("server", "purge", ALICE), ("server", "purged", ALICE)]
    [result, _] = await services.storage.audit_log.entries(limit=2)
    assert result.detail.startswith("done, 24 messages deleted, ")
    assert result.detail.endswith(" given back to the disk, 0 bytes unused in them")


async def test_purge_by_new_bounds_is_refused_until_confirmed(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """The bounds of an empty store are confirmed at its start."""
    url = f"sqlite:{tmp_path}/archive.db"
    async with open_storage(url) as storage:
        await storage.archive.append(entries(25))
    async with open_services(
        url, RetentionDefaults(others=RetentionLimits(messages=5))
    ) as services:
        api = await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)
        by_schedule = await purged(api)
        health = await (await api.get("/health/ready")).json()
        refused = await api.post(f"{V1}/purges")
        message = (await refused.json())["message"]
        remaining = await services.storage.archive.count(ALICE, ANY)
        confirmed = await api.post(f"{V1}/purges", json={"confirm": True})
        last = await purged(api)
        await api.close()

    assert (by_schedule["state"], by_schedule["messages"]) == ("unconfirmed", 0)
    assert (health["status"], health["parts"]["retention"]["confirmed"]) == ("ready", False)
    assert (refused.status, remaining) == (409, 25)
    assert "20 messages of 1 archive" in message
    assert (confirmed.status, last["state"], last["messages"]) == (202, "done", 20)


async def test_purge_without_body_is_of_all_archives(api: TestClient, services: Services) -> None:
    await purged(api)

    answer = await api.post(f"{V1}/purges")

    assert answer.status == 202
    assert (await purged(api))["by"] == "server"
    await purge_audited(services)
    assert await audited(services) == [("server", "purge", "*"), ("server", "purged", "*")]


async def test_second_purge_at_a_time_is_refused(api: TestClient, services: Services) -> None:
    await purged(api)
    await services.storage.archive.append(entries(100))
    await services.administration.rules.set(Rule(owner=ALICE, messages=1))

    statuses = [(await api.post(f"{V1}/purges")).status for _ in range(2)]

    assert statuses == [202, 409]
    await purged(api)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/archives?limit=0"),
        ("GET", "/archives?limt=1"),
        ("GET", "/archives?domain=a%20b"),
        ("DELETE", f"/archives/{ALICE}?really=yes"),
        ("GET", "/purges?x=1"),
        ("POST", "/purges?owner=x"),
    ],
)
async def test_unknown_parameters_are_refused(api: TestClient, method: str, path: str) -> None:
    assert (await api.request(method, f"{V1}{path}")).status == 400


@pytest.mark.parametrize("body", [{"owner": ""}, {"owner": "a@b/c"}, {"user": ALICE}, [], 7])
async def test_purge_with_a_wrong_body_is_refused(api: TestClient, body: object) -> None:
    assert (await api.post(f"{V1}/purges", json=body)).status == 400


async def test_request_that_cannot_be_audited_is_refused(
    api: TestClient, services: Services
) -> None:
    await services.storage.archive.append([entry()])
    await purged(api)
    await SqliteProbe(services.storage).execute("DROP TABLE audit_log")

    statuses = [
        (await api.delete(f"{V1}/archives/{ALICE}")).status,
        (await api.post(f"{V1}/purges")).status,
        (await api.get(f"{V1}/archives/{ALICE}/export")).status,
        (await api.put(f"{V1}/holds/{ALICE}", json={"reason": "r"})).status,
    ]

    assert statuses == [503] * 4
    assert await services.storage.archive.count(ALICE, ANY) == 1
