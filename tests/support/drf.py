"""Clients of condor_chat's and bpo-chat-api's API, over a real store and a room service."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from component.core.sessions.delivery import Delivery
from component.core.sessions.outgoing import Query
from component.core.tokens.refresh_tokens import RefreshToken
from component.core.xml.times import now
from component.web.app import make_app
from component.web.drf.settings import BpoChatSettings, CondorChatSettings
from component.web.server.settings import Listener, Services
from component.wiring.live import with_live
from storage.rows import SignIn
from support.account_server import AccountServer
from support.chat import PASSWORD, SERVICE, ChatWorld, with_rooms
from support.room_server import RoomServer
from support.sign_in import BOTH, with_sign_in

CONDOR, BPO = "/condor/api/v1", "/bpo/api/v1"

#: The settings of both listeners, with both APIs.
WITH_APIS = replace(BOTH, condor_chat=CondorChatSettings(), bpo_chat=BpoChatSettings())


class ApiClient:
    """Calls one of the APIs, as a program does."""

    def __init__(self, http: TestClient[Any, Any], prefix: str, token: str = "") -> None:
        self.http = http
        self.prefix = prefix
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def with_token(self, token: str) -> ApiClient:
        """Return a client with an access token."""
        return ApiClient(self.http, self.prefix, token)

    async def call(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """Return status and JSON of an answer, None for an empty body."""
        options["headers"] = {**self.headers, **options.get("headers", {})}
        if json is not None:
            options["json"] = json
        response = await self.http.request(method, f"{self.prefix}/{path}", **options)
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else None

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        """Return the JSON of an answer that has a status."""
        return await self.do("GET", path, None, status, **options)

    async def do(
        self, method: str, path: str, json: Any = None, status: int = 200, **options: Any
    ) -> Any:
        """Return the JSON of an answer that has a status."""
        answered, answer = await self.call(method, path, json, **options)
        assert answered == status, (method, path, answered, answer)
        return answer


async def api_client(
    aiohttp_client: AiohttpClient,
    world: ChatWorld,
    prefix: str,
    *,
    condor: CondorChatSettings | None = WITH_APIS.condor_chat,
    bpo: BpoChatSettings | None = WITH_APIS.bpo_chat,
) -> ApiClient:
    """Return a client without a token."""
    settings = replace(WITH_APIS, condor_chat=condor, bpo_chat=bpo)
    app = make_app(settings, world.services, Listener.PUBLIC)
    return ApiClient(await aiohttp_client(app), prefix)


@dataclass
class WholeServer(RoomServer):
    """A server in the place of ejabberd, which has rooms and vCards."""

    accounts: AccountServer = field(init=False)

    def __post_init__(self) -> None:
        self.accounts = AccountServer(self.queue)

    def answer(self, owner: str, query: Query, delivery: Delivery) -> None:
        """Answer an IQ to a room or an account."""
        if query.to is None or not query.to.endswith(f"@{SERVICE}"):
            self.accounts.answer(owner, query, delivery)
        else:
            super().answer(owner, query, delivery)


async def api_world(services: Services, *jids: str, **options: Any) -> ChatWorld:
    """Return chat for the users of some new accounts; `options` are those of ChatSettings."""
    server = WholeServer(services.queue)
    # A hash takes a moment, so all accounts have the same one.
    await services.accounts.admin.register(jids[0], PASSWORD)
    first = await services.storage.accounts.get(jids[0])
    assert first is not None
    for jid in jids[1:]:
        await services.storage.accounts.add(replace(first, jid=jid))
    chatting = with_rooms(with_sign_in(services), server, **options)
    assert chatting.chat is not None
    assert chatting.chat.rooms is not None
    return ChatWorld(with_live(chatting, BOTH, server, chatting.chat.rooms), server)


async def token_of(services: Services, jid: str) -> str:
    """Return an access token of a user, for whom no password is checked."""
    sign_ins, token = services.sign_ins, RefreshToken.generate()
    assert sign_ins is not None
    at, hour = now(), 3600 * 1_000_000
    row = SignIn(
        id=token.sign_in,
        jid=jid,
        created_at=at,
        refreshed_at=at,
        expires_at=at + hour,
        token_hash=token.hash,
    )
    await sign_ins.add(row, PASSWORD, await services.storage.sign_ins.revocations(jid))
    access_token = await sign_ins.access_token(jid)
    assert access_token is not None
    return access_token
