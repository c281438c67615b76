"""The section [push]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from component.config.types import Contact, DataFile, Network, Section


class Push(Section):
    """Events that are sent to browsers (Web Push) and to webhooks of users who have signed in."""

    enabled: bool = Field(
        default=True, description="Whether users can have their events sent somewhere."
    )
    key_file: DataFile | None = Field(
        default=None,
        description="File of the key that signs Web Push (VAPID, PEM), such as "
        "/var/lib/muniment/push-key.pem; created if it does not exist. Without it there are "
        "webhooks only. A relative path starts at the folder of the configuration file.",
    )
    contact: Contact | None = Field(
        default=None,
        validate_default=True,
        description="How push services reach you, mailto:ADDRESS or an https URL; required with "
        "push.key_file.",
    )
    max_per_account: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="Maximum number of subscriptions of one account."
    )
    attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=12,
        description="Attempts to send an event. After the last one it is a dead letter, and the "
        "next event is sent.",
    )
    retry_seconds: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        default=5.0,
        description="Delay in seconds after the first failed attempt. Each further one doubles "
        "it; delays are shortened at random by up to half.",
    )
    retry_max_seconds: Annotated[float, Field(ge=0.1, le=86400)] = Field(
        default=3600.0, description="Maximum delay in seconds between two attempts."
    )
    timeout_seconds: Annotated[float, Field(ge=0.1, le=60)] = Field(
        default=10.0, description="Seconds for a request to a receiver."
    )
    max_body_bytes: Annotated[int, Field(ge=8192, le=1048576)] = Field(
        default=131072,
        description="Maximum size in bytes of a request to a webhook; longer texts are cut. Web "
        "Push has room for 4096.",
    )
    parallel: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=50,
        description="Maximum number of requests at once. Receivers that are slow or fail get half "
        "of them at most.",
    )
    max_dead_letters: Annotated[int, Field(ge=1, le=10000)] = Field(
        default=100,
        description="Maximum number of dead letters of one subscription; the oldest are deleted.",
    )
    allow_http: bool = Field(
        default=False, description="Whether receivers may have URLs that begin with http:."
    )
    allowed_networks: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Private networks and addresses to which events may be sent. Public ones need "
        "not be named.",
    )

    @field_validator("contact")
    @classmethod
    def _required_with_a_key(cls, contact: object, info: ValidationInfo) -> object:
        """Require a contact if there is Web Push."""
        if contact is None and info.data.get("key_file") is not None:
            raise ValueError("required, but missing (push.key_file is set)")
        return contact
