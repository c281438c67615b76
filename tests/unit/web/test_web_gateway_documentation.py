"""docs/gateway.md documents exactly the routes, parameters, fields and errors of the gateway."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.gateway import GatewayWorld, gateway_world

from component.core import errors
from component.core.gateway import errors as gateway_errors
from component.core.gateway.contacts import GatewayContact
from component.core.gateway.messages import GatewayMessage
from component.web.app import make_app
from component.web.gateway.family import GATEWAY, GATEWAY_START
from component.web.gateway.models import ContactChange, ReadParameters, StartFields
from component.web.gateway.status_family import GATEWAY_STATUS
from component.web.server.settings import Listener, Services

PAGE = (Path(__file__).parents[3] / "docs/gateway.md").read_text()
FAMILIES = (GATEWAY_STATUS, GATEWAY_START, GATEWAY)
ROUTE = r"`([A-Z]+ /\S*)`"


def routes_of(world: GatewayWorld) -> set[str]:
    routes = [
        route
        for listener in Listener
        for route in make_app(world.web, world.services, listener, FAMILIES).router.routes()
    ]
    return {
        f"{route.method} {route.resource.canonical.rstrip('/') or '/'}"
        for route in routes
        if route.resource is not None
        and (route.method != "HEAD" or route.resource.canonical == "/")
    }


@pytest.fixture
async def world(services: Services) -> GatewayWorld:
    return await gateway_world(services, changes_by_get=True)


async def test_each_route_has_a_section_and_a_row(world: GatewayWorld) -> None:
    routes = routes_of(world)

    assert set(re.findall(rf"^### {ROUTE}$", PAGE, re.MULTILINE)) == routes
    assert set(re.findall(rf"^\| {ROUTE} \|", PAGE, re.MULTILINE)) == routes


async def test_routes_of_the_switch_are_marked(world: GatewayWorld) -> None:
    safe = replace(
        world, web=replace(world.web, gateway=replace(world.web.gateway, changes_by_get=False))
    )
    marked = set(re.findall(rf"^\| {ROUTE} \|.*gateway\.changes_by_get", PAGE, re.MULTILINE))

    assert marked == routes_of(world) - routes_of(safe)
    assert all(route.startswith("GET") for route in marked)


def test_each_parameter_and_field_is_explained() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))

    models = (StartFields, ReadParameters, ContactChange)
    assert rows == {name for model in models for name in model.model_fields}


def test_examples_have_all_keys_of_contacts_and_messages() -> None:
    keys = set(re.findall(r'"(\w+)":', PAGE))

    assert {*GatewayContact.__dataclass_fields__, *GatewayMessage.__dataclass_fields__} - keys == {
        "changed_at"
    }


def test_each_error_is_explained() -> None:
    rows = set(re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.MULTILINE))
    refusals = [
        refusal
        for refusal in vars(gateway_errors).values()
        if isinstance(refusal, type) and issubclass(refusal, errors.Refused)
    ]

    assert rows == {
        (str(refusal.status), refusal.condition)
        for refusal in refusals
        if refusal is not errors.Refused
    }
