"""Messages as REST-XMPP-Client shows them, from the events of an archive.

A message changes by a later one: a correction, a retraction, or a receipt of the recipient. It is
then shown again, with the event id of that change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from component.core.gateway.contacts import contact_id
from component.core.gateway.offsets import timestamp
from component.core.messages.references import RECEIPTS, ReferenceKind
from component.core.messages.stored import Message
from component.core.reading.views import FOLDED_KINDS, ReadableMessage
from component.core.xml.stanza import GROUPCHAT
from storage.rows import ArchivedMessage, Direction, EventPage

#: Relations that change the text of a message.
_CHANGING = frozenset({ReferenceKind.CORRECT, ReferenceKind.RETRACT})


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayMessage:
    """A text that the user has sent or received."""

    event_id: int  #: of its last change
    inbound: bool
    text: str  #: as last corrected; "" once it is retracted
    timestamp: float  #: when the server received it, seconds since the epoch
    contact_id: str
    message_id: str | int  #: id of the stanza, or a number if it had none
    delivered: bool  #: whether the recipient has acknowledged it; an inbound one is delivered here
    delivery_receipt_asked: bool  #: XEP-0184


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt (XEP-0184) that the sender of a message asks for."""

    to: str  #: full JID
    id: str  #: of the message


@dataclass(frozen=True, slots=True)
class Change:
    """A message that an event adds or changes."""

    row: ArchivedMessage
    event_id: int


def annotations_in(page: EventPage) -> list[ArchivedMessage]:
    """Return the messages of a page that may change another message."""
    return [
        event.message
        for event in page.events
        if event.message is not None
        and event.message.kind not in FOLDED_KINDS
        and event.target in page.targets
    ]


def changes_of(page: EventPage, annotations: Iterable[Message]) -> list[Change]:
    """Return each message that a page adds or changes once, with its last event, in their order.

    `annotations` are those of the page, parsed.
    """
    changing = {message.stored.position for message in annotations if _is_changing(message)}
    changes: dict[str, Change] = {}
    for event in page.events:
        row = event.message
        if row is not None and row.position in changing:
            row = page.targets.get(event.target or "")
        if row is not None and row.kind in FOLDED_KINDS and row.type != GROUPCHAT:
            changes.pop(row.position, None)
            changes[row.position] = Change(row, event.event_id)
    return list(changes.values())


def _is_changing(annotation: Message) -> bool:
    """Return whether a message changes the text or the delivery of its target."""
    reference = annotation.payloads.reference
    if reference is None:
        return False
    if reference.kind in RECEIPTS:
        # An inbound message is delivered as it is shown.
        return annotation.stored.direction is Direction.RECEIVED
    return reference.kind in _CHANGING


def message_of(owner: str, item: ReadableMessage, event_id: int) -> GatewayMessage | None:
    """Return a message of the folded view, None if it has no text."""
    row, id, folded = item.message.stored, item.message.content.id, item.folded
    if folded is None or (folded.body is None and folded.retracted is None):
        return None
    is_inbound = row.direction is Direction.RECEIVED
    return GatewayMessage(
        event_id=event_id,
        inbound=is_inbound,
        text=folded.body or "",
        timestamp=timestamp(row.at),
        contact_id=contact_id(owner, row.peer),
        message_id=id or event_id,
        delivered=is_inbound or any(receipt.by != owner for receipt in folded.receipts),
        delivery_receipt_asked=item.message.payloads.asks_receipt,
    )


def receipt_of(owner: str, item: ReadableMessage) -> Receipt | None:
    """Return the receipt that is due for a message, None if none is asked for, or it was sent."""
    row, id, folded = item.message.stored, item.message.content.id, item.folded
    if not id or folded is None or folded.retracted:
        return None
    if row.direction is not Direction.RECEIVED or not item.message.payloads.asks_receipt:
        return None
    if any(receipt.by == owner for receipt in folded.receipts):
        return None
    sender = f"{row.peer}/{row.resource}" if row.resource else row.peer
    return Receipt(sender, id)
