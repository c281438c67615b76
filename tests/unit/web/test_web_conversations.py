"""Conversations over HTTP: the newest first, each once, with what is unread."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from support.archives import ALICE, Talk, correct, displayed, to_alice, to_bob
from support.builders import message
from support.http_services import HOST

from component.core.reading.pages import PAGE_MAX_BYTES
from component.web.server.settings import Services

OWNER = f"alice@{HOST}"
PATH = f"/api/v1/archives/{OWNER}/conversations"
BOB, CAROL, DAVE = (f"{name}@{HOST}" for name in ("bob", "carol", "dave"))


@pytest.fixture
async def talk(services: Services) -> Talk:
    return Talk(services.writer)


async def get(api: TestClient, status: int = 200, **query: Any) -> Any:
    async with api.get(PATH, params=query) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def told(api: TestClient, **query: Any) -> list[tuple[str, int, int, str]]:
    """Return peer, count, unread and last text of each conversation."""
    return [
        (one["peer"], one["count"], one["unread"], one["last"]["body"])
        for one in (await get(api, **query))["conversations"]
    ]


def to(who: str, body: str, id: str) -> str:
    return message(body, sender=ALICE, to=who, id=id)


def of(who: str, body: str, id: str, extra: str = "") -> str:
    return message(body, sender=f"{who}/x", to=OWNER, id=id, extra=extra)


async def test_the_conversation_with_the_newest_message_comes_first(
    api: TestClient, talk: Talk
) -> None:
    await talk.take(to_bob("one", "m1"), of(CAROL, "two", "m2"), of(BOB, "three", "m3"))

    assert await told(api) == [(BOB, 2, 1, "three"), (CAROL, 1, 1, "two")]


async def test_answered_or_displayed_messages_are_read(api: TestClient, talk: Talk) -> None:
    await talk.take(
        of(BOB, "one", "m1"),
        of(CAROL, "two", "m2"),
        to_bob(None, "m3", displayed("m1")),
        of(BOB, "four", "m4"),
        to(CAROL, "five", "m5"),
    )

    assert await told(api) == [(CAROL, 2, 0, "five"), (BOB, 3, 1, "four")]


async def test_unread_messages_are_counted_behind_an_id_or_a_time(
    api: TestClient, talk: Talk
) -> None:
    await talk.take(
        of(BOB, "zero", "m0"), of(BOB, "one", "m1"), of(CAROL, "two", "m2"), to_bob("three", "m3")
    )
    [_, last] = (await get(api))["conversations"]

    async def unread(since: str) -> dict[str, int]:
        return {peer: number for peer, _, number, _ in await told(api, since=since)}

    assert await unread(last["last"]["id"]) == {BOB: 0, CAROL: 0}
    assert await unread("2026-01-01T12:00:01Z") == {BOB: 0, CAROL: 1}
    assert await unread("2026-01-01T12:00:00Z") == {BOB: 1, CAROL: 1}
    assert await unread("2025-01-01T00:00:00Z") == {BOB: 2, CAROL: 1}
    assert await unread("2027-01-01T00:00:00Z") == {BOB: 0, CAROL: 0}


async def test_pages_have_each_conversation_once(api: TestClient, talk: Talk) -> None:
    await talk.take(
        of(BOB, "one", "m1"),
        of(CAROL, "two", "m2"),
        of(DAVE, "three", "m3"),
        # The newest messages of Bob say nothing; he is the first all the same.
        to_bob(None, "m4", displayed("m1")),
    )
    found: list[str] = []
    url = api.make_url(PATH).with_query(limit="1")
    while url is not None:
        async with api.session.get(url) as answer:
            found += [one["peer"] for one in (await answer.json())["conversations"]]
            url = answer.links.get("next", {}).get("url")  # type: ignore[assignment]

    assert found == [BOB, DAVE, CAROL]


async def test_page_of_large_messages_is_shorter_and_links_the_next(
    api: TestClient, talk: Talk
) -> None:
    large = PAGE_MAX_BYTES // 2 - 1000
    await talk.take(*(of(peer, "x" * large, peer) for peer in (BOB, CAROL, DAVE)))

    first = await get(api)
    second = await get(api, before=first["next"])

    assert [one["peer"] for one in first["conversations"]] == [DAVE, CAROL]
    assert [one["peer"] for one in second["conversations"]] == [BOB]
    assert (first["complete"], second["complete"], second["next"]) == (False, True, None)


async def test_the_last_message_may_be_folded(api: TestClient, talk: Talk) -> None:
    await talk.take(to_alice("helo", "m1"), to_alice("hello", "m2", correct("m1")))

    [raw] = (await get(api))["conversations"]
    [folded] = (await get(api, view="folded", xml="false"))["conversations"]

    assert (raw["last"]["body"], folded["last"]["body"]) == ("helo", "hello")
    assert "xml" not in folded["last"]
    assert "edited" not in raw["last"]


@pytest.mark.parametrize(
    ("query", "named"),
    [({"since": "12:00"}, "since"), ({"limit": "x"}, "limit"), ({"view": "x"}, "view")],
)
async def test_a_wrong_parameter_is_named(
    api: TestClient, query: dict[str, str], named: str
) -> None:
    assert (await get(api, 400, **query))["message"].startswith(named)


@pytest.mark.parametrize("name", ["since", "before"])
async def test_an_unknown_id_is_not_found(api: TestClient, talk: Talk, name: str) -> None:
    await talk.take(to_bob("one", "m1"))

    assert (await get(api, 404, **{name: "unknown"}))["error"] == "item-not-found"
