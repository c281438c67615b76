"""The settings of chat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """The settings of chat, as `[chat]` has them."""

    room_service: str | None = None  #: domain of new rooms; None: one of the room services
    room_members_max: int = 200  #: of a room that is made here
    members_seconds: float = 15.0  #: for which the members that a room names are remembered
    subscribe_members: bool = False  #: whether members are subscribed to rooms made here (MUC/Sub)
    invitation_hours: int = 168  #: until an invitation expires
    search_fields: tuple[str, ...] = ("user", "name")  #: in which users are found; (): none is
    searches_per_minute: int = 30  #: of one user
    audit_searches: bool = False
    sign_up: bool = False  #: whether everybody may create an account
    reserved: frozenset[str] = frozenset()  #: bare JIDs with rights, as which nobody signs up
    sign_ups_per_hour: int = 5  #: from one address
    password_min: int = 8  #: characters of the password of a new account
    password_max: int = 128
