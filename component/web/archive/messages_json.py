"""Messages in the JSON of the archive API: an object has all keys, null for missing values."""

from __future__ import annotations

from typing import Any

from component.core.messages.files import File
from component.core.messages.replies import shortened
from component.core.reading.folding import Folded
from component.core.reading.views import Answered, ReadableMessage
from component.core.xml.times import format_if_known, format_time
from storage.rows import ArchivedMessage, Gap


def message(item: ReadableMessage, *, xml: bool) -> dict[str, Any]:
    """Return one message, with or without its XML."""
    row, content = item.message.stored, item.message.content
    fields: dict[str, Any] = {
        "id": row.id,
        "time": format_time(row.at),
        "from": content.sender,
        "to": content.recipient,
        "peer": row.peer,
        "resource": row.resource or None,
        "direction": row.direction,
        "type": row.type,
        "kind": row.kind,
        "message_id": content.id,
        "subject": content.subject,
        "body": content.body,
        "file": content.file and _file(content.file),
        "nick": row.nick or None,
        "reply_to": item.answered and _answered(item.answered),
    }
    if xml:
        fields["xml"] = row.xml or None
    return fields if item.folded is None else fields | _folded(item.folded, xml=xml)


def _answered(answered: Answered) -> dict[str, Any]:
    """Return the message that another one answers; `id` is None if the archive lacks it."""
    item, reply = answered.message, answered.reply
    if item is None:
        return {"id": None, "from": reply.to, "body": reply.quote}
    body = item.message.content.body if item.folded is None else item.folded.body
    return {
        "id": item.message.stored.id,
        "from": item.message.content.sender or reply.to,
        "body": body and shortened(body),
    }


def place(row: ArchivedMessage) -> dict[str, Any]:
    """Return the id and the time of a message."""
    return {"id": row.id, "time": format_time(row.at)}


def _file(file: File) -> dict[str, Any]:
    return {"url": file.url, "name": file.name, "type": file.type, "size": file.size}


def gap(spanned: Gap) -> dict[str, Any]:
    """Return a gap that a page spans; `to` is None while it lasts."""
    return {
        "from": format_time(spanned.begins_at),
        "to": format_if_known(spanned.ends_at),
        "reason": spanned.reason,
        "state": spanned.state.value,
    }


def _folded(folded: Folded, *, xml: bool) -> dict[str, Any]:
    """Return the keys of the folded view, some of which replace keys of the message itself."""
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
        # Even if the archive still has them.
        fields["subject"] = fields["file"] = fields["reply_to"] = None
        if xml:
            fields["xml"] = None
    return fields
