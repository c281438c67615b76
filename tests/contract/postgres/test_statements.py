"""Statements and keys are such that a database can keep each archive in one place."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest
from support.postgres import Postgres
from support.postgres_trace import OF_ARCHIVES, Statements, statements_of

#: What databases that distribute tables lack, or do only within one of their nodes.
FOREIGN = re.compile(
    r"\b(LATERAL|RECURSIVE|MERGE|DISTINCT ON|TABLESAMPLE|ctid|xmin|FOR SHARE|DEFERRABLE|TRIGGER"
    r"|SERIALIZABLE|LOCK TABLE|TRUNCATE|LISTEN|NOTIFY|GROUPING SETS|FULL JOIN|RIGHT JOIN)\b",
    re.IGNORECASE,
)

_KEYS = """
SELECT tables.relname, indexes.relname, columns.attname
FROM pg_index JOIN pg_class AS tables ON tables.oid = indrelid
    JOIN pg_class AS indexes ON indexes.oid = indexrelid
    JOIN pg_attribute AS columns ON columns.attrelid = indrelid AND columns.attnum = indkey[0]
WHERE tables.relnamespace = 'public'::regnamespace
"""


@pytest.fixture(scope="module")
def used(postgres: Postgres) -> tuple[str, Statements]:
    url = postgres.create("statements")
    return url, asyncio.run(statements_of(url))


def tables_of_archives(sql: str) -> set[str]:
    return {name for name in OF_ARCHIVES if re.search(rf"(FROM|JOIN|UPDATE|INTO)\s+{name}\b", sql)}


def test_statement_about_archives_names_the_owner(used: tuple[str, Statements]) -> None:
    about = [sql for sql in used[1].values if tables_of_archives(sql)]
    unowned = [
        sql
        for sql in about
        if not re.search(r"owner = (\$1|\(|number|named|noted|floor|\w+\.)", sql)
        and not re.search(r"\bINTO \w+ \(owner|JOIN archive USING \(owner, sequence\)", sql)
    ]

    assert len(about) > 60
    assert unowned == []


def test_statement_uses_only_what_distributed_databases_have(
    used: tuple[str, Statements],
) -> None:
    assert [sql for sql in used[1].values if FOREIGN.search(sql)] == []


async def test_each_index_of_archives_begins_with_the_owner(used: tuple[str, Statements]) -> None:
    connection = await asyncpg.connect(used[0])
    keys = [tuple(row) for row in await connection.fetch(_KEYS)]
    await connection.close()

    assert {table for table, _, _ in keys} >= OF_ARCHIVES
    assert [key for key in keys if key[0] in OF_ARCHIVES and key[2] != "owner"] == []


async def test_each_table_has_a_primary_key(used: tuple[str, Statements]) -> None:
    connection = await asyncpg.connect(used[0])
    rows = await connection.fetch(
        "SELECT relname FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT 1 FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)"
    )
    await connection.close()

    assert rows == []


def test_statements_do_not_depend_on_values(used: tuple[str, Statements]) -> None:
    # `statements_of` uses the store with two sets of values; each statement is there once.
    texts = list(used[1].values)

    assert [sql for sql in texts if re.search(r"word\d|peer\d@|user\d", sql)] == []
