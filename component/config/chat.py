"""The section [chat]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from component.config.types import Domain, Prefix, Section, TimeZone


class Chat(Section):
    """Chat over HTTP for users who have signed in: users, rooms, conversations, read marks."""

    enabled: bool = Field(
        default=True,
        description="Whether the chat API is served on the public listener. It needs "
        "tokens.key_file.",
    )
    room_service: Domain | None = Field(
        default=None,
        description="Domain on which rooms are made, one of archive.room_services; without it the "
        "first of these that is below the virtual host of the user, or else the first.",
    )
    room_members_max: Annotated[int, Field(ge=2, le=5000)] = Field(
        default=200, description="Maximum number of members of a room that is made here."
    )
    members_seconds: Annotated[float, Field(ge=1, le=3600)] = Field(
        default=15.0,
        description="Seconds for which the members that a room names are remembered. A change "
        "that Muniment sees is known at once.",
    )
    subscribe_members: bool = Field(
        default=False,
        description="Whether members of rooms made here are subscribed to their messages "
        "(MUC/Sub), so that ejabberd keeps messages for members who are away.",
    )
    invitation_hours: Annotated[int, Field(ge=1, le=8760)] = Field(
        default=168, description="Hours until an invitation to a room expires."
    )
    search_fields: tuple[Literal["name", "user"], ...] = Field(
        default=("user", "name"),
        strict=False,
        description="Fields in which users search for other users: user, the local part of the "
        "address; name, the name in the profile. Without any, nobody can search.",
    )
    searches_per_minute: Annotated[int, Field(ge=1, le=10000)] = Field(
        default=30, description="Searches for users that one user may make in a minute."
    )
    audit_searches: bool = Field(
        default=False, description="Whether each search for users is entered in the audit log."
    )
    sign_up: bool = Field(
        default=False, description="Whether everybody may create an account over HTTP."
    )
    sign_ups_per_hour: Annotated[int, Field(ge=1, le=100000)] = Field(
        default=5, description="Accounts that may be created from one address in an hour."
    )
    password_min: Annotated[int, Field(ge=1, le=128)] = Field(
        default=8, description="Minimum number of characters of the password of a new account."
    )
    password_max: Annotated[int, Field(ge=8, le=1024)] = Field(
        default=128, description="Maximum number of characters of the password of a new account."
    )


class CondorChat(Section):
    """The API of condor_chat, for its clients, over chat."""

    enabled: bool = Field(
        default=False,
        description="Whether the public listener serves the API. It needs tokens.key_file and "
        "chat.",
    )
    prefix: Prefix = Field(
        default="/condor/api/v1",
        description="Path prefix of its routes; /api/v1 for the paths of condor_chat itself.",
    )
    host: Domain | None = Field(
        default=None,
        description="Virtual host of the user names; without it the first of xmpp.hosts.",
    )
    refusal_status: Literal[401, 403] = Field(
        default=401,
        description="HTTP status of the answer to a request without a valid access token. Old "
        "clients expect 403.",
    )
    time_zone: TimeZone = Field(
        default="UTC",
        description="Time zone of all times, such as America/Bogota, in which condor_chat has "
        "them.",
    )
    list_users: bool = Field(
        default=True,
        description="Whether users may list all users of their domain. Otherwise they find others "
        "by a search alone.",
    )


class BpoChat(Section):
    """The API of bpo-chat-api, for its clients, over chat."""

    enabled: bool = Field(
        default=False,
        description="Whether the public listener serves the API. It needs tokens.key_file and "
        "chat.",
    )
    prefix: Prefix = Field(
        default="/bpo/api/v1",
        description="Path prefix of its routes; /api/v1 for the paths of bpo-chat-api itself.",
    )
    host: Domain | None = Field(
        default=None,
        description="Virtual host of the user names; without it the first of xmpp.hosts.",
    )
    message_max: Annotated[int, Field(ge=1, le=16000)] = Field(
        default=2000, description="Maximum number of characters of a message."
    )
    list_users: bool = Field(
        default=True, description="Whether users may list the names of all users of their domain."
    )
