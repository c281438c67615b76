"""Describe errors of pydantic models in our own words, for options and for requests.

Our text describes the field and the value. It has no text of pydantic, so a new kind of error in
pydantic changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from component.core.wording import shown, type_name


def wrong(error: ErrorDetails, field: FieldInfo) -> str:
    """Return a text about the wrong value of a field, and the values that the field accepts.

    The value of a field without `repr` is a secret and not shown.
    """
    if error["type"] == "missing":
        return "required, but missing"
    if message := own_words(error):
        return message
    is_item = len(error["loc"]) > 1
    show = shown if field.repr else type_name
    return f"expected {expected(field, is_item=is_item)}, given {show(error['input'])}"


def own_words(error: ErrorDetails) -> str:
    """Return the message of one of our own validators; "" if the error is not from one."""
    return str(error["ctx"]["error"]) if error["type"] == "value_error" else ""


def expected(field: FieldInfo, *, is_item: bool = False) -> str:
    """Describe the values that a field, or an item of its list, accepts."""
    annotation, limits = _bare(field.annotation, field.metadata)
    if is_item and get_origin(annotation) in (tuple, list):
        annotation, limits = _bare(get_args(annotation)[0], ())
    if get_origin(annotation) is Literal:
        return _one_of(get_args(annotation))
    if get_origin(annotation) in (tuple, list):
        return "a list of strings"
    if issubclass(annotation, Enum):
        return _one_of(member.value for member in annotation)
    if annotation is bool:
        return "true or false"
    if annotation in (int, float):
        return _number("whole number" if annotation is int else "number", limits)
    return _text(limits)


def _bare(annotation: Any, limits: Sequence[object]) -> tuple[Any, Sequence[object]]:
    """Return a type without Annotated and None, and the limits of its values."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        nested = [item.metadata if isinstance(item, FieldInfo) else [item] for item in metadata]
        return _bare(inner, [*limits, *(limit for group in nested for limit in group)])
    if get_origin(annotation) in (Union, UnionType):
        inner = next(member for member in get_args(annotation) if member is not NoneType)
        return _bare(inner, limits)
    return annotation, limits


def _one_of(values: Iterable[object]) -> str:
    return "one of " + ", ".join(map(shown, values))


def _number(noun: str, limits: Sequence[object]) -> str:
    low = next((limit.ge for limit in limits if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in limits if isinstance(limit, Le)), None)
    if low is None or high is None:
        return f"a {noun}" if low is None else f"a {noun}, {low} or more"
    return f"a {noun} from {low} to {high}"


def _text(limits: Sequence[object]) -> str:
    minimum = next((limit.min_length for limit in limits if isinstance(limit, MinLen)), 0)
    maximum = next((limit.max_length for limit in limits if isinstance(limit, MaxLen)), None)
    if maximum is not None:
        return f"a string of {minimum} to {maximum} characters"
    return "a string that is not empty" if minimum else "a string"
