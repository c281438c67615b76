"""Answers about sign-ins, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Literal

from component.web.archive.answers import Moment
from component.web.server.operation import Answer


class SignInState(Answer):
    """A sign-in."""

    id: str
    label: str
    created: Moment
    refreshed: Moment
    expires: Moment


class TokenPair(SignInState):
    """A sign-in with its tokens (RFC 6749 section 5.1)."""

    jid: str
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str


class ListedSignIn(SignInState):
    """A sign-in, and whether it is that of the request."""

    current: bool


class SignInList(Answer):
    """The sign-ins of a user."""

    jid: str
    sign_ins: list[ListedSignIn]


class Ticket(Answer):
    """A ticket for one live stream."""

    ticket: str
    expires_in: int
