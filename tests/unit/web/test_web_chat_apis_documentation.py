"""docs/condor-chat.md and docs/bpo-chat.md document exactly the routes of their families."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.drf import WITH_APIS

from component.web.bpo_chat.family import BPO_CHAT, BPO_CHAT_OPEN
from component.web.condor_chat.family import CONDOR_CHAT, CONDOR_CHAT_OPEN
from component.web.server.family import Family
from component.web.server.settings import Services

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("page", "families"),
    [
        ("condor-chat.md", (CONDOR_CHAT_OPEN, CONDOR_CHAT)),
        ("bpo-chat.md", (BPO_CHAT_OPEN, BPO_CHAT)),
    ],
)
async def test_each_route_has_a_row_and_is_redirected_without_its_slash(
    services: Services, page: str, families: Sequence[Family]
) -> None:
    routes = set()
    for family in families:
        prefix = family.path(WITH_APIS)
        for route in family.app(WITH_APIS, services).router.routes():
            assert route.resource is not None
            routes.add(f"{route.method} {route.resource.canonical.removeprefix(prefix)}")
    slashed = {route for route in routes if route.endswith("/")}
    files = {route for route in routes if "avatar_files" in route}

    rows = set(re.findall(r"^\| `([A-Z]+ /\S*)` \|", (DOCS / page).read_text(), re.MULTILINE))

    assert rows == slashed | files
    assert routes - rows == {route.removesuffix("/") for route in slashed}
