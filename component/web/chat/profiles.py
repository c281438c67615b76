"""Names and avatars: {prefix}/v1/chat/profile, and those of other users."""

from __future__ import annotations

from typing import Any

from aiohttp import ETag, web

from component.core.access.principals import User
from component.core.chat.people.profiles import Profiles, UserProfile
from component.core.chat.service import Chat
from component.core.errors import ItemNotFound, NotImplementedHere
from component.web.archive.models import NoParameters
from component.web.chat.answers import AvatarId, ChatUser
from component.web.chat.models import ProfileFields
from component.web.chat.requests import chat_of, jid_of
from component.web.server import body
from component.web.server.operation import Content, operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at

#: An avatar is asked for again after some minutes, and sent again only if it has changed. What a
#: user may see is for this user alone, and a browser takes it for nothing else than an image.
_HEADERS = {
    "Cache-Control": "private, max-age=300",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    user = f"{prefix}/users/{{jid:[^/]+}}"
    return [
        *routes_at(web.get, f"{prefix}/profile", own, allow_head=False),
        *routes_at(web.patch, f"{prefix}/profile", change),
        *routes_at(web.put, f"{prefix}/profile/avatar", set_avatar),
        *routes_at(web.delete, f"{prefix}/profile/avatar", remove_avatar),
        *routes_at(web.get, user, other, allow_head=False),
        *routes_at(web.get, f"{user}/avatar", avatar, allow_head=False),
    ]


@operation("chat.profile.read", answers={200: ChatUser})
async def own(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/profile: the name and the avatar of the user."""
    user, _, profiles = await _profiles(request)
    checked(NoParameters, body.parameters(request))
    return body.json_response(profile_json(await profiles.of(user, user.jid)))


@operation("chat.profile.change", body=ProfileFields, answers={200: ChatUser})
async def change(request: web.Request) -> web.Response:
    """PATCH {prefix}/v1/chat/profile: change the name of the user."""
    user, chat, profiles = await _profiles(request)
    checked(NoParameters, body.parameters(request))
    fields = checked(ProfileFields, await body.fields(request))
    await profiles.set_name(user, fields.name)
    await chat.directory.rename(user.jid, fields.name)
    return body.json_response(profile_json(await profiles.of(user, user.jid)))


@operation("chat.profile.set_avatar", body=Content("image/*"), answers={200: AvatarId})
async def set_avatar(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/chat/profile/avatar: set the avatar to the image in the body."""
    user, _, profiles = await _profiles(request)
    checked(NoParameters, body.parameters(request))
    set = await profiles.set_avatar(user, await body.read(request))
    return body.json_response({"avatar": set.id})


@operation("chat.profile.remove_avatar", answers={204: None})
async def remove_avatar(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/chat/profile/avatar: remove the avatar."""
    user, _, profiles = await _profiles(request)
    checked(NoParameters, body.parameters(request))
    await profiles.remove_avatar(user)
    return web.Response(status=204)


@operation("chat.users.read", answers={200: ChatUser})
async def other(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/users/{jid}: the name and the avatar of a user."""
    user, _, profiles = await _profiles(request)
    checked(NoParameters, body.parameters(request))
    return body.json_response(profile_json(await profiles.of(user, jid_of(request))))


@operation(
    "chat.users.avatar",
    headers={"If-None-Match": "The ETag of the image that the client has."},
    answers={200: Content("image/*"), 304: None},
)
async def avatar(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/users/{jid}/avatar: the avatar of a user, an image."""
    user, _, profiles = await _profiles(request)
    checked(NoParameters, body.parameters(request))
    image = (await profiles.of(user, jid_of(request))).avatar
    if image is None:
        raise ItemNotFound("This user has no avatar, or shows it to others only.")
    response = web.Response(status=304, headers=_HEADERS)
    etag = ETag(image.id)
    if etag not in (request.if_none_match or ()):
        response = web.Response(body=image.data, headers={**_HEADERS, "Content-Type": image.type})
    response.etag = etag
    return response


def profile_json(profile: UserProfile) -> dict[str, Any]:
    """Return a user as other users see it; `avatar` is the id of the image."""
    image = profile.avatar
    return {
        "jid": profile.jid,
        "name": profile.name,
        "avatar": None if image is None else image.id,
    }


def known_avatar(viewer: User, chat: Chat, jid: str) -> str | None:
    """Return the id of the avatar of a user, None if there is none or it was not read lately."""
    profile = None if chat.profiles is None else chat.profiles.known(viewer, jid)
    return None if profile is None or profile.avatar is None else profile.avatar.id


async def _profiles(request: web.Request) -> tuple[User, Chat, Profiles]:
    """Return the user who asks, chat, and profiles. Raises NotImplementedHere, Overloaded."""
    user, chat = await chat_of(request)
    if chat.profiles is None:
        raise NotImplementedHere("There are no profiles here (sessions.enabled is false).")
    return user, chat, chat.profiles
