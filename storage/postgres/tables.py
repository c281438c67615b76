"""The tables of a store in PostgreSQL, for a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage.postgres.index import vector
from storage.sql.database import Connection
from storage.sql.moving.tables import KEYS, OWN, IndexRow, Table

#: The index is copied by its meaning.
_INDEX = ("fulltext", "links", "names")

_TABLES = """
SELECT CAST(relname AS text), CAST(oid AS bigint) FROM pg_class
WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind IN ('r', 'p')
    AND NOT relispartition
ORDER BY relname COLLATE "C"
"""

_COLUMNS = """
SELECT CAST(attname AS text), coalesce(array_position(indkey, attnum), -1)
FROM pg_attribute LEFT JOIN pg_index ON indrelid = attrelid AND indisprimary
WHERE attrelid = CAST($1 AS oid) AND attnum > 0 AND NOT attisdropped
"""

_NUMBERED = """
SELECT CAST(relname AS text), CAST(attname AS text),
    coalesce(pg_sequence_last_value(pg_get_serial_sequence(relname, attname)), 0)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = CAST(current_schema() AS regnamespace) AND attidentity <> ''
    AND relkind IN ('r', 'p') AND NOT relispartition
"""

_SET_HIGHEST = "SELECT setval(pg_get_serial_sequence($1, $2), $3)"

_WORDS = "SELECT sequence, folded FROM fulltext WHERE owner = $1 AND sequence = ANY($2)"
_NAMES = "SELECT sequence, name FROM names WHERE owner = $1 AND sequence = ANY($2) ORDER BY name"
_LINKS = "SELECT sequence, target, relation FROM links WHERE owner = $1 AND sequence = ANY($2)"

_STRAY = """
SELECT sequence FROM {table} AS stray WHERE owner = $1
    AND NOT EXISTS (SELECT 1 FROM archive WHERE owner = $1 AND sequence = stray.sequence) LIMIT 1
"""

_ADD_WORDS = """
INSERT INTO fulltext (owner, sequence, folded, words)
SELECT $1, row.sequence, row.folded, CAST(row.words AS tsvector)
FROM unnest(CAST($2 AS bigint[]), CAST($3 AS text[]), CAST($4 AS text[]))
    AS row (sequence, folded, words)
"""


class PostgresTables:
    """`storage.sql.moving.tables.Tables` for PostgreSQL."""

    async def tables(self, connection: Connection) -> tuple[Table, ...]:
        tables = []
        for name, oid in await connection.fetch(_TABLES):
            if name in OWN or name in _INDEX:
                continue
            columns = await connection.fetch(_COLUMNS, oid)
            key = sorted((row[1], row[0]) for row in columns if row[1] >= 0)
            tables.append(
                Table(
                    name=name,
                    columns=tuple(sorted(row[0] for row in columns)),
                    key=KEYS.get(name, tuple(column for _, column in key)),
                )
            )
        return tuple(tables)

    def into(self, table: Table) -> str:
        return f"{table.name} ({', '.join(table.columns)}) OVERRIDING SYSTEM VALUE"

    async def highest(self, connection: Connection) -> Mapping[str, int]:
        return {row[0]: row[2] for row in await connection.fetch(_NUMBERED)}

    async def set_highest(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        for name, column, last in await connection.fetch(_NUMBERED):
            rows = await connection.fetch(
                f"SELECT coalesce(max({column}), 0) FROM {name}"  # noqa: S608 - names of tables
            )
            highest = max(numbers.get(name, 0), last, rows[0][0])
            if highest:
                await connection.fetch(_SET_HIGHEST, name, column, highest)

    async def index_rows(
        self, connection: Connection, number: int, sequences: Sequence[int]
    ) -> Sequence[IndexRow]:
        wanted = list(sequences)
        words = dict(map(tuple, await connection.fetch(_WORDS, number, wanted)))
        links = {
            row[0]: (row[1], row[2]) for row in await connection.fetch(_LINKS, number, wanted)
        }
        names: dict[int, list[int]] = {}
        for sequence, name in await connection.fetch(_NAMES, number, wanted):
            names.setdefault(sequence, []).append(name)
        return [
            IndexRow(
                sequence,
                words.get(sequence, ""),
                tuple(names.get(sequence, ())),
                *links.get(sequence, (0, "")),
            )
            for sequence in sorted({*words, *links, *names})
        ]

    async def stray_index_row(self, connection: Connection, number: int) -> int | None:
        for table in _INDEX:
            rows = await connection.fetch(_STRAY.format(table=table), number)
            if rows:
                return int(rows[0][0])
        return None

    async def check(self, connection: Connection) -> Sequence[str]:
        # PostgreSQL checks its pages as it reads them, if the cluster has checksums.
        return []

    async def add_index_rows(
        self, connection: Connection, number: int, rows: Sequence[tuple[IndexRow, str]]
    ) -> None:
        texts = [
            (row.sequence, row.words, vector(row.words.split(" "), peer))
            for row, peer in rows
            if row.words
        ]
        if texts:
            await connection.execute(_ADD_WORDS, number, *map(list, zip(*texts, strict=True)))
        await connection.insert(
            "names (owner, name, sequence)",
            [(number, name, row.sequence) for row, _ in rows for name in row.names],
        )
        await connection.insert(
            "links (owner, sequence, target, relation)",
            [(number, row.sequence, row.target, row.relation) for row, _ in rows if row.target],
        )
