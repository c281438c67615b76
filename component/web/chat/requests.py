"""The user of a request to chat, and the JIDs in its path."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.service import Chat
from component.core.errors import BadRequest, ItemNotFound
from component.core.xml.jids import local
from component.web import keys
from component.web.auth import authenticate
from component.web.server.paths import bare_jid


async def chat_of(request: web.Request) -> tuple[User, Chat]:
    """Return the user who asks, and chat. The directory has the user from now on.

    Raises Overloaded.
    """
    user, chat = authenticate.principal(request), request.app[keys.chat]
    if not isinstance(user, User):
        raise AssertionError(user)
    await chat.directory.add(user.jid)
    return user, chat


def jid_of(request: web.Request, name: str = "jid") -> str:
    """Return the bare JID of a user or a room in a part of the path. Raises ItemNotFound."""
    try:
        jid = bare_jid(request, request.match_info[name])
    except BadRequest as error:
        raise ItemNotFound(f"{name}: {error.message}") from error
    if not local(jid):
        raise ItemNotFound(f"{name}: expected a bare JID like user@domain")
    return jid
