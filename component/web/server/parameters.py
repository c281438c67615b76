"""The fields of a request, checked by a model, and what is wrong with them in our own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from component.core.errors import BadRequest
from component.core.wording import SHOWN_CHARACTERS, meant
from component.validation import own_words, wrong

#: Mistakes that are told at once, and names of what is taken where nothing near was given.
TOLD_MAX = 20

_Model = TypeVar("_Model", bound=BaseModel)


def checked(model: type[_Model], values: Mapping[str, object]) -> _Model:
    """Return the fields of a request as a model has them.

    Raises BadRequest, which names every mistake.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # The cause would carry what was sent, and with it secrets.
        raise BadRequest("; ".join(_mistakes(model, found[:TOLD_MAX]))) from None


def _mistakes(model: type[BaseModel], found: list[ErrorDetails]) -> Iterator[str]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for error in found:
        name = str(next(iter(error["loc"]), ""))
        if not name:
            yield own_words(error)
        elif name in fields:
            item = "".join(f"[{index}]" for index in error["loc"][1:])
            yield f"{name}{item}: {wrong(error, fields[name])}"
        else:
            yield f"{name[:SHOWN_CHARACTERS]}: {_unknown(name, list(fields))}"


def _unknown(name: str, right: list[str]) -> str:
    if not right:
        return "unknown, nothing is taken here: leave it out"
    known = f", known are {', '.join(right[:TOLD_MAX])}"
    return f"unknown{meant(name, right) or known}"
