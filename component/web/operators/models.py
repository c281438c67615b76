"""The parameters and the fields of the operators' pages; an empty field counts as none."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from component.core.wording import shown
from component.web.archive.models import ADDRESS_MAX, ID_MAX, TEXT_MAX


def _day(value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f"expected a day like 2026-01-31, given {shown(value)}") from error


Day = Annotated[date, BeforeValidator(_day)]
Text = Annotated[str, Field(max_length=TEXT_MAX)]
Address = Annotated[str, Field(max_length=ADDRESS_MAX)]
Id = Annotated[str, Field(max_length=ID_MAX)]


class PageParameters(BaseModel):
    """Parameters of a page, or fields of a form, as a browser sends them."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: Any) -> Any:
        """Leave out the fields of a form that the reader has left empty."""
        return {name: value for name, value in values.items() if value != ""}


class NoParameters(PageParameters):
    """A page without parameters, or a form without fields."""
