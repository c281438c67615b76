"""The parts of a request to condor_chat's API: its settings, and the users that it names."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.service import Chat
from component.core.xml.jids import domain
from component.web import keys
from component.web.drf.authenticate import host_of
from component.web.drf.errors import not_found
from component.web.drf.fields import number_of
from component.web.drf.settings import CondorChatSettings
from component.web.server.settings import WebSettings


def settings_of(settings: WebSettings) -> CondorChatSettings:
    """Return the settings of the API."""
    return settings.condor_chat or CondorChatSettings()


def settings(request: web.Request) -> CondorChatSettings:
    """Return the settings of the API."""
    return settings_of(request.app[keys.settings])


def host(request: web.Request) -> str:
    """Return the virtual host of user names."""
    return host_of(request, settings(request).host)


async def user_with_number(user: User, chat: Chat, number: int | None) -> str:
    """Return the bare JID of a user with an id. Raises ContractRefusal as if there were none.

    A user sees those of the own domain, and those of others with whom the user has talked.
    """
    jids = {} if number is None else await chat.identifiers.users([number])
    jid = jids.get(number or 0)
    if jid is None or not await may_see(user, chat, jid):
        raise not_found()
    return jid


async def may_see(user: User, chat: Chat, jid: str) -> bool:
    """Return whether a user may see another one, who exists as far as that is known."""
    if domain(jid) != domain(user.jid):
        return (await chat.conversations.get(user, jid)).last is not None
    return jid == user.jid or await chat.directory.may_exist(jid)


def number_in_path(request: web.Request, name: str) -> int | None:
    """Return an id in the path, None if it is none."""
    return number_of(request.match_info[name])
