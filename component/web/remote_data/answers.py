"""Answers of Remote Data, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from component.web.archive.answers import Moment
from component.web.server.operation import Answer
from storage.rows import Direction


class RemoteMessage(Answer):
    """A message; `body` is missing if the message has no text."""

    username: str
    peer: str
    xml: str
    direction: Direction
    timestamp: Moment
    type: Literal["chat", "groupchat"]
    nick: str
    body: str | None = None


class RemotePage(Answer):
    """A page of an archive."""

    archive: list[RemoteMessage]
    count: Annotated[int | str, Field(description="A text with remote_data.count_as_string.")]
    complete: bool


class WaitingStanza(Answer):
    """A stanza that waited for its recipient."""

    peer: str
    packet: str
    timestamp: Moment


class WaitingCount(Answer):
    """The number of stanzas that wait."""

    count: int


class RosterItem(Answer):
    """A contact: `username` on the same host, `jid` elsewhere."""

    username: str | None = None
    jid: str | None = None
    subscription: str
    nick: str
    ask: Literal["subscribe", "none"] | None = None
    groups: list[str] | None = None


class RemoteRoster(Answer):
    """The roster of a user."""

    roster: list[RosterItem]
