"""The OpenAPI document of each listener, and its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.chat import with_chat_for
from support.ejabberd_api import with_ejabberd_api
from support.families import FAMILIES
from support.gateway import with_gateway_for
from support.sign_in import BOTH, with_sign_in

from component.core.ejabberd_api.catalogue import BY_NAME
from component.web.app import make_app
from component.web.drf.paths import redirect
from component.web.drf.settings import BpoChatSettings, CondorChatSettings
from component.web.openapi.family import DOCUMENT
from component.web.openapi.level import API_LEVEL, HEADER
from component.web.server.operation import operation_of
from component.web.server.settings import Listener, Services, WebSettings

ROOT = Path(__file__).parents[3]

#: Every API is served.
EVERYTHING = replace(BOTH, condor_chat=CondorChatSettings(), bpo_chat=BpoChatSettings())

IDS = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+")


@pytest.fixture
def all_services(services: Services) -> Services:
    return with_gateway_for(with_ejabberd_api(with_chat_for(with_sign_in(services))))


def document(services: Services, listener: Listener, settings: WebSettings) -> dict[str, Any]:
    return make_app(settings, services, listener)[DOCUMENT].fields


def operations(fields: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and operation of all operations of a document."""
    for path, methods in fields["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


async def test_each_route_of_an_api_is_declared(all_services: Services) -> None:
    undeclared = [
        f"{family.name}: {route.method} {route.resource.canonical}"
        for family in FAMILIES
        if family.is_api
        for route in family.app(EVERYTHING, all_services).router.routes()
        if route.resource is not None
        if route.handler is not redirect and operation_of(route.handler) is None
    ]

    assert undeclared == []


@pytest.mark.parametrize("listener", Listener)
async def test_ids_of_operations_are_unique_and_have_an_api(
    all_services: Services, listener: Listener
) -> None:
    fields = document(all_services, listener, EVERYTHING)

    ids = [operation["operationId"] for _, _, operation in operations(fields)]

    assert len(ids) > 50
    assert len(set(ids)) == len(ids)
    assert all(IDS.fullmatch(id) for id in ids)


@pytest.mark.parametrize("listener", Listener)
async def test_each_operation_has_a_summary_and_declared_parameters(
    all_services: Services, listener: Listener
) -> None:
    for method, path, operation in operations(document(all_services, listener, EVERYTHING)):
        in_path = [item["name"] for item in operation["parameters"] if item["in"] == "path"]

        assert operation["summary"], f"{method} {path}"
        assert in_path == re.findall(r"\{(\w+)\}", path)


@pytest.mark.parametrize("listener", Listener)
async def test_each_reference_has_its_target_and_each_target_one_name(
    all_services: Services, listener: Listener
) -> None:
    fields = document(all_services, listener, EVERYTHING)
    references = set(re.findall(r"#/components/(\w+)/([\w-]+)", str(fields)))
    targets = {
        (kind, name)
        for kind in ("schemas", "responses", "headers")
        for name in fields["components"][kind]
    }

    assert references == targets
    assert not [name for _, name in targets if "__" in name]


async def test_each_command_of_ejabberd_is_an_operation(all_services: Services) -> None:
    fields = document(all_services, Listener.PUBLIC, EVERYTHING)

    for name, definition in BY_NAME.items():
        post = fields["paths"][f"/api/{name}"]["post"]
        assert post["summary"] == definition.description
        assert post["operationId"] == f"ejabberd_api.{name}"


async def test_only_what_is_served_is_in_the_document_below_its_prefix(
    services: Services,
) -> None:
    settings = replace(BOTH, prefix="/muniment")

    private = document(services, Listener.PRIVATE, settings)
    public = document(with_sign_in(services), Listener.PUBLIC, settings)

    assert "/muniment/v1/archives" in private["paths"]
    assert not any(path.startswith("/api") for path in private["paths"])
    assert "/muniment/v1/tokens" in public["paths"]
    assert {tag["name"] for tag in public["tags"]} == {
        *("liveness", "sign-in", "sign-ins", "own archive", "events", "push")
    }


async def test_secret_is_optional_where_the_network_is_trusted(services: Services) -> None:
    fields = document(services, Listener.PRIVATE, replace(BOTH, trusts_network=True))

    assert {} in fields["paths"]["/api/v1/holds"]["get"]["security"]


async def test_live_streams_take_tickets(all_services: Services) -> None:
    fields = document(all_services, Listener.PUBLIC, EVERYTHING)

    stream = fields["paths"]["/api/v1/chat/events/stream"]["get"]

    assert stream["security"] == [{"accessToken": []}, {"ticket": []}]


async def test_document_is_served_to_everybody_and_names_the_level(stranger: TestClient) -> None:
    answer = await stranger.get("/openapi.json")
    fields = await answer.json()

    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert answer.headers[HEADER] == str(API_LEVEL)
    assert fields["openapi"].startswith("3.1.")
    assert fields["info"]["version"] == str(API_LEVEL)
    assert fields["info"]["x-api-level"] == API_LEVEL


async def test_document_is_not_sent_again_while_it_is_the_same(stranger: TestClient) -> None:
    tag = (await stranger.get("/openapi.json")).headers["ETag"]

    again = await stranger.get("/openapi.json", headers={"If-None-Match": tag})

    assert again.status == 304


async def test_every_answer_names_the_level(stranger: TestClient) -> None:
    for path in ("/health/live", "/api/v1/holds", "/nothing"):
        assert (await stranger.get(path)).headers[HEADER] == str(API_LEVEL)


async def test_changelog_names_the_level() -> None:
    assert f"`{HEADER}`, which is {API_LEVEL}" in (ROOT / "CHANGELOG.md").read_text()


class Page(HTMLParser):
    """The ids, links and elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if str(values.get("href", "")).startswith("#"):
            self.links.add(str(values["href"]).removeprefix("#"))


@pytest.mark.parametrize("listener", Listener)
async def test_page_shows_each_operation_without_scripts_and_inline_styles(
    all_services: Services, aiohttp_client: AiohttpClient, listener: Listener
) -> None:
    app = make_app(EVERYTHING, all_services, listener)
    client = await aiohttp_client(app)

    answer = await client.get("/docs")
    page = Page(await answer.text())

    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert {
        id
        for _, _, operation in operations(app[DOCUMENT].fields)
        for id in [operation["operationId"]]
    } <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert page.links <= set(page.ids)
    assert page.tags.isdisjoint({"script", "style"})
    assert "style" not in page.attributes


async def test_files_of_the_page_are_served(stranger: TestClient) -> None:
    text = await (await stranger.get("/docs")).text()

    for path in re.findall(r'href="(docs/assets/[^"]+)"', text):
        assert (await stranger.get(f"/{path}")).status == 200


@pytest.mark.parametrize("listener", Listener)
async def test_docs_are_switched_off_on_a_listener(
    services: Services, aiohttp_client: AiohttpClient, listener: Listener
) -> None:
    settings = replace(BOTH, docs=False, public=replace(BOTH.public, docs=False))
    client = await aiohttp_client(make_app(settings, services, listener))

    for path in ("/openapi.json", "/docs"):
        assert (await client.get(path)).status == (401 if listener is Listener.PRIVATE else 404)
