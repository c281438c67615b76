"""Reading archives over HTTP: filters, refusals, and the form of a message."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.archives import ALICE, BOB, ROOM, Talk, correct, in_room, react, to_alice, to_bob
from support.builders import entry, message
from support.http_services import HOST, SECRET_HEADERS, SETTINGS, open_services
from yarl import URL

from component.web.app import make_app
from component.web.server.settings import Services
from storage.sqlite.engine.database import DatabaseTimeouts

OWNER = f"alice@{HOST}"
ARCHIVE = f"/api/v1/archives/{OWNER}"
MESSAGES = f"{ARCHIVE}/messages"


@pytest.fixture
async def talk(services: Services) -> Talk:
    return Talk(services.writer)


async def get(api: TestClient, path: str, /, status: int = 200, **query: Any) -> Any:
    async with api.get(path, params=query) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def bodies(api: TestClient, **query: Any) -> list[str]:
    return [item["body"] for item in (await get(api, MESSAGES, **query))["messages"]]


async def refusal(api: TestClient, path: str, **query: Any) -> str:
    """Return the message of a refused request."""
    error = await get(api, path, 400, **query)
    assert error["error"] == "bad-request"
    return str(error["message"])


async def test_summary_has_size_and_bounds(api: TestClient, talk: Talk) -> None:
    await talk.take(to_bob("one", "m1"), to_alice("two", "m2"))
    page = await get(api, MESSAGES)
    first, last = page["messages"]

    summary = await get(api, ARCHIVE)

    assert summary == {
        "owner": OWNER,
        "count": 2,
        "bytes": sum(len(item["xml"].encode()) for item in (first, last)),
        "first": {"id": first["id"], "time": "2026-01-01T12:00:00.000000Z"},
        "last": {"id": last["id"], "time": "2026-01-01T12:00:01.000000Z"},
    }


@pytest.mark.parametrize("local", ["a{b}", "{a}", "a%2fb", "50%", "a+b", "a?b#c", "..", "ü"])
async def test_local_part_with_special_characters_is_read_from_the_path(
    api: TestClient, services: Services, local: str
) -> None:
    owner = f"{local}@{HOST}"
    await services.writer.store([entry(owner=owner)])

    for suffix in ("", "/messages", "/conversations", "/retention"):
        path = f"/api/v1/archives/{quote(owner, safe='')}{suffix}"
        async with api.get(URL(path, encoded=True)) as answer:
            assert answer.status == 200, path
            summary = await answer.json()
        if not suffix:
            assert (summary["owner"], summary["count"]) == (owner, 1)


async def test_archive_of_an_unknown_user_is_empty(api: TestClient) -> None:
    nobody = f"/api/v1/archives/nobody@{HOST}"

    assert await get(api, nobody) == {
        "owner": f"nobody@{HOST}",
        "count": 0,
        "bytes": 0,
        "first": None,
        "last": None,
    }
    assert await get(api, f"{nobody}/messages", count="true") == {
        "messages": [],
        "count": 0,
        "index": None,
        "gaps": [],
        "next": None,
        "complete": True,
    }
    conversations = await get(api, f"{nobody}/conversations")
    assert conversations == {"conversations": [], "next": None, "complete": True}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "archives/nobody@elsewhere.example"),
        ("GET", "archives/nobody@elsewhere.example/messages"),
        ("GET", "archives/nobody@elsewhere.example/messages/x"),
        ("GET", "archives/nobody@elsewhere.example/conversations"),
        ("GET", "archives/nobody@elsewhere.example/stream"),
        ("GET", "archives/nobody@elsewhere.example/export"),
        ("GET", "archives/nobody@elsewhere.example/retention"),
        ("PUT", "archives/nobody@elsewhere.example/retention"),
        ("DELETE", "archives/nobody@elsewhere.example"),
        ("DELETE", "archives/nobody@elsewhere.example/messages/x"),
        ("GET", "archives?domain=elsewhere.example"),
        ("GET", "accounts?host=elsewhere.example"),
        ("PUT", "holds/nobody@elsewhere.example"),
        ("PUT", "holds/elsewhere.example"),
        ("POST", "purges"),
    ],
)
async def test_unserved_domain_is_404_with_its_name(
    api: TestClient, method: str, path: str
) -> None:
    fields = {"retention": {"days": 1}, "purges": {"owner": "nobody@elsewhere.example"}}
    json_body = fields.get(path.rpartition("/")[2], {"reason": "r"}) if method != "GET" else None

    async with api.request(method, f"/api/v1/{path}", json=json_body) as answer:
        error = await answer.json()

    assert (answer.status, error["error"]) == (404, "item-not-found")
    assert error["message"] == (
        "elsewhere.example is not served here. Served are example.org, example.net."
    )


async def test_archive_of_a_domain_that_is_not_served_any_more_is_read(
    api: TestClient, services: Services
) -> None:
    await services.writer.store([entry(owner="ann@elsewhere.example")])

    summary = await get(api, "/api/v1/archives/ann@elsewhere.example")

    assert summary["count"] == 1


@pytest.mark.parametrize("owner", ["@", "example.org", f"alice@{HOST}%2Fphone", "a%20b@c"])
@pytest.mark.parametrize("path", ["", "/messages", "/messages/x", "/conversations", "/stream"])
async def test_owner_that_is_not_a_bare_jid_is_404(api: TestClient, owner: str, path: str) -> None:
    async with api.get(f"/api/v1/archives/{owner}{path}") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"] == "item-not-found"


async def test_owner_in_the_path_is_prepared(api: TestClient, talk: Talk) -> None:
    await talk.take(to_bob("one", "m1"))

    assert (await get(api, f"/api/v1/archives/ALICE@{HOST}"))["count"] == 1
    assert (await get(api, f"/api/v1/archives/alice%40{HOST}/"))["count"] == 1


async def test_message_has_every_key(api: TestClient, talk: Talk) -> None:
    text = message(
        "hi", sender=BOB, to=OWNER, id="m1", type="normal", extra="<subject>news</subject>"
    )
    await talk.take(text)

    [item] = (await get(api, MESSAGES))["messages"]

    assert item.pop("id")
    assert item == {
        "time": "2026-01-01T12:00:00.000000Z",
        "from": BOB,
        "to": OWNER,
        "peer": f"bob@{HOST}",
        "resource": "b1",
        "direction": "recv",
        "type": "normal",
        "kind": "message",
        "message_id": "m1",
        "subject": "news",
        "body": "hi",
        "file": None,
        "nick": None,
        "reply_to": None,
        "xml": text,
    }


async def test_message_is_found_by_its_id(api: TestClient, talk: Talk) -> None:
    await talk.take(to_bob("one", "m1"), to_alice("two", "m2"))
    [_, second] = (await get(api, MESSAGES))["messages"]

    assert await get(api, f"{MESSAGES}/{second['id']}") == second
    second.pop("xml")
    assert await get(api, f"{MESSAGES}/{second['id']}", xml="false") == second
    await get(api, f"{MESSAGES}/nothing", 404)


async def test_message_of_another_archive_is_404(api: TestClient, talk: Talk) -> None:
    await talk.take(to_bob("one", "m1"))
    [mine] = (await get(api, MESSAGES))["messages"]

    await get(api, f"/api/v1/archives/bob@{HOST}/messages/{mine['id']}", 404)


async def test_filter_leaves_out_other_messages(api: TestClient, talk: Talk) -> None:
    await talk.take(
        to_bob("zero", "m0"),
        to_alice("one", "m1"),
        in_room("carol", "two", "m2"),
        in_room("dave", "three", "m3"),
        to_alice("four", "m4", correct("m1")),
    )
    ids = [item["id"] for item in (await get(api, MESSAGES))["messages"]]

    assert await bodies(api, **{"with": f"BOB@{HOST}"}) == ["zero", "one", "four"]
    assert await bodies(api, **{"with": BOB}) == ["one", "four"]
    assert await bodies(api, **{"with": f"{ROOM}/carol"}) == ["two"]
    assert await bodies(api, groupchat="true") == ["two", "three"]
    assert await bodies(api, groupchat="false") == ["zero", "one", "four"]
    assert await bodies(api, kind="annotation") == ["four"]
    assert await bodies(api, kind="annotation,message", limit=2) == ["zero", "one"]
    assert await bodies(api, start="2026-01-01T12:00:03Z") == ["three", "four"]
    assert await bodies(api, end="2026-01-01T13:00:01+01:00") == ["zero", "one"]
    assert await bodies(api, after=ids[1], before=ids[4]) == ["two", "three"]
    assert await bodies(api, ids=f"{ids[3]},{ids[0]}") == ["zero", "three"]
    assert await bodies(api, search="thr*") == ["three"]
    assert await bodies(api, search='"one"', start="2026-01-01T12:00:02Z") == []


async def test_search_that_takes_too_long_is_422_with_advice(
    aiohttp_client: AiohttpClient,
) -> None:
    async with open_services(timeouts=DatabaseTimeouts(long_read=0.0)) as services:
        api = await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)
        await Talk(services.writer).take(to_bob("one", "m1"))
        error = await get(api, MESSAGES, 422, search="one")

        assert (error["error"], "narrow it" in error["message"]) == ("policy-violation", True)
        assert await bodies(api) == ["one"]
        await api.close()


async def test_repeated_list_parameters_are_joined(api: TestClient, talk: Talk) -> None:
    await talk.take(to_bob("zero", "m0"), to_bob("one", "m1"), to_bob("two", "m2"))
    ids = [item["id"] for item in (await get(api, MESSAGES))["messages"]]

    async with api.get(f"{MESSAGES}?ids={ids[2]}&ids={ids[1]}") as answer:
        page = await answer.json()

    assert [item["body"] for item in page["messages"]] == ["one", "two"]


async def test_page_has_messages_received_before_the_request(
    api: TestClient, services: Services
) -> None:
    for n in range(20):
        services.writer.put([entry(n)])
        assert (await bodies(api, order="desc", limit=1)) == [str(n)]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"with": "@"}, "with"),
        ({"start": "yesterday"}, "start"),
        ({"end": "2026-01-31"}, "end"),
        ({"groupchat": "1"}, "groupchat"),
        ({"count": "yes"}, "count"),
        ({"xml": ""}, "xml"),
        ({"kind": "message,asdf"}, "kind"),
        ({"order": "up"}, "order"),
        ({"view": "pretty"}, "view"),
        ({"search": "!?"}, "search"),
        ({"search": ""}, "search"),
        ({"after": ""}, "after"),
        ({"ids": ""}, "ids"),
        ({"view": "folded", "kind": "receipt"}, "kind"),
        ({"with_": f"bob@{HOST}"}, "with_"),
        ({"page": "2"}, "page"),
        ({"after": "x" * 257}, "after"),
        ({"before": "x" * 257}, "before"),
        ({"ids": f"a,{'x' * 257}"}, "ids"),
        ({"ids": ",".join("x" * 1001)}, "ids"),
        ({"with": f"{'x' * 3100}@{HOST}"}, "with"),
        ({"search": "word " * 700}, "search"),
    ],
)
async def test_wrong_or_unknown_parameter_is_400_with_its_name(
    api: TestClient, query: dict[str, str], parameter: str
) -> None:
    assert (await refusal(api, MESSAGES, **query)).startswith(parameter)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/conversations", {"since": "x" * 257}),
        ("/conversations", {"before": "x" * 257}),
        ("/stream", {"after": "x" * 257}),
        ("/retention", {"peer": f"{'x' * 3100}@{HOST}"}),
    ],
)
async def test_too_long_value_is_400_with_its_name(
    api: TestClient, path: str, query: dict[str, str]
) -> None:
    assert (await refusal(api, f"{ARCHIVE}{path}", **query)).startswith(next(iter(query)))


async def test_too_long_id_in_header_or_path_is_refused(api: TestClient) -> None:
    async with api.get(f"{ARCHIVE}/stream", headers={"Last-Event-ID": "x" * 257}) as answer:
        assert answer.status == 400
        assert (await answer.json())["message"].startswith("Last-Event-ID: ")
    for method in ("GET", "DELETE"):
        async with api.request(method, f"{MESSAGES}/{'x' * 257}") as answer:
            assert answer.status == 404


@pytest.mark.parametrize("path", ["", "/messages/x", "/conversations", "/stream"])
async def test_unknown_parameter_is_400_on_each_route(api: TestClient, path: str) -> None:
    assert (await refusal(api, f"{ARCHIVE}{path}", nonsense="1")).startswith("nonsense")


async def test_repeated_parameter_is_400(api: TestClient) -> None:
    async with api.get(f"{MESSAGES}?limit=1&limit=2") as answer:
        assert answer.status == 400
        assert (await answer.json())["message"].startswith("limit")


@pytest.mark.parametrize("name", ["after", "before", "ids"])
async def test_unknown_id_is_404(api: TestClient, talk: Talk, name: str) -> None:
    await talk.take(to_bob("one", "m1"))

    error = await get(api, MESSAGES, 404, **{name: "unknown"})

    assert error["error"] == "item-not-found"


async def test_folded_view_has_messages_only(api: TestClient, talk: Talk) -> None:
    await talk.take(
        to_alice("helo", "m1"),
        to_alice("hello", "m2", correct("m1")),
        to_bob(None, "m3", react("m1", "👍")),
    )
    _, correction, _ = (await get(api, MESSAGES))["messages"]

    page = await get(api, MESSAGES, view="folded")

    [folded] = page["messages"]
    assert folded["body"] == "hello"
    assert folded["edited"] == {"time": correction["time"], "id": correction["id"]}
    assert folded["retracted"] is None
    assert folded["reactions"] == {"👍": [OWNER]}
    assert folded["receipts"] == []
    assert await get(api, f"{MESSAGES}/{folded['id']}", view="folded") == folded


async def test_message_of_a_room_has_addresses_of_occupants(api: TestClient, talk: Talk) -> None:
    await talk.take(in_room("carol", "hi", "m1"))

    [item] = (await get(api, MESSAGES))["messages"]

    assert (item["peer"], item["resource"], item["nick"]) == (ROOM, "carol", "carol")
    assert (item["from"], item["to"], item["type"]) == (f"{ROOM}/carol", ALICE, "groupchat")
