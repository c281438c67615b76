"""Other users: {prefix}/v1/chat/users."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.service import Chat
from component.core.xml.jids import local
from component.web.chat.answers import UserList
from component.web.chat.models import UsersParameters
from component.web.chat.profiles import known_avatar
from component.web.chat.requests import chat_of
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at
from storage.rows import Profile


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}/users", search)


@operation("chat.users.search", query=UsersParameters, answers={200: UserList})
async def search(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/users: users of the own domain whose address or name has a text."""
    user, chat = await chat_of(request)
    parameters = checked(UsersParameters, body.parameters(request))
    profiles = await chat.directory.search(user.jid, parameters.search)
    return body.json_response({"users": [user_json(user, profile, chat) for profile in profiles]})


def user_json(viewer: User, profile: Profile, chat: Chat) -> dict[str, Any]:
    """Return a user as others see it: never the e-mail address."""
    return {
        "jid": profile.jid,
        "name": profile.name or local(profile.jid),
        "avatar": known_avatar(viewer, chat, profile.jid),
    }
