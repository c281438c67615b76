"""Every statement finds its rows by an index, whose conditions begin with the owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from support.postgres import Postgres
from support.postgres_trace import OF_ARCHIVES, Planner, Statements, nodes, statements_of

from storage.postgres.engine.servers import SETTINGS

#: A store with one large archive and many small ones.
FILL = """
INSERT INTO owners (jid, last_sequence, messages, bytes, latest_at)
SELECT 'u' || n || '@example.org', 100000, 100, 10000, n FROM generate_series(1, 2000) AS n;
CREATE TEMPORARY TABLE rows AS
SELECT 1 + (n % 2000) * (n % 5 / 4) AS owner, n AS sequence FROM generate_series(1, 60000) AS n;
INSERT INTO archive (owner, sequence, at, peer, resource, type, direction, kind, nick, dedup_key,
    xml, lateness, stanza_id)
SELECT owner, sequence, sequence * 1000, 'peer' || sequence % 300 || '@example.net', 'r', 'chat',
    'recv', CASE WHEN sequence % 500 = 0 THEN 'blanked' ELSE 'message' END, '',
    decode(md5(sequence::text), 'hex'), repeat('x', 300),
    CASE WHEN sequence % 1000 = 0 THEN 3 ELSE 0 END,
    CASE WHEN sequence % 4 = 0 THEN 's' || sequence END
FROM rows;
INSERT INTO fulltext
SELECT owner, sequence, 'word' || sequence % 1000 || ' common',
    array_to_tsvector(ARRAY['word' || sequence % 1000, 'common']) FROM rows;
INSERT INTO names SELECT owner, sequence, sequence FROM rows;
INSERT INTO old_ids SELECT owner, 'o' || sequence, sequence FROM rows;
INSERT INTO links SELECT owner, sequence, sequence - 1, 'note' FROM rows WHERE sequence % 3 = 0;
INSERT INTO counters
SELECT owner, 'peer' || n % 300 || '@example.net', 512, n / 300, 5
FROM generate_series(1, 30000) AS n, (VALUES (1), (2)) AS o (owner);
INSERT INTO conversations
SELECT 1 + n % 2000, 'peer' || n || '@example.net', n, 0, n + 1000
FROM generate_series(1, 20000) AS n;
INSERT INTO journal
SELECT 1 + n % 100, 'contact', 'peer' || n, n, n, 'v' FROM generate_series(1, 20000) AS n;
INSERT INTO occupants
SELECT 'room' || n % 100, 'u' || n % 500, 'member', n FROM generate_series(1, 20000) AS n
ON CONFLICT DO NOTHING;
INSERT INTO contacts
SELECT 'u' || n % 2000, 'peer' || n, '', 'both', '', '', 0, '[]'
FROM generate_series(1, 20000) AS n;
INSERT INTO accounts
SELECT 'host' || n % 10, 'u' || n, 'v', 1, 0 FROM generate_series(1, 20000) AS n;
INSERT INTO audit_log (at, actor, action, subject, detail)
SELECT n, 'a', 'read', 'u' || n % 2000, '' FROM generate_series(1, 20000) AS n;
INSERT INTO offline (owner, digest, at, peer, stanza)
SELECT 'u' || n % 2000, decode(md5(n::text), 'hex'), n, 'p', 's'
FROM generate_series(1, 20000) AS n;
INSERT INTO sign_ins
SELECT 'i' || n, 'u' || n % 2000, '', n, n, n, '', '', '',
    CASE WHEN n % 10 = 0 THEN '{}' ELSE '' END
FROM generate_series(1, 20000) AS n;
INSERT INTO push_subscriptions
SELECT 'p' || n, 'u' || n % 2000, 'i' || n, 'webhook', 'e' || n, '', '', '', 'none', '[]', n, 'c',
    0, 0, '', 0
FROM generate_series(1, 20000) AS n;
INSERT INTO dead_letters
SELECT 'p' || n % 2000, n, 'message', n, 3, '', 0 FROM generate_series(1, 20000) AS n;
INSERT INTO preferences
SELECT 'u' || n, 'always', '[]', '[]' FROM generate_series(1, 20000) AS n;
INSERT INTO rooms SELECT 'room' || n, 0, 1, '' FROM generate_series(1, 20000) AS n;
INSERT INTO read_marks SELECT n % 2000, 'u' || n, n FROM generate_series(1, 20000) AS n;
INSERT INTO departures
SELECT 'room' || n % 2000, 'u' || n FROM generate_series(1, 20000) AS n;
INSERT INTO invitations
SELECT decode(md5(n::text), 'hex'), 'room' || n % 2000, 'u' || n % 2000, n
FROM generate_series(1, 20000) AS n;
INSERT INTO profiles
SELECT 'u' || n, 'host' || n % 10, 'N', 'e' || n, 'n', 'e' || n
FROM generate_series(1, 20000) AS n;
INSERT INTO identifiers
SELECT n + 1000, (ARRAY['user', 'room', 'direct'])[1 + n % 3], 'u' || n || ' v' || n, 'uri' || n
FROM generate_series(1, 20000) AS n;
DROP TABLE rows;
ANALYZE;
"""

#: Statements that read a whole table, because they are about all its rows.
ABOUT_ALL_ROWS = {
    "owners": ("CAST(coalesce(sum(bytes), 0) AS bigint)", "strpos(jid, $1)"),
    "confirmed_retention": ("confirmed_retention",),
    "rules": ("FROM rules ORDER BY owner, peer",),
    "holds": ("FROM holds ORDER BY subject",),
    "gaps": ("FROM gaps",),
    # Journals are open for accounts with sign-ins.
    "journals": ("is_open",),
    "push_subscriptions": (
        "SELECT id, jid, retry_at FROM push_subscriptions",
        "FROM push_subscriptions WHERE NOT",
    ),
}

#: Tables with few rows, of which PostgreSQL reads all.
FEW_ROWS = frozenset({"secrets", "journals", "unfinished_retractions", "sign_in_revocations"})


async def use(url: str, partitions: int) -> Statements:
    """Return the statements of a store that is used, and then large."""
    statements = await statements_of(url, partitions=partitions)
    connection = await asyncpg.connect(url)
    await connection.execute(FILL)
    await connection.close()
    return statements


@pytest.fixture(scope="module", params=[0, 4], ids=["tables", "partitions"])
def used(postgres: Postgres, request: pytest.FixtureRequest) -> tuple[str, Statements]:
    url = postgres.create(f"plans{request.param}")
    return url, asyncio.run(use(url, request.param))


@pytest.fixture
async def planner(used: tuple[str, Statements]) -> AsyncIterator[Planner]:
    connection = await asyncpg.connect(used[0], server_settings=SETTINGS)
    yield Planner(connection)
    await connection.close()


def table(node: dict[str, Any]) -> str:
    """Return the table of a node, also if it reads a partition."""
    return str(node.get("Relation Name", "")).rstrip("0123456789").rstrip("_")


def scanned(plan: dict[str, Any], sql: str) -> Iterator[str]:
    """Yield the tables that a plan reads without an index, against the rule."""
    for node in nodes(plan):
        name = table(node)
        if node["Node Type"] != "Seq Scan" or name in FEW_ROWS:
            continue
        if not any(words in sql for words in ABOUT_ALL_ROWS.get(name, ())):
            yield name


def unowned(plan: dict[str, Any]) -> Iterator[str]:
    """Yield the indexes of archives that a plan searches without the owner."""
    for node in nodes(plan):
        # The index of a partition has the name of the partition.
        index = str(node.get("Index Name", ""))
        is_of_archives = index.split("_")[0] in OF_ARCHIVES
        if is_of_archives and "owner" not in node.get("Index Cond", ""):
            yield index


@pytest.mark.parametrize("is_generic", [False, True], ids=["of values", "generic"])
async def test_statement_reads_no_whole_table(
    used: tuple[str, Statements], planner: Planner, is_generic: bool
) -> None:
    problems = {}
    for sql, values in used[1].values.items():
        plan = await (planner.generic_plan(sql) if is_generic else planner.plan(sql, values))
        if wrong := [*scanned(plan, sql), *unowned(plan)]:
            problems[sql] = wrong

    assert len(used[1].values) > 150
    assert problems == {}
