"""Conversations over HTTP: their order, their pages and their unread counts."""

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


async def rows(api: TestClient, **query: Any) -> list[tuple[str, int, int, str]]:
    """Return peer, count, unread and last text of each conversation."""
    return [
        (item["peer"], item["count"], item["unread"], item["last"]["body"])
        for item in (await get(api, **query))["conversations"]
    ]


def message_to(peer: str, body: str, id: str) -> str:
    return message(body, sender=ALICE, to=peer, id=id)


def message_from(peer: str, body: str, id: str, extra: str = "") -> str:
    return message(body, sender=f"{peer}/x", to=OWNER, id=id, extra=extra)


async def test_conversation_with_the_newest_message_is_first(api: TestClient, talk: Talk) -> None:
    await talk.take(
        to_bob("one", "m1"), message_from(CAROL, "two", "m2"), message_from(BOB, "three", "m3")
    )

    assert await rows(api) == [(BOB, 2, 1, "three"), (CAROL, 1, 1, "two")]


async def test_answered_or_displayed_messages_are_read(api: TestClient, talk: Talk) -> None:
    await talk.take(
        message_from(BOB, "one", "m1"),
        message_from(CAROL, "two", "m2"),
        to_bob(None, "m3", displayed("m1")),
        message_from(BOB, "four", "m4"),
        message_to(CAROL, "five", "m5"),
    )

    assert await rows(api) == [(CAROL, 2, 0, "five"), (BOB, 3, 1, "four")]


async def test_unread_messages_are_counted_behind_an_id_or_a_time(
    api: TestClient, talk: Talk
) -> None:
    await talk.take(
        message_from(BOB, "zero", "m0"),
        message_from(BOB, "one", "m1"),
        message_from(CAROL, "two", "m2"),
        to_bob("three", "m3"),
    )
    [_, last] = (await get(api))["conversations"]

    async def unread(since: str) -> dict[str, int]:
        return {peer: number for peer, _, number, _ in await rows(api, since=since)}

    assert await unread(last["last"]["id"]) == {BOB: 0, CAROL: 0}
    assert await unread("2026-01-01T12:00:01Z") == {BOB: 0, CAROL: 1}
    assert await unread("2026-01-01T12:00:00Z") == {BOB: 1, CAROL: 1}
    assert await unread("2025-01-01T00:00:00Z") == {BOB: 2, CAROL: 1}
    assert await unread("2027-01-01T00:00:00Z") == {BOB: 0, CAROL: 0}


async def test_pages_have_each_conversation_once(api: TestClient, talk: Talk) -> None:
    await talk.take(
        message_from(BOB, "one", "m1"),
        message_from(CAROL, "two", "m2"),
        message_from(DAVE, "three", "m3"),
        # The newest message with Bob has no content; his conversation comes first all the same.
        to_bob(None, "m4", displayed("m1")),
    )
    peers: list[str] = []
    url = api.make_url(PATH).with_query(limit="1")
    while url is not None:
        async with api.session.get(url) as answer:
            peers += [item["peer"] for item in (await answer.json())["conversations"]]
            url = answer.links.get("next", {}).get("url")  # type: ignore[assignment]

    assert peers == [BOB, DAVE, CAROL]


async def test_page_of_large_messages_is_shorter_and_links_the_next(
    api: TestClient, talk: Talk
) -> None:
    large = PAGE_MAX_BYTES // 2 - 1000
    await talk.take(*(message_from(peer, "x" * large, peer) for peer in (BOB, CAROL, DAVE)))

    first = await get(api)
    second = await get(api, before=first["next"])

    assert [item["peer"] for item in first["conversations"]] == [DAVE, CAROL]
    assert [item["peer"] for item in second["conversations"]] == [BOB]
    assert (first["complete"], second["complete"], second["next"]) == (False, True, None)


async def test_last_message_is_folded_on_request(api: TestClient, talk: Talk) -> None:
    await talk.take(to_alice("helo", "m1"), to_alice("hello", "m2", correct("m1")))

    [raw] = (await get(api))["conversations"]
    [folded] = (await get(api, view="folded", xml="false"))["conversations"]

    assert (raw["last"]["body"], folded["last"]["body"]) == ("helo", "hello")
    assert "xml" not in folded["last"]
    assert "edited" not in raw["last"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [({"since": "12:00"}, "since"), ({"limit": "x"}, "limit"), ({"view": "x"}, "view")],
)
async def test_wrong_parameter_of_conversations_is_400_with_its_name(
    api: TestClient, query: dict[str, str], parameter: str
) -> None:
    assert (await get(api, 400, **query))["message"].startswith(parameter)


@pytest.mark.parametrize("name", ["since", "before"])
async def test_unknown_id_is_404(api: TestClient, talk: Talk, name: str) -> None:
    await talk.take(to_bob("one", "m1"))

    assert (await get(api, 404, **{name: "unknown"}))["error"] == "item-not-found"
