"""What copying a store needs of an engine: its tables, its numbers, and the rows of its index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from storage.sql.database import Connection, Row

#: Keys by which both engines sort, where their primary keys differ.
KEYS = {"offline": ("owner", "digest"), "unfinished_retractions": ("owner", "sequence")}

#: Tables that no copy has: they tell of a database and its processes, and not of its content.
OWN = frozenset({"migrations", "imports", "processes", "erasures"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that both engines have."""

    name: str
    columns: tuple[str, ...]  #: sorted
    key: tuple[str, ...]  #: columns of a unique index, by which rows are read in order


class IndexRow(NamedTuple):
    """The part of a message in the index, whatever engine has it."""

    sequence: int
    words: str  #: the folded words, separated by blanks
    names: tuple[int, ...]  #: name hashes, signed, sorted
    target: int  #: sequence of the message that it refers to, 0: none
    relation: str  #: correction, retraction, note or settled; "": none


class Tables(Protocol):
    """The tables of one engine."""

    async def tables(self, connection: Connection) -> tuple[Table, ...]:
        """Return the tables of the store without those of the index, by name."""
        ...

    def into(self, table: Table) -> str:
        """Return the table with its columns for `Connection.insert`, numbers included."""
        ...

    async def highest(self, connection: Connection) -> Mapping[str, int]:
        """Return the highest number that each table has given, which it never gives again."""
        ...

    async def set_highest(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Let each table give higher numbers only."""
        ...

    async def index_rows(
        self, connection: Connection, number: int, sequences: Sequence[int]
    ) -> Sequence[IndexRow]:
        """Return the index rows of messages of one owner, in the order of their sequences."""
        ...

    async def stray_index_row(self, connection: Connection, number: int) -> int | None:
        """Return a sequence in the index of an owner whose message is gone, None: all exist."""
        ...

    async def check(self, connection: Connection) -> Sequence[str]:
        """Return what is wrong with the files, as the engine itself finds out."""
        ...

    async def add_index_rows(
        self, connection: Connection, number: int, rows: Sequence[tuple[IndexRow, str]]
    ) -> None:
        """Add index rows, each with the peer of its message; the sequences rise."""
        ...


async def rows_after(
    connection: Connection, table: Table, place: Sequence[object] | None, limit: int
) -> list[Row]:
    """Return the rows of a table behind a place, which is a value of its key, in their order."""
    key = ", ".join(table.key)
    where = ""
    if place is not None:
        parameters = ", ".join(f"${n}" for n in range(1, len(place) + 1))
        where = f" WHERE ({key}) > ({parameters})"
    return await connection.fetch(
        f"SELECT {', '.join(table.columns)} FROM {table.name}{where} ORDER BY {key} LIMIT {limit}",  # noqa: S608
        *(place or ()),
    )


def key_of(table: Table, row: Row) -> tuple[object, ...]:
    """Return the key of a row."""
    return tuple(row[table.columns.index(column)] for column in table.key)
