"""bpo-chat-api: the cases of its own tests, written anew, and chats between the right people."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient
from support.chat import ChatWorld
from support.drf import BPO, ApiClient, api_client, api_world, token_of
from support.http_services import HOST, OTHER_HOST

from component.web.drf.settings import BpoChatSettings
from component.web.server.settings import Services

NAMES = ("walter", "mabel", "hassan")
NEW = {
    "username": "akram",
    "email": "akram@gmail.com",
    "password": "password123",
    "password2": "password123",
}
URI = re.compile(r"[0-9a-f]{15}")


@dataclass
class Bpo:
    """The clients of some users, and their ids."""

    world: ChatWorld
    public: ApiClient
    users: dict[str, ApiClient]
    ids: dict[str, int]

    def user(self, name: str) -> dict[str, Any]:
        """Return a user as others see it."""
        return {"id": self.ids[name], "username": name, "email": ""}


Open = Callable[..., Awaitable[Bpo]]


@pytest.fixture
def open_bpo(services: Services, aiohttp_client: AiohttpClient) -> Open:
    """Return a function that opens the API; it takes its settings and options of chat."""

    async def open(settings: BpoChatSettings | None = None, **options: Any) -> Bpo:
        jids = [*(f"{name}@{HOST}" for name in NAMES), f"eve@{OTHER_HOST}"]
        world = await api_world(services, *jids, **{"sign_up": True, **options})
        settings = settings or BpoChatSettings()
        public = await api_client(aiohttp_client, world, settings.prefix, bpo=settings)
        tokens = [await token_of(world.services, jid) for jid in jids]
        names = [jid.partition("@")[0] for jid in jids]
        numbers = await world.chat.identifiers.of_users(jids)
        return Bpo(
            world,
            public,
            {name: public.with_token(token) for name, token in zip(names, tokens, strict=True)},
            {name: numbers[jid].number for name, jid in zip(names, jids, strict=True)},
        )

    return open


@pytest.fixture
async def bpo(open_bpo: Open) -> Bpo:
    return await open_bpo()


async def chat_of(bpo: Bpo, name: str, partner: str) -> Any:
    return await bpo.users[name].do("POST", "chats/", {"username": partner})


# The twelve cases of the tests of bpo-chat-api.


async def test_sign_up_answers_tokens(bpo: Bpo) -> None:
    tokens = await bpo.public.do("POST", "users/signup/", NEW, 201)

    assert set(tokens) == {"refresh", "access"}
    assert (await bpo.public.with_token(tokens["access"]).get("chats/")) == {"message": []}


async def test_blank_username_and_wrong_email_address_are_named(bpo: Bpo) -> None:
    fields = {**NEW, "username": "", "email": "akramcom"}

    assert await bpo.public.do("POST", "users/signup/", fields, 400) == {
        "username": ["This field may not be blank."],
        "email": ["Enter a valid email address."],
    }


async def test_different_passwords_are_refused(bpo: Bpo) -> None:
    fields = {**NEW, "password2": "password1234"}

    answer = await bpo.public.do("POST", "users/signup/", fields, 400)

    assert answer == {"password": "Passwords must much"}


async def test_second_sign_up_with_the_same_name_or_address_is_refused(bpo: Bpo) -> None:
    await bpo.public.do("POST", "users/signup/", NEW, 201)

    same = await bpo.public.do("POST", "users/signup/", NEW, 400)
    other = {**NEW, "email": "other@gmail.com"}
    same_name = await bpo.public.do("POST", "users/signup/", other, 400)

    assert same == {"email": ["user with this email already exists."]}
    assert same_name == {"username": ["user with this username already exists."]}


async def test_login_is_by_email_address(bpo: Bpo) -> None:
    await bpo.public.do("POST", "users/signup/", NEW, 201)

    tokens = await bpo.public.do(
        "POST", "users/login/", {"email": "akram@gmail.com", "password": "password123"}
    )
    renewed = await bpo.public.do("POST", "users/refresh/", {"refresh": tokens["refresh"]})

    assert set(tokens) == {"refresh", "access"}
    assert set(renewed) == {"access"}


async def test_hello_is_open(bpo: Bpo) -> None:
    assert await bpo.public.get("users/hello/") == {"message": "Hello, World!"}


async def test_list_of_users_needs_a_token_and_has_no_addresses_of_others(bpo: Bpo) -> None:
    tokens = await bpo.public.do("POST", "users/signup/", NEW, 201)

    refused = await bpo.public.get("users/signup/", 401)
    users = await bpo.public.with_token(tokens["access"]).get("users/signup/")

    assert refused == {"detail": "Authentication credentials were not provided."}
    assert users == [
        {"email": "akram@gmail.com", "username": "akram"},
        *({"email": "", "username": name} for name in sorted(NAMES)),
    ]


async def test_chat_with_the_own_name_is_a_room_that_others_join_by_its_uri(bpo: Bpo) -> None:
    made = await chat_of(bpo, "walter", "walter")
    uri = made.pop("uri")

    own = {**bpo.user("walter")}
    assert URI.fullmatch(uri)
    assert made == {
        "status": "SUCCESS",
        "members": [own],
        "message": "walter joined that chat",
        "user": own,
    }
    await bpo.users["mabel"].get(f"chats/{uri}/messages/", 404)
    for _ in range(2):
        joined = await bpo.users["mabel"].do("PATCH", f"chats/{uri}/", {"username": "mabel"})
        assert joined == {
            "status": "SUCCESS",
            "members": [bpo.user("walter"), bpo.user("mabel")],
            "message": "mabel joined that chat",
            "user": bpo.user("mabel"),
        }
    sent = await bpo.users["mabel"].do("POST", f"chats/{uri}/messages/", {"message": "hello"})
    assert sent["messages"] == [{"user": bpo.user("mabel"), "message": "hello"}]
    read = await bpo.users["walter"].get(f"chats/{uri}/messages/")
    assert read["messages"] == sent["messages"]


async def test_message_is_sent_and_read(bpo: Bpo) -> None:
    uri = (await chat_of(bpo, "walter", "mabel"))["uri"]
    path = f"chats/{uri}/messages/"

    sent = await bpo.users["walter"].do("POST", path, {"message": "hello world"})
    read = await bpo.users["mabel"].get(path)

    messages = [{"user": bpo.user("walter"), "message": "hello world"}]
    assert sent == {"status": "SUCCESS", "uri": uri, "messages": messages}
    assert read == {"id": read["id"], "uri": uri, "messages": messages}
    assert isinstance(read["id"], int)


# What differs, because the chats are between the right people.


async def test_each_pair_has_one_chat_with_both_as_members(bpo: Bpo) -> None:
    first = await chat_of(bpo, "walter", "mabel")
    again = await chat_of(bpo, "walter", "mabel")
    by_partner = await chat_of(bpo, "mabel", "walter")
    third = await chat_of(bpo, "walter", "hassan")

    assert first["uri"] == again["uri"] == by_partner["uri"] != third["uri"]
    assert [member["username"] for member in first["members"]] == ["walter", "mabel"]
    await bpo.users["walter"].do("POST", f"chats/{first['uri']}/messages/", {"message": "x"})
    # The owner is the author of the first message.
    by_partner = await chat_of(bpo, "mabel", "walter")
    assert [member["username"] for member in by_partner["members"]] == ["walter", "mabel"]


async def test_chat_of_others_is_as_one_that_does_not_exist(bpo: Bpo) -> None:
    uri = (await chat_of(bpo, "walter", "mabel"))["uri"]
    await bpo.users["walter"].do("POST", f"chats/{uri}/messages/", {"message": "secret"})
    hassan = bpo.users["hassan"]

    for unknown in (uri, "0" * 15, "x"):
        for method, path, fields in (
            ("GET", f"chats/{unknown}/", None),
            ("PATCH", f"chats/{unknown}/", {}),
            ("GET", f"chats/{unknown}/messages/", None),
            ("POST", f"chats/{unknown}/messages/", {"message": "hello"}),
        ):
            answer = await hassan.do(method, path, fields, 404)
            assert answer == {"detail": "Not found."}
    assert await hassan.get("chats/") == {"message": []}


async def test_list_has_the_chats_of_both_members(bpo: Bpo) -> None:
    uri = (await chat_of(bpo, "walter", "mabel"))["uri"]
    room = (await chat_of(bpo, "walter", "walter"))["uri"]
    await bpo.users["walter"].do("POST", f"chats/{uri}/messages/", {"message": "x"})

    of_walter = (await bpo.users["walter"].get("chats/"))["message"]
    of_mabel = (await bpo.users["mabel"].get("chats/"))["message"]

    assert {row["uri"] for row in of_walter} == {uri, room}
    [row] = of_mabel
    assert set(row) == {"id", "create_date", "update_date", "owner_id", "uri"}
    assert (row["uri"], row["owner_id"]) == (uri, bpo.ids["walter"])
    assert row["create_date"] == row["update_date"]
    assert await bpo.users["mabel"].get(f"chats/{uri}/") == {"message": [row]}


async def test_list_of_chats_goes_on_with_older_ones(bpo: Bpo) -> None:
    walter = bpo.users["walter"]
    uris = [(await chat_of(bpo, "walter", "walter"))["uri"] for _ in range(5)]
    pages, path = [], "chats/?limit=2"
    while path:
        answer = await bpo.public.http.get(f"{BPO}/{path}", headers=walter.headers)
        pages.append([row["uri"] for row in (await answer.json())["message"]])
        link = answer.headers.get("Link", "")
        assert link == "" or link.endswith('>; rel="next"')
        path = link and f"chats/{link[1:].partition('>')[0]}"

    assert pages == [uris[3:], uris[1:3], uris[:1]]


async def test_list_of_users_has_parts(bpo: Bpo) -> None:
    path = f"{BPO}/users/signup/?limit=2"
    first = await bpo.public.http.get(path, headers=bpo.users["walter"].headers)
    link = re.fullmatch('<(.*)>; rel="next"', first.headers["Link"])
    assert link is not None
    rest = await bpo.public.http.get(
        f"{BPO}/users/signup/{link[1]}", headers=bpo.users["walter"].headers
    )

    names = [[user["username"] for user in await part.json()] for part in (first, rest)]
    assert names == [["hassan", "mabel"], ["walter"]]
    assert "Link" not in rest.headers


@pytest.mark.parametrize("fields", [{"username": "nobody"}, {"username": f"eve@{OTHER_HOST}"}])
async def test_unknown_partner_is_not_found(bpo: Bpo, fields: dict[str, Any]) -> None:
    answer = await bpo.users["walter"].do("POST", "chats/", fields, 404)

    assert answer == {"username": ["There is no user with this name."]}


async def test_missing_fields_are_named(bpo: Bpo) -> None:
    walter, required = bpo.users["walter"], ["This field is required."]
    uri = (await chat_of(bpo, "walter", "mabel"))["uri"]

    assert await walter.do("POST", "chats/", {}, 400) == {"username": required}
    assert await walter.do("PATCH", "chats/", {}, 400) == {"uri": required}
    path = f"chats/{uri}/messages/"
    assert await walter.do("POST", path, {}, 400) == {"message": required}
    assert await walter.do("POST", path, {"message": " "}, 400) == {
        "message": ["This field may not be blank."]
    }
    assert await bpo.public.do("POST", "users/login/", {}, 400) == {
        "email": required,
        "password": required,
    }


async def test_message_that_is_too_long_is_refused(bpo: Bpo) -> None:
    uri = (await chat_of(bpo, "walter", "mabel"))["uri"]

    answer = await bpo.users["walter"].do(
        "POST", f"chats/{uri}/messages/", {"message": "x" * 2001}, 400
    )

    assert answer == {"message": ["Ensure this field has no more than 2000 characters."]}


@pytest.mark.parametrize("email", ["nobody@gmail.com", "no address"])
async def test_unknown_address_is_refused_as_a_wrong_password(bpo: Bpo, email: str) -> None:
    fields = {"email": email, "password": "wrong password"}

    answer = await bpo.public.do("POST", "users/login/", fields, 401)

    assert answer == {"detail": "No active account found with the given credentials"}


async def test_wrong_tokens_are_refused(bpo: Bpo) -> None:
    wrong = await bpo.public.with_token("x").get("chats/", 401)
    refresh = await bpo.public.do("POST", "users/refresh/", {"refresh": "x"}, 401)

    assert wrong["code"] == refresh["code"] == "token_not_valid"
    assert wrong["messages"][0]["token_class"] == "AccessToken"


async def test_nobody_signs_up_where_that_is_not_allowed(open_bpo: Open) -> None:
    bpo = await open_bpo(sign_up=False)

    await bpo.public.do("POST", "users/signup/", NEW, 403)


async def test_list_of_users_may_be_closed(open_bpo: Open) -> None:
    bpo = await open_bpo(BpoChatSettings(list_users=False))

    assert await bpo.users["walter"].get("users/signup/") == []


async def test_only_json_is_taken(bpo: Bpo) -> None:
    status, _ = await bpo.public.call("POST", "users/login/", data={"email": "x"})

    assert status == 415


async def test_patch_without_a_slash_joins_too(bpo: Bpo) -> None:
    uri = (await chat_of(bpo, "walter", "walter"))["uri"]

    joined = await bpo.users["mabel"].do("PATCH", f"chats/{uri}", {"username": "mabel"})

    assert joined["message"] == "mabel joined that chat"


async def test_messages_have_a_link_to_older_ones(bpo: Bpo) -> None:
    uri = (await chat_of(bpo, "walter", "mabel"))["uri"]
    for number in range(3):
        path = f"chats/{uri}/messages/"
        await bpo.users["walter"].do("POST", path, {"message": f"message {number}"})

    newest = await bpo.public.http.get(f"{BPO}/{path}?limit=2", headers=bpo.users["mabel"].headers)

    assert [m["message"] for m in (await newest.json())["messages"]] == ["message 1", "message 2"]
    assert newest.headers["Link"].endswith('; rel="next"')


async def test_both_apis_stand_at_their_own_paths_beside_muniment(open_bpo: Open) -> None:
    bpo = await open_bpo(BpoChatSettings(prefix="/api/v1"))

    assert (await chat_of(bpo, "walter", "mabel"))["status"] == "SUCCESS"
    assert (await bpo.public.call("GET", "chat/users"))[0] == 401
