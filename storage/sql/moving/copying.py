"""Copies a whole store into another one, table by table, and compares both row by row.

The rows of a batch, and the place behind them, are written in one transaction. So a copy that was
interrupted goes on where it stopped, and until it is complete no Muniment opens the target.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import groupby

from storage.errors import StorageError
from storage.sql.database import Connection, Database, Row
from storage.sql.moving.tables import IndexRow, Table, Tables, key_of, rows_after

#: The number of rows of one batch.
BATCH = 500

#: The name of the copy in the table `imports`.
COPY = "copy-store"

_ARCHIVE = "archive"

_PLACE = "SELECT place FROM imports WHERE source = $1"

_SET_PLACE = """
INSERT INTO imports (source, place) VALUES ($1, $2)
ON CONFLICT (source) DO UPDATE SET place = excluded.place
"""

_FORGET = "DELETE FROM imports WHERE source = $1"

_BEGIN = {"sqlite": "BEGIN", "postgres": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}

#: Called with a number of rows.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two stores."""

    database: Database
    tables: Tables

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Lend a connection whose reads all see the same state."""
        async with self.database.read() as connection:
            await connection.execute(_BEGIN[self.database.name])
            try:
                yield connection
            finally:
                await connection.execute("ROLLBACK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A table of which both stores do not have the same rows."""

    table: str
    where: str  #: the key of the first row that differs


async def is_unfinished(connection: Connection) -> bool:
    """Return whether a copy into this store was begun and not finished."""
    return bool(await connection.fetch(_PLACE, COPY))


class StoreCopy:
    """The copy of one store into another one."""

    def __init__(self, source: Side, target: Side) -> None:
        self._source = source
        self._target = target
        self._shared: tuple[Table, ...] = ()

    async def prepare(self) -> tuple[int, bool]:
        """Return the number of rows to be copied, and whether an earlier copy goes on.

        Raises StorageError if the target has content of another kind.
        """
        async with self._source.database.read() as connection:
            if await is_unfinished(connection):
                raise StorageError("the source is itself an unfinished copy")
            source = await self._source.tables.tables(connection)
            counts = {table.name: await _count(connection, table) for table in source}
        async with self._target.database.read() as connection:
            target = await self._target.tables.tables(connection)
            place = await _place(connection)
            if place is None:
                for table in target:
                    if await _count(connection, table):
                        raise StorageError(
                            f"the target is not empty (table {table.name}): copy into a new store"
                        )
        if [replace(table, key=()) for table in source] != [
            replace(table, key=()) for table in target
        ]:
            raise StorageError("the two stores do not have the same tables")
        self._shared = source
        return sum(counts.values()), place is not None

    async def run(self, progress: Progress = lambda _: None) -> None:
        """Copy everything that the target does not have yet. Raises StorageError."""
        async with self._target.database.read() as connection:
            done = await _place(connection) or ("", None)
        for table in self._shared:
            if table.name < done[0]:
                async with self._source.database.read() as connection:
                    progress(await _count(connection, table))
                continue
            place = done[1] if table.name == done[0] else None
            await self._copy(table, place, progress)
        async with self._source.database.read() as connection:
            numbers = await self._source.tables.highest(connection)
        async with self._target.database.write() as connection:
            await self._target.tables.set_highest(connection, numbers)

    async def finish(self) -> None:
        """Let Muniment open the target; call this after the comparison."""
        async with self._target.database.write() as connection:
            await connection.execute(_FORGET, COPY)

    async def compare(self, progress: Progress = lambda _: None) -> tuple[Difference, ...]:
        """Return the tables whose rows differ."""
        differences = []
        for table in self._shared:
            if difference := await self._compare(table, progress):
                differences.append(difference)
        return tuple(differences)

    async def _copy(
        self, table: Table, place: Sequence[object] | None, progress: Progress
    ) -> None:
        async with self._target.database.write() as connection:
            # Also for an empty table: the copy has begun.
            await _set_place(connection, table, place)
        while True:
            rows, index = await _read(self._source, table, place)
            if not rows:
                return
            place = key_of(table, rows[-1])
            async with self._target.database.write() as connection:
                await connection.insert(self._target.tables.into(table), [*map(tuple, rows)])
                await self._add_index(connection, table, rows, index)
                await _set_place(connection, table, place)
            progress(len(rows))

    async def _add_index(
        self,
        connection: Connection,
        table: Table,
        rows: Sequence[Row],
        index: dict[int, Sequence[IndexRow]],
    ) -> None:
        if not index:
            return
        owner, sequence, peer = (table.columns.index(n) for n in ("owner", "sequence", "peer"))
        peers = {(row[owner], row[sequence]): row[peer] for row in rows}
        for number, index_rows in index.items():
            await self._target.tables.add_index_rows(
                connection, number, [(row, peers[number, row.sequence]) for row in index_rows]
            )

    async def _compare(self, table: Table, progress: Progress) -> Difference | None:
        place: Sequence[object] | None = None
        while True:
            copied = await _read(self._source, table, place)
            if copied != await _read(self._target, table, place):
                where = "the beginning" if place is None else f"behind {_json(place)}"
                return Difference(table=table.name, where=where)
            rows = copied[0]
            if not rows:
                return None
            place = key_of(table, rows[-1])
            progress(len(rows))


async def _read(
    side: Side, table: Table, place: Sequence[object] | None
) -> tuple[list[tuple[object, ...]], dict[int, Sequence[IndexRow]]]:
    """Return the rows behind a place, and for messages their index rows by owner."""
    index: dict[int, Sequence[IndexRow]] = {}
    async with side.database.read() as connection:
        rows = [*map(tuple, await rows_after(connection, table, place, BATCH))]
        if table.name == _ARCHIVE:
            owner, sequence = (table.columns.index(name) for name in ("owner", "sequence"))
            for number, of_owner in groupby(rows, key=lambda row: int(row[owner])):
                sequences = [int(row[sequence]) for row in of_owner]
                index[number] = [*await side.tables.index_rows(connection, number, sequences)]
    return rows, index


async def _count(connection: Connection, table: Table) -> int:
    rows = await connection.fetch(f"SELECT count(*) FROM {table.name}")  # noqa: S608
    return int(rows[0][0])


async def _place(connection: Connection) -> tuple[str, Sequence[object] | None] | None:
    rows = await connection.fetch(_PLACE, COPY)
    if not rows:
        return None
    table, place = json.loads(rows[0][0])
    return table, None if place is None else [*map(_from_json, place)]


async def _set_place(connection: Connection, table: Table, place: Sequence[object] | None) -> None:
    value = None if place is None else json.loads(_json(place))
    await connection.execute(_SET_PLACE, COPY, json.dumps([table.name, value]))


def _json(place: Sequence[object]) -> str:
    return json.dumps(
        [{"hex": value.hex()} if isinstance(value, bytes) else value for value in place]
    )


def _from_json(value: object) -> object:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
