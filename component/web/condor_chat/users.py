"""Users: {condor_chat}/profiles/.

Users see the e-mail address of themselves alone, and change themselves alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.directory import LIST_MAX, SEARCH_MIN, UserPage
from component.core.chat.people.profiles import NAME_MAX
from component.core.chat.service import Chat
from component.core.chat.sign_up import EmailTaken
from component.core.errors import BadRequest, Conflict
from component.web import keys
from component.web.chat.models import one_line
from component.web.chat.requests import chat_of
from component.web.condor_chat.answers import (
    AvailableParameters,
    FormUser,
    FormUsersPage,
    NewProfileBody,
    ProfileBody,
)
from component.web.condor_chat.objects_json import user_json
from component.web.condor_chat.requests import (
    host,
    number_in_path,
    settings,
    user_with_number,
)
from component.web.drf.addresses import EMAIL_MAX, EMAIL_TAKEN, WRONG_EMAIL, is_email
from component.web.drf.answers import FormPageParameters
from component.web.drf.authenticate import jid_of_name, name_of_jid, refused
from component.web.drf.errors import ContractRefusal, forbidden
from component.web.drf.fields import Fields, fields_of
from component.web.drf.pages import Place, next_link, page, place_of
from component.web.drf.paths import slashed
from component.web.server import body
from component.web.server.operation import operation
from storage.rows import Profile

_PATH = "/profiles/"
_USER = f"{_PATH}{{user_id:[0-9]+}}/"

#: Characters of a user name.
USERNAME_MAX = 150

_NAMES = ("first_name", "last_name")

_FIXED_NAME = "The name of an account cannot be changed."
_FIXED_PASSWORD = "A password is not changed here."  # noqa: S105 - a sentence


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    path, user = f"{prefix}{_PATH}", f"{prefix}{_USER}"
    return [
        *slashed(web.get, f"{path}get_available_users/", available),
        *slashed(web.get, path, listed),
        *slashed(web.post, path, create),
        *slashed(web.get, user, shown),
        *slashed(web.put, user, change),
        *slashed(web.patch, user, change),
        *slashed(web.delete, user, remove),
    ]


@operation("condor_chat.users.available", query=AvailableParameters, answers={200: list[FormUser]})
async def available(request: web.Request) -> web.Response:
    """GET {condor_chat}/profiles/get_available_users/: other users, by name or e-mail address."""
    user, chat = await chat_of(request)
    name = request.query.get("full_name", "").strip()
    email = request.query.get("email", "").strip()
    headers: dict[str, str] = {}
    if name:
        profiles = await _with_name(user, chat, name)
    elif email:
        profiles = ()
    else:
        place = place_of(request, LIST_MAX)
        everybody = await _everybody(request, user, chat, place)
        profiles, headers = everybody.profiles, next_link(request, place, everybody.count)
    if email:
        owner = await chat.directory.owner_of_email(user.jid, email)
        is_found = owner is not None and (not name or owner in profiles)
        profiles = (owner,) if owner is not None and is_found else ()
    others = [profile for profile in profiles if profile.jid != user.jid]
    users = await _users_json(request, user, chat, others)
    return body.json_response(sorted(users, key=itemgetter("id")), headers=headers)


@operation("condor_chat.users.list", query=FormPageParameters, answers={200: FormUsersPage})
async def listed(request: web.Request) -> web.Response:
    """GET {condor_chat}/profiles/: a page of the users of the own domain."""
    user, chat = await chat_of(request)
    place = place_of(request)
    users = await _everybody(request, user, chat, place)
    results = await _users_json(request, user, chat, users.profiles)
    return page(request, place, users.count, results)


@operation("condor_chat.users.read", answers={200: FormUser})
async def shown(request: web.Request) -> web.Response:
    """GET {condor_chat}/profiles/{user_id}/: one user."""
    user, chat = await chat_of(request)
    jid = await user_with_number(user, chat, number_in_path(request, "user_id"))
    return await _user(request, user, chat, jid)


@operation(
    "condor_chat.users.create", body=NewProfileBody, takes_forms=True, answers={201: FormUser}
)
async def create(request: web.Request) -> web.Response:
    """POST {condor_chat}/profiles/: create an account, where strangers may do that too."""
    user, chat = await chat_of(request)
    if not chat.sign_up.is_allowed:
        raise forbidden()
    fields = await fields_of(request)
    username = fields.text("username", maximum=USERNAME_MAX)
    password = fields.text(
        "password",
        minimum=chat.settings.password_min,
        maximum=chat.settings.password_max,
        strip=False,
    )
    email, name = _email(fields), _full_name(fields)
    jid = jid_of_name(request, username, host(request)) if username else None
    if username and (jid is None or "@" in username):
        fields.add_error("username", "Enter a valid username.")
    fields.check()
    try:
        await chat.sign_up.sign_up(
            request[keys.party], jid or "", password, name=name, email=email
        )
    except EmailTaken:
        raise ContractRefusal({"email": [EMAIL_TAKEN]}) from None
    except Conflict:
        taken = "A user with that username already exists."
        raise ContractRefusal({"username": [taken]}) from None
    except BadRequest as error:
        field, _, sentence = error.message.partition(": ")
        field = field if field == "password" else "username"
        raise ContractRefusal({field: [sentence or error.message]}) from None
    [created] = await _users_json(request, user, chat, [await chat.directory.profile(jid or "")])
    return body.json_response(created, status=201)


@operation("condor_chat.users.change", body=ProfileBody, takes_forms=True, answers={200: FormUser})
async def change(request: web.Request) -> web.Response:
    """PUT and PATCH {condor_chat}/profiles/{user_id}/: change the own name and e-mail address."""
    user, chat = await chat_of(request)
    jid = await user_with_number(user, chat, number_in_path(request, "user_id"))
    if jid != user.jid:
        raise forbidden()
    fields = await fields_of(request)
    if request.method == "PUT":
        fields.require("username")
    username = name_of_jid(jid, host(request))
    if "username" in fields and fields.get("username") != username:
        fields.add_error("username", _FIXED_NAME)
    if "password" in fields:
        fields.add_error("password", _FIXED_PASSWORD)
    email, name = _email(fields), _full_name(fields)
    fields.check()
    if "email" in fields and not await chat.directory.set_email(jid, email):
        raise ContractRefusal({"email": [EMAIL_TAKEN]})
    if any(part in fields for part in _NAMES):
        await _rename(user, chat, name)
    return await _user(request, user, chat, jid)


@operation("condor_chat.users.remove", answers={})
async def remove(request: web.Request) -> web.Response:
    """DELETE {condor_chat}/profiles/{user_id}/: refused, because a token deletes no account."""
    user, chat = await chat_of(request)
    await user_with_number(user, chat, number_in_path(request, "user_id"))
    raise forbidden()


async def _rename(user: User, chat: Chat, name: str) -> None:
    if chat.profiles is not None:
        await chat.profiles.set_name(user, name)
    await chat.directory.rename(user.jid, name)


async def _with_name(user: User, chat: Chat, name: str) -> tuple[Profile, ...]:
    try:
        return await chat.directory.search(user.jid, name)
    except BadRequest as error:
        if len(name) >= SEARCH_MIN:
            raise refused("full_name", error) from None
        short = f"Ensure this value has at least {SEARCH_MIN} characters."
        raise ContractRefusal({"full_name": [short]}) from None


async def _everybody(request: web.Request, user: User, chat: Chat, place: Place) -> UserPage:
    """Return users of the own domain, with the user; none where such lists are closed."""
    if not settings(request).list_users:
        return UserPage(0, ())
    return await chat.directory.page(user.jid, offset=place.offset, limit=place.limit)


def _email(fields: Fields) -> str:
    email = fields.text("email", required=False, blank=True, maximum=EMAIL_MAX)
    if email and not is_email(email):
        fields.add_error("email", WRONG_EMAIL)
    return email


def _full_name(fields: Fields) -> str:
    """Return the name in the fields of a user; the contract has it in two parts."""
    parts = [fields.text(part, required=False, blank=True) for part in _NAMES]
    name = " ".join(filter(None, parts))
    try:
        if len(name) > NAME_MAX:
            raise ValueError(f"Ensure both have no more than {NAME_MAX} characters together.")
        return one_line(name)
    except ValueError as error:
        fields.add_error("first_name", str(error))
        return ""


async def _user(request: web.Request, user: User, chat: Chat, jid: str) -> web.Response:
    profile = await chat.directory.profile(jid)
    [shown] = await _users_json(request, user, chat, [profile])
    return body.json_response(shown)


async def _users_json(
    request: web.Request, user: User, chat: Chat, profiles: Sequence[Profile]
) -> list[dict[str, Any]]:
    numbers = await chat.identifiers.of_users({user.jid, *(item.jid for item in profiles)})
    return [
        user_json(request, user, profile, numbers[profile.jid].number, numbers[user.jid].number)
        for profile in profiles
    ]
