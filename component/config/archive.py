"""The sections of what is archived, where, and for how long; each host may differ in them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from component.config.section import Section
from component.config.types import Count, Domain, JidOrDomain, StorageUrl

Default = Literal["always", "never", "roster"]

_DAYS = Field(ge=0, le=36500)
_MESSAGES = Field(ge=0, le=1_000_000_000)
_BYTES = Field(ge=0, le=1_000_000_000_000_000)


class Storage(Section):
    """Where the archive is kept."""

    url: StorageUrl = Field(
        default="sqlite:/var/lib/muniment/muniment.db",
        validate_default=True,
        description="The database: sqlite:PATH. A relative PATH starts at the folder of the file; "
        "below /etc nothing is kept.",
    )
    synchronous: Literal["full", "normal"] = Field(
        default="full",
        description="full: an acknowledged message survives a power cut. normal: faster, and a "
        "power cut (not a crash of the program) may take the newest messages.",
    )


class Archive(Section):
    """What is archived, and how much of it one query is given."""

    page_default: Count = Field(
        default=50, description="Messages on a page when the client does not say how many."
    )
    page_max: Count = Field(
        default=250, description="Most messages on a page, however many a client asks for."
    )
    page_max_bytes: Annotated[int, Field(ge=1024, le=1024**3)] = Field(
        default=1024 * 1024,
        description="Most bytes of stanzas on a page, of MAM and over HTTP; a page ends before "
        "the first message that does not fit. A larger one has a page of its own.",
    )
    queue_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024 * 1024,
        description="Most memory, in bytes, for messages that wait to be written before ejabberd "
        "has to wait. None is dropped. As much room is kept free for them on the disk.",
    )
    default: Default = Field(
        default="always",
        description="What is archived of users that have set no preferences (XEP-0441). always: "
        "all. never: nothing. roster: what they exchange with their contacts.",
    )
    never: tuple[JidOrDomain, ...] = Field(
        default=(),
        strict=False,
        description="Bare JIDs and domains; messages from and to them go into no user's "
        "archive, whatever users prefer.",
    )
    room_services: tuple[Domain, ...] = Field(
        default=(),
        strict=False,
        description="Domains of chat room services (XEP-0045) whose rooms get archives of their "
        "own.",
    )
    groupchat: bool = Field(
        default=True,
        description="Whether messages of chat rooms go into the archives of their members.",
    )
    receipts: bool = Field(
        default=True, description="Whether delivery receipts (XEP-0184) without text are archived."
    )
    markers: bool = Field(
        default=True, description="Whether chat markers (XEP-0333) without text are archived."
    )

    @field_validator("page_max")
    @classmethod
    def _not_below_the_default(cls, page_max: int, info: ValidationInfo) -> int:
        """Refuse a largest page that the default page would not fit."""
        page_default = info.data.get("page_default", page_max)
        if page_max < page_default:
            raise ValueError(f"{page_max} is below archive.page_default ({page_default})")
        return page_max


class Retention(Section):
    """How long messages are kept: the oldest of an archive go when it is beyond any bound."""

    days: Annotated[int, _DAYS] = Field(
        default=0, description="Age, in days, at which a message is taken away. 0: never."
    )
    messages: Annotated[int, _MESSAGES] = Field(
        default=0, description="Most messages in one archive. 0: no bound."
    )
    bytes: Annotated[int, _BYTES] = Field(
        default=0, description="Most bytes of stanzas in one archive. 0: no bound."
    )
    sweep_seconds: float = Field(
        default=3600.0,
        ge=1,
        le=604800,
        description="Time between two looks at all archives for what is to go, in seconds.",
    )
    batch: Count = Field(
        default=1000,
        description="Most messages taken away at once; what arrives is written in between.",
    )


class Host(Section):
    """What one virtual host of xmpp.hosts has otherwise than all others. Every key is optional."""

    default: Default | None = Field(default=None, description="In the place of archive.default.")
    never: tuple[JidOrDomain, ...] = Field(
        default=(), strict=False, description="Added to archive.never."
    )
    days: Annotated[int | None, _DAYS] = Field(
        default=None, description="In the place of retention.days."
    )
    messages: Annotated[int | None, _MESSAGES] = Field(
        default=None, description="In the place of retention.messages."
    )
    bytes: Annotated[int | None, _BYTES] = Field(
        default=None, description="In the place of retention.bytes."
    )
