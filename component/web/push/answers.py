"""Answers about push subscriptions, as the OpenAPI document describes them."""

from __future__ import annotations

from component.core.push.values import Content, EventFilter
from component.web.archive.answers import Moment
from component.web.server.operation import Answer
from storage.rows import PushKind


class PushKey(Answer):
    """The public key of Web Push (VAPID), in base64url."""

    key: str


class Subscription(Answer):
    """A receiver of the events of an account, without its secrets."""

    id: str
    type: PushKind
    url: str
    label: str
    content: Content
    events: list[EventFilter]
    created: Moment
    cursor: str
    delivered: Moment | None
    attempts: int
    failure: str | None
    retry: Moment | None


class NewSubscription(Subscription):
    """A new receiver; `secret` verifies the requests to a webhook."""

    secret: str | None


class SubscriptionList(Answer):
    """The receivers of a user."""

    jid: str
    subscriptions: list[Subscription]


class TestOutcome(Answer):
    """Whether a receiver has accepted a test."""

    accepted: bool
    failure: str | None


class UndeliveredEvent(Answer):
    """An event that its receiver did not accept."""

    event_id: int
    type: str
    time: Moment
    attempts: int
    failure: str
    waiting: bool


class DeadLetters(Answer):
    """The events that a receiver did not accept."""

    dead_letters: list[UndeliveredEvent]


class Replayed(Answer):
    """The number of events that are sent again."""

    replayed: int
