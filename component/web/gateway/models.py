"""Models of requests to the gateway: unknown fields are ignored, as REST-XMPP-Client does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from component.core.errors import BadRequest
from component.core.gateway.errors import ParametersError
from component.core.gateway.offsets import EVENT_ID_MAX
from component.core.rosters.contacts import LENGTH_MAX
from component.core.sessions.outgoing import BODY_MAX_BYTES
from component.web.archive.models import ADDRESS_MAX, DIGITS
from component.web.archive.sending_models import XmlText, message_id
from component.web.server import body

#: The greatest length of the name of a program, and of a place to push to.
CLIENT_ID_MAX = 200
PUSH_TOKEN_MAX = 4096

MISSING = "Missing required parameters"
WRONG_PARAMETER = "Parameter has wrong value"
WRONG_BODY = "Missing or wrong request body"
NOT_JSON = "Not a valid JSON format"

#: Values of `wait` that do not wait; REST-XMPP-Client takes them for true.
_NO = ("", "0", "false", "no")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected a text on one line")
    return text


def _short(text: str) -> str:
    if len(text.encode()) > BODY_MAX_BYTES:
        raise ValueError("too long")
    return text


def _limit(value: object) -> object:
    is_number = isinstance(value, str) and value.isascii() and value.isdigit()
    return int(value[:DIGITS]) if is_number else value  # type: ignore[index]


Text = Annotated[str, Field(strict=True)]
Name = Annotated[XmlText, Field(max_length=LENGTH_MAX), AfterValidator(_printable)]
Jid = Annotated[str, Field(strict=True, min_length=1, max_length=ADDRESS_MAX)]


class Fields(BaseModel):
    """The fields of a request."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class StartFields(Fields):
    """POST {gateway}/start-session."""

    jid: Jid
    password: Annotated[str, Field(strict=True, min_length=1, repr=False)]
    server: Annotated[str, Field(strict=True, min_length=1, max_length=ADDRESS_MAX)]
    push_token: Annotated[str, Field(max_length=PUSH_TOKEN_MAX, repr=False)] = ""
    client_id: Annotated[str, Field(max_length=CLIENT_ID_MAX), AfterValidator(_printable)] = ""


class SessionChange(Fields):
    """The session in PUT {gateway}/sessions/{session_id}."""

    should_send_message_body: Annotated[bool, Field(strict=True)] | None = None


class SessionBody(Fields):
    """PUT {gateway}/sessions/{session_id}."""

    session: SessionChange


class NewContact(Fields):
    """The contact in POST {gateway}/sessions/{session_id}/contacts."""

    jid: Jid
    name: Name | None = None


class NewContactBody(Fields):
    """POST {gateway}/sessions/{session_id}/contacts."""

    contact: NewContact


class ContactChange(Fields):
    """The contact in PUT {gateway}/sessions/{session_id}/contacts/{contact_id}."""

    name: Name | None = None
    read_offset: Annotated[int, Field(strict=True, ge=0, le=EVENT_ID_MAX)] | None = None
    authorization: Literal["granted", "none"] | None = None


class ContactBody(Fields):
    """PUT {gateway}/sessions/{session_id}/contacts/{contact_id}."""

    contact: ContactChange


class NewMessage(Fields):
    """The message in POST {gateway}/sessions/{session_id}/contacts/{contact_id}/messages."""

    text: Annotated[XmlText, AfterValidator(_short)]
    id: Annotated[Text, AfterValidator(message_id)] | None = None


class MessagesBody(Fields):
    """POST {gateway}/sessions/{session_id}/contacts/{contact_id}/messages."""

    messages: NewMessage


class ReadParameters(Fields):
    """The query of requests for contacts and messages."""

    offset: str = ""
    limit: Annotated[int, BeforeValidator(_limit), Field(ge=1)] | None = None
    wait: str = ""

    @property
    def waits(self) -> bool:
        """Whether the request waits if there is nothing to show."""
        return self.wait.lower() not in _NO


_Fields = TypeVar("_Fields", bound=Fields)


async def body_of(request: web.Request, model: type[_Fields]) -> _Fields:
    """Return the fields of a JSON body. Raises ParametersError."""
    try:
        fields = await body.json_fields(request)
    except BadRequest:
        raise ParametersError(NOT_JSON if await request.read() else WRONG_BODY) from None
    return _checked(model, fields, WRONG_BODY)


def checked_parameters(model: type[_Fields], values: Mapping[str, object]) -> _Fields:
    """Return the parameters of a request; null in JSON is no value.

    Raises ParametersError, which names those that are missing, or wrong.
    """
    present = {name: value for name, value in values.items() if value is not None}
    missing = [
        name
        for name, field in model.model_fields.items()
        if field.is_required() and present.get(name, "") == ""
    ]
    if missing:
        raise ParametersError(f"{MISSING}: {', '.join(missing)}")
    return _checked(model, present, WRONG_PARAMETER)


def _checked(model: type[_Fields], values: Mapping[str, object], refusal: str) -> _Fields:
    """Return the fields of a request. Raises ParametersError, which names the wrong ones."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        names = [".".join(map(str, detail["loc"])) for detail in error.errors()]
        # The cause is hidden: it has the values of the request, secrets among them.
        raise ParametersError(f"{refusal}: {', '.join(names)}") from None
