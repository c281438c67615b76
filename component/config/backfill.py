"""The section [backfill]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from component.config.types import DatabaseUrl, Secret, Section


class Backfill(Section):
    """Messages that pass while Muniment is not connected, fetched from ejabberd's own mod_mam."""

    source: Literal["none", "sql", "mam"] = Field(
        default="none",
        description="none: what passes while Muniment is not connected is missing. sql: it is "
        "read from the database of mod_mam. mam: it is asked of mod_mam (urn:xmpp:mam:1) in the "
        "name of each user, with tokens of tokens.key_file, at the address of [sessions].",
    )
    url: DatabaseUrl | None = Field(
        default=None,
        validate_default=True,
        description="The database of ejabberd: sqlite:PATH, postgresql://USER@HOST:PORT/DATABASE "
        "or mysql://USER@HOST:PORT/DATABASE; required with sql. Muniment only reads it.",
    )
    password: Secret | None = Field(
        default=None,
        description="Password of the user of the database, or file:PATH to read it from a file.",
    )
    wait_seconds: Annotated[float, Field(ge=0, le=20)] = Field(
        default=2.0,
        description="How long a reader of an archive waits for its missing messages. After that "
        "the reader gets what is there, and the work goes on.",
    )
    retry_seconds: Annotated[float, Field(ge=1, le=86400)] = Field(
        default=60.0, description="Seconds between two attempts if ejabberd does not answer."
    )
    days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=3,
        description="Days after which a gap that could not be filled is given up; mod_mam has to "
        "keep messages for that long.",
    )

    @field_validator("url")
    @classmethod
    def _goes_with_sql(cls, url: object, info: ValidationInfo) -> object:
        """Require the database where it is read."""
        if url is None and info.data.get("source") == "sql":
            raise ValueError('required, but missing (backfill.source is "sql")')
        return url
