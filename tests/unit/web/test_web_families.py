"""Each API family is an application of its own, on one listener."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient
from support.families import FAMILIES
from support.http_services import SECRET_HEADERS, SETTINGS
from support.sign_in import with_sign_in

from component.core.errors import NotAuthorized
from component.web import keys
from component.web.app import make_app
from component.web.auth.authenticate import authenticate
from component.web.auth.bearer import authenticate_user
from component.web.bpo_chat.family import BPO_CHAT
from component.web.condor_chat.family import CONDOR_CHAT
from component.web.ejabberd_api.authentication import authenticate_caller
from component.web.gateway.authenticate import authenticate_session
from component.web.openapi import family as openapi
from component.web.operators.sign_in import authenticate_operator
from component.web.server.family import Family
from component.web.server.settings import Listener, Services, WebSettings

CALLERS = {
    None: "anybody",
    authenticate: "callers with a secret",
    authenticate_user: "users",
    authenticate_session: "sessions of the gateway",
    authenticate_caller: "accounts",
    authenticate_operator: "operators",
    CONDOR_CHAT.authenticate: "users",
    BPO_CHAT.authenticate: "users",
}

DOCS = Path(__file__).parents[3] / "docs/http-api.md"


def test_each_family_is_documented_with_its_prefix_listener_and_callers() -> None:
    row = r"^\| ([\w -]+) \| `(/\S*)` \| (\w+) \| ([\w ]+) \|$"

    assert sorted(re.findall(row, DOCS.read_text(), re.MULTILINE)) == sorted(
        (
            family.name,
            family.path(SETTINGS) or "/",
            family.listener.name.lower(),
            CALLERS[family.authenticate],
        )
        for family in FAMILIES
    )


@pytest.mark.parametrize("prefix", ["/api", "", "/remote/data"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
async def test_each_route_is_below_the_prefix_of_its_family(
    services: Services, family: Family, prefix: str
) -> None:
    settings = replace(SETTINGS, prefix=prefix, public=SETTINGS)
    routes = family.app(settings, with_sign_in(services)).router.routes()

    assert routes
    for route in routes:
        assert route.resource is not None
        assert f"{route.resource.canonical}/".startswith(f"{family.path(settings)}/")


def test_no_family_answers_for_paths_of_a_later_one_with_a_longer_prefix() -> None:
    for number, family in enumerate(FAMILIES):
        if family in (openapi.DOCS, openapi.PUBLIC_DOCS):
            # They have no prefix, and answer at fixed paths alone.
            continue
        for later in FAMILIES[number + 1 :]:
            is_shadowed = later.prefix.startswith(f"{family.prefix}/")
            assert not (is_shadowed and later.listener is family.listener)


async def test_wrong_method_is_answered_with_methods_of_all_families(api: TestClient) -> None:
    answer = await api.post("/api/v1/archives/alice@example.org")

    assert answer.status == 405
    assert answer.headers["Allow"] == "DELETE,GET,HEAD"


def shout(
    condition: str, message: str, status: int, headers: Mapping[str, str] | None
) -> web.Response:
    return web.Response(text=f"{condition}!", status=status, headers=headers)


@web.middleware
async def refuse_anonymous(request: web.Request, handler: Handler) -> web.StreamResponse:
    if "name" not in request.query:
        raise NotAuthorized("Say your name.")
    return await handler(request)


def make_greeter(prefix: str, _: WebSettings, __: Services) -> web.Application:
    async def greet(request: web.Request) -> web.Response:
        return web.Response(text=f"Hello {request.query['name']}")

    greeter = web.Application()
    greeter.add_routes([web.get(f"{prefix}/greeting", greet)])
    return greeter


GREETER = Family(
    name="greeter",
    listener=Listener.PRIVATE,
    prefix="{prefix}/greeter",
    authenticate=refuse_anonymous,
    error_shape=shout,
    is_api=False,
    make_app=make_greeter,
)


@pytest.fixture
async def extended(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    """A client without a secret, of a program with one more family."""
    return await aiohttp_client(make_app(SETTINGS, services, families=(GREETER, *FAMILIES)))


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api/greeter/greeting?name=Ann", 200, "Hello Ann"),
        ("/api/greeter/greeting", 401, "not-authorized!"),
        ("/api/greeter/nothing?name=Ann", 404, "item-not-found!"),
        ("/api/greeter/nothing", 401, "not-authorized!"),
    ],
)
async def test_family_has_its_own_authentication_and_error_shape(
    extended: TestClient, path: str, status: int, text: str
) -> None:
    answer = await extended.get(path)

    assert (answer.status, await answer.text()) == (status, text)


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/nothing", "/nothing"])
async def test_other_families_are_unchanged(extended: TestClient, path: str) -> None:
    refused = await extended.get(path)
    unknown = await extended.get(path, headers=SECRET_HEADERS)

    assert (refused.status, unknown.status) == (401, 404)
    assert (await unknown.json())["error"] == "item-not-found"


async def test_family_has_only_the_parts_that_it_uses(services: Services) -> None:
    parts = {
        family.name: set(family.app(replace(SETTINGS, public=SETTINGS), services))
        for family in FAMILIES
    }

    assert keys.remote_archive not in parts["archive"]
    assert keys.reader not in parts["Remote Data"]
    assert keys.readiness not in parts["liveness"]
