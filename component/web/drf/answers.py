"""Bodies of APIs in the form of Django REST framework, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from component.web.server.operation import Answer


class FormError(RootModel[dict[str, Any]]):
    """A sentence as `detail` or `error`, or a list of sentences for each wrong field."""


class FormBody(BaseModel):
    """A body; fields that are not known are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class FormTokens(Answer):
    """The tokens of a new sign-in."""

    refresh: str
    access: str


class FormAccess(Answer):
    """A new access token."""

    access: str


class RefreshBody(FormBody):
    """A refresh token."""

    refresh: str


class FormPage(Answer):
    """A page of a list; `next` and `previous` are addresses of other pages."""

    count: int
    next: str | None
    previous: str | None


class FormPageParameters(FormBody):
    """The page of a list."""

    limit: Annotated[int | None, Field(description="Items on the page, up to 100.")] = None
    offset: Annotated[int | None, Field(description="Items before the page.")] = None


class ListParameters(FormBody):
    """A part of a list that has no form of a page."""

    limit: Annotated[int | None, Field(description="Items in the answer.")] = None
    offset: Annotated[int | None, Field(description="Items before those of the answer.")] = None


class OlderParameters(FormBody):
    """The page of the messages of a conversation."""

    limit: Annotated[int | None, Field(description="Messages on the page.")] = None
    before: Annotated[
        str | None, Field(description="Only messages before the one of this id.")
    ] = None
