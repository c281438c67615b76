"""The index of a store: the words of messages, and the links by which they refer to each other.

Each engine has an index of its own, because no two engines search texts alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from storage.rows import NewMessage, Phrase, Relation

if TYPE_CHECKING:
    from storage.sql.database import Bound, Connection, Row

#: Adds a value to a statement and returns its placeholder.
Value = Callable[[object], str]


class Target(NamedTuple):
    """The target of a reference, and the original message if the target is a correction."""

    sequence: int
    original: int  # sequence of the message that the target corrects, or of the target itself


class Link(NamedTuple):
    """The reference of a message to another one."""

    sequence: int
    target: int
    relation: Relation


class Index(Protocol):
    """Writes and reads the index, in a transaction or a read of its caller."""

    #: The tables of the index and of the archive, joined: the messages that a search finds.
    found: str
    #: The tables of the index alone.
    words: str
    #: The sequence of a row of the index; $1 is the number of the owner.
    sequence: str
    #: An expression with the same order as the sequence, for ORDER BY.
    order: str
    #: Whether a search finds its rows in this order. If not, it either walks through all rows in
    #: this order, or finds all rows that match and sorts them.
    is_ordered: bool

    def conditions(
        self,
        number: int,
        phrases: Iterable[Phrase],
        peer: str | None,
        first: int,
        last: int,
        value: Value,
    ) -> list[str]:
        """Return conditions for the rows of `words` that have all phrases.

        `first` and `last` are the range of sequences. A peer narrows the search as far as the
        index can; the caller compares the peers of the messages.
        """
        ...

    async def add(
        self, connection: Connection, rows: Iterable[tuple[int, int, NewMessage, int | None]]
    ) -> None:
        """Index messages: number of the owner, sequence, message, sequence of its target or None.

        The rows are sorted by archive.
        """
        ...

    async def delete(self, connection: Connection, rows: Iterable[tuple[int, int]]) -> None:
        """Delete messages from the index: number of the owner, and sequence."""
        ...

    async def delete_words(
        self, connection: Connection, number: int, sequences: Iterable[int]
    ) -> None:
        """Delete the words of messages from the index; their names and links stay."""
        ...

    async def last_named(
        self, connection: Connection, names: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], Target]:
        """Return the last message that has each name, by number of the owner and name hash."""
        ...

    async def targets(
        self, connection: Connection, number: int, sequences: Iterable[int]
    ) -> dict[int, int]:
        """Return the sequences of the targets of messages, by the sequences of the messages."""
        ...

    async def links_behind(self, connection: Connection, number: int, sequence: int) -> list[Link]:
        """Return the links of all messages behind a sequence, the oldest first.

        Settled corrections are left out.
        """
        ...

    async def count_references(
        self, connection: Connection, number: int, sequences: Sequence[int]
    ) -> list[tuple[int, int]]:
        """Return, for each message, its numbers of corrections with retractions, and of others.

        Settled corrections do not count.
        """
        ...

    async def newest_references(
        self,
        connection: Connection,
        number: int,
        sequence: int,
        relations: Sequence[Relation],
        *,
        limit: int,
        before: int | None = None,
        bound: Bound | None = None,
    ) -> list[Row]:
        """Return the newest messages that refer to a message, the newest first.

        The rows have the columns of `statements.COLUMNS`. `before` is an exclusive sequence.
        Settled corrections are left out.
        """
        ...

    async def settle(
        self, connection: Connection, number: int, sequence: int, corrections: Iterable[int]
    ) -> None:
        """Settle corrections of a message, so that its retractions no longer find them."""
        ...

    async def unsettled(
        self, connection: Connection, number: int, sequence: int, corrections: Iterable[int]
    ) -> set[int]:
        """Return the unsettled corrections of a message among `corrections`."""
        ...
