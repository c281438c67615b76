"""Messages as people see them: corrected, retracted, reacted to, received and read.

XEP-0308 (corrections), XEP-0424 and XEP-0425 (retractions), XEP-0444 (reactions), XEP-0184 and
XEP-0333 (receipts). Pure functions; what somebody does who may not is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from component.core.messages.authorship import may_annotate
from component.core.messages.payloads import Message, Reference
from component.core.messages.references import ReferenceKind
from component.core.xml import jids
from component.core.xml.times import format_time
from storage.rows import Direction, Kind

#: What somebody had, and now has seen.
_FIRST_SEEN = (ReferenceKind.RECEIVED, ReferenceKind.DISPLAYED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """That a message was corrected."""

    time: str
    id: str  #: of the last correction, in the archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraction:
    """That a message was taken back, None where nothing is known of it."""

    time: str | None
    id: str | None  #: of the message that did it, in the archive
    by: str | None  #: the moderator; None where it was the author
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """That somebody has a message."""

    by: str
    state: ReferenceKind  #: received or displayed
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a message has become."""

    body: str | None  #: as it was last corrected; None once it was retracted
    edited: Edit | None
    retracted: Retraction | None
    reactions: dict[str, tuple[str, ...]]  #: by emoji the JIDs of whom it is from
    receipts: tuple[Receipt, ...]
    left_out: int  #: how many older messages about it were not looked at


@dataclass(slots=True)
class _State:
    """A message while it is folded."""

    message: Message
    body: str | None
    edited: Edit | None = None
    retracted: Retraction | None = None
    #: by author the JID that is shown, and the last set
    reactions: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)


class Folding:
    """A message of an archive, and what those about it make of it, a few at a time."""

    def __init__(self, owner: str, message: Message) -> None:
        self._owner = owner
        self._state = _State(message, message.payloads.body)

    def add(self, annotations: Iterable[Message]) -> None:
        """Take in more messages about it, in arrival order."""
        for annotation in annotations:
            reference = annotation.payloads.reference
            if reference is not None and may_annotate(annotation, reference, self._state.message):
                _apply(self._owner, annotation, reference, self._state)

    def folded(self, left_out: int) -> Folded:
        """Return what it has become; `left_out` is how many were not taken in."""
        return _folded(self._state, left_out)


def _apply(owner: str, annotation: Message, reference: Reference, state: _State) -> None:
    row = annotation.stored
    time, who = format_time(row.at), _address(owner, annotation)
    match reference.kind:
        case ReferenceKind.CORRECT:
            state.body = annotation.payloads.body or state.body
            state.edited = Edit(time=time, id=row.id)
        case ReferenceKind.RETRACT | ReferenceKind.MODERATE:
            state.retracted = Retraction(
                time=time, id=row.id, by=reference.by, reason=reference.reason
            )
        case ReferenceKind.REACT:
            # The last set takes the place of the one before (XEP-0444 section 4.1).
            state.reactions.pop(annotation.side.author, None)
            state.reactions[annotation.side.author] = (who, reference.reactions)
        case ReferenceKind.RECEIVED | ReferenceKind.DISPLAYED:
            before = state.receipts.get(who)
            if before is None or (before.state, reference.kind) == _FIRST_SEEN:
                state.receipts[who] = Receipt(by=who, state=reference.kind, time=time)


def _address(owner: str, annotation: Message) -> str:
    """Return the JID that stands for whoever wrote this."""
    row = annotation.stored
    if row.direction is Direction.SENT:
        return owner
    if annotation.side.author != Direction.RECEIVED and row.resource:
        return f"{row.peer}/{row.resource}"
    return jids.bare(row.peer)


def _folded(state: _State, left_out: int) -> Folded:
    retracted = state.retracted or _buried(state.message)
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
    for who, emojis in state.reactions.values():
        for emoji in emojis:
            reactions[emoji].append(who)
    return Folded(
        body=state.body,
        edited=state.edited,
        retracted=None,
        reactions={emoji: tuple(people) for emoji, people in reactions.items()},
        receipts=tuple(state.receipts.values()),
        left_out=left_out,
    )


def _buried(message: Message) -> Retraction | None:
    """Return what a tombstone tells of how the message went."""
    left = message.payloads.tombstone
    if left is not None:
        return Retraction(time=left.at, id=None, by=left.by, reason=left.reason)
    if message.stored.kind is Kind.TOMBSTONE:
        return Retraction(time=None, id=None, by=None, reason=None)
    return None
