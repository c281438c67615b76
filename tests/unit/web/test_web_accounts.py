"""Accounts over HTTP: routes, conditions, refusals and roles."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.accounts import source_of
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, entry, everything, texts
from support.fake_ejabberd_api import fake_accounts
from support.http_services import SECRET_HEADERS, SETTINGS, open_services

from component.core.access.principals import Operator, Role
from component.web.app import make_app
from component.web.server.settings import Services

V1 = "/api/v1/accounts"
OF_ALICE = f"{V1}/{ALICE}"
OPERATORS = (
    Operator(name="ann", role=Role.ADMIN, secret="of ann"),
    Operator(name="rob", role=Role.READER, secret="of rob"),
)
PENCIL = {"password": "pencil"}
NEW, KNOWN = {"If-None-Match": "*"}, {"If-Match": "*"}


async def audit_log(services: Services) -> list[tuple[str, str, str, str]]:
    audit_log = await services.storage.audit_log.entries(limit=100)
    return [
        (audit_entry.actor, audit_entry.action, audit_entry.subject, audit_entry.detail)
        for audit_entry in reversed(audit_log)
    ]


async def names(client: TestClient, **query: str) -> list[str]:
    return [
        account["jid"]
        for account in (await (await client.get(V1, params=query)).json())["accounts"]
    ]


async def test_put_creates_an_account_and_then_sets_its_password(
    api: TestClient, services: Services
) -> None:
    created = await api.put(OF_ALICE, json=PENCIL)
    assert (created.status, await created.json()) == (201, {"jid": ALICE})
    assert await services.accounts.authenticator.authenticate(ALICE, "pencil")

    assert (await api.put(OF_ALICE, json={"password": "other"})).status == 204
    assert await services.accounts.authenticator.authenticate(ALICE, "other")
    assert not await services.accounts.authenticator.authenticate(ALICE, "pencil")
    assert await audit_log(services) == [
        ("server", "set-password", ALICE, ""),
        ("server", "add-user", ALICE, ""),
        ("server", "set-password", ALICE, ""),
    ]


async def test_if_none_match_only_creates_and_if_match_only_sets(
    api: TestClient, services: Services
) -> None:
    assert (await api.put(OF_ALICE, json=PENCIL, headers=KNOWN)).status == 404
    assert (await api.put(OF_ALICE, json=PENCIL, headers=NEW)).status == 201
    assert (await api.put(OF_ALICE, json={"password": "other"}, headers=NEW)).status == 409
    assert await services.accounts.authenticator.authenticate(ALICE, "pencil")
    assert (await api.put(OF_ALICE, json={"password": "other"}, headers=KNOWN)).status == 204
    assert await services.accounts.authenticator.authenticate(ALICE, "other")


@pytest.mark.parametrize("headers", [NEW | KNOWN, {"If-Match": '"etag"'}])
async def test_contradicting_conditions_are_refused(
    api: TestClient, services: Services, headers: dict[str, str]
) -> None:
    assert (await api.put(OF_ALICE, json=PENCIL, headers=headers)).status == 400
    assert not await services.accounts.authenticator.exists(ALICE)


@pytest.mark.parametrize(
    "body",
    [{}, {"password": ""}, {"password": 7}, {"password": None}, PENCIL | {"role": "x"}, []],
)
async def test_put_without_password_or_with_more_is_refused(
    api: TestClient, services: Services, body: object
) -> None:
    assert (await api.put(OF_ALICE, json=body)).status == 400
    assert not await services.accounts.authenticator.exists(ALICE)


async def test_password_is_neither_answered_nor_logged(
    api: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "component")
    answers = [
        await api.put(OF_ALICE, json={"password": "s3cr3t\n"}),
        await api.put(OF_ALICE, json={"password": "s3cr3t", "more": "s3cr3t"}),
        await api.put(OF_ALICE, json={"password": "s3cr3t"}),
    ]

    assert [answer.status for answer in answers] == [400, 400, 201]
    assert "s3cr3t" not in "".join([await answer.text() for answer in answers])
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("jid", [ROMEO, "alice@strange.example"])
async def test_account_outside_of_virtual_hosts_is_refused(api: TestClient, jid: str) -> None:
    assert (await api.put(f"{V1}/{jid}", json=PENCIL)).status == 400


@pytest.mark.parametrize(
    ("method", "body"),
    [("PUT", PENCIL), ("PATCH", {"enabled": True}), ("DELETE", None)],
)
async def test_accounts_on_other_hosts_of_ejabberd_are_refused(
    aiohttp_client: AiohttpClient, method: str, body: object
) -> None:
    async with (
        fake_accounts("0") as accounts,
        open_services(accounts=source_of(accounts)) as services,
    ):
        client = await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)
        answer = await client.request(method, f"{V1}/admin@strange.example", json=body)

        assert (answer.status, await audit_log(services)) == (400, [])


@pytest.mark.parametrize("jid", [HOST, f"{ALICE}%2Fphone", "@", "a%00b@example.org"])
async def test_path_without_a_bare_jid_is_not_found(api: TestClient, jid: str) -> None:
    assert (await api.put(f"{V1}/{jid}", json=PENCIL)).status == 404


async def test_jid_is_prepared(api: TestClient, services: Services) -> None:
    assert (await api.put(f"{V1}/{ALICE.upper()}", json=PENCIL)).status == 201

    assert await services.accounts.authenticator.authenticate(ALICE, "pencil")


async def test_accounts_are_listed_page_by_page(api: TestClient) -> None:
    for jid in (BOB, ALICE, f"carol@{HOST}", f"zoe@{OTHER_HOST}"):
        await api.put(f"{V1}/{jid}", json=PENCIL)
    first = await (await api.get(V1, params={"limit": "2"})).json()
    second = await (await api.get(V1, params={"limit": "2", "after": first["next"]})).json()

    assert (first["host"], first["count"], first["complete"]) == (HOST, 3, False)
    assert [account["jid"] for account in first["accounts"]] == [ALICE, BOB]
    assert [account["jid"] for account in second["accounts"]] == [f"carol@{HOST}"]
    assert (second["next"], second["complete"]) == (None, True)
    assert await names(api, host=OTHER_HOST) == [f"zoe@{OTHER_HOST}"]
    [account] = second["accounts"]
    assert account["enabled"] is True
    assert account["created"].endswith("Z")
    assert not {"password", "verifier"} & account.keys()


@pytest.mark.parametrize(
    ("query", "status"),
    [({"host": "strange.example"}, 404), ({"limit": "0"}, 400), ({"user": "x"}, 400)],
)
async def test_list_with_wrong_parameters_is_refused(
    api: TestClient, query: dict[str, str], status: int
) -> None:
    assert (await api.get(V1, params=query)).status == status


async def test_patch_disables_and_enables_an_account(api: TestClient, services: Services) -> None:
    await api.put(OF_ALICE, json=PENCIL)
    disabled = await api.patch(OF_ALICE, json={"enabled": False})

    assert await disabled.json() == {"jid": ALICE, "enabled": False}
    assert not await services.accounts.authenticator.authenticate(ALICE, "pencil")
    assert (await api.patch(OF_ALICE, json={"enabled": True})).status == 200
    assert await services.accounts.authenticator.authenticate(ALICE, "pencil")
    assert (await audit_log(services))[2:] == [
        ("server", "disable-user", ALICE, ""),
        ("server", "enable-user", ALICE, ""),
    ]


@pytest.mark.parametrize("body", [{}, {"enabled": "false"}, {"enabled": 0}, {"enabled": None}])
async def test_patch_without_a_boolean_is_refused(
    api: TestClient, body: dict[str, object]
) -> None:
    await api.put(OF_ALICE, json=PENCIL)

    assert (await api.patch(OF_ALICE, json=body)).status == 400


async def test_delete_removes_an_account_with_its_archive(
    api: TestClient, services: Services
) -> None:
    await api.put(OF_ALICE, json=PENCIL)

    assert (await api.delete(OF_ALICE)).status == 204
    assert await names(api) == []
    assert (await audit_log(services))[2] == ("server", "delete-user", ALICE, "")


async def test_new_account_of_a_removed_name_has_an_empty_archive(
    api: TestClient, services: Services
) -> None:
    await api.put(OF_ALICE, json=PENCIL)
    await services.writer.store([entry("secret")])

    assert (await api.delete(OF_ALICE)).status == 204
    await api.put(OF_ALICE, json=PENCIL)
    assert texts(await everything(services.storage.archive)) == []


async def test_account_under_a_legal_hold_is_not_removed(
    api: TestClient, services: Services
) -> None:
    await api.put(OF_ALICE, json=PENCIL)
    await services.writer.store([entry("evidence")])
    await api.put(f"/api/v1/holds/{ALICE}", json={"reason": "case 7"})

    assert (await api.delete(OF_ALICE)).status == 409
    assert await names(api) == [ALICE]
    assert texts(await everything(services.storage.archive)) == [entry("evidence").xml]


async def test_unknown_account_is_not_found(api: TestClient) -> None:
    assert (await api.patch(OF_ALICE, json={"enabled": True})).status == 404
    assert (await api.delete(OF_ALICE)).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", V1), ("PUT", OF_ALICE), ("PATCH", OF_ALICE), ("DELETE", OF_ALICE)],
)
async def test_reader_is_refused(
    aiohttp_client: AiohttpClient, services: Services, method: str, path: str
) -> None:
    client = await aiohttp_client(make_app(replace(SETTINGS, operators=OPERATORS), services))

    answer = await client.request(method, path, json=PENCIL, headers={"X-Api-Key": "of rob"})

    assert answer.status == 403
    assert await audit_log(services) == []


async def test_audit_log_names_the_admin(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    client = await aiohttp_client(make_app(replace(SETTINGS, operators=OPERATORS), services))

    await client.put(OF_ALICE, json=PENCIL, headers={"X-Api-Key": "of ann"} | NEW)

    assert await audit_log(services) == [("ann", "add-user", ALICE, "")]
