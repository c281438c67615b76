"""Messages as the archive API writes them; every key is always there, null where it is empty."""

from __future__ import annotations

from typing import Any

from component.core.reading.folding import Folded
from component.core.reading.views import ReadableMessage
from component.core.xml.times import format_time
from storage.rows import ArchivedMessage


def message(item: ReadableMessage, *, xml: bool) -> dict[str, Any]:
    """Return one message, with its XML or without."""
    row, said = item.message.stored, item.message.payloads
    fields: dict[str, Any] = {
        **place(row),
        "from": said.sender,
        "to": said.recipient,
        "peer": row.peer,
        "resource": row.resource or None,
        "direction": row.direction.value,
        "type": row.type,
        "kind": row.kind.value,
        "message_id": said.id,
        "subject": said.subject,
        "body": said.body,
        "nick": row.nick or None,
    }
    if xml:
        fields["xml"] = row.xml or None
    return fields if item.folded is None else fields | _folded(item.folded, xml=xml)


def place(row: ArchivedMessage) -> dict[str, Any]:
    """Return what names a message, and when it was."""
    return {"id": row.id, "time": format_time(row.at)}


def _folded(folded: Folded, *, xml: bool) -> dict[str, Any]:
    """Return what takes the place of what was said, and what came of it."""
    edited, retracted = folded.edited, folded.retracted
    fields: dict[str, Any] = {
        "body": folded.body,
        "edited": edited and {"time": edited.time, "id": edited.id},
        "retracted": retracted
        and {
            "time": retracted.time,
            "id": retracted.id,
            "by": retracted.by,
            "reason": retracted.reason,
        },
        "reactions": folded.reactions,
        "receipts": [
            {"by": receipt.by, "state": receipt.state.value, "time": receipt.time}
            for receipt in folded.receipts
        ],
        "left_out": folded.left_out,
    }
    if retracted:
        # Not even where the archive still has it.
        fields["subject"] = None
        if xml:
            fields["xml"] = None
    return fields
