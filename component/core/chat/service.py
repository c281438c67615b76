"""The parts of chat that serve requests."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.chat.directory import Directory
from component.core.chat.settings import ChatSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Chat, as the chat API, other APIs and the page use it."""

    settings: ChatSettings
    directory: Directory
