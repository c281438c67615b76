"""What a pydantic model finds wrong with a value, in our own words.

The words come from the field and from the value, never from pydantic: whatever kinds of errors it
has or gets, none of its texts is passed on. For options of the configuration and for requests.
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
    """Say what is wrong with the value of a field that exists, and what it takes.

    A value of a field without `repr` is a secret, and not shown.
    """
    if error["type"] == "missing":
        return "required, but missing"
    if said := own_words(error):
        return said
    is_item = len(error["loc"]) > 1
    show = shown if field.repr else type_name
    return f"expected {expected(field, is_item=is_item)}, given {show(error['input'])}"


def own_words(error: ErrorDetails) -> str:
    """Return what one of our own checks says, "" where it was none of them."""
    return str(error["ctx"]["error"]) if error["type"] == "value_error" else ""


def expected(field: FieldInfo, *, is_item: bool = False) -> str:
    """Describe the values that a field takes, or those of an item in its list."""
    annotation, limits = _bare(field.annotation, field.metadata)
    if is_item and get_origin(annotation) in (tuple, list):
        annotation, limits = _bare(get_args(annotation)[0], ())
    if get_origin(annotation) is Literal:
        return _one_of(get_args(annotation))
    if get_origin(annotation) in (tuple, list):
        return "a list of strings"
    if issubclass(annotation, Enum):
        return _one_of(one.value for one in annotation)
    if annotation is bool:
        return "true or false"
    if annotation in (int, float):
        return _number("whole number" if annotation is int else "number", limits)
    return _text(limits)


def _bare(annotation: Any, limits: Sequence[object]) -> tuple[Any, Sequence[object]]:
    """Return a type without None, which nobody has to write, and the limits of its values."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        nested = [one.metadata if isinstance(one, FieldInfo) else [one] for one in more]
        return _bare(inner, [*limits, *(limit for found in nested for limit in found)])
    if get_origin(annotation) in (Union, UnionType):
        return _bare(next(one for one in get_args(annotation) if one is not NoneType), limits)
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
    least = next((limit.min_length for limit in limits if isinstance(limit, MinLen)), 0)
    most = next((limit.max_length for limit in limits if isinstance(limit, MaxLen)), None)
    if most is not None:
        return f"a string of {least} to {most} characters"
    return "a string that is not empty" if least else "a string"
