"""The parts of a request to bpo-chat-api's API: its settings, and the users that it names."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.service import Chat
from component.web import keys
from component.web.drf.authenticate import host_of, name_of_jid
from component.web.drf.settings import BpoChatSettings


def settings(request: web.Request) -> BpoChatSettings:
    """Return the settings of the API."""
    return request.app[keys.settings].bpo_chat or BpoChatSettings()


def host(request: web.Request) -> str:
    """Return the virtual host of user names."""
    return host_of(request, settings(request).host)


async def users_json(
    request: web.Request, viewer: User, chat: Chat, jids: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Return users by bare JID; nobody else sees the e-mail address of a user."""
    numbers = await chat.identifiers.of_users(jids)
    email = (await chat.directory.profile(viewer.jid)).email
    return {
        jid: {
            "id": numbers[jid].number,
            "username": name_of_jid(jid, host(request)),
            "email": email if jid == viewer.jid else "",
        }
        for jid in jids
    }
