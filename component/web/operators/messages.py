"""Messages as the templates show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from component.core.messages.links import ENCRYPTION_NAMESPACES
from component.core.messages.marks import Piece, excerpt, pieces
from component.core.messages.references import ReferenceKind
from component.core.messages.stored import Message
from component.core.reading.browsing import DAY_MICROS
from component.core.reading.folding import Receipt, Retraction, author_of
from component.core.reading.views import ReadableMessage
from component.web.operators.rendering import show_day
from storage.rows import Direction, Gap, Kind, Phrase

#: The greatest number of characters of a message that a list of hits shows.
EXCERPT_MAX = 1000

_NOTES = {
    Kind.ANNOTATION: "A correction, a retraction or a reaction.",
    Kind.RECEIPT: "A receipt or a marker.",
    Kind.BLANKED: "The content of this message was removed by an operator or by a rule.",
}

_NO_TEXT = "No text: a file, an invitation or a call."

_EVENTS = {
    ReferenceKind.CORRECT: "corrected",
    ReferenceKind.RETRACT: "retracted",
    ReferenceKind.MODERATE: "retracted by a moderator",
    ReferenceKind.REACT: "reacted",
    ReferenceKind.RECEIVED: "received",
    ReferenceKind.DISPLAYED: "displayed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMessage:
    """One message."""

    id: str
    at: int  #: microseconds since the epoch
    author: str
    is_own: bool  #: whether the owner of the archive sent it
    peer: str
    kind: str
    type: str
    subject: str | None
    text: tuple[Piece, ...]
    note: str | None  #: what to show in the place of a text
    is_encrypted: bool
    edited_at: str | None
    retracted: Retraction | None
    reactions: tuple[tuple[str, tuple[str, ...]], ...]  #: an emoji, and its senders
    receipts: tuple[Receipt, ...]
    gaps_before: tuple[Gap, ...]  #: between it and the message before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was done to a message."""

    id: str  #: of the message that did it
    at: int
    author: str
    done: str
    text: str | None


@dataclass(frozen=True, slots=True)
class DayOfMessages:
    """Messages that follow each other on one day."""

    heading: str
    messages: tuple[ShownMessage, ...]


def shown(
    owner: str,
    item: ReadableMessage,
    phrases: Sequence[Phrase] = (),
    *,
    limit: int | None = None,
    gaps: tuple[Gap, ...] = (),
) -> ShownMessage:
    """Return one message, with marks where a search matches, and at most `limit` characters.

    `gaps` are those right before it.
    """
    row, content, folded = item.message.stored, item.message.content, item.folded
    retracted = folded.retracted if folded else None
    body = (folded.body if folded else content.body) or ""
    parts = pieces(body, phrases) if phrases else (Piece(body),)
    return ShownMessage(
        id=row.id,
        at=row.at,
        author=author_of(owner, item.message),
        is_own=row.direction is Direction.SENT,
        peer=row.peer,
        kind=row.kind.value,
        type=row.type,
        subject=None if retracted else content.subject,
        text=parts if limit is None else excerpt(parts, limit),
        note=_note(row.kind, body, retracted),
        is_encrypted=any(namespace in row.xml for namespace in ENCRYPTION_NAMESPACES),
        edited_at=folded.edited.time if folded and folded.edited else None,
        retracted=retracted,
        reactions=tuple(folded.reactions.items()) if folded else (),
        receipts=folded.receipts if folded else (),
        gaps_before=gaps,
    )


def in_order(
    owner: str, items: Iterable[ReadableMessage], gaps: Iterable[tuple[Gap, ...]]
) -> Iterator[ShownMessage]:
    """Yield messages with the gaps right before each."""
    for item, before in zip(items, gaps, strict=True):
        yield shown(owner, item, gaps=before)


def by_day(messages: Iterable[ShownMessage]) -> tuple[DayOfMessages, ...]:
    """Return messages in their order, with the days (UTC) that they are from."""
    days = groupby(messages, lambda message: message.at // DAY_MICROS)
    return tuple(DayOfMessages(show_day(day), tuple(on_day)) for day, on_day in days)


def events(owner: str, annotations: Iterable[Message]) -> Iterator[Event]:
    """Yield what was done to a message."""
    for annotation in annotations:
        row, reference = annotation.stored, annotation.payloads.reference
        if reference is None:
            continue
        texts = {
            ReferenceKind.CORRECT: annotation.content.body,
            ReferenceKind.REACT: " ".join(reference.reactions) or "nothing any more",
        }
        yield Event(
            id=row.id,
            at=row.at,
            author=reference.by or author_of(owner, annotation),
            done=_EVENTS[reference.kind],
            text=texts.get(reference.kind, reference.reason),
        )


def _note(kind: Kind, body: str, retracted: Retraction | None) -> str | None:
    if retracted is not None or body:
        return None
    return _NOTES.get(kind, _NO_TEXT)
