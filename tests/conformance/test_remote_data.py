"""The Remote Data contract of archives, as the modules of ejabberd that call it need it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import (
    HOST,
    SECRET_HEADERS,
    SETTINGS,
    message,
    open_services,
    post,
    stamp,
)
from yarl import URL

from component.web.app import make_app

ROOM = "room@conference.example.org"


@pytest.fixture
async def api(aiohttp_client: AiohttpClient) -> AsyncIterator[TestClient]:
    async with open_services() as services:
        yield await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)


async def store(api: TestClient, *posts: dict[str, Any]) -> None:
    for fields in posts:
        async with api.post("/api/archive", json=fields) as response:
            assert response.status == 200, await response.text()


async def read(api: TestClient, username: str = "alice", **query: Any) -> dict[str, Any]:
    params = {"username": username} | {name: str(value) for name, value in query.items()}
    async with api.get("/api/archive", params=params) as response:
        assert response.status == 200, await response.text()
        page: dict[str, Any] = await response.json()
        return page


def times(page: dict[str, Any]) -> list[str]:
    return [item["timestamp"] for item in page["archive"]]


def room_post(second: int, body: str) -> dict[str, Any]:
    xml = (
        f"<message xmlns='jabber:client' type='groupchat' from='{ROOM}/Nick'>"
        f"<body>{body}</body></message>"
    )
    return post(second, username=ROOM, type="groupchat", nick="Nick", xml=xml)


# --- transport ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/archive", "/api/archive/"])
async def test_trailing_slash_of_a_path_is_optional(api: TestClient, path: str) -> None:
    """Serve with a configurable prefix; never require a trailing slash."""
    posted = await api.post(path, json=post())
    response = await api.get(path, params={"username": "alice"})

    assert (posted.status, response.status) == (200, 200)


async def test_trailing_slash_of_the_count_is_optional(api: TestClient) -> None:
    """/auth/ == /auth; prefix /api works."""
    response = await api.get("/api/archive/items/", params={"username": "alice"})

    assert response.status == 200


async def test_unknown_parameters_are_ignored(api: TestClient) -> None:
    """Ignore unknown query parameters, never 4xx on them."""
    await store(api, post())

    page = await read(api, token="x", chat_type="asdf")

    assert page["count"] == 1


async def test_unknown_keys_of_a_post_are_ignored(api: TestClient) -> None:
    """Accept any mix."""
    await store(api, post(id="x", stanza={"a": [1]}))

    assert (await read(api))["count"] == 1


async def test_last_of_repeated_parameters_counts(api: TestClient) -> None:
    """Duplicated parameters: last one wins."""
    await store(api, post())

    response = await api.get(URL("/api/archive?username=nobody&username=alice", encoded=True))

    assert (await response.json())["count"] == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Api-Key": " s3cret"},
        {"Authorization": " Bearer s3cret"},
        {"Authorization": "Bearer  s3cret"},
        {"Authorization": "bearer s3cret"},
    ],
)
async def test_secret_with_leading_blanks_is_accepted(
    aiohttp_client: AiohttpClient, headers: dict[str, str]
) -> None:
    """The value is NOT trimmed, so it may start with a space."""
    async with open_services() as services:
        client = await aiohttp_client(make_app(SETTINGS, services), headers=headers)

        response = await client.get("/api/archive", params={"username": "alice"})

        assert response.status == 200


async def test_parameters_encoded_by_ejabberd_are_decoded(api: TestClient) -> None:
    """Unreserved = A-Z a-z 0-9 _ . - / : ; "+" is %2B; percent-encoded unicode survives."""
    await store(api, post(username="rené", peer="a+b", xml=None, body="x", direction="recv"))

    query = "username=ren%c3%a9&peer=a%2Bb&after=2016-04-18T10:00:00.123456Z"
    response = await api.get(URL(f"/api/archive?{query}", encoded=True))

    (item,) = (await response.json())["archive"]
    assert (item["username"], item["peer"]) == ("rené", "a+b")


async def test_stored_message_is_acknowledged_with_an_empty_body(api: TestClient) -> None:
    """200s must have an EMPTY body or valid JSON."""
    response = await api.post("/api/archive", json=post())

    assert (response.status, await response.read()) == (200, b"")


async def test_head_is_answered_like_get(api: TestClient) -> None:
    """HEAD works like GET."""
    response = await api.head("/api/archive", params={"username": "alice"})

    assert response.status == 200
    assert response.content_type == "application/json"


async def test_connection_is_kept_alive(api: TestClient) -> None:
    """Pool of up to 100 keep-alive connections per host."""
    response = await api.get("/api/archive", params={"username": "alice"})

    assert response.headers.get("Connection", "keep-alive").lower() == "keep-alive"


async def test_virtual_hosts_have_separate_archives(api: TestClient) -> None:
    """There is NO domain parameter in any call: one base URL per vhost."""
    await store(api, post())

    other = await api.get("/api/example.net/archive", params={"username": "alice"})
    same = await api.get("/api/example.org/archive", params={"username": "alice"})

    assert (await other.json())["count"] == 0
    assert (await same.json())["count"] == 1


# --- POST /archive --------------------------------------------------------------------------


async def test_xml_is_returned_as_posted(api: TestClient) -> None:
    """POST in xml form, then GET returns the same xml and timestamp to the microsecond."""
    xml = message("bob@example.org/phone", "alice@example.org", "&lt;ü&gt; &#10; '")
    await store(api, post(xml=xml, timestamp="2016-04-18T10:00:00.123456Z"))

    (item,) = (await read(api))["archive"]

    assert item["xml"] == xml
    assert item["timestamp"] == "2016-04-18T10:00:00.123456Z"


async def test_body_and_direction_are_derived_from_the_xml(api: TestClient) -> None:
    """Derive the missing parts: body from xml, direction by comparing from/to with the owner."""
    sent = message("alice@example.org/pc", "bob@example.net", "two")
    await store(api, post(1), post(2, xml=sent))

    page = await read(api)

    assert [(item["direction"], item["body"]) for item in page["archive"]] == [
        ("recv", "message 1"),
        ("send", "two"),
    ]


async def test_stanza_without_namespace_is_accepted(api: TestClient) -> None:
    """xml: whole serialized <message/> stanza. Older servers send it without its namespace."""
    xml = "<message from='bob@example.org/x' to='alice@example.org'><body>hi</body></message>"
    await store(api, post(xml=xml))

    (item,) = (await read(api))["archive"]

    assert (item["xml"], item["body"]) == (xml, "hi")


@pytest.mark.parametrize("direction", ["send", "recv"])
async def test_body_is_returned_with_its_direction(api: TestClient, direction: str) -> None:
    """In body form, GET returns direction send/recv and body."""
    await store(api, post(xml=None, body="<&>\r\n'\"ü", direction=direction))

    (item,) = (await read(api))["archive"]

    assert (item["direction"], item["body"]) == (direction, "<&>\r\n'\"ü")


async def test_body_is_stored_as_a_stanza(api: TestClient) -> None:
    """Body mode: <message type=chat from to><body/></message>."""
    await store(api, post(xml=None, body="a < b", direction="send"))

    (item,) = (await read(api))["archive"]

    assert item["xml"] == (
        "<message xmlns='jabber:client' type='chat' from=\"alice@example.org\""
        ' to="bob@example.org"><body>a &lt; b</body></message>'
    )


async def test_all_six_fields_of_the_documentation_are_accepted_together(api: TestClient) -> None:
    """The README shows all six: username, peer, xml, body, direction, timestamp."""
    six = post(body="message 1", direction="recv")
    del six["type"], six["nick"]
    await store(api, six)

    (item,) = (await read(api))["archive"]

    assert item == {
        "username": "alice",
        "peer": "bob",
        "xml": six["xml"],
        "body": "message 1",
        "direction": "recv",
        "timestamp": six["timestamp"],
        "type": "chat",
        "nick": "",
    }


async def test_form_fields_are_accepted_like_json(api: TestClient) -> None:
    """Form-encoded bodies are accepted."""
    response = await api.post("/api/archive", data=post())

    assert response.status == 200
    assert (await read(api))["count"] == 1


async def test_repeated_post_stores_nothing_twice(api: TestClient) -> None:
    """A slow server gets the same POST up to 3 times: storing must be idempotent."""
    await asyncio.gather(*[store(api, post()) for _ in range(3)])
    await asyncio.gather(
        *[store(api, post(xml=None, body="b", direction="send")) for _ in range(3)]
    )

    assert (await read(api))["count"] == 2


async def test_messages_of_the_same_time_are_all_kept(api: TestClient) -> None:
    """Two different messages with the same timestamp and owner, different peers: both returned."""
    carol = message("carol@example.org/x", "alice@example.org", "message 1")
    await store(api, post(), post(peer="carol", xml=carol))

    page = await read(api)

    assert [item["peer"] for item in page["archive"]] == ["bob", "carol"]


async def test_messages_of_the_same_time_and_peer_are_all_kept(api: TestClient) -> None:
    """Equal timestamps for one owner must both stay retrievable."""
    await store(api, post(xml=None, body="a", direction="recv"))
    await store(api, post(xml=None, body="b", direction="recv"))

    assert (await read(api))["count"] == 2


async def test_peers_of_one_name_on_two_domains_are_distinct(api: TestClient) -> None:
    """Weakness of the contract to be fixed: peer without domain (collisions across domains)."""
    local = message("bob@example.org/x", "alice@example.org", "same")
    remote = message("bob@example.net/x", "alice@example.org", "same")
    await store(api, post(xml=local), post(xml=remote))

    assert (await read(api, peer="bob"))["count"] == 2
    assert (await read(api, peer="bob@example.net"))["count"] == 1


async def test_room_and_user_of_one_name_are_distinct(api: TestClient) -> None:
    """type=groupchat with username room@conference.host kept apart from user "room"."""
    user = message("bob@example.org/x", "room@example.org", "for the user")
    await store(api, room_post(1, "for all"), post(1, username="room", xml=user))

    rooms = await read(api, ROOM, type="groupchat")
    users = await read(api, "room", type="chat")

    assert [item["body"] for item in rooms["archive"]] == ["for all"]
    assert [item["body"] for item in users["archive"]] == ["for the user"]


async def test_room_message_keeps_its_author(api: TestClient) -> None:
    """username: full bare room JID for groupchat; nick: MUC nick."""
    await store(api, room_post(1, "for all"))

    (item,) = (await read(api, ROOM, type="groupchat"))["archive"]

    assert (item["username"], item["peer"]) == (ROOM, "bob")
    assert (item["type"], item["nick"], item["direction"]) == ("groupchat", "Nick", "recv")


async def test_room_named_by_its_local_part_is_at_the_default_service(api: TestClient) -> None:
    """2015 version, MUC: room local part."""
    await store(api, room_post(1, "for all"))

    assert (await read(api, "room", type="groupchat"))["count"] == 1


@pytest.mark.parametrize(
    ("posted", "stored"),
    [
        ("2016-04-18T10:00:00Z", "2016-04-18T10:00:00.000000Z"),
        ("2016-04-18T10:00:00.5Z", "2016-04-18T10:00:00.500000Z"),
        ("2016-04-18T10:00:00.1234567Z", "2016-04-18T10:00:00.123456Z"),
        ("2016-04-18T10:00:00.9999999Z", "2016-04-18T10:00:00.999999Z"),
        ("2016-04-18T10:00:00.123456+02:00", "2016-04-18T08:00:00.123456Z"),
        ("2016-04-18T22:30:00-03:30", "2016-04-19T02:00:00.000000Z"),
    ],
)
async def test_times_are_stored_in_microseconds_of_utc(
    api: TestClient, posted: str, stored: str
) -> None:
    """Accept 0-6+ digits, Z or offset; cut, not rounded; timestamps with offset become Z."""
    await store(api, post(timestamp=posted))

    assert times(await read(api)) == [stored]


@pytest.mark.parametrize(
    "timestamp", ["2016-04-18", "2016-04-18 10:00:00Z", "TIMESTAMP", "", None]
)
async def test_other_formats_of_time_are_refused(api: TestClient, timestamp: str | None) -> None:
    """Date-only or space-separated forms are rejected."""
    posted = await api.post("/api/archive", json=post(timestamp=timestamp))

    assert posted.status == 400
    assert (await posted.json())["message"].startswith("timestamp: ")


async def test_history_older_than_the_newest_message_is_refused(api: TestClient) -> None:
    """Anything but 200 or 201 is logged and the message is not in the archive."""
    await store(api, post(1), post(1000))

    response = await api.post("/api/archive", json=post(2))

    assert (response.status, (await response.json())["error"]) == (409, "conflict")
    assert (await response.json())["message"].startswith("timestamp: ")
    assert times(await read(api)) == [stamp(1), stamp(1000)]


async def test_message_of_the_future_is_refused(api: TestClient) -> None:
    """timestamp: when the server took the message."""
    response = await api.post("/api/archive", json=post(timestamp="9999-12-31T23:59:59Z"))

    assert (response.status, (await response.json())["error"]) == (400, "bad-request")
    await store(api, post(1))


# --- GET /archive ---------------------------------------------------------------------------


async def test_after_is_exclusive(api: TestClient) -> None:
    """RSM <after> id (must be EXCLUSIVE)."""
    await store(api, *map(post, (1, 2, 3)))

    assert times(await read(api, after=stamp(1))) == [stamp(2), stamp(3)]


async def test_before_is_exclusive(api: TestClient) -> None:
    """RSM <before> id (exclusive)."""
    await store(api, *map(post, (1, 2, 3)))

    assert times(await read(api, before=stamp(3))) == [stamp(1), stamp(2)]


async def test_after_and_before_bound_a_range(api: TestClient) -> None:
    """Both after and before may be given (range)."""
    await store(api, *map(post, (1, 2, 3)))

    assert times(await read(api, after=stamp(1), before=stamp(3))) == [stamp(2)]


async def test_bounds_are_exact_to_the_microsecond(api: TestClient) -> None:
    """Keep all 6 digits; do not round."""
    await store(api, *[post(timestamp=stamp(1, micros)) for micros in (1, 2, 3)])

    assert times(await read(api, after=stamp(1, 1), before=stamp(1, 3))) == [stamp(1, 2)]


async def test_before_last_returns_the_newest_page_in_ascending_order(api: TestClient) -> None:
    """before=last&limit=2: the two newest, ascending."""
    await store(api, *map(post, (3, 1, 4, 2)))

    assert times(await read(api, before="last", limit=2)) == [stamp(3), stamp(4)]


async def test_after_with_limit_returns_the_oldest_later_messages(api: TestClient) -> None:
    """after=T&limit=2: the two oldest after T."""
    await store(api, *map(post, (3, 1, 4, 2)))

    assert times(await read(api, after=stamp(1), limit=2)) == [stamp(2), stamp(3)]


async def test_before_with_limit_returns_the_newest_earlier_messages(api: TestClient) -> None:
    """before=T+limit N: the N newest before T."""
    await store(api, *map(post, (3, 1, 4, 2)))

    assert times(await read(api, before=stamp(4), limit=2)) == [stamp(2), stamp(3)]


async def test_limit_without_bound_returns_the_oldest(api: TestClient) -> None:
    """no bound+limit: the N oldest."""
    await store(api, *map(post, (3, 1, 4, 2)))

    assert times(await read(api, limit=2)) == [stamp(1), stamp(2)]


async def test_request_without_limit_returns_everything(api: TestClient) -> None:
    """limit absent = no limit."""
    await store(api, *map(post, range(1, 51)))

    page = await read(api)

    assert (len(page["archive"]), page["complete"]) == (50, True)


async def test_range_is_paged_in_the_direction_of_the_client(api: TestClient) -> None:
    """after comes from RSM <after> or from MAM start, before from RSM <before> or MAM end."""
    await store(api, *map(post, (1, 2, 3, 4, 5)))
    start, end = stamp(0), stamp(30)

    forwards = await read(api, after=stamp(1), before=end, limit=2)
    backwards = await read(api, after=start, before=stamp(5), limit=2)
    range_only = await read(api, after=start, before=end, limit=2)
    newest = await read(api, after=start, before="last", limit=2)

    assert times(forwards) == [stamp(2), stamp(3)]
    assert times(backwards) == [stamp(3), stamp(4)]
    assert times(range_only) == [stamp(1), stamp(2)]
    assert times(newest) == [stamp(4), stamp(5)]


async def test_count_is_the_total_and_complete_is_true_on_the_last_page_only(
    api: TestClient,
) -> None:
    """count: total matching the filter, not the page length; complete when the end is reached."""
    await store(api, *map(post, (1, 2, 3, 4)))

    first, last = await read(api, limit=3), await read(api, after=stamp(3), limit=3)
    newest, oldest = await read(api, before="last", limit=3), await read(api, before=stamp(2))
    exact = await read(api, limit=4)

    assert (first["count"], first["complete"]) == (4, False)
    assert (last["count"], last["complete"]) == (1, True)
    assert (newest["count"], newest["complete"]) == (4, False)
    assert (oldest["count"], oldest["complete"]) == (1, True)
    assert (exact["count"], exact["complete"]) == (4, True)


async def test_limit_zero_returns_the_count(api: TestClient) -> None:
    """limit=0: [] and count."""
    await store(api, *map(post, (1, 2)))

    assert await read(api, limit=0) == {"archive": [], "count": 2, "complete": False}


async def test_page_is_the_index_of_the_first_message(api: TestClient) -> None:
    """page: RSM <index>, integer."""
    await store(api, *map(post, (1, 2, 3, 4, 5)))

    assert times(await read(api, page=3, limit=2)) == [stamp(4), stamp(5)]
    assert await read(api, page=9, limit=2) == {"archive": [], "count": 5, "complete": True}


@pytest.mark.parametrize("page", ["asdf", "-1", "1.5", "9" * 30, "9" * 5000])
async def test_invalid_page_is_ignored(api: TestClient, page: str) -> None:
    """page=N&limit=M does not fail."""
    await store(api, post())

    assert (await read(api, page=page, limit=1))["count"] == 1


@pytest.mark.parametrize("username", ["nobody", "nobody@example.org"])
async def test_unknown_user_has_an_empty_archive(api: TestClient, username: str) -> None:
    """no match: 200 [] count 0 complete true."""
    empty = {"archive": [], "count": 0, "complete": True}

    assert await read(api, username) == empty
    assert await read(api, username, limit=0) == empty


async def test_user_of_an_unserved_domain_is_refused(api: TestClient) -> None:
    """a full JID of another domain: 400, unless it is a room, or has an archive from before."""
    for place in ("archive", "archive/items"):
        params = {"username": "alice@remote.example"}
        of_a_user = await api.get(f"/api/{place}", params=params)
        of_a_room = await api.get(f"/api/{place}", params=params | {"type": "groupchat"})

        assert (of_a_user.status, of_a_room.status) == (400, 200)
        assert (await of_a_user.json())["message"] == (
            "username: remote.example is not served here, this is example.org"
        )


async def test_peer_matches_by_local_part_and_by_jid(api: TestClient) -> None:
    """peer filter by local part (and by full JID as an extension)."""
    carol = message("carol@example.org/x", "alice@example.org", "c")
    await store(api, post(1), post(2, peer="carol", xml=carol))

    for peer in ("carol", "carol@example.org", "carol@example.org/x", "CAROL"):
        assert times(await read(api, peer=peer)) == [stamp(2)]
    for peer in ("car", "carols", "carol@example.net", "carol@example.org/y"):
        assert times(await read(api, peer=peer)) == []


async def test_request_without_type_returns_every_type(api: TestClient) -> None:
    """type absent before 2016: treat absent as any/chat."""
    await store(api, room_post(1, "for all"))

    assert (await read(api, ROOM))["count"] == 1
    assert (await read(api, ROOM, type="groupchat"))["count"] == 1


async def test_empty_parameters_are_ignored(api: TestClient) -> None:
    """All parameters are strings; absent = all."""
    await store(api, post())

    page = await read(api, type="", peer="", after="", before="", limit="", page="")

    assert page["count"] == 1


async def test_message_without_body_is_returned_without_body(api: TestClient) -> None:
    """Items carry xml, or body and direction."""
    xml = message("bob@example.org/x", "alice@example.org", "").replace("<body></body>", "")
    await store(api, post(xml=xml))

    (item,) = (await read(api))["archive"]

    assert "body" not in item


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("username", [{}, {"username": ""}])
async def test_missing_username_is_not_authorized(
    api: TestClient, method: str, username: dict[str, str]
) -> None:
    """username required; missing/"" is 401."""
    if method == "get":
        response = await api.get("/api/archive", params=username)
    else:
        fields = post() | {"username": None} | username
        response = await api.post("/api/archive", json=fields)

    assert response.status == 401
    assert orjson.loads(await response.read())["error"] == "not-authorized"


async def test_items_returns_a_bare_integer(api: TestClient) -> None:
    """GET /archive/items?username&peer&after: 200 with a bare JSON integer."""
    await store(api, *map(post, (1, 2, 3)))

    query = {"username": "alice", "peer": "bob", "after": stamp(1)}
    response = await api.get("/api/archive/items", params=query)

    assert await response.read() == b"2"


async def test_stored_message_is_readable_at_once(api: TestClient) -> None:
    """Success: 200 or 201. Anything else is logged and the message is NOT in the archive."""
    for second in range(1, 21):
        await store(api, post(second))

        assert (await read(api))["count"] == second


async def test_chat_with_user_of_another_domain_is_refused(api: TestClient) -> None:
    """username: local part for chat; full bare room JID for groupchat."""
    username = f"alice@not.{HOST}"

    posted = await api.post("/api/archive", json=post(username=username))
    read = await api.get("/api/archive", params={"username": username, "type": "chat"})

    assert (posted.status, read.status) == (400, 400)
