"""Models of the requests of the chat API; an unknown field is an error."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from component.core.chat.profiles import NAME_MAX
from component.core.sessions.outgoing import ChatState
from component.core.xml.characters import can_be_shown
from component.web.archive.models import Flag, Limit, Number, Parameters
from component.web.archive.sending_models import FILE_NAME_MAX, XmlText, media_type

#: The greatest length of a search for users.
SEARCH_MAX = 100

#: Categories of Unicode without a place in one line: controls, halves of characters, separators.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})

#: They would turn round the text behind a name (Unicode Standard Annex 9).
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _line(value: str) -> str:
    """Return a text of one line, without blanks around it. Raises ValueError."""
    text = value.strip()
    is_line = not any(unicodedata.category(c) in _NO_TEXT or c in _DIRECTIONS for c in text)
    if not can_be_shown(text) or not is_line:
        raise ValueError("expected one line of text")
    return text


def _file_name(value: str) -> str:
    if value in ("", ".", "..") or "/" in value or "\\" in value:
        raise ValueError("expected the name of a file, without folders")
    return value


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


class ProfileFields(Parameters):
    """PATCH {prefix}/v1/chat/profile."""

    name: Annotated[str, Field(strict=True, max_length=NAME_MAX), AfterValidator(_line)]


class UploadFields(Parameters):
    """POST {prefix}/v1/chat/uploads."""

    name: Annotated[
        XmlText, Field(max_length=FILE_NAME_MAX), AfterValidator(_line), AfterValidator(_file_name)
    ]
    size: Annotated[int, Field(strict=True, ge=1, lt=10**15)]
    type: Annotated[str, Field(strict=True), AfterValidator(media_type)] = (
        "application/octet-stream"
    )
