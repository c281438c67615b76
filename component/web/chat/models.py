"""Models of the requests of the chat API; an unknown field is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from component.core.sessions.outgoing import ChatState
from component.web.archive.models import Flag, Limit, Number, Parameters

#: The greatest length of a search for users.
SEARCH_MAX = 100


class UsersParameters(Parameters):
    """GET {prefix}/v1/chat/users."""

    search: Annotated[str, Field(max_length=SEARCH_MAX)]


class LiveParameters(Parameters):
    """GET {prefix}/v1/chat/events/stream, and /socket."""

    after: Annotated[str, Field(min_length=1)] | None = None
    xml: Flag = False


class PollParameters(LiveParameters):
    """GET {prefix}/v1/chat/events."""

    limit: Limit | None = None
    wait: Number = 0


class TypingFields(Parameters):
    """POST {prefix}/v1/chat/conversations/{jid}/typing."""

    state: ChatState
