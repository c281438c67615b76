"""Users: {bpo_chat}/users/: sign-up, login by e-mail address, refresh."""

from __future__ import annotations

import secrets

from aiohttp import web

from component.core.chat.directory import LIST_MAX, UserPage
from component.core.chat.sign_up import EmailTaken
from component.core.errors import BadRequest, Conflict
from component.web import keys
from component.web.bpo_chat.answers import Hello, ListedUser, LoginBody, SignUpBody
from component.web.bpo_chat.requests import host, settings
from component.web.chat.requests import chat_of
from component.web.drf.addresses import EMAIL_MAX, EMAIL_TAKEN, WRONG_EMAIL, is_email
from component.web.drf.answers import FormAccess, FormTokens, ListParameters, RefreshBody
from component.web.drf.authenticate import jid_of_name, name_of_jid, refreshed, signed_in
from component.web.drf.errors import ContractRefusal, detail
from component.web.drf.fields import json_fields_of
from component.web.drf.pages import next_link, place_of
from component.web.drf.paths import slashed
from component.web.server import body
from component.web.server.operation import operation

#: Characters of a user name.
USERNAME_MAX = 255

_LABEL = "bpo-chat-api"
#: As the contract has it.
_DIFFERENT = "Passwords must much"
_NAME_TAKEN = "user with this username already exists."
_CLOSED = "Nobody can sign up here."


def open_routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix that need no token."""
    path = f"{prefix}/users"
    return [
        *slashed(web.get, f"{path}/hello/", hello),
        *slashed(web.post, f"{path}/signup/", sign_up),
        *slashed(web.post, f"{path}/login/", login),
        *slashed(web.post, f"{path}/refresh/", refresh),
    ]


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix that need a token."""
    return slashed(web.get, f"{prefix}/users/signup/", listed)


@operation("bpo_chat.users.hello", answers={200: Hello})
async def hello(_: web.Request) -> web.Response:
    """GET {bpo_chat}/users/hello/: the API is there."""
    return body.json_response({"message": "Hello, World!"})


@operation("bpo_chat.users.sign_up", body=SignUpBody, answers={201: FormTokens})
async def sign_up(request: web.Request) -> web.Response:
    """POST {bpo_chat}/users/signup/: create an account, and sign in."""
    chat = request.app[keys.chat]
    fields = await json_fields_of(request)
    email = fields.text("email", maximum=EMAIL_MAX)
    if email and not is_email(email):
        fields.add_error("email", WRONG_EMAIL)
    username = fields.text("username", maximum=USERNAME_MAX)
    password = fields.text(
        "password",
        minimum=chat.settings.password_min,
        maximum=chat.settings.password_max,
        strip=False,
    )
    repeated = fields.text("password2", strip=False)
    jid = jid_of_name(request, username, host(request)) if username else None
    if username and (jid is None or "@" in username):
        fields.add_error("username", "Enter a valid username.")
    fields.check()
    if password != repeated:
        raise ContractRefusal({"password": _DIFFERENT})
    if not chat.sign_up.is_allowed:
        raise detail(_CLOSED, 403)
    try:
        await chat.sign_up.sign_up(request[keys.party], jid or "", password, email=email)
    except EmailTaken:
        raise ContractRefusal({"email": [EMAIL_TAKEN]}) from None
    except Conflict:
        raise ContractRefusal({"username": [_NAME_TAKEN]}) from None
    except BadRequest as error:
        field, _, sentence = error.message.partition(": ")
        field = field if field == "password" else "username"
        raise ContractRefusal({field: [sentence or error.message]}) from None
    response = await signed_in(request, jid or "", password, _LABEL)
    response.set_status(201)
    return response


@operation("bpo_chat.users.login", body=LoginBody, answers={200: FormTokens})
async def login(request: web.Request) -> web.Response:
    """POST {bpo_chat}/users/login/: tokens for an e-mail address and a password."""
    chat = request.app[keys.chat]
    fields = await json_fields_of(request)
    email, password = fields.text("email"), fields.text("password", strip=False)
    fields.check()
    profile = await chat.directory.with_email(email) if is_email(email) else None
    # For an unknown address the password of an account that does not exist is checked: the time
    # of the answer does not tell which addresses are known.
    jid = f"{secrets.token_hex(16)}@{host(request)}" if profile is None else profile.jid
    return await signed_in(request, jid, password, _LABEL)


@operation("bpo_chat.users.refresh", body=RefreshBody, answers={200: FormAccess})
async def refresh(request: web.Request) -> web.Response:
    """POST {bpo_chat}/users/refresh/: a new access token; the refresh token stays."""
    fields = await json_fields_of(request)
    token = fields.text("refresh")
    fields.check()
    return await refreshed(request, token)


@operation("bpo_chat.users.list", query=ListParameters, answers={200: list[ListedUser]})
async def listed(request: web.Request) -> web.Response:
    """GET {bpo_chat}/users/signup/: the users of the own domain, for users alone."""
    user, chat = await chat_of(request)
    place = place_of(request, LIST_MAX)
    users = UserPage(0, ())
    if settings(request).list_users:
        users = await chat.directory.page(user.jid, offset=place.offset, limit=place.limit)
    shown = [
        {
            "email": profile.email if profile.jid == user.jid else "",
            "username": name_of_jid(profile.jid, host(request)),
        }
        for profile in users.profiles
    ]
    return body.json_response(shown, headers=next_link(request, place, users.count))
