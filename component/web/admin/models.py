"""Queries and bodies of the administration API. Unknown fields are mistakes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel, StrictBool, StrictInt, StrictStr, model_validator

from component.web.archive.models import ADDRESS_MAX, Address, Flag, Limit, Parameters
from storage.rows import Rule

#: A hundred years: long enough for any rule, and the resulting dates can still be written.
MAX_DAYS = 36_500

#: The largest whole number that every reader of JSON accepts.
MAX_NUMBER = 2**53 - 1

Days = Annotated[int, Field(strict=True, ge=0, le=MAX_DAYS)]
Amount = Annotated[int, Field(strict=True, ge=0, le=MAX_NUMBER)]


class UsageParameters(Parameters):
    """GET {prefix}/v1/archives."""

    domain: Address | None = None
    after: Annotated[str, Field(max_length=ADDRESS_MAX)] = ""
    limit: Limit | None = None


class ExportParameters(Parameters):
    """GET {prefix}/v1/archives/{owner}/export."""

    format: Literal["jsonl", "xep0227"] = "jsonl"


class RetentionParameters(Parameters):
    """{prefix}/v1/archives/{owner}/retention."""

    peer: Address | None = None


class RetentionChange(RetentionParameters):
    """PUT and DELETE {prefix}/v1/archives/{owner}/retention."""

    confirm: Flag = False


class RetentionFields(Parameters):
    """PUT {prefix}/v1/archives/{owner}/retention."""

    days: Days | None = None
    messages: Amount | None = None
    bytes: Amount | None = None

    @model_validator(mode="after")
    def _is_a_rule(self) -> RetentionFields:
        """Refuse a rule without any limit."""
        if self.days is None and self.messages is None and self.bytes is None:
            raise ValueError("expected at least one of days, messages and bytes")
        return self

    def rule(self, owner: str, peer: str) -> Rule:
        """Return the rule for an archive, or for one conversation in it if `peer` is not empty."""
        return Rule(
            owner=owner, peer=peer, days=self.days, messages=self.messages, bytes=self.bytes
        )


class HoldFields(Parameters):
    """PUT {prefix}/v1/holds/{subject}."""

    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class CommandParameters(Parameters):
    """POST {prefix}/v1/commands/{name}."""

    preview: Flag = False


CommandValue = StrictStr | StrictBool | StrictInt


class CommandValues(RootModel[dict[str, CommandValue | list[CommandValue] | None]]):
    """POST {prefix}/v1/commands/{name}: values by the names of the fields of the command."""


class DoctorParameters(Parameters):
    """POST {prefix}/v1/doctor."""

    reconnect: Flag = False


class PurgeFields(Parameters):
    """POST {prefix}/v1/purges."""

    owner: Address | None = None
    confirm: StrictBool = False
