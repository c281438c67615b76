"""What is wrong with a value is said in our own words, whatever pydantic finds and says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ErrorType

import component.web.app  # noqa: F401 - it imports the models of every API
from component.config import NAMED_SECTIONS, SECTIONS
from component.core.errors import BadRequest
from component.validation import wrong
from component.web.archive.models import Parameters
from component.web.remote_data import models
from component.web.server.parameters import checked

#: What may stand where anything else should; a string of digits is beyond every number.
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

SAID_BY_PYDANTIC = "Input should be something"


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for one in model.__subclasses__():
        yield from _below(one)


#: Every model of a request.
REQUESTS = sorted(
    {
        *_below(Parameters),
        *_below(models.Fields),
        *(
            one
            for one in BaseModel.__subclasses__()
            if one.__module__.startswith("component.web.")
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
def test_every_kind_of_error_of_every_field_has_our_words(field: FieldInfo) -> None:
    for type_ in get_args(ErrorType):
        for place in (("field",), ("field", 0)):
            error = {
                "type": type_,
                "loc": place,
                "msg": SAID_BY_PYDANTIC,
                "input": "x",
                "ctx": {"error": ValueError("ours")},
            }
            said = wrong(error, field)  # type: ignore[arg-type]

            assert said == "required, but missing" if type_ == "missing" else True
            assert said.startswith(("expected ", "required, ")) or said == "ours"
            assert SAID_BY_PYDANTIC not in said


def _named(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


@pytest.mark.parametrize("model", REQUESTS, ids=lambda model: model.__name__)
def test_no_text_of_pydantic_is_passed_on(model: type[BaseModel]) -> None:
    """Every field in turn has each odd value, and one that nobody knows stands beside it."""
    for name in (*_named(model), "nobody-knows-this"):
        for odd in ODD:
            values = {name: odd}
            try:
                model.model_validate(values)
            except ValidationError as error:
                pydantic_said = [one["msg"] for one in error.errors()]
                with pytest.raises(BadRequest) as refused:
                    checked(model, values)
                said = refused.value.message
                assert not any(text in said for text in pydantic_said), said
                assert "Input should" not in said
                assert "Value error" not in said
                assert len(said) < 3000
                assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("model", "values", "said"),
    [
        ("MessagesParameters", {"limt": "1"}, "limt: unknown, did you mean limit?"),
        ("MessagesParameters", {"wiht": "a"}, "wiht: unknown, did you mean with?"),
        ("HoldFields", {"x": 1, "reason": "r"}, "x: unknown, known are reason"),
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
        ("RetentionFields", {}, "say at least one of days, messages and bytes"),
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
def test_a_mistake_names_the_field_and_what_is_expected(
    model: str, values: dict[str, object], said: str
) -> None:
    [found] = [one for one in REQUESTS if one.__name__ == model]

    with pytest.raises(BadRequest) as refused:
        checked(found, values)

    assert refused.value.message == said


def test_long_list_of_mistakes_is_shortened() -> None:
    [none] = [one for one in REQUESTS if one.__name__ == "NoParameters"]

    with pytest.raises(BadRequest) as refused:
        checked(none, {f"{n}{'x' * 5000}": "y" for n in range(1000)})

    assert refused.value.message.count(";") == 19
    assert len(refused.value.message) < 2000
