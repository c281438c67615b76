"""Every problem that pydantic finds is reported in our own words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import support.families  # noqa: F401 - it imports the models of every API
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ErrorType

from component.config import NAMED_SECTIONS, SECTIONS
from component.core.errors import BadRequest
from component.validation import wrong
from component.web.archive.models import Parameters
from component.web.remote_data import models
from component.web.server.parameters import checked

#: Values of wrong types; the string of digits is larger than every number.
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**15,
    1.5,
    math.nan,
    math.inf,
    "",
    " ",
    "x",
    "\udcff",
    "9" * 400,
    "x" * 5000,
    [],
    ["x"],
    [None],
    [[]],
    {},
    {"a": 1},
    b"x",
    1j,
)

PYDANTIC_TEXT = "Input should be something"


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for subclass in model.__subclasses__():
        yield from _below(subclass)


#: Every model of a request.
REQUESTS = sorted(
    {
        *_below(Parameters),
        *_below(models.Fields),
        *(
            subclass
            for subclass in BaseModel.__subclasses__()
            if subclass.__module__.startswith("component.web.")
        ),
    },
    key=lambda model: model.__name__,
)
SECTION_MODELS = [*SECTIONS.values(), *NAMED_SECTIONS.values()]

FIELDS = [
    pytest.param(field, id=f"{model.__name__}.{name}")
    for model in (*REQUESTS, *SECTION_MODELS)
    for name, field in model.model_fields.items()
]


@pytest.mark.parametrize("field", FIELDS)
def test_every_type_of_error_of_every_field_has_our_words(field: FieldInfo) -> None:
    for type_ in get_args(ErrorType):
        for place in (("field",), ("field", 0)):
            error = {
                "type": type_,
                "loc": place,
                "msg": PYDANTIC_TEXT,
                "input": "x",
                "ctx": {"error": ValueError("ours")},
            }
            message = wrong(error, field)  # type: ignore[arg-type]

            assert message == "required, but missing" if type_ == "missing" else True
            assert message.startswith(("expected ", "required, ")) or message == "ours"
            assert PYDANTIC_TEXT not in message


def _named(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


@pytest.mark.parametrize("model", REQUESTS, ids=lambda model: model.__name__)
def test_text_of_pydantic_is_never_passed_on(model: type[BaseModel]) -> None:
    """Give each field in turn each odd value, beside an unknown field."""
    for name in (*_named(model), "nobody-knows-this"):
        for odd in ODD:
            values = {name: odd}
            try:
                model.model_validate(values)
            except ValidationError as error:
                pydantic_texts = [problem["msg"] for problem in error.errors()]
                with pytest.raises(BadRequest) as refused:
                    checked(model, values)
                message = refused.value.message
                assert not any(text in message for text in pydantic_texts), message
                assert "Input should" not in message
                assert "Value error" not in message
                assert len(message) < 3000
                assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        ("MessagesParameters", {"limt": "1"}, "limt: unknown, did you mean limit?"),
        ("MessagesParameters", {"wiht": "a"}, "wiht: unknown, did you mean with?"),
        ("HoldFields", {"x": 1, "reason": "r"}, "x: unknown, valid are reason"),
        (
            "NoParameters",
            {"really": "yes"},
            "really: unknown: no parameter is accepted here",
        ),
        (
            "MessagesParameters",
            {"limit": "0"},
            'limit: expected a whole number, 1 or more, given "0"',
        ),
        (
            "MessagesParameters",
            {"limit": "-1"},
            'limit: expected a whole number, digits only, given "-1"',
        ),
        ("MessagesParameters", {"xml": "no"}, 'xml: expected true or false, given "no"'),
        (
            "MessagesParameters",
            {"order": "up"},
            'order: expected one of "asc", "desc", given "up"',
        ),
        (
            "MessagesParameters",
            {"kind": ["message", "all"]},
            'kind[1]: expected one of "message", "annotation", "receipt", "tombstone", "blanked", '
            'given "all"',
        ),
        (
            "MessagesParameters",
            {"ids": [""]},
            'ids[0]: expected a string of 1 to 256 characters, given ""',
        ),
        ("HoldFields", {}, "reason: required, but missing"),
        (
            "HoldFields",
            {"reason": ""},
            'reason: expected a string of 1 to 1000 characters, given ""',
        ),
        (
            "HoldFields",
            {"reason": [1]},
            "reason: expected a string of 1 to 1000 characters, given a list",
        ),
        ("RetentionFields", {}, "expected at least one of days, messages and bytes"),
        (
            "RetentionFields",
            {"days": "7", "messages": 1.5},
            'days: expected a whole number from 0 to 36500, given "7"; '
            "messages: expected a whole number from 0 to 9007199254740991, given 1.5",
        ),
        ("AccountFields", {"enabled": 1}, "enabled: expected true or false, given 1"),
        ("PasswordFields", {"password": 12345}, "password: expected a string, given a number"),
        ("ArchiveQuery", {"limit": "x"}, 'limit: expected a whole number, 0 or more, given "x"'),
        (
            "ArchivePost",
            {"direction": "up"},
            'direction: expected one of "send", "recv", given "up"',
        ),
        ("ArchivePost", {"xml": {"a": 1}}, "xml: expected a string, given keys with values"),
        ("RosterPost", {"groups": "x"}, 'groups: expected a list of strings, given "x"'),
        ("OfflinePost", {"peer": "a", "packet": "b"}, "timestamp: required, but missing"),
    ],
)
def test_problem_names_the_field_and_the_expected_value(
    model: str, values: dict[str, object], message: str
) -> None:
    [request_model] = [item for item in REQUESTS if item.__name__ == model]

    with pytest.raises(BadRequest) as refused:
        checked(request_model, values)

    assert refused.value.message == message


def test_long_list_of_problems_is_shortened() -> None:
    [none] = [item for item in REQUESTS if item.__name__ == "NoParameters"]

    with pytest.raises(BadRequest) as refused:
        checked(none, {f"{n}{'x' * 5000}": "y" for n in range(1000)})

    assert refused.value.message.count(";") == 19
    assert len(refused.value.message) < 2000
