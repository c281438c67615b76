"""Check the fields of a request against a model, and describe every mistake in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from component.core.errors import BadRequest
from component.core.wording import SHOWN_CHARACTERS, did_you_mean
from component.validation import own_words, wrong

#: The maximum number of mistakes, and of valid names, in one message.
LISTED_MAX = 20

_Model = TypeVar("_Model", bound=BaseModel)


def checked(model: type[_Model], values: Mapping[str, object]) -> _Model:
    """Return the fields of a request as an instance of the model.

    Raises BadRequest, which names the mistakes.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # The cause is hidden: it has the values of the request, secrets among them.
        raise BadRequest("; ".join(_mistakes(model, errors[:LISTED_MAX]))) from None


def _mistakes(model: type[BaseModel], errors: list[ErrorDetails]) -> Iterator[str]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for error in errors:
        name = str(next(iter(error["loc"]), ""))
        if not name:
            yield own_words(error)
        elif name in fields:
            item = "".join(f"[{index}]" for index in error["loc"][1:])
            yield f"{name}{item}: {wrong(error, fields[name])}"
        else:
            yield f"{name[:SHOWN_CHARACTERS]}: {_unknown(name, list(fields))}"


def _unknown(name: str, valid: list[str]) -> str:
    if not valid:
        return "unknown: no parameter is accepted here"
    names = f", valid are {', '.join(valid[:LISTED_MAX])}"
    return f"unknown{did_you_mean(name, valid) or names}"
