"""Models of the requests about push subscriptions; an unknown field is an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from component.core.push.targets import URL_MAX, Target, web_push, webhook
from component.core.push.values import Content, EventFilter
from component.web.archive.models import Parameters
from component.web.events.models import Place
from component.web.sign_in.models import LABEL_MAX

#: The greatest length of a key of a browser in base64url.
KEY_MAX = 200


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a browser (RFC 8291 section 3.2)."""

    p256dh: str = field(repr=False)
    auth: str = field(repr=False)


def _keys(value: object) -> Keys:
    """Return keys in JSON. Errors never quote them, because `auth` is a secret."""
    texts = value.values() if isinstance(value, dict) and set(value) == {"p256dh", "auth"} else ()
    if not texts or not all(isinstance(text, str) and len(text) <= KEY_MAX for text in texts):
        raise ValueError('expected {"p256dh": "…", "auth": "…"} with texts in base64url')
    return Keys(**value)  # type: ignore[arg-type]


Url = Annotated[str | None, Field(strict=True, max_length=URL_MAX, repr=False)]


class SubscribeFields(Parameters):
    """POST {prefix}/v1/push-subscriptions."""

    url: Url = None
    endpoint: Url = None
    keys: Annotated[object, BeforeValidator(_keys)] = None
    expirationTime: object = None  # noqa: N815 - the name that browsers use
    content: Content = Content.NOTHING
    events: Annotated[tuple[EventFilter, ...], Field(min_length=1, max_length=20)] | None = None
    label: Annotated[str, Field(strict=True, max_length=LABEL_MAX)] = ""

    @field_validator("label")
    @classmethod
    def _printable(cls, label: str) -> str:
        """Refuse characters that end a line or control a terminal."""
        if not label.isprintable():
            raise ValueError("expected a text on one line, without control characters")
        return label

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        """Require a URL, or an endpoint with its keys."""
        if (self.url is None) == (self.endpoint is None):
            raise ValueError("expected either url or endpoint")
        if (self.endpoint is None) != (self.keys is None):
            raise ValueError("endpoint and keys: one of them is missing")
        return self

    def target(self) -> Target:
        """Return the receiver. Raises BadRequest."""
        if self.url is not None:
            return webhook(self.url)
        if self.endpoint is None or not isinstance(self.keys, Keys):
            raise AssertionError("no target")
        return web_push(self.endpoint, self.keys.p256dh, self.keys.auth)


class ContentFields(Parameters):
    """PATCH {prefix}/v1/push-subscriptions/{id}."""

    content: Content


class ReplayFields(Parameters):
    """POST {prefix}/v1/push-subscriptions/{id}/replay."""

    after: Place
