"""Models of the messages and presences that a user sends; an unknown field is an error."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import AfterValidator, Field

from component.core.errors import BadRequest, TooLarge
from component.core.events.values import STATUS_MAX
from component.core.messages.files import File
from component.core.remote_data.posts import naming
from component.core.sessions.outgoing import (
    BODY_MAX_BYTES,
    ChatState,
    Correction,
    Displayed,
    Outgoing,
    Payload,
    Reactions,
    ReplyTo,
    Retraction,
    Show,
    Text,
)
from component.core.xml.characters import can_be_shown
from component.core.xml.jids import Jids, resource
from component.core.xml.stanza import GROUPCHAT
from component.web.archive.models import Address, Id, Parameters

#: The greatest number of reactions to a message, and the greatest length of each.
REACTIONS_MAX = 20
REACTION_MAX = 32

#: The greatest length of the address of a file, and of its name.
URL_MAX = 4096
FILE_NAME_MAX = 255

#: RFC 6838 section 4.2.
_TYPE_NAME = r"[A-Za-z0-9][\w!#$&^.+-]{0,126}"
_MEDIA_TYPE = re.compile(f"{_TYPE_NAME}/{_TYPE_NAME}", re.ASCII)

_MESSAGE_ID = re.compile(r"[A-Za-z0-9._~:@+=-]{1,128}")

#: The fields of which a message has exactly one.
_CONTENTS = ("body", "file", "retracts", "reacts_to", "displayed", "chat_state")


def _text(value: str) -> str:
    if not can_be_shown(value):
        raise ValueError("has a character that XML does not allow")
    return value


def message_id(value: str) -> str:
    """Return an id that a client has made for a message. Raises ValueError."""
    if not _MESSAGE_ID.fullmatch(value):
        raise ValueError("expected 1 to 128 letters, digits and . _ ~ : @ + = -")
    return value


def _web_address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(map(str.isspace, value)):
        raise ValueError("expected an address that begins with https:// or http://")
    return value


def media_type(value: str) -> str:
    """Return a media type like image/png. Raises ValueError."""
    if not _MEDIA_TYPE.fullmatch(value):
        raise ValueError("expected a media type like image/png")
    return value


XmlText = Annotated[str, Field(strict=True, min_length=1), AfterValidator(_text)]
Reaction = Annotated[XmlText, Field(max_length=REACTION_MAX)]


class PresenceFields(Parameters):
    """PUT {prefix}/v1/archives/{owner}/presence."""

    show: Show | None = None
    status: Annotated[XmlText, Field(max_length=STATUS_MAX)] | None = None


class FileFields(Parameters):
    """A file that a message shares."""

    url: Annotated[XmlText, Field(max_length=URL_MAX), AfterValidator(_web_address)]
    name: Annotated[XmlText, Field(max_length=FILE_NAME_MAX)] | None = None
    type: Annotated[str, Field(strict=True), AfterValidator(media_type)] | None = None
    size: Annotated[int, Field(strict=True, ge=0, lt=10**15)] | None = None


class MessageFields(Parameters):
    """A message, without its recipient."""

    id: Annotated[str, Field(strict=True), AfterValidator(message_id)] | None = None
    body: XmlText | None = None
    file: FileFields | None = None
    reply_to: Id | None = None
    replaces: Id | None = None
    retracts: Id | None = None
    reacts_to: Id | None = None
    reactions: Annotated[tuple[Reaction, ...], Field(max_length=REACTIONS_MAX)] | None = None
    displayed: Id | None = None
    chat_state: ChatState | None = None

    def payload(self) -> Payload:
        """Return what the message says, which names other messages by archive ids.

        Raises BadRequest, TooLarge.
        """
        contents = [name for name in _CONTENTS if getattr(self, name) is not None]
        if len(contents) != 1:
            names = " and ".join(contents) or "none of them"
            raise BadRequest(f"expected one of {', '.join(_CONTENTS)}, given {names}")
        if self.replaces is not None and self.body is None:
            raise BadRequest("replaces: required with it, but missing: body")
        if self.reply_to is not None and ((self.body or self.file) is None or self.replaces):
            raise BadRequest("reply_to: only with body or file, and without replaces")
        if (self.reactions is None) != (self.reacts_to is None):
            raise BadRequest("reacts_to and reactions: one of them is missing")
        if self.body is not None or self.file is not None:
            return self._text()
        if self.retracts is not None:
            return Retraction(self.retracts)
        if self.reacts_to is not None:
            # Each reaction counts once (XEP-0444 section 4.1).
            return Reactions(self.reacts_to, tuple(dict.fromkeys(self.reactions or ())))
        if self.displayed is not None:
            return Displayed(self.displayed)
        if self.chat_state is None:
            raise AssertionError(contents)
        return self.chat_state

    def _text(self) -> Text | Correction:
        reply = None if self.reply_to is None else ReplyTo(self.reply_to)
        if self.file is not None:
            return Text(self.file.url, File(**self.file.model_dump()), reply)
        body = self.body or ""
        if len(body.encode()) > BODY_MAX_BYTES:
            raise TooLarge(f"body: too long: {BODY_MAX_BYTES} bytes of UTF-8 at most")
        return (
            Text(body, reply=reply) if self.replaces is None else Correction(self.replaces, body)
        )


class SendFields(MessageFields):
    """POST {prefix}/v1/archives/{owner}/messages."""

    to: Address
    type: Literal["chat", "groupchat"] = "chat"

    def outgoing(self, jids: Jids) -> Outgoing:
        """Return the message. Raises BadRequest, TooLarge."""
        with naming("to"):
            to = jids.prepare(self.to)
            if self.type == GROUPCHAT and resource(to):
                raise BadRequest("a message of type groupchat goes to the bare JID of a room")
        return Outgoing(id=self.id or str(uuid4()), to=to, type=self.type, payload=self.payload())
