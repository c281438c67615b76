"""docs/http-api.md and docs/remote-data.md document exactly the routes of the program."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp.test_utils import TestClient

from component.core.errors import TakesTooLong
from component.web.archive.models import Parameters
from component.web.remote_data.models import ArchivePost, ArchiveQuery, AuthQuery, OfflinePost
from component.web.remote_data.roster_models import RosterPost
from component.web.server.errors import CONDITIONS

DOCS = Path(__file__).parents[3] / "docs"

ROUTE = r"`([A-Z]+ /\S*)`"


def text() -> str:
    return "".join((DOCS / page).read_text() for page in ("http-api.md", "remote-data.md"))


def routes(client: TestClient) -> set[str]:
    return {
        f"{route.method} {route.resource.canonical.rstrip('/')}"
        for route in client.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def parameters_of(model: type[Parameters]) -> set[str]:
    """Return the names of all parameters of a model and its subclasses, as clients write them."""
    names = {field.alias or name for name, field in model.model_fields.items()}
    return names.union(*(parameters_of(subclass) for subclass in model.__subclasses__()))


async def test_each_route_has_a_section(api: TestClient) -> None:
    sections = set(re.findall(rf"^### {ROUTE}$", text(), re.MULTILINE))

    assert sections == routes(api)


async def test_each_route_is_in_the_overview(api: TestClient) -> None:
    rows = re.findall(rf"^\| {ROUTE} (?:\| {ROUTE} )?\|", text(), re.MULTILINE)

    assert {route for row in rows for route in row if route} == routes(api)


def test_each_parameter_and_field_is_explained() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", text(), re.MULTILINE))

    assert rows == {
        *ArchiveQuery.model_fields,
        *ArchivePost.model_fields,
        *AuthQuery.model_fields,
        *OfflinePost.model_fields,
        *RosterPost.model_fields,
        *parameters_of(Parameters),
    }


def test_each_error_status_is_explained() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| `([\w-]+)` \|", text(), re.MULTILINE))

    assert rows == {str(status): name for status, name in CONDITIONS.items()} | {
        "422": TakesTooLong.condition,
        "500": "internal-server-error",
    }
