"""Fill the archive tables of ejabberd and Prosody."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loading import templates
from benchmarks.loading.dialogue import Line, line
from benchmarks.servers.postgres import EjabberdPostgres


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An archive table."""

    name: str
    owner: str  #: the column of the owner's local part
    own: frozenset[str]  #: the columns that the database fills
    place: Callable[[str, Line], dict[str, object]]  #: the columns that no template has


EJABBERD = Table(
    name="archive",
    owner="username",
    own=frozenset({"id", "created_at"}),
    place=lambda _, line: {"timestamp": line.at * 1_000_000},
)

PROSODY = Table(
    name="prosodyarchive",
    owner="user",
    own=frozenset({"sort_id"}),
    place=lambda owner, line: {"when": line.at, "key": _key(owner, line)},
)


def _key(owner: str, line: Line) -> str:
    digest = hashlib.blake2b(f"{owner} {line.number}".encode(), digest_size=16).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))


def fill_sqlite(path: Path, table: Table, archives: dict[str, int]) -> None:
    """Write archives, with their sizes by owner, into the file of a stopped server."""
    with closing(sqlite3.connect(path)) as database, database:
        database.row_factory = sqlite3.Row
        selected = database.execute(
            f'SELECT * FROM "{table.name}" WHERE "{table.owner}" = ?',  # noqa: S608 - constants
            [templates.OWNER],
        )
        rows = _rows(table, [dict(row) for row in selected], archives)
        first = next(rows)
        columns = ", ".join(f'"{name}"' for name in first)
        values = ", ".join("?" for _ in first)
        insert = f'INSERT INTO "{table.name}" ({columns}) VALUES ({values})'  # noqa: S608 - same
        database.execute(insert, list(first.values()))
        database.executemany(insert, (list(row.values()) for row in rows))


def fill_postgres(folder: Path, table: Table, archives: dict[str, int]) -> None:
    """Write archives, with their sizes by owner, into the database of a stopped ejabberd."""
    with EjabberdPostgres(folder) as server:
        query = (
            f"SELECT row_to_json({table.name}) FROM {table.name} "  # noqa: S608 - constants
            f"WHERE {table.owner} = '{templates.OWNER}'"
        )
        selected = server.sql(query.encode())
        template_rows = [json.loads(row) for row in selected.splitlines()]
        for owner, size in archives.items():
            rows = list(_rows(table, template_rows, {owner: size}))
            copy = f"COPY {table.name} ({', '.join(rows[0])}) FROM STDIN;\n"
            lines = ("\t".join(map(_copied, row.values())) for row in rows)
            server.sql((copy + "\n".join(lines) + "\n\\.\n").encode())
        server.sql(b"VACUUM ANALYZE")


def _copied(value: object) -> str:
    if value is None:
        return "\\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _rows(
    table: Table, template_rows: list[dict[str, object]], archives: dict[str, int]
) -> Iterator[dict[str, object]]:
    sent, received = (
        {name: value for name, value in row.items() if name not in table.own}
        for row in template_rows
    )
    for owner, size in archives.items():
        for number in range(size):
            message = line(number, size)
            row = templates.fill(sent if message.is_sent else received, owner, message)
            yield row | table.place(owner, message)
