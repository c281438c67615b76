"""Profile pictures: {condor_chat}/profiles/{user_id}/pic/ and {condor_chat}/media/avatar_files/.

An <img> sends no token, so the address of a picture is signed for its viewer: it has the numbers
of both, the last day on which it is valid, and a signature. The signature is in the query, which
no log has.
"""

from __future__ import annotations

import base64
import hmac
import time

from aiohttp import ETag, web

from component.core.access.principals import User
from component.core.chat.people.profiles import UserProfile
from component.core.errors import NotAuthorized, NotImplementedHere
from component.web import keys
from component.web.chat.requests import chat_of
from component.web.condor_chat.answers import PictureAddress, PictureBody, PictureParameters
from component.web.condor_chat.requests import (
    may_see,
    number_in_path,
    settings,
    user_with_number,
)
from component.web.drf.errors import ContractRefusal, not_found
from component.web.drf.fields import MULTIPART, form_of
from component.web.drf.paths import slashed
from component.web.server import body
from component.web.server.operation import Content, operation

_FILES = "/media/avatar_files"

_SIGNATURE = "signature"

_SECONDS_OF_DAY = 86_400

#: Days for which the address of a picture is valid, at least.
_DAYS = 1

_HEADERS = {
    "Cache-Control": "private, max-age=300",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}

#: The picture of users who have none: one transparent pixel.
NO_PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return slashed(web.put, f"{prefix}/profiles/{{user_id:[0-9]+}}/pic/", change)


def open_routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix whose signed addresses need no token."""
    return [web.get(f"{prefix}{_FILES}/{{picture}}", shown, allow_head=False)]


def picture_path(request: web.Request, viewer: int, number: int) -> str:
    """Return the path and query of the picture of a user, for a viewer; both by their numbers."""
    last_day = int(time.time()) // _SECONDS_OF_DAY + _DAYS
    named = f"{viewer}-{number}-{last_day}"
    prefix = settings(request).prefix.rstrip("/")
    return f"{prefix}{_FILES}/{named}.png?{_SIGNATURE}={_signature(request, named)}"


@operation(
    "condor_chat.pictures.change",
    body=Content("multipart/form-data", PictureBody),
    is_body_required=False,
    answers={202: PictureAddress},
)
async def change(request: web.Request) -> web.Response:
    """PUT {condor_chat}/profiles/{user_id}/pic/: set the own picture; without a file nothing."""
    user, chat = await chat_of(request)
    number = number_in_path(request, "user_id") or 0
    jid = await user_with_number(user, chat, number)
    if jid != user.jid:
        raise ContractRefusal({"error": "invalid user to update"})
    form = await form_of(request) if request.content_type == MULTIPART else {}
    file = form.get("avatar")
    if file is not None:
        if not isinstance(file, bytes):
            wrong = "The submitted data was not a file. Check the encoding type on the form."
            raise ContractRefusal({"avatar": [wrong]})
        if chat.profiles is None:
            raise NotImplementedHere("There are no pictures here (sessions.enabled is false).")
        await chat.profiles.set_avatar(user, file)
    return body.json_response({"avatar": picture_path(request, number, number)}, status=202)


@operation(
    "condor_chat.pictures.read",
    query=PictureParameters,
    headers={"If-None-Match": "The ETag of the image that the client has."},
    answers={200: Content("image/*"), 304: None},
)
async def shown(request: web.Request) -> web.Response:
    """GET {condor_chat}/media/avatar_files/{picture}: a picture, as its viewer may see it."""
    viewer_number, number = _numbers(request)
    chat = request.app[keys.chat]
    jids = await chat.identifiers.users([viewer_number, number])
    if viewer_number not in jids or number not in jids:
        raise not_found()
    viewer, jid = User(jids[viewer_number]), jids[number]
    if not await may_see(viewer, chat, jid):
        raise not_found()
    profile: UserProfile | None = None
    try:
        if chat.profiles is not None:
            profile = await chat.profiles.of(viewer, jid)
    except NotAuthorized:
        # The viewer has signed out.
        raise not_found() from None
    if profile is None or profile.avatar is None:
        return web.Response(body=NO_PICTURE, content_type="image/png", headers=_HEADERS)
    etag = ETag(profile.avatar.id)
    response = web.Response(status=304, headers=_HEADERS)
    if etag not in (request.if_none_match or ()):
        response = web.Response(
            body=profile.avatar.data, headers={**_HEADERS, "Content-Type": profile.avatar.type}
        )
    response.etag = etag
    return response


def _numbers(request: web.Request) -> tuple[int, int]:
    """Return the numbers of the viewer and of the user in a signed address.

    Raises ContractRefusal, RateLimited.
    """
    named = request.match_info["picture"].removesuffix(".png")
    signature = request.query.get(_SIGNATURE, "")
    expected = _signature(request, named)
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        request.config_dict[keys.guess_limit].check(request[keys.party], None)
        raise not_found()
    viewer, number, last_day = map(int, named.split("-"))
    if last_day < int(time.time()) // _SECONDS_OF_DAY:
        raise not_found()
    return viewer, number


def _signature(request: web.Request, named: str) -> str:
    return request.app[keys.sign_ins].signature(f"picture {named}")
