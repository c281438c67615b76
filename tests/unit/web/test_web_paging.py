"""Pages of the archive API in both directions, and their counts."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_aiohttp import AiohttpClient
from support.builders import BOB, NOON, ROMEO, SECOND, entry
from support.http_services import HOST, SECRET_HEADERS, SETTINGS

from component.web.app import make_app
from component.web.server.settings import Services
from storage.rows import NewMessage

OWNERS = (f"owner{n}@{HOST}" for n in count())


def rows(owner: str, peers: list[str]) -> list[NewMessage]:
    return [entry(n, owner=owner, peer=peer, at=NOON + n * SECOND) for n, peer in enumerate(peers)]


async def everything(api: TestClient, owner: str, **query: Any) -> list[str]:
    """Follow the links from page to page and return the bodies."""
    bodies: list[str] = []
    url = api.make_url(f"/api/v1/archives/{owner}/messages").with_query(query)
    while True:
        async with api.session.get(url) as answer:
            page = await answer.json()
            link = answer.links.get("next")
        bodies += [item["body"] for item in page["messages"]]
        assert page["complete"] is (link is None) is (page["next"] is None)
        if link is None:
            return bodies
        assert page["messages"], "a page that is not the last has something on it"
        assert page["next"] == page["messages"][-1]["id"]
        url = link["url"]  # type: ignore[assignment]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_pages_in_both_directions_make_up_the_archive(
    api: TestClient, services: Services, data: st.DataObject
) -> None:
    peers = data.draw(st.lists(st.sampled_from([BOB, ROMEO]), max_size=12))
    limit = data.draw(st.integers(1, 5))
    filters = data.draw(st.sampled_from([{}, {"with": BOB}, {"start": "2026-01-01T12:00:03Z"}]))
    owner = next(OWNERS)
    if peers:
        await services.writer.store(rows(owner, peers))

    oldest = await everything(api, owner, limit=limit, order="asc", **filters)
    newest = await everything(api, owner, limit=limit, order="desc", **filters)

    matching = [
        str(n)
        for n, peer in enumerate(peers)
        if filters.get("with", peer) == peer and ("start" not in filters or n >= 3)
    ]
    assert oldest == matching
    assert newest == matching[::-1]


async def test_page_has_a_count_on_request(api: TestClient, services: Services) -> None:
    owner = next(OWNERS)
    await services.writer.store(rows(owner, [BOB, ROMEO, BOB, BOB]))
    path = f"/api/v1/archives/{owner}/messages"

    async def places(**query: Any) -> tuple[int | None, int | None]:
        async with api.get(path, params=query) as answer:
            page = await answer.json()
            return page["index"], page["count"]

    assert await places(limit=2) == (None, None)
    assert await places(limit=2, count="true") == (0, 4)
    assert await places(limit=1, count="true", order="desc") == (3, 4)
    assert await places(limit=1, count="true", order="desc", **{"with": BOB}) == (2, 3)


@pytest.mark.parametrize(("limit", "size"), [(None, 2), ("1", 1), ("3", 3), ("100", 3)])
async def test_page_is_limited_by_the_settings(
    aiohttp_client: AiohttpClient, services: Services, limit: str | None, size: int
) -> None:
    owner = next(OWNERS)
    await services.writer.store(rows(owner, [BOB] * 5))
    limited = replace(SETTINGS, page_default=2, page_max=3)
    client = await aiohttp_client(make_app(limited, services), headers=SECRET_HEADERS)

    query = {} if limit is None else {"limit": limit}
    async with client.get(f"/api/v1/archives/{owner}/messages", params=query) as answer:
        assert len((await answer.json())["messages"]) == size
