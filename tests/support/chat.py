"""Chat over a real store, with a room service in the place of that of ejabberd."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from component.core.access.authorize import Authorizer
from component.core.access.rooms import Rooms
from component.core.chat.service import Chat
from component.core.chat.settings import ChatSettings
from component.core.hosts import Hosts
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import ClientSessions
from component.web.app import make_app
from component.web.server.settings import Listener, Services
from component.wiring.chat import with_chat
from support.http_services import HOST
from support.room_server import RoomServer
from support.sending import sender_of
from support.sign_in import BOTH, with_sign_in

PASSWORD = "pencil"

SERVICE = f"rooms.{HOST}"


async def chat_services(services: Services, *jids: str) -> Services:
    """Return services that let the users of some new accounts sign in."""
    for jid in jids:
        await services.accounts.admin.register(jid, PASSWORD)
    return with_sign_in(services)


def with_chat_for(
    services: Services,
    sessions: ClientSessions | None = None,
    *,
    has_accounts: bool = True,
    **options: Any,
) -> Services:
    """Return services with chat; `options` are those of ChatSettings."""
    audit, settings = services.commands.audit, ChatSettings(**options)
    return with_chat(services, BOTH, settings, audit, sessions, has_accounts=has_accounts)


def with_rooms(services: Services, server: RoomServer, **options: Any) -> Services:
    """Return services with chat whose rooms are those of a server."""
    hosts = Hosts(services.hosts, [SERVICE])
    rooms = Rooms(hosts, services.storage.rooms, server)
    authorizer = Authorizer(hosts, (), services.commands.audit, rooms)
    services = replace(services, hosts=hosts, rooms=rooms, room_info=server, authorizer=authorizer)
    services = replace(
        services,
        sender=sender_of(services, server, seconds=5.0),
        session_actions=SessionActions(server, taken_seconds=5.0),
    )
    return with_chat_for(services, server, **options)


@dataclass
class ChatWorld:
    """Services with chat, and the server whose rooms it shows."""

    services: Services
    server: RoomServer

    @property
    def chat(self) -> Chat:
        """The parts of chat."""
        assert self.services.chat is not None
        return self.services.chat

    def app(self) -> web.Application:
        """Return the application of the public listener."""
        return make_app(BOTH, self.services, Listener.PUBLIC)


async def chat_world(services: Services, *jids: str, **options: Any) -> ChatWorld:
    """Return chat for the users of some new accounts; `options` are those of ChatSettings."""
    server = RoomServer(services.queue)
    chatting = await chat_services(services, *jids)
    return ChatWorld(with_rooms(chatting, server, **options), server)


async def signed_in(
    aiohttp_client: AiohttpClient, app: web.Application, *jids: str
) -> list[TestClient]:
    """Return a client for each of some users."""
    public = await aiohttp_client(app)
    clients = []
    for jid in jids:
        answer = await public.post("/api/v1/tokens", json={"jid": jid, "password": PASSWORD})
        token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        clients.append(await aiohttp_client(app, headers=headers))
    return clients
