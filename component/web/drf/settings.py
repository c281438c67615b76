"""The settings of the APIs in the form of Django REST framework."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CondorChatSettings:
    """The settings of condor_chat's API."""

    prefix: str = "/condor/api/v1"  #: of all paths
    host: str | None = None  #: virtual host of the user names; None: the first one
    refusal_status: int = 401  #: of a request without a valid token; old clients: 403
    time_zone: str = "UTC"  #: of all times; an IANA name
    list_users: bool = True  #: whether lists of users without a search are answered


@dataclass(frozen=True, slots=True, kw_only=True)
class BpoChatSettings:
    """The settings of bpo-chat-api's API."""

    prefix: str = "/bpo/api/v1"  #: of all paths
    host: str | None = None  #: virtual host of the user names; None: the first one
    message_max: int = 2000  #: characters of a message
    list_users: bool = True  #: whether the list of users is answered
