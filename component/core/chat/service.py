"""The parts of chat that serve requests."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.chat.conversations import ChatConversations
from component.core.chat.directory import Directory
from component.core.chat.following.live import LiveReader
from component.core.chat.following.presence import ChatPresence
from component.core.chat.following.typing import TypingSender
from component.core.chat.identifiers import Identifiers
from component.core.chat.invitations import RoomInvitations
from component.core.chat.numbered import NumberedConversations
from component.core.chat.people.profiles import Profiles
from component.core.chat.read_marks import ReadMarks
from component.core.chat.rooms import ChatRooms
from component.core.chat.search import ChatSearch
from component.core.chat.settings import ChatSettings
from component.core.chat.sign_up import SignUp
from component.core.chat.uploads import Uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Chat, as the chat API, other APIs and the page use it."""

    settings: ChatSettings
    directory: Directory
    sign_up: SignUp
    identifiers: Identifiers
    conversations: ChatConversations
    numbered: NumberedConversations
    search: ChatSearch
    marks: ReadMarks
    rooms: ChatRooms | None  #: None: users have no sessions, so there are no rooms
    invitations: RoomInvitations | None
    live: LiveReader | None = None  #: set where the program is joined together
    presence: ChatPresence | None = None
    typing: TypingSender | None = None  #: None, as the next two: users have no sessions
    profiles: Profiles | None = None
    uploads: Uploads | None = None

    async def close(self) -> None:
        """Stop what runs in the background."""
        await self.marks.close()
        if self.rooms is not None:
            await self.rooms.close()
