"""Fields of requests, checked as serializers of Django REST framework check them.

All mistakes of a request are answered together: {FIELD: [SENTENCE, ...]}.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping

from aiohttp import hdrs, web
from multidict import MultiDict

from component.core.chat.identifiers import NUMBER_MAX
from component.core.errors import BadRequest
from component.core.xml.characters import can_be_shown
from component.web import keys
from component.web.drf.errors import ContractRefusal
from component.web.server import body

REQUIRED = "This field is required."
BLANK = "This field may not be blank."
NULL = "This field may not be null."
NO_STRING = "Not a valid string."
NO_TEXT = "This text has a character that XML does not allow."
NO_INTEGER = "A valid integer is required."

_BOUNDARY = re.compile(r";\s*boundary=[^;]*", re.IGNORECASE)

#: Digits of an id in a path or a body that are looked at.
_DIGITS = 19

MULTIPART = "multipart/form-data"


class Fields:
    """The fields of a request, and the mistakes in them."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._errors: dict[str, object] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str) -> object:
        """Return a value as it was sent, None if it was not."""
        return self._values.get(name)

    def add_error(self, name: str, *sentences: str) -> None:
        """Note mistakes of a field."""
        self._errors[name] = [*sentences]

    def text(
        self,
        name: str,
        *,
        required: bool = True,
        blank: bool = False,
        minimum: int = 0,
        maximum: int = 0,
        strip: bool = True,
    ) -> str:
        """Return a text, "" if it is missing or wrong; `maximum` 0 is no limit."""
        if name not in self._values:
            if required:
                self.add_error(name, REQUIRED)
            return ""
        value = self._values[name]
        if value is None:
            self.add_error(name, NULL)
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.add_error(name, NO_STRING)
            return ""
        text = str(value).strip() if strip else str(value)
        if not text.strip():
            if not blank:
                self.add_error(name, BLANK)
        elif not can_be_shown(text):
            self.add_error(name, NO_TEXT)
        elif maximum and len(text) > maximum:
            self.add_error(name, f"Ensure this field has no more than {maximum} characters.")
        elif len(text) < minimum:
            self.add_error(name, f"Ensure this field has at least {minimum} characters.")
        else:
            return text
        return ""

    def numbers(self, name: str, *, maximum: int, required: bool = True) -> list[int]:
        """Return a list of ids, [] if it is missing or wrong."""
        values = self._values.get(name)
        if name not in self._values:
            if required:
                self.add_error(name, REQUIRED)
            return []
        if not isinstance(values, list):
            kind = type(values).__name__
            self.add_error(name, f'Expected a list of items but got type "{kind}".')
            return []
        if len(values) > maximum:
            self.add_error(name, f"Ensure this field has no more than {maximum} elements.")
            return []
        found = [number_of(value) for value in values]
        wrong = [
            f"Incorrect type. Expected pk value, received {type(value).__name__}."
            for value, number in zip(values, found, strict=True)
            if number is None
        ]
        if wrong:
            self.add_error(name, *wrong)
            return []
        return [number for number in found if number is not None]

    def require(self, *names: str) -> None:
        """Note which fields are missing."""
        for name in names:
            if name not in self._values:
                self.add_error(name, REQUIRED)

    def check(self) -> None:
        """Raise ContractRefusal if there are mistakes."""
        if self._errors:
            raise ContractRefusal(self._errors)


def number_of(value: object) -> int | None:
    """Return the id that a value stands for, a number or its digits; None: it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:_DIGITS])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NUMBER_MAX:
        return None
    return value


async def fields_of(request: web.Request, *, lists: Collection[str] = ()) -> Fields:
    """Return the fields of a body, JSON or a form, in which `lists` may be repeated.

    Without a body there are none. Raises BadRequest.
    """
    if not request.can_read_body:
        return Fields({})
    if request.content_type in (MULTIPART, body.FORM):
        form = await form_of(request)
        values = {name: form.get(name) for name in form if name not in lists}
        return Fields({**values, **{name: form.getall(name) for name in lists if name in form}})
    return Fields(await body.fields(request))


async def json_fields_of(request: web.Request) -> Fields:
    """Return the fields of a JSON body; without a body there are none. Raises BadRequest."""
    if not request.can_read_body:
        return Fields({})
    if request.content_type != body.JSON:
        raise web.HTTPUnsupportedMediaType(
            text=f'Unsupported media type "{request.content_type}" in request.'
        )
    return Fields(await body.fields(request))


async def form_of(request: web.Request) -> MultiDict[str | bytes]:
    """Return the fields of a form, and the contents of its files. Raises BadRequest."""
    limits = request.app[keys.limits]
    try:
        async with asyncio.timeout(limits.body_timeout_seconds):
            form = await _with_last_boundary(request).post()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="The request body did not arrive in time.") from error
    except (ValueError, web.RequestPayloadError, ConnectionError) as error:
        raise BadRequest("Multipart form parse error") from error
    return MultiDict((name, _content(value)) for name, value in form.items())


def _content(value: str | bytes | bytearray | web.FileField) -> str | bytes:
    if isinstance(value, web.FileField):
        with value.file as file:
            return file.read()
    return value if isinstance(value, str) else bytes(value)


def _with_last_boundary(request: web.Request) -> web.Request:
    """Return a request whose Content-Type has one boundary, the last one that it had.

    curl adds the boundary of a form to that of a header which its user has given. Django takes the
    last one, and aiohttp the first.
    """
    content_type = request.headers.get(hdrs.CONTENT_TYPE, "")
    boundaries = _BOUNDARY.findall(content_type)
    if len(boundaries) < 2:
        return request
    headers = request.headers.copy()
    headers[hdrs.CONTENT_TYPE] = _BOUNDARY.sub("", content_type) + boundaries[-1]
    return request.clone(headers=headers)
