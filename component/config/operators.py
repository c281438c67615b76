"""The sections of those who may do more than read their own archive."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from component.config.section import Section
from component.config.types import BareJid, Secret


class Operator(Section):
    """A person or program that may read the archives of others; each use is logged by NAME."""

    role: Literal["reader", "admin"] = Field(
        description="reader: reads, searches, follows and exports archives. admin: also erases, "
        "holds and purges them, looks after accounts, and reads the audit log."
    )
    jid: BareJid | None = Field(default=None, description="Bare JID that it asks under over XMPP.")
    secret: Secret | None = Field(
        default=None,
        validate_default=True,
        description="What it shows over HTTP, or file:PATH to read it from a file. A secret of "
        "its own; required where there is no jid.",
    )

    @field_validator("secret")
    @classmethod
    def _required_without_jid(cls, secret: object, info: ValidationInfo) -> object:
        """Refuse an operator that nobody could ever be."""
        if secret is None and info.data.get("jid", "wrong") is None:
            raise ValueError("required, but missing (and there is no jid)")
        return secret
