"""Users find other users: GET /api/v1/chat/users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.chat import PASSWORD, chat_services, with_chat_for
from support.http_services import HOST, OTHER_HOST
from support.sign_in import BOTH

from component.web.app import make_app
from component.web.server.settings import Listener, Services
from storage.rows import Profile

ALICE, CARLOS = f"alice@{HOST}", f"carlos@{HOST}"

Open = Callable[..., Awaitable[TestClient]]


@pytest.fixture
def open_chat(services: Services, aiohttp_client: AiohttpClient) -> Open:
    """Return a function that returns a client of alice; it takes options of chat."""

    async def open(**options: object) -> TestClient:
        chatting = await chat_services(services, ALICE, CARLOS, f"car@{OTHER_HOST}")
        app = make_app(BOTH, with_chat_for(chatting, **options), Listener.PUBLIC)
        public = await aiohttp_client(app)
        answer = await public.post("/api/v1/tokens", json={"jid": ALICE, "password": PASSWORD})
        token = (await answer.json())["access_token"]
        return await aiohttp_client(app, headers={"Authorization": f"Bearer {token}"})

    return open


async def found(chat: TestClient, search: str) -> list[str]:
    answer = await chat.get("/api/v1/chat/users", params={"search": search})
    assert answer.status == 200, await answer.text()
    return [user["jid"] for user in (await answer.json())["users"]]


async def test_users_of_the_own_domain_are_found_by_local_part_and_name_without_email(
    open_chat: Open, services: Services
) -> None:
    profile = Profile(
        jid=f"bob@{HOST}", name="Ann Carter", email="x@mail.example", folded_name="ann carter"
    )
    await services.storage.profiles.put(profile)
    chat = await open_chat()

    answer = await chat.get("/api/v1/chat/users?search=CAR")

    assert answer.status == 200
    assert await answer.json() == {
        "users": [
            {"jid": f"bob@{HOST}", "name": "Ann Carter", "avatar": None},
            {"jid": CARLOS, "name": "carlos", "avatar": None},
        ]
    }
    assert await found(chat, "mail.example") == []


async def test_caller_is_not_found(open_chat: Open) -> None:
    assert await found(await open_chat(), "alice") == []


@pytest.mark.parametrize("query", ["", "?search=ca", "?search=%20%20ca%20%20", "?other=x"])
async def test_search_of_less_than_three_characters_is_refused(
    open_chat: Open, query: str
) -> None:
    answer = await (await open_chat()).get(f"/api/v1/chat/users{query}")

    assert answer.status == 400
    assert "search" in (await answer.json())["message"]


async def test_too_many_searches_are_answered_with_429_and_retry_after(open_chat: Open) -> None:
    chat = await open_chat(searches_per_minute=2)
    for _ in range(2):
        await found(chat, "car")

    answer = await chat.get("/api/v1/chat/users?search=car")

    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 30


@pytest.mark.parametrize(("fields", "jids"), [(("user",), [CARLOS]), (("name",), [f"bob@{HOST}"])])
async def test_only_the_configured_fields_are_searched(
    open_chat: Open, services: Services, fields: tuple[str, ...], jids: list[str]
) -> None:
    await services.storage.profiles.put(Profile(jid=f"bob@{HOST}", folded_name="ann carter"))

    assert await found(await open_chat(search_fields=fields), "car") == jids


async def test_without_search_fields_nobody_searches(open_chat: Open) -> None:
    chat = await open_chat(search_fields=())

    assert (await chat.get("/api/v1/chat/users?search=car")).status == 501


async def test_search_is_audited_if_configured_and_without_its_words(
    open_chat: Open, services: Services
) -> None:
    await found(await open_chat(audit_searches=True), "carl")

    [entry] = await services.storage.audit_log.entries(limit=10)
    assert (entry.actor, entry.action, entry.subject) == (ALICE, "search users", HOST)
    assert "carl" not in entry.detail


async def test_user_of_chat_is_found_where_accounts_are_elsewhere(open_chat: Open) -> None:
    chat = await open_chat(has_accounts=False)

    # Those that the source lists are found too; who has used chat is found without it.
    assert await found(chat, "car") == [CARLOS]


async def test_chat_is_not_served_without_it(
    services: Services, aiohttp_client: AiohttpClient
) -> None:
    public = await aiohttp_client(make_app(BOTH, await chat_services(services), Listener.PUBLIC))

    assert (await public.get("/api/v1/chat/users?search=car")).status in (401, 404)
