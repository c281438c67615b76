"""The tables of a store in SQLite, for a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage.sql.database import Connection
from storage.sql.moving.tables import KEYS, OWN, IndexRow, Table
from storage.sqlite import index

_TABLES = """
SELECT name FROM sqlite_schema
WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'fulltext%' ORDER BY name
"""

_COLUMNS = "SELECT name, pk FROM pragma_table_info($1)"

_HIGHEST = "SELECT name, seq FROM sqlite_sequence"

_SET_HIGHEST = """
UPDATE sqlite_sequence SET seq = greatest(seq, $2) WHERE name = $1
"""

_ADD_HIGHEST = """
INSERT INTO sqlite_sequence (name, seq)
SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = $1)
"""

_NUMBERED = """
SELECT 1 FROM sqlite_schema WHERE name = $1 AND sql LIKE '%AUTOINCREMENT%'
"""

_ROWS = """
SELECT rowid - ($1 << 40), text, links FROM fulltext
WHERE rowid IN (SELECT ($1 << 40) + value FROM json_each($2)) ORDER BY rowid
"""

_STRAY = """
SELECT rowid - ($1 << 40) FROM fulltext
WHERE rowid > ($1 << 40) AND rowid < (($1 + 1) << 40) AND NOT EXISTS (
    SELECT 1 FROM archive WHERE owner = $1 AND sequence = fulltext.rowid - ($1 << 40)
) LIMIT 1
"""

_INTO = "fulltext (rowid, text, peer, links)"


class SqliteTables:
    """`storage.sql.moving.tables.Tables` for SQLite."""

    async def tables(self, connection: Connection) -> tuple[Table, ...]:
        tables = []
        for (name,) in await connection.fetch(_TABLES):
            if name in OWN:
                continue
            columns = await connection.fetch(_COLUMNS, name)
            key = sorted((row[1], row[0]) for row in columns if row[1])
            tables.append(
                Table(
                    name=name,
                    columns=tuple(sorted(row[0] for row in columns)),
                    key=KEYS.get(name, tuple(column for _, column in key)),
                )
            )
        return tuple(tables)

    def into(self, table: Table) -> str:
        return f"{table.name} ({', '.join(table.columns)})"

    async def highest(self, connection: Connection) -> Mapping[str, int]:
        return {row[0]: row[1] for row in await connection.fetch(_HIGHEST)}

    async def set_highest(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        for name, number in numbers.items():
            if await connection.fetch(_NUMBERED, name):
                await connection.execute(_SET_HIGHEST, name, number)
                await connection.execute(_ADD_HIGHEST, name, number)

    async def index_rows(
        self, connection: Connection, number: int, sequences: Sequence[int]
    ) -> Sequence[IndexRow]:
        rows = await connection.fetch(_ROWS, number, list(sequences))
        read = [_index_row(row[0], row[1], row[2]) for row in rows]
        # The words of a message may have been removed, and it has no other.
        return [row for row in read if row.words or row.names or row.target]

    async def stray_index_row(self, connection: Connection, number: int) -> int | None:
        rows = await connection.fetch(_STRAY, number)
        return int(rows[0][0]) if rows else None

    async def check(self, connection: Connection) -> Sequence[str]:
        rows = await connection.fetch("PRAGMA integrity_check(10)")
        return [str(row[0]) for row in rows if row[0] != "ok"]

    async def add_index_rows(
        self, connection: Connection, number: int, rows: Sequence[tuple[IndexRow, str]]
    ) -> None:
        await connection.insert(
            _INTO,
            [
                (
                    (number << 40) + row.sequence,
                    " ".join(
                        [index.word_of(number, word) for word in row.words.split(" ") if word]
                    ),
                    index.peer_word(number, peer),
                    _links(number, row),
                )
                for row, peer in rows
            ],
        )


def _index_row(sequence: int, text: str, links: str) -> IndexRow:
    names, target, relation = [], 0, ""
    for link in links.split():
        sign, value = (word := link.partition("_")[2])[0], int(word[1:], 16)
        if sign == index.NAME:
            names.append(value - (1 << 64) if value >> 63 else value)
        else:
            target, relation = value, _RELATIONS[sign]
    words = " ".join([word.partition("_")[2] for word in text.split(" ")])
    return IndexRow(sequence, words, tuple(sorted(set(names))), target, relation)


_SIGNS = {relation.value: sign for relation, sign in index.SIGNS.items()} | {
    "settled": index.SETTLED
}
_RELATIONS = {sign: relation for relation, sign in _SIGNS.items()}


def _links(number: int, row: IndexRow) -> str:
    links = [index.name_word(number, name) for name in row.names]
    if row.target:
        links.append(index.link_word(number, row.target, _SIGNS[row.relation]))
    return " ".join(links)
