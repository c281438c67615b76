"""The pages about HTTP in docs document exactly the routes of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.chat import with_chat_for
from support.ejabberd_api import with_ejabberd_api
from support.sign_in import BOTH, with_sign_in

from component.core.errors import CursorExpired, TakesTooLong
from component.web.app import make_app
from component.web.archive.models import Parameters
from component.web.operators.rendering import PREFIX
from component.web.remote_data.models import ArchivePost, ArchiveQuery, AuthQuery, OfflinePost
from component.web.remote_data.roster_models import RosterPost
from component.web.server.errors import CONDITIONS
from component.web.server.settings import Listener, Services

DOCS = Path(__file__).parents[3] / "docs"

#: Its table of commands is compared with their definitions elsewhere.
EJABBERD_API = "ejabberd-api.md"

PAGES = (
    *(
        "http-api.md",
        "remote-data.md",
        "sign-in.md",
        "events.md",
        "sending.md",
        "push.md",
        "chat.md",
        "pages.md",
    ),
    EJABBERD_API,
)

ROUTE = r"`([A-Z]+ /\S*)`"


def text(*excluded: str) -> str:
    return "".join((DOCS / page).read_text() for page in PAGES if page not in excluded)


@pytest.fixture
def routes(services: Services) -> set[str]:
    """Return the routes of both listeners, without those of the operators' pages."""
    signing_in = with_ejabberd_api(with_chat_for(with_sign_in(services)))
    return {
        f"{route.method} {route.resource.canonical.rstrip('/') or '/'}"
        for listener in Listener
        for route in make_app(BOTH, signing_in, listener).router.routes()
        if route.resource is not None and route.method != "HEAD"
        if not f"{route.resource.canonical}/".startswith(f"{PREFIX}/")
    }


def parameters_of(model: type[Parameters]) -> set[str]:
    """Return the names of all parameters of a model and its subclasses, as clients write them."""
    names = {field.alias or name for name, field in model.model_fields.items()}
    return names.union(*(parameters_of(subclass) for subclass in model.__subclasses__()))


async def test_each_route_has_a_section(routes: set[str]) -> None:
    sections = set(re.findall(rf"^### {ROUTE}$", text(), re.MULTILINE))

    assert sections == routes


async def test_each_route_is_in_the_overview(routes: set[str]) -> None:
    rows = re.findall(rf"^\| {ROUTE} (?:\| {ROUTE} )?\|", text(), re.MULTILINE)

    assert {route for row in rows for route in row if route} == routes


def test_each_parameter_and_field_is_explained() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", text(EJABBERD_API), re.MULTILINE))

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
        "410": CursorExpired.condition,
        "422": TakesTooLong.condition,
        "500": "internal-server-error",
    }
