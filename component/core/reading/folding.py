"""Fold later messages into the message that they are about, as clients show it.

XEP-0308 (corrections), XEP-0424 and XEP-0425 (retractions), XEP-0444 (reactions), XEP-0184 and
XEP-0333 (receipts). Pure functions. A message about another one counts only if its author has the
right to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from component.core.messages.authorship import may_annotate
from component.core.messages.references import Reference, ReferenceKind
from component.core.messages.stored import Message
from component.core.xml import jids
from component.core.xml.times import format_time
from storage.rows import Direction, Kind

#: A receipt is replaced by the first marker that says the message was displayed.
_FIRST_SEEN = (ReferenceKind.RECEIVED, ReferenceKind.DISPLAYED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The last correction of a message."""

    time: str
    id: str  #: of the correction, in the archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraction:
    """The retraction of a message; None where a tombstone does not say."""

    time: str | None
    id: str | None  #: of the retraction, in the archive
    by: str | None  #: the moderator; None: the author
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The proof that a recipient has received or displayed a message."""

    by: str
    state: ReferenceKind  #: received or displayed
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A message with everything that is about it."""

    body: str | None  #: of the last correction; None once the message was retracted
    edited: Edit | None
    retracted: Retraction | None
    reactions: dict[str, tuple[str, ...]]  #: by emoji the JIDs of its senders
    receipts: tuple[Receipt, ...]
    left_out: int  #: the number of older messages about it that were not read


@dataclass(slots=True)
class _State:
    """A message and the messages that are folded into it so far."""

    message: Message
    body: str | None
    edited: Edit | None = None
    retracted: Retraction | None = None
    #: by author the JID to show, and the author's last set of emojis
    reactions: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)


class Folding:
    """Folds the messages about one message into it, some at a time."""

    def __init__(self, owner: str, message: Message) -> None:
        self._owner = owner
        self._state = _State(message, message.content.body)

    def add(self, annotations: Iterable[Message]) -> None:
        """Fold in more messages, in the order of arrival."""
        for annotation in annotations:
            reference = annotation.payloads.reference
            if reference is not None and may_annotate(annotation, reference, self._state.message):
                _apply(self._owner, annotation, reference, self._state)

    def folded(self, left_out: int) -> Folded:
        """Return the folded message; `left_out` is the number of messages that are not in it."""
        return _folded(self._state, left_out)


def _apply(owner: str, annotation: Message, reference: Reference, state: _State) -> None:
    row = annotation.stored
    time, author = format_time(row.at), author_of(owner, annotation)
    match reference.kind:
        case ReferenceKind.CORRECT:
            state.body = annotation.content.body or state.body
            state.edited = Edit(time=time, id=row.id)
        case ReferenceKind.RETRACT | ReferenceKind.MODERATE:
            state.retracted = Retraction(
                time=time, id=row.id, by=reference.by, reason=reference.reason
            )
        case ReferenceKind.REACT:
            # The last set replaces the one before (XEP-0444 section 4.1).
            for name in annotation.side.authors:
                state.reactions.pop(name, None)
            state.reactions[annotation.side.author] = (author, reference.reactions)
        case ReferenceKind.RECEIVED | ReferenceKind.DISPLAYED:
            before = state.receipts.get(author)
            if before is None or (before.state, reference.kind) == _FIRST_SEEN:
                state.receipts[author] = Receipt(by=author, state=reference.kind, time=time)


def author_of(owner: str, message: Message) -> str:
    """Return the JID to show as the author of a message."""
    row = message.stored
    if row.direction is Direction.SENT:
        return owner
    if message.side.author != Direction.RECEIVED and row.resource:
        return f"{row.peer}/{row.resource}"
    return jids.bare(row.peer)


def _folded(state: _State, left_out: int) -> Folded:
    retracted = state.retracted or _from_tombstone(state.message)
    if retracted:
        return Folded(
            body=None,
            edited=None,
            retracted=retracted,
            reactions={},
            receipts=(),
            left_out=left_out,
        )
    reactions: defaultdict[str, list[str]] = defaultdict(list)
    for author, emojis in state.reactions.values():
        for emoji in emojis:
            reactions[emoji].append(author)
    return Folded(
        body=state.body,
        edited=state.edited,
        retracted=None,
        reactions={emoji: tuple(authors) for emoji, authors in reactions.items()},
        receipts=tuple(state.receipts.values()),
        left_out=left_out,
    )


def _from_tombstone(message: Message) -> Retraction | None:
    """Return the retraction that a tombstone records, None if the message is no tombstone."""
    tombstone = message.payloads.tombstone
    if tombstone is not None:
        return Retraction(time=tombstone.at, id=None, by=tombstone.by, reason=tombstone.reason)
    if message.stored.kind is Kind.TOMBSTONE:
        return Retraction(time=None, id=None, by=None, reason=None)
    return None
