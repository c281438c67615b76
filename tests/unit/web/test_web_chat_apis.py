"""The routes of condor_chat and bpo-chat-api: their documentation, and their place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.drf import WITH_APIS
from support.families import FAMILIES

from component.core.ejabberd_api.catalogue import BY_NAME
from component.web.bpo_chat.family import BPO_CHAT, BPO_CHAT_OPEN
from component.web.condor_chat.family import CONDOR_CHAT, CONDOR_CHAT_OPEN
from component.web.drf.settings import BpoChatSettings, CondorChatSettings
from component.web.server.family import Family
from component.web.server.settings import Listener, Services

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


async def test_paths_of_both_systems_themselves_are_free(services: Services) -> None:
    settings = replace(
        WITH_APIS,
        condor_chat=CondorChatSettings(prefix="/api/v1"),
        bpo_chat=BpoChatSettings(prefix="/api/v1"),
    )
    names: dict[str, set[str]] = {}
    for family in FAMILIES:
        if family.listener is Listener.PUBLIC:
            paths = [
                route.resource.canonical
                for route in family.app(settings, services).router.routes()
                if route.resource is not None
            ]
            system = family.name.removesuffix(" open")
            names.setdefault(system, set()).update(
                path.split("/")[3] for path in paths if path.startswith("/api/v1/")
            )
    condor, bpo = names.pop("condor_chat"), names.pop("bpo-chat")

    others = set().union(*names.values())
    assert {"tokens", "archives"} <= others
    assert condor & bpo == condor & others == bpo & others == set()
    # They come before the API of ejabberd, and hide none of its commands.
    assert (condor | bpo) & BY_NAME.keys() == set()
