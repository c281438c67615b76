"""Models of the requests about sign-ins; an unknown field is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from component.web.archive.models import Address, Parameters

#: The greatest length of a label, and of a refresh token that is looked at.
LABEL_MAX = 200
TOKEN_MAX = 200


class SignInFields(Parameters):
    """POST {prefix}/v1/tokens."""

    jid: Address
    password: Annotated[str, Field(strict=True, repr=False)]
    label: Annotated[str, Field(strict=True, max_length=LABEL_MAX)] = ""

    @field_validator("label")
    @classmethod
    def _printable(cls, label: str) -> str:
        """Refuse characters that end a line or control a terminal."""
        if not label.isprintable():
            raise ValueError("expected a text on one line, without control characters")
        return label


class RefreshFields(Parameters):
    """POST {prefix}/v1/tokens/refresh."""

    refresh_token: Annotated[str, Field(strict=True, max_length=TOKEN_MAX, repr=False)]
