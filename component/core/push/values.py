"""The values of push: contents, filters of events, outcomes, and the limits of an operator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from storage.rows import PushKind, PushSubscription


class Content(StrEnum):
    """How much of an event its receiver gets."""

    NOTHING = "nothing"  #: that there is an event, and the number of unread conversations
    SENDER = "sender"  #: also whom the event concerns
    TEXT = "text"  #: also the text of a message, and the state of a contact or a presence


class EventFilter(StrEnum):
    """Which events a receiver gets: each value is a type of events, but for the first."""

    INCOMING = "incoming"  #: messages of others that count as unread
    MESSAGE = "message"  #: every message in the archive, also corrections and receipts
    CONTACT = "contact"
    PRESENCE = "presence"
    DISPLAYED = "displayed"
    CHANGED = "changed"
    REQUEST = "request"
    FAILED = "failed"


#: A browser shows each push to its user.
DEFAULT_EVENTS = {
    PushKind.WEB_PUSH: (EventFilter.INCOMING,),
    PushKind.WEBHOOK: tuple(kind for kind in EventFilter if kind is not EventFilter.INCOMING),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one request to a receiver."""

    failure: str = ""  #: the reason in a few words, without the address; "": it was accepted
    is_gone: bool = False  #: whether the receiver exists no more
    retry_after: float = 0.0  #: seconds that the receiver asks to wait

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver has accepted the event."""
        return not self.failure


@dataclass(frozen=True, slots=True, kw_only=True)
class PushLimits:
    """The limits of an operator."""

    per_account: int = 10  #: subscriptions of one account
    attempts: int = 12  #: to send one event
    retry_seconds: float = 5.0  #: the delay after the first failure; each further one doubles it
    retry_max_seconds: float = 3600.0
    body_bytes: int = 65536  #: of a request to a webhook
    parallel: int = 50  #: requests at once
    dead_letters: int = 100  #: of one subscription
    allows_http: bool = False  #: whether a URL may begin with http:


class Sender(Protocol):
    """Sends events to receivers."""

    async def send(self, subscription: PushSubscription, id: str, body: bytes) -> Outcome:
        """Send one event; `id` is the same at each attempt. Raises no error of the network."""
        ...
