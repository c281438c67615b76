"""Make the parts of chat that are live or need the sessions of users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from component.core.chat.following.live import LiveReader, MemberRoom, MemberRooms
from component.core.chat.following.presence import ChatPresence
from component.core.chat.following.typing import TypingSender
from component.core.chat.people.profiles import Profiles
from component.core.chat.uploads import Uploads
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.queries import UserQueries
from component.web.server.settings import Services, WebSettings, events_of, pager_of


class NoRooms:
    """Knows no rooms."""

    async def member_rooms(self, user: str) -> tuple[MemberRoom, ...]:
        """Return no room."""
        return ()

    async def lost_rooms(self, user: str) -> Mapping[str, int]:
        """Return no room."""
        return {}

    async def is_member(self, user: str, room: str) -> bool:
        """Return False."""
        return False


def with_live(
    services: Services,
    web: WebSettings,
    sessions: ClientSessions | None,
    rooms: MemberRooms | None = None,
) -> Services:
    """Return services whose chat has live events, and with sessions typing, profiles, uploads.

    `rooms` knows the rooms of users, None: those of chat do.
    """
    if services.chat is None:
        return services
    live = LiveReader(
        events_of(web, services),
        services.storage,
        services.queue,
        pager_of(web, services),
        services.followers,
        services.signals,
        rooms or services.chat.rooms or NoRooms(),
    )
    presence = ChatPresence(services.storage.events, sessions)
    chat = replace(services.chat, live=live, presence=presence)
    if sessions is not None:
        queries = UserQueries(sessions)
        profiles = Profiles(sessions, queries)
        services.signals.listen_photos(profiles.note_photo)
        services.signals.listen_erased(profiles.forget)
        chat = replace(
            chat,
            typing=TypingSender(sessions),
            profiles=profiles,
            uploads=Uploads(queries),
        )
    return replace(services, chat=chat)
