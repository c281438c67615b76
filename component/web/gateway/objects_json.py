"""Contacts and messages in the JSON of REST-XMPP-Client."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from component.core.gateway.contacts import GatewayContact
from component.core.gateway.messages import GatewayMessage
from component.core.gateway.offsets import timestamp


def contact(item: GatewayContact) -> dict[str, Any]:
    """Return one contact."""
    fields = asdict(item)
    fields["timestamp"] = timestamp(fields.pop("changed_at"))
    return fields


def message(item: GatewayMessage) -> dict[str, Any]:
    """Return one message."""
    return asdict(item)
