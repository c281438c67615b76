"""No route of the public listener serves a foreign account: cases made from the route tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import dedup_key
from support.http_services import HOST, message
from support.sign_in import BOTH, with_sign_in

from component.web.app import FAMILIES, make_app
from component.web.server.family import Family
from component.web.server.settings import Listener, Services
from storage.rows import Direction, NewMessage

ALICE, BOB = f"alice@{HOST}", f"bob@{HOST}"
PASSWORD = "pencil"

PUBLIC = [family for family in FAMILIES if family.listener is Listener.PUBLIC]

#: Families that everybody may call. All others need the token of a user.
OPEN = {"liveness", "sign-in"}

_PLACEHOLDER = re.compile(r"{(\w+)}")


@pytest.fixture
async def signing_in(services: Services) -> Services:
    for jid in (ALICE, BOB):
        await services.accounts.admin.register(jid, PASSWORD)
    return with_sign_in(services)


@pytest.fixture
async def public(aiohttp_client: AiohttpClient, signing_in: Services) -> TestClient:
    return await aiohttp_client(make_app(BOTH, signing_in, Listener.PUBLIC))


async def sign_in(public: TestClient, jid: str) -> dict[str, Any]:
    response = await public.post("/api/v1/tokens", json={"jid": jid, "password": PASSWORD})
    assert response.status == 201, await response.text()
    return await response.json()  # type: ignore[no-any-return]


async def of_bob(public: TestClient, services: Services) -> dict[str, Sequence[str]]:
    """Return values of bob, and of accounts that do not exist, by the names of placeholders."""
    stored = NewMessage(
        owner=BOB,
        at=1,
        peer=ALICE,
        resource="",
        type="chat",
        direction=Direction.RECEIVED,
        xml=message(ALICE, BOB, "secret"),
        dedup_key=dedup_key("secret"),
    )
    await services.writer.store([stored])
    snapshot = await services.storage.archive.first_and_last(BOB)
    assert snapshot is not None
    tokens = await sign_in(public, BOB)
    return {
        "owner": (BOB, f"room@rooms.{HOST}", f"nobody@{HOST}", "x@elsewhere.example"),
        # of a message, or of a sign-in
        "id": (snapshot[0].id, tokens["id"]),
        "contact": (BOB,),
        "room": (f"room@rooms.{HOST}",),
    }


def routes_of(family: Family, services: Services) -> list[tuple[str, str]]:
    """Return method and path of each route of a family."""
    routes = family.app(BOTH, services).router.routes()
    return [(r.method, _canonical(r)) for r in routes]


def _canonical(route: web.AbstractRoute) -> str:
    assert route.resource is not None
    return route.resource.canonical


def urls(path: str, values: dict[str, Sequence[str]]) -> list[str]:
    """Return a path with each of the values in the places of its placeholders."""
    filled = [path]
    for name in _PLACEHOLDER.findall(path):
        assert name in values, f"{path}: this test needs a value of bob for {name}"
        filled = [url.replace(f"{{{name}}}", value) for url in filled for value in values[name]]
    return filled


@pytest.mark.parametrize("family", PUBLIC, ids=lambda family: family.name)
async def test_no_route_serves_a_foreign_account(
    public: TestClient, signing_in: Services, family: Family
) -> None:
    values = await of_bob(public, signing_in)
    headers = {"Authorization": f"Bearer {(await sign_in(public, ALICE))['access_token']}"}
    before = await signing_in.storage.sign_ins.list(BOB)

    for method, path in routes_of(family, signing_in):
        if _PLACEHOLDER.search(path):
            own = {**values, "owner": (ALICE,)} if "{id}" in path else values
            for url in {*urls(path, values), *urls(path, own)}:
                response = await public.request(method, url, headers=headers)
                assert response.status in (403, 404), f"{method} {url}"
                assert "secret" not in await response.text(), f"{method} {url}"

    assert await signing_in.storage.sign_ins.list(BOB) == before
    assert await signing_in.storage.archive.first_and_last(BOB) is not None


@pytest.mark.parametrize("family", PUBLIC, ids=lambda family: family.name)
async def test_every_route_needs_a_token_except_those_of_open_families(
    public: TestClient, signing_in: Services, family: Family
) -> None:
    values = await of_bob(public, signing_in)
    assert (family.authenticate is None) == (family.name in OPEN)

    for method, path in routes_of(family, signing_in):
        if family.name not in OPEN:
            response = await public.request(method, urls(path, values)[0])
            assert response.status == 401, f"{method} {path}"


def test_all_public_families_have_routes_here(services: Services) -> None:
    signing_in = with_sign_in(services)
    served = {
        (route.method, _canonical(route))
        for route in make_app(BOTH, signing_in, Listener.PUBLIC).router.routes()
    }

    assert served == {route for family in PUBLIC for route in routes_of(family, signing_in)}
    assert len(served) >= 30
