"""condor_chat's API: the examples of its README, and what only the own user may do."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
from aiohttp import FormData
from PIL import Image
from pytest_aiohttp import AiohttpClient
from support.builders import entry
from support.chat import PASSWORD, ChatWorld
from support.drf import CONDOR, ApiClient, WholeServer, api_client, api_world, token_of
from support.http_services import HOST, OTHER_HOST
from support.sqlite_trace import on_statements, on_steps
from yarl import URL

from component.core.sessions.outgoing import Correction, Retraction
from component.web.drf.settings import CondorChatSettings
from component.web.server.settings import Services

NAMES = ("test", "carlos", "andres", "fabra")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass
class Condor:
    """The clients of some users, and their ids."""

    world: ChatWorld
    public: ApiClient
    users: dict[str, ApiClient]
    ids: dict[str, int]


Open = Callable[..., Awaitable[Condor]]


@pytest.fixture
def open_condor(services: Services, aiohttp_client: AiohttpClient) -> Open:
    """Return a function that opens the API; it takes its settings and options of chat."""

    async def open(settings: CondorChatSettings | None = None, **options: Any) -> Condor:
        jids = [*(f"{name}@{HOST}" for name in NAMES), f"eve@{OTHER_HOST}"]
        world = await api_world(services, *jids, **options)
        settings = settings or CondorChatSettings()
        public = await api_client(aiohttp_client, world, settings.prefix, condor=settings)
        tokens = [await token_of(world.services, jid) for jid in jids]
        users = {
            jid.partition("@")[0]: public.with_token(token)
            for jid, token in zip(jids, tokens, strict=True)
        }
        numbers = await world.chat.identifiers.of_users(jids)
        ids = {jid.partition("@")[0]: numbers[jid].number for jid in jids}
        return Condor(world, public, users, ids)

    return open


@pytest.fixture
async def condor(open_condor: Open) -> Condor:
    return await open_condor()


async def message_to(condor: Condor, sender: str, recipient: str, text: str) -> Any:
    fields = {"message": text, "user_id": condor.ids[recipient]}
    return await condor.users[sender].do("POST", "send_message_to_user/", fields, 201)


async def room_of(condor: Condor, owner: str, *members: str) -> Any:
    participants = [condor.ids[member] for member in members]
    fields = {"title": "new test room chat", "participants": participants}
    return await condor.users[owner].do("POST", "rooms/", fields, 201)


# The examples of the README.


async def test_access_token_and_refresh_token_are_answered_for_a_password(condor: Condor) -> None:
    fields = {"username": "test", "password": PASSWORD}
    tokens = await condor.public.do("POST", "access_token/", fields)

    assert set(tokens) == {"access", "refresh"}
    # The refresh token may be used again and again.
    for _ in range(2):
        renewed = await condor.public.do("POST", "refresh_token/", {"refresh": tokens["refresh"]})
        assert set(renewed) == {"access"}
        await condor.public.with_token(renewed["access"]).get("profiles/get_available_users/")


async def test_available_users_are_all_but_the_caller(condor: Condor) -> None:
    users = await condor.users["test"].get("profiles/get_available_users/")

    assert {user["username"] for user in users} == {"carlos", "andres", "fabra"}
    assert users == sorted(users, key=lambda user: user["id"])
    for user in users:
        assert set(user) == {"id", "full_name", "username", "email", "avatar_url"}
        assert user["id"] == condor.ids[user["username"]]
        assert user["avatar_url"].startswith("http://127.0.0.1:")


async def test_search_car_finds_carlos(condor: Condor) -> None:
    path = f"profiles/{condor.ids['carlos']}/"
    fields = {"first_name": "Charles", "last_name": "palmiBB"}
    await condor.users["carlos"].do("PATCH", path, fields)

    by_username = await condor.users["test"].get("profiles/get_available_users/?full_name=car")
    by_name = await condor.users["test"].get("profiles/get_available_users/?full_name=PALMI")

    assert [user["full_name"] for user in by_username] == ["Charles palmiBB"]
    assert by_name == by_username


async def test_message_to_user_answers_the_room_with_both_messages_in_order(
    condor: Condor,
) -> None:
    await message_to(condor, "test", "andres", "mensaje de prueba para")
    room = await message_to(condor, "test", "andres", "this is a test message")

    assert set(room) == {"id", "title", "timestamp", "messages"}
    assert room["title"] == "test - andres"
    assert [message["content"] for message in room["messages"]] == [
        "mensaje de prueba para",
        "this is a test message",
    ]
    for message in room["messages"]:
        assert set(message) == {"sender", "timestamp", "content"}
        assert message["sender"] == condor.ids["test"]
        assert TIME.fullmatch(message["timestamp"])
    assert room["timestamp"] == room["messages"][0]["timestamp"]


async def test_new_room_has_no_messages(condor: Condor) -> None:
    room = await room_of(condor, "test", "carlos", "andres", "fabra", "test")

    assert set(room) == {"id", "title", "timestamp", "messages"}
    assert (room["title"], room["messages"]) == ("new test room chat", [])
    assert isinstance(room["id"], int)
    assert TIME.fullmatch(room["timestamp"])


async def test_message_to_group_answers_the_group_with_it(condor: Condor) -> None:
    room = await room_of(condor, "test", "carlos", "andres")

    fields = {"message": "new message for new room", "group_id": room["id"]}
    answer = await condor.users["test"].do("POST", "send_message_to_room/", fields, 201)

    [message] = answer.pop("messages")
    assert answer == {key: room[key] for key in ("id", "title", "timestamp")}
    assert message["sender"] == condor.ids["test"]
    assert message["content"] == "new message for new room"
    # The others have it too.
    shown = await condor.users["carlos"].get(f"rooms/{room['id']}/")
    assert shown["messages"] == [message]


def picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (20, 20), "red").save(file, "JPEG")
    return file.getvalue()


async def test_profile_picture_is_set_and_seen_at_its_address(condor: Condor) -> None:
    form = FormData()
    form.add_field("avatar", picture(), filename="saitama.jpeg", content_type="image/jpeg")
    path = f"profiles/{condor.ids['fabra']}/pic/"
    answer = await condor.users["fabra"].do("PUT", path, None, 202, data=form)

    assert re.fullmatch(r"/condor/api/v1/media/avatar_files/[\w.?=-]+", answer["avatar"])
    shown = await condor.public.http.get(answer["avatar"])
    assert (shown.status, shown.content_type) == (200, "image/png")
    assert Image.open(BytesIO(await shown.read())).size == (20, 20)
    seen = await condor.users["test"].get(f"profiles/{condor.ids['fabra']}/")
    by_other = await condor.public.http.get(URL(seen["avatar_url"]).path_qs)
    assert await by_other.read() == await shown.read()


async def test_last_one_of_several_boundaries_of_a_form_counts(condor: Condor) -> None:
    form = FormData()
    form.add_field("avatar", b"no image", filename="x.jpeg", content_type="image/jpeg")
    body = form()
    # As curl sends it after -H 'Content-Type: multipart/form-data; boundary=x'.
    parameter = body.content_type.partition(";")[2]
    headers = {"Content-Type": f"multipart/form-data; boundary=x;{parameter}"}
    path = f"profiles/{condor.ids['test']}/pic/"

    refused = await condor.users["test"].do("PUT", path, None, 400, data=body, headers=headers)

    assert "image" in refused["detail"]


async def test_picture_of_another_user_is_not_changed(condor: Condor) -> None:
    path = f"profiles/{condor.ids['carlos']}/pic/"

    answer = await condor.users["test"].call("PUT", path, data=FormData({"avatar": "x"}))

    assert answer == (400, {"error": "invalid user to update"})


# Refusals.


@pytest.mark.parametrize("status", [401, 403])
async def test_request_without_a_valid_token_is_refused_with_the_configured_status(
    open_condor: Open, status: int
) -> None:
    condor = await open_condor(CondorChatSettings(refusal_status=status))

    nothing = await condor.public.get("rooms/", status)
    wrong = await condor.public.with_token("x").get("rooms/", status)

    assert nothing == {"detail": "Authentication credentials were not provided."}
    assert (wrong["detail"], wrong["code"]) == (
        "Given token not valid for any token type",
        "token_not_valid",
    )


@pytest.mark.parametrize("name", ["test", "nobody", "a b@c@d"])
async def test_wrong_password_and_unknown_user_are_refused_alike(
    condor: Condor, name: str
) -> None:
    fields = {"username": name, "password": "wrong"}

    answer = await condor.public.do("POST", "access_token/", fields, 401)

    assert answer == {"detail": "No active account found with the given credentials"}


async def test_missing_and_wrong_credentials_are_named(condor: Condor) -> None:
    required = ["This field is required."]

    assert await condor.public.do("POST", "access_token/", {}, 400) == {
        "username": required,
        "password": required,
    }
    assert await condor.public.do("POST", "refresh_token/", {}, 400) == {"refresh": required}
    wrong = await condor.public.do("POST", "refresh_token/", {"refresh": "x"}, 401)
    assert wrong == {"detail": "Token is invalid or expired", "code": "token_not_valid"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid payload to send messages"),
        ({"message": "", "user_id": 1}, "invalid payload to send messages"),
        ({"message": " \n", "user_id": 1}, "invalid payload to send messages"),
        ({"message": "hello"}, "invalid payload to send messages"),
        ({"message": "hello", "user_id": 10**30}, "invalid user to chat with"),
        ({"message": "hello", "user_id": "seven"}, "invalid user to chat with"),
        (
            {"message": "hello", "user_id": "own"},
            "the sender and the receiver can not be the same for new messages",
        ),
    ],
)
async def test_malformed_message_to_user_is_refused(
    condor: Condor, fields: dict[str, Any], error: str
) -> None:
    if fields.get("user_id") == "own":
        fields = {**fields, "user_id": str(condor.ids["test"])}

    answer = await condor.users["test"].do("POST", "send_message_to_user/", fields, 400)

    assert answer == {"error": error}


async def test_message_that_is_too_long_is_refused(condor: Condor) -> None:
    fields = {"message": "é" * 40_000, "user_id": condor.ids["carlos"]}

    answer = await condor.users["test"].do("POST", "send_message_to_user/", fields, 400)

    assert "65536" in answer["detail"]


async def test_room_of_others_is_as_one_that_does_not_exist(condor: Condor) -> None:
    room = await room_of(condor, "test", "carlos")
    direct = await message_to(condor, "test", "carlos", "for the eyes of carlos")
    andres = condor.users["andres"]
    no_room = "the room you are trying to reaching does not exists or you are not  part of it"

    for id in (room["id"], direct["id"], condor.ids["carlos"], 10**12, 10**40):
        for method, fields in (
            ("GET", None),
            ("PUT", {"title": "mine", "participants": []}),
            ("PATCH", {"title": "mine"}),
            ("DELETE", None),
        ):
            answer = await andres.do(method, f"rooms/{id}/", fields, 404)
            assert answer == {"detail": "Not found."}
        answer = await andres.do(
            "POST", "send_message_to_room/", {"message": "hello", "group_id": id}, 400
        )
        assert answer == {"error": no_room}
    assert (await andres.get("rooms/"))["count"] == 0


async def test_group_message_does_not_go_to_a_direct_chat(condor: Condor) -> None:
    direct = await message_to(condor, "test", "carlos", "hello")

    fields = {"message": "hello", "group_id": direct["id"]}
    answer = await condor.users["test"].do("POST", "send_message_to_room/", fields, 400)

    assert answer["error"].startswith("the room you are trying to reaching")


async def test_direct_chat_is_one_for_both(condor: Condor) -> None:
    sent = await message_to(condor, "test", "carlos", "ping")
    answered = await message_to(condor, "carlos", "test", "pong")

    assert answered["id"] == sent["id"]
    assert answered["title"] == "carlos - test"
    senders = [message["sender"] for message in answered["messages"]]
    assert senders == [condor.ids["test"], condor.ids["carlos"]]
    for name in ("test", "carlos"):
        listed = await condor.users[name].get("rooms/")
        assert [room["id"] for room in listed["results"]] == [sent["id"]]
        assert [m["content"] for m in listed["results"][0]["messages"]] == ["ping", "pong"]
    forbidden = await condor.users["test"].do("DELETE", f"rooms/{sent['id']}/", None, 403)
    assert forbidden == {"detail": "You do not have permission to perform this action."}


async def test_lists_have_pages(condor: Condor) -> None:
    for name in ("carlos", "andres", "fabra"):
        await message_to(condor, "test", name, f"to {name}")
    test = condor.users["test"]

    page = await test.get("rooms/?limit=2")
    rest = await test.get(page["next"].partition(f"{CONDOR}/")[2])
    users = await test.get("profiles/?limit=3&offset=1")

    assert (page["count"], page["previous"], len(page["results"])) == (3, None, 2)
    assert page["next"].endswith("/condor/api/v1/rooms/?limit=2&offset=2")
    assert (rest["count"], rest["next"], len(rest["results"])) == (3, None, 1)
    assert rest["previous"].endswith("/rooms/?limit=2")
    assert (users["count"], len(users["results"])) == (4, 3)
    assert [user["username"] for user in users["results"]] == ["carlos", "fabra", "test"]


async def test_page_of_5_000_users_reads_no_more_than_a_page_of_200(condor: Condor) -> None:
    profiles, test = condor.world.services.storage.profiles, condor.users["test"]
    database = condor.world.services.storage.database
    statements: list[str] = []
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    costs = []
    for begin, end in ((0, 196), (196, 4996)):
        for number in range(begin, end):
            await profiles.add(f"user{number:04}@{HOST}")
        # The list of the users of the domain is read anew.
        condor.world.chat.directory.forget(f"somebody@{HOST}")
        first = await test.get("profiles/?limit=100")
        await test.get(f"profiles/?limit=100&offset={end - 96}")
        assert (first["count"], len(first["results"])) == (end + 4, 100)
        await on_statements(database, statements.append)
        await on_steps(database, step, 1)
        statements.clear()
        steps = 0
        last = await test.get(f"profiles/?limit=100&offset={end - 96}")
        assert last["next"] is None
        assert last["results"][-1]["username"] == f"user{end - 1:04}"
        costs.append((len(statements), steps))

    (few, few_steps), (many, many_steps) = costs
    assert few == many
    assert many_steps < 1.5 * few_steps


async def test_available_users_have_parts(condor: Condor) -> None:
    path, test = f"{CONDOR}/profiles/get_available_users/", condor.users["test"]
    first = await condor.public.http.get(f"{path}?limit=3", headers=test.headers)
    link = re.fullmatch('<(.*)>; rel="next"', first.headers["Link"])
    assert link is not None
    rest = await condor.public.http.get(f"{path}{link[1]}", headers=test.headers)

    names = [{user["username"] for user in await part.json()} for part in (first, rest)]
    assert names == [{"andres", "carlos", "fabra"}, set()]
    assert "Link" not in rest.headers


async def test_page_of_5_000_messages_takes_as_many_statements_as_one_of_200(
    condor: Condor,
) -> None:
    services, test = condor.world.services, condor.users["test"]
    carlos, statements, counts = f"carlos@{HOST}", list[str](), []
    for begin, end in ((0, 200), (200, 5000)):
        rows = [entry(f"{n}", owner=f"test@{HOST}", peer=carlos) for n in range(begin, end)]
        await services.writer.store(rows)
        for offset in (0, end // 2, end - 100):
            path = f"messages/?limit=100&offset={offset}"
            await test.get(path)
            await on_statements(services.storage.database, statements.append)
            statements.clear()
            page = await test.get(path)
            contents = [item["content"] for item in page["results"]]
            assert page["count"] == end
            assert contents == [f"{n}" for n in range(offset, offset + 100)]
            counts.append(len(statements))

    assert 0 < counts[0] == min(counts) == max(counts)


async def test_page_of_5_000_rooms_takes_as_many_statements_as_one_of_200(condor: Condor) -> None:
    services, test = condor.world.services, condor.users["test"]
    statements: list[str] = []
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    costs = []
    for begin, end in ((0, 200), (200, 5000)):
        peers = [f"peer{number:04}@{HOST}" for number in range(begin, end)]
        rows = [entry(peer, owner=f"test@{HOST}", peer=peer) for peer in peers]
        await services.writer.store(rows)
        first = await test.get("rooms/?limit=10")
        assert first["count"] == end
        await on_statements(services.storage.database, statements.append)
        await on_steps(services.storage.database, step, 1)
        for offset in (0, end - 10):
            statements.clear()
            steps = 0
            page = await test.get(f"rooms/?limit=10&offset={offset}")
            assert (page["count"], len(page["results"])) == (end, 10)
            costs.append((len(statements), steps))
        assert page["next"] is None
        first_ids, last_ids = ({room["id"] for room in part["results"]} for part in (first, page))
        assert max(first_ids) < min(last_ids)

    of_few, of_many = costs[:2], costs[2:]
    for (few, few_steps), (many, many_steps) in zip(of_few, of_many, strict=True):
        assert few == many
        # Of the others only the entries of an index are counted, or skipped.
        assert many_steps < few_steps + 20 * 4800


async def test_room_has_its_newest_messages_and_a_link_to_older_ones(condor: Condor) -> None:
    for number in range(5):
        room = await message_to(condor, "test", "carlos", f"message {number}")
    path = f"{CONDOR}/rooms/{room['id']}/"
    http, headers = condor.public.http, condor.users["test"].headers

    newest = await http.get(f"{path}?limit=2", headers=headers)
    link = re.fullmatch('<(.*)>; rel="next"', newest.headers["Link"])
    assert link is not None
    older = await http.get(path + link[1], headers=headers)

    contents = [
        [message["content"] for message in (await page.json())["messages"]]
        for page in (newest, older)
    ]
    assert contents == [["message 3", "message 4"], ["message 1", "message 2"]]


async def test_owner_changes_and_destroys_a_room_and_a_member_does_not(condor: Condor) -> None:
    room = await room_of(condor, "test", "carlos")
    path, ids = f"rooms/{room['id']}/", condor.ids
    change = {"title": "park", "participants": [ids["andres"]]}

    for method, fields in (("PUT", change), ("PATCH", {"title": "x"}), ("DELETE", None)):
        await condor.users["carlos"].do(method, path, fields, 403)
    changed = await condor.users["test"].do("PUT", path, change)

    assert changed["title"] == "park"
    await condor.users["carlos"].get(path, 404)
    assert (await condor.users["andres"].get(path))["title"] == "park"
    await condor.users["test"].do("DELETE", path, None, 204)
    await condor.users["test"].get(path, 404)


async def test_unknown_participants_are_named(condor: Condor) -> None:
    fields = {"title": "x", "participants": [condor.ids["carlos"], 99999]}

    answer = await condor.users["test"].do("POST", "rooms/", fields, 400)

    assert answer == {"participants": ['Invalid pk "99999" - object does not exist.']}
    missing = await condor.users["test"].do("POST", "rooms/", {}, 400)
    assert set(missing) == {"title", "participants"}


async def test_email_address_is_seen_by_its_owner_and_found_exactly(condor: Condor) -> None:
    path = f"profiles/{condor.ids['carlos']}/"
    carlos, test = condor.users["carlos"], condor.users["test"]
    changed = await carlos.do("PATCH", path, {"email": "carlos@mail.example"})
    assert changed["email"] == "carlos@mail.example"

    assert (await test.get(path))["email"] == ""
    search = "profiles/get_available_users/?email="
    [found] = await test.get(f"{search}CARLOS@mail.example")
    assert (found["username"], found["email"]) == ("carlos", "")
    for part in ("carlos", "mail.example", "@"):
        assert await test.get(f"{search}{part}") == []
    assert await test.get(f"{search}carlos@mail.example&full_name=andres") == []
    # Other domains find nobody here.
    assert await condor.users["eve"].get(f"{search}carlos@mail.example") == []
    taken = await test.do(
        "PATCH", f"profiles/{condor.ids['test']}/", {"email": "carlos@mail.example"}, 400
    )
    assert taken == {"email": ["user with this email already exists."]}


async def test_searches_are_limited(open_condor: Open) -> None:
    condor = await open_condor(searches_per_minute=2)
    test, search = condor.users["test"], "profiles/get_available_users/"
    await test.get(f"{search}?email=a@b.example")
    await test.get(search)

    for query in ("?email=a@b.example", "", "?full_name=car"):
        await test.get(f"{search}{query}", 429)
    short = await condor.users["carlos"].get(f"{search}?full_name=ca", 400)
    assert short == {"full_name": ["Ensure this value has at least 3 characters."]}


async def test_lists_of_users_may_be_closed(open_condor: Open) -> None:
    condor = await open_condor(CondorChatSettings(list_users=False))

    assert await condor.users["test"].get("profiles/get_available_users/") == []
    assert (await condor.users["test"].get("profiles/"))["count"] == 0
    assert await condor.users["test"].get("profiles/get_available_users/?full_name=carl")


async def test_other_users_are_not_changed_or_deleted(condor: Condor) -> None:
    test, path = condor.users["test"], f"profiles/{condor.ids['carlos']}/"
    before = await test.get(path)

    for method, fields in (
        ("PUT", {"username": "carlos", "first_name": "x"}),
        ("PATCH", {"first_name": "x", "password": "secret1"}),
        ("DELETE", None),
    ):
        await test.do(method, path, fields, 403)

    assert await test.get(path) | {"avatar_url": ""} == before | {"avatar_url": ""}
    tokens = {"username": "carlos", "password": PASSWORD}
    await condor.public.do("POST", "access_token/", tokens)


async def test_own_user_name_and_password_stay(condor: Condor) -> None:
    path = f"profiles/{condor.ids['test']}/"

    answer = await condor.users["test"].do(
        "PUT", path, {"username": "root", "password": "another password"}, 400
    )

    assert set(answer) == {"username", "password"}
    await condor.users["test"].do("DELETE", path, None, 403)


async def test_users_of_other_domains_are_not_seen(condor: Condor) -> None:
    eve = condor.users["eve"]

    await eve.get(f"profiles/{condor.ids['test']}/", 404)
    await condor.users["test"].get(f"profiles/{condor.ids['eve']}/", 404)
    fields = {"message": "hello", "user_id": condor.ids["test"]}
    assert (await eve.do("POST", "send_message_to_user/", fields, 400))["error"] == (
        "invalid user to chat with"
    )


async def test_account_is_created_only_where_strangers_may_sign_up(
    condor: Condor,
) -> None:
    fields = {"username": "new", "password": "long enough", "email": "new@mail.example"}

    await condor.users["test"].do("POST", "profiles/", fields, 403)


async def test_account_is_created_and_signs_in(open_condor: Open) -> None:
    condor = await open_condor(sign_up=True)
    fields = {
        "username": "new",
        "password": "long enough",
        "email": "new@mail.example",
        "first_name": "New",
        "last_name": "User",
    }
    test = condor.users["test"]

    created = await test.do("POST", "profiles/", fields, 201)
    tokens = await condor.public.do("POST", "access_token/", fields)

    assert (created["username"], created["full_name"]) == ("new", "New User")
    own = await condor.public.with_token(tokens["access"]).get(f"profiles/{created['id']}/")
    assert own["email"] == "new@mail.example"
    again = await test.do("POST", "profiles/", {**fields, "email": ""}, 400)
    assert again == {"username": ["A user with that username already exists."]}
    wrong = {"username": "a@b", "password": "short", "email": "x"}
    assert set(await test.do("POST", "profiles/", wrong, 400)) == set(wrong)


async def test_picture_that_is_no_image_is_refused_and_no_file_changes_nothing(
    condor: Condor,
) -> None:
    form = FormData()
    form.add_field("avatar", b"no image", filename="x.jpeg", content_type="image/jpeg")
    path = f"profiles/{condor.ids['test']}/pic/"

    refused = await condor.users["test"].do("PUT", path, None, 400, data=form)
    unchanged = await condor.users["test"].do("PUT", path, None, 202)

    assert "image" in refused["detail"]
    assert unchanged["avatar"].startswith(f"{CONDOR}/media/avatar_files/")


async def test_address_of_a_picture_is_signed(condor: Condor) -> None:
    user = await condor.users["test"].get(f"profiles/{condor.ids['carlos']}/")
    path = user["avatar_url"].partition(f"{CONDOR}/")[2]

    assert (await condor.public.call("GET", path))[0] == 200
    for wrong in (path.replace("files/", "files/1"), path[:-1], "media/avatar_files/x"):
        await condor.public.get(wrong, 404)


async def test_messages_are_those_of_the_own_direct_chats(condor: Condor) -> None:
    await message_to(condor, "test", "carlos", "first")
    await message_to(condor, "carlos", "test", "second")
    await message_to(condor, "andres", "fabra", "of others")

    page = await condor.users["test"].get("messages/")

    assert (page["count"], page["next"], page["previous"]) == (2, None, None)
    assert [(item["sender"], item["content"]) for item in page["results"]] == [
        (condor.ids["test"], "first"),
        (condor.ids["carlos"], "second"),
    ]
    for item in page["results"]:
        assert await condor.users["test"].get(f"messages/{item['id']}/") == item
        await condor.users["andres"].get(f"messages/{item['id']}/", 404)


async def test_sender_is_not_forged_and_messages_of_others_stay(condor: Condor) -> None:
    await message_to(condor, "carlos", "test", "of carlos")
    test, ids = condor.users["test"], condor.ids
    [item] = (await test.get("messages/"))["results"]

    forged = await test.do(
        "POST",
        "messages/",
        {"sender": ids["carlos"], "content": "x", "user_id": ids["fabra"]},
        400,
    )
    path, fields = f"messages/{item['id']}/", {"sender": ids["test"], "content": "x"}
    for method, change in (("PUT", fields), ("PATCH", fields), ("DELETE", None)):
        await test.do(method, path, change, 403)

    assert set(forged) == {"sender"}
    assert not [m for m in condor.world.server.messages if m.to.startswith("fabra")]


async def test_own_messages_are_sent_corrected_and_retracted(condor: Condor) -> None:
    test, ids = condor.users["test"], condor.ids
    fields = {"sender": ids["test"], "content": "hullo", "user_id": ids["carlos"]}
    sent = await test.do("POST", "messages/", fields, 201)
    path = f"messages/{sent['id']}/"

    await test.do("PUT", path, {"sender": ids["test"], "content": "hello"})
    await test.do("DELETE", path, None, 204)

    assert (sent["sender"], sent["content"]) == (ids["test"], "hullo")
    payloads = [message.payload for message in condor.world.server.messages]
    assert isinstance(payloads[1], Correction)
    assert isinstance(payloads[2], Retraction)
    assert payloads[1].body == "hello"


async def test_message_without_recipient_is_a_note_to_oneself(condor: Condor) -> None:
    fields = {"sender": condor.ids["test"], "content": "remember the milk"}

    await condor.users["test"].do("POST", "messages/", fields, 201)

    [message] = condor.world.server.messages
    assert message.to == f"test@{HOST}"


async def test_repeated_request_with_a_key_sends_once(condor: Condor) -> None:
    fields = {"message": "once", "user_id": condor.ids["carlos"]}
    for _ in range(2):
        room = await condor.users["test"].do(
            "POST", "send_message_to_user/", fields, 201, headers={"Idempotency-Key": "k-1"}
        )

    assert [message["content"] for message in room["messages"]] == ["once"]


async def test_path_without_a_slash_is_redirected_with_its_body(condor: Condor) -> None:
    fields = {"username": "test", "password": PASSWORD}
    redirected = await condor.public.http.post(
        f"{CONDOR}/access_token?x=1", json=fields, allow_redirects=False
    )
    followed = await condor.public.do("POST", "access_token", fields)

    assert redirected.status == 308
    assert redirected.headers["Location"] == f"{CONDOR}/access_token/?x=1"
    assert set(followed) == {"access", "refresh"}


async def test_form_is_taken_as_json(condor: Condor) -> None:
    fields = {"message": "by form", "user_id": str(condor.ids["carlos"])}

    answer = await condor.users["test"].do("POST", "send_message_to_user/", None, 201, data=fields)

    assert answer["messages"][-1]["content"] == "by form"


async def test_times_have_the_configured_offset(open_condor: Open) -> None:
    condor = await open_condor(CondorChatSettings(time_zone="America/Bogota"))

    room = await message_to(condor, "test", "carlos", "hello")

    assert room["timestamp"].endswith("-05:00")


async def test_paths_of_condor_chat_itself_stand_beside_those_of_muniment(
    open_condor: Open,
) -> None:
    condor = await open_condor(CondorChatSettings(prefix="/api/v1"))

    own = await condor.public.http.post(
        "/api/v1/tokens", json={"jid": f"test@{HOST}", "password": PASSWORD}
    )
    tokens = {"username": "test", "password": PASSWORD}
    await condor.public.do("POST", "access_token/", tokens)
    shown = await condor.users["test"].get("rooms/")

    assert own.status == 201
    assert shown == {"count": 0, "next": None, "previous": None, "results": []}


async def test_room_that_is_gone_is_not_in_the_list(open_condor: Open) -> None:
    condor = await open_condor(members_seconds=0.0)
    await room_of(condor, "test", "carlos")
    stays = await room_of(condor, "test", "andres")
    assert isinstance(condor.world.server, WholeServer)
    gone = next(iter(condor.world.server.rooms_kept))
    del condor.world.server.rooms_kept[gone]

    listed = await condor.users["test"].get("rooms/")

    assert [room["id"] for room in listed["results"]] == [stays["id"]]


async def test_nobody_is_listed_or_found_where_nobody_may_search(open_condor: Open) -> None:
    condor = await open_condor(search_fields=())

    for query in ("", "?full_name=carlos", "?email=a@b.example"):
        await condor.users["test"].get(f"profiles/get_available_users/{query}", 501)
