"""No route of the public listener serves a foreign account: cases made from the route tables."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import ALICE, BOB, HOST, dedup_key
from support.chat import SERVICE, with_rooms
from support.drf import WITH_APIS
from support.ejabberd_api import with_ejabberd_api
from support.families import FAMILIES
from support.gateway import PASSWORD, OldClient, gateway_world
from support.http_services import message
from support.push import pushing
from support.room_server import RoomServer

from component.core.chat.identifiers import DirectChat
from component.core.ejabberd_api.catalogue import BY_NAME
from component.core.ejabberd_api.definitions import (
    VERSIONS,
    ApiRole,
    Argument,
    ArgumentType,
    Definition,
)
from component.core.push.targets import parse_token
from component.core.push.values import Content
from component.web.app import make_app
from component.web.bpo_chat.family import BPO_CHAT
from component.web.chat.family import CHAT
from component.web.condor_chat.family import CONDOR_CHAT
from component.web.ejabberd_api.family import EJABBERD_API, VERSIONED_EJABBERD_API
from component.web.gateway.family import GATEWAY
from component.web.server.family import Family
from component.web.server.settings import Listener, Services
from storage.rows import Direction, NewMessage, Occupant, RoomChanges

PUBLIC = [family for family in FAMILIES if family.listener is Listener.PUBLIC]

#: Families that everybody may call. All others need credentials of a user.
OPEN = {
    "liveness",
    "sign-in",
    "chat sign-up",
    "chat page",
    "public docs",
    "gateway start",
    "condor_chat open",
    "bpo-chat open",
}

#: Families whose calls name accounts in arguments, and not in the path.
BY_ARGUMENTS = (EJABBERD_API, VERSIONED_EJABBERD_API)

BY_PATH = [family for family in PUBLIC if family not in BY_ARGUMENTS]

#: The commands of ejabberd's API that users may call on an account.
COMMANDS = [
    definition
    for definition in BY_NAME.values()
    if ApiRole.USER in definition.roles and definition.account is not None
]

#: A room of bob, of which alice is not a member.
ROOM = f"garden@{SERVICE}"

#: The text of a message of bob.
TEXT = "for the eyes of bob"

#: Bodies that are taken before the subscription is looked for that they change.
BODIES: dict[str, dict[str, object]] = {"PATCH": {"content": "text"}, "POST": {"after": 0}}

#: Bodies of the requests to chat.
CHAT_BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("PATCH", ""): {"name": "of alice"},
    ("POST", "messages"): {"body": "hello"},
    ("POST", "typing"): {"state": "composing"},
    ("PUT", "displayed"): {"id": "x"},
    ("PUT", "members"): {"affiliation": "owner"},
}

#: The body of the requests to condor_chat and bpo-chat-api.
API_BODY: dict[str, object] = {
    "title": "of alice",
    "participants": [],
    "content": "hello",
    "message": "hello",
    "username": "nobody",
}

_PLACEHOLDER = re.compile(r"{(\w+)}")


@pytest.fixture
async def signing_in(services: Services) -> AsyncIterator[Services]:
    """All families, and the accounts of alice and bob."""
    world = await gateway_world(services)
    server = RoomServer(services.queue)
    server.add_room(ROOM, {BOB: "owner"}, "of bob")
    async with pushing(with_ejabberd_api(world.services)) as everything:
        chatting = with_rooms(everything, server)
        await chatting.storage.rooms.change(
            RoomChanges(room=ROOM, occupants=(Occupant(room=ROOM, jid=BOB, affiliation="owner"),))
        )
        yield chatting


@pytest.fixture
async def public(aiohttp_client: AiohttpClient, signing_in: Services) -> TestClient:
    return await aiohttp_client(make_app(WITH_APIS, signing_in, Listener.PUBLIC))


async def sign_in(public: TestClient, jid: str) -> dict[str, Any]:
    response = await public.post("/api/v1/tokens", json={"jid": jid, "password": PASSWORD})
    assert response.status == 201, await response.text()
    return await response.json()  # type: ignore[no-any-return]


async def of_bob(public: TestClient, services: Services) -> dict[str, Sequence[str]]:
    """Return values of bob, and of accounts that do not exist, by the names of placeholders."""
    stored = NewMessage(
        owner=BOB,
        at=1,
        peer=ALICE,
        resource="",
        type="chat",
        direction=Direction.RECEIVED,
        xml=message(ALICE, BOB, TEXT),
        dedup_key=dedup_key(TEXT),
    )
    await services.writer.store([stored])
    snapshot = await services.storage.archive.first_and_last(BOB)
    assert snapshot is not None
    tokens = await sign_in(public, BOB)
    assert services.push is not None
    target = parse_token("https://203.0.113.1/hook")
    subscribed = await services.push.subscribe(BOB, tokens["id"], target, content=Content.NOTHING)
    bob = OldClient(public)
    await bob.start(BOB)
    assert services.chat is not None
    identifiers = services.chat.identifiers
    chat = await identifiers.of_direct(DirectChat.of(BOB, f"carol@{HOST}"))
    room = (await identifiers.of_rooms([ROOM]))[ROOM]
    number = (await identifiers.of_users([BOB]))[BOB].number
    return {
        "owner": (BOB, f"room@rooms.{HOST}", f"nobody@{HOST}", "x@elsewhere.example"),
        # of a message, a sign-in, or a push subscription
        "id": (snapshot[0].id, tokens["id"], subscribed.subscription.id),
        "contact": (BOB,),
        "room": (f"room@rooms.{HOST}",),
        "session_id": (bob.session_id,),
        "contact_id": ("0" * 32,),
        # of chat: a room, and those who are its members or want to be
        "jid": (ROOM, f"nothing@{SERVICE}"),
        "member": (BOB, ALICE),
        # of a file of a page
        "version": (TEXT,),
        "path": (BOB,),
        # of condor_chat and bpo-chat-api
        "user_id": (str(number), "999999"),
        "room_id": (str(chat.number), str(room.number), "999999"),
        "message_id": (snapshot[0].id,),
        "uri": (chat.uri, room.uri),
        "picture": (f"{number}-{number}-99999-{'0' * 32}.png",),
    }


def body_of(family: Family, method: str, path: str) -> dict[str, object] | None:
    """Return the body of a request to a route, None: it has none."""
    if family in (CONDOR_CHAT, BPO_CHAT):
        return API_BODY
    if family is not CHAT:
        return BODIES.get(method)
    bodies = (body for key, body in CHAT_BODIES.items() if key[0] == method and key[1] in path)
    return next(bodies, None)


async def credentials(public: TestClient, jid: str, family: Family) -> dict[str, str]:
    """Return the headers with which an account calls a family."""
    if family is GATEWAY:
        session = await OldClient(public).start(jid)
        return {"Authorization": f"Bearer {session['token']}"}
    return {"Authorization": f"Bearer {(await sign_in(public, jid))['access_token']}"}


def routes_of(family: Family, services: Services) -> list[tuple[str, str]]:
    """Return method and path of each route of a family."""
    routes = family.app(WITH_APIS, services).router.routes()
    return [(r.method, _canonical(r)) for r in routes]


def _canonical(route: web.AbstractRoute) -> str:
    assert route.resource is not None
    return route.resource.canonical


def urls(path: str, values: dict[str, Sequence[str]]) -> list[str]:
    """Return a path with each of the values in the places of its placeholders."""
    filled = [path]
    for name in _PLACEHOLDER.findall(path):
        assert name in values, f"{path}: this test needs a value of bob for {name}"
        filled = [url.replace(f"{{{name}}}", value) for url in filled for value in values[name]]
    return filled


@pytest.mark.parametrize("family", BY_PATH, ids=lambda family: family.name)
async def test_no_route_serves_a_foreign_account(
    public: TestClient, signing_in: Services, family: Family
) -> None:
    values = await of_bob(public, signing_in)
    headers = await credentials(public, ALICE, family)
    refused: Collection[int] = (401, 429) if family is GATEWAY else (403, 404)
    if family is CONDOR_CHAT:
        # As its contract has it for the picture of another user.
        refused = (400, 403, 404)
    before = await signing_in.storage.sign_ins.list(BOB)

    for method, path in routes_of(family, signing_in):
        if _PLACEHOLDER.search(path):
            own = {**values, "owner": (ALICE,)} if "{id}" in path else values
            for url in {*urls(path, values), *urls(path, own)}:
                response = await public.request(
                    method, url, headers=headers, json=body_of(family, method, path)
                )
                # Everybody may see the profiles of other users.
                is_profile = (family is CHAT and "/users/" in path) or (
                    family is CONDOR_CHAT and method == "GET" and "/profiles/" in path
                )
                # There are no rooms without sessions, which these services do not have.
                is_room = family is CHAT and f"@{SERVICE}" in url and response.status == 501
                assert is_profile or is_room or response.status in refused, f"{method} {url}"
                assert TEXT not in await response.text(), f"{method} {url}"

    assert await signing_in.storage.sign_ins.list(BOB) == before
    assert await signing_in.storage.archive.first_and_last(BOB) is not None


@pytest.mark.parametrize("path", ["/api/{}", *(f"/api/v{number}/{{}}" for number in VERSIONS)])
@pytest.mark.parametrize("definition", COMMANDS, ids=lambda definition: definition.name)
async def test_no_command_serves_a_foreign_account(
    public: TestClient, definition: Definition, path: str
) -> None:
    version = int(path[6]) if path.startswith("/api/v") else VERSIONS[-1]
    arguments = {
        argument.name: of(argument) for argument in definition.signature(version).arguments
    }
    account = definition.account
    assert account is not None
    names = {account.user: "bob", account.host: HOST, account.address: BOB}
    if not account.user and not account.address:
        names = {account.host: "elsewhere.example"}
    arguments |= {name: value for name, value in names.items() if name}

    url = path.format(definition.name)
    nobody = await public.post(url, json=arguments)
    headers = {"Authorization": encode_basic_auth(ALICE, PASSWORD)}
    alice = await public.post(url, json=arguments, headers=headers)

    assert nobody.status in (401, 403), await nobody.text()
    assert alice.status == 403, await alice.text()


def of(argument: Argument) -> object:
    """Return a value of the type of an argument."""
    values = {ArgumentType.TEXT: "x", ArgumentType.INTEGER: 1, ArgumentType.LIST: ["x"]}
    return values[argument.type]


@pytest.mark.parametrize("family", BY_PATH, ids=lambda family: family.name)
async def test_every_route_needs_a_token_except_those_of_open_families(
    public: TestClient, signing_in: Services, family: Family
) -> None:
    values = await of_bob(public, signing_in)
    assert (family.authenticate is None) == (family.name in OPEN)

    for method, path in routes_of(family, signing_in):
        if family.name not in OPEN:
            response = await public.request(method, urls(path, values)[0])
            assert response.status == 401, f"{method} {path}"


async def test_all_public_families_have_routes_here(signing_in: Services) -> None:
    served = {
        (route.method, _canonical(route))
        for route in make_app(WITH_APIS, signing_in, Listener.PUBLIC).router.routes()
    }

    assert served == {route for family in PUBLIC for route in routes_of(family, signing_in)}
    assert len(served) >= 30
