"""Translates the SQL of the stores, which is that of PostgreSQL, for SQLite.

SQLite of Debian 12 (3.40) understands all of it but what the table below translates.
"""

from __future__ import annotations

import re
from functools import lru_cache

#: Maximum number of cached statement texts. There are fewer texts, because none contains a value.
CACHED_SQL_MAX = 1_000

_RECORDS = re.compile(r"jsonb_to_recordset\((\$\d+)\) AS (\w+) \(([^)]*)\)")

_TRANSLATIONS = (
    # The values of a list, which `SqliteConnection` passes as JSON.
    (re.compile(r"= ANY\((\$\d+)\)"), r"IN (SELECT value FROM json_each(\1))"),
    (re.compile(r"octet_length\(([\w.]+)\)"), r"length(CAST(\1 AS BLOB))"),
    (re.compile(r"\bgreatest\("), "max("),
    (re.compile(r"\bleast\("), "min("),
    (re.compile(r"\bstrpos\("), "instr("),
    # Without statistics SQLite would scan an archive for one peer. PostgreSQL sees comments.
    (re.compile(r"/\* (INDEXED BY \w+) \*/"), r"\1"),
    # A value of SQLite has its type.
    (re.compile(r"CAST\((\$\d+) AS bytea\)"), r"\1"),
    # A transaction that writes has the whole database for itself.
    (re.compile(r"\bFOR UPDATE\b"), ""),
    (re.compile(r"\$(\d+)"), r"?\1"),
)


@lru_cache(CACHED_SQL_MAX)
def translated(sql: str) -> str:
    """Return a statement as SQLite understands it."""
    sql = _RECORDS.sub(_records, sql)
    for pattern, replacement in _TRANSLATIONS:
        sql = pattern.sub(replacement, sql)
    return sql


def _records(match: re.Match[str]) -> str:
    """Return a table with the fields of the objects in a JSON array."""
    values, name, columns = match.groups()
    names = [column.split()[0] for column in columns.split(",")]
    fields = ", ".join(f"value ->> '{column}' AS {column}" for column in names)
    return f"(SELECT {fields} FROM json_each({values})) AS {name}"  # noqa: S608 - constant words
