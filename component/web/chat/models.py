"""Models of the requests of the chat API; an unknown field is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from component.web.archive.models import Parameters

#: The greatest length of a search for users.
SEARCH_MAX = 100


class UsersParameters(Parameters):
    """GET {prefix}/v1/chat/users."""

    search: Annotated[str, Field(max_length=SEARCH_MAX)]
