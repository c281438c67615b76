"""The index in PostgreSQL: the words of messages, their names, and the links between them.

A GIN index over the owner and a tsvector finds the messages that have all words of a search. The
words are those that core has folded. They are put into the tsvector as they are, so that no parser
of PostgreSQL splits or folds them again. The tsvector has no positions, because it could have them
only for the first 16,383 words: a phrase is compared with the folded text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from storage.rows import NewMessage, Phrase, Relation
from storage.sql.database import Bound, Connection, Row
from storage.sql.index import Link, Target, Value
from storage.sql.messages.selection import BEYOND
from storage.sql.messages.statements import COLUMNS

# No word of a text begins with this character.
_PEER = "."
_PEER_BYTES = 8


_ADD = """
INSERT INTO fulltext (owner, sequence, folded, words)
SELECT row.owner, row.sequence, row.folded, CAST(row.words AS tsvector)
FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS text[]), CAST($4 AS text[]))
    AS row (owner, sequence, folded, words)
"""

_DELETE_WORDS = "DELETE FROM fulltext WHERE owner = $1 AND sequence = $2"

_DELETE = (
    _DELETE_WORDS,
    "DELETE FROM names WHERE owner = $1 AND sequence = $2",
    "DELETE FROM links WHERE owner = $1 AND sequence = $2",
)

_LAST = """
WITH named AS MATERIALIZED (
    SELECT named.owner, named.name, (
        SELECT max(names.sequence) FROM names
        WHERE names.owner = named.owner AND names.name = named.name
    ) AS sequence
    FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[])) AS named (owner, name)
)
SELECT owner, name, sequence, (
    SELECT target FROM links
    WHERE links.owner = named.owner AND links.sequence = named.sequence
        AND relation IN ('correction', 'settled')
)
FROM named WHERE sequence IS NOT NULL
"""

_TARGETS = "SELECT sequence, target FROM links WHERE owner = $1 AND sequence = ANY($2)"

_COUNTS = """
SELECT
    (SELECT count(*) FROM links
     WHERE owner = $1 AND target = named.target AND relation IN ('correction', 'retraction')),
    (SELECT count(*) FROM links
     WHERE owner = $1 AND target = named.target AND relation = 'note')
FROM unnest(CAST($2 AS bigint[])) WITH ORDINALITY AS named (target, number)
ORDER BY named.number
"""

_LINKS_BEHIND = """
SELECT sequence, target, relation FROM links
WHERE owner = $1 AND sequence > $2 AND relation <> 'settled' ORDER BY sequence
"""

_NEWEST = f"""
SELECT {COLUMNS} FROM links JOIN archive USING (owner, sequence)
WHERE owner = $1 AND target = $2 AND sequence < $3 AND relation = ANY($4)
ORDER BY sequence DESC LIMIT $5
"""  # noqa: S608 - constant words

_SETTLE = """
UPDATE links SET relation = 'settled'
WHERE owner = $1 AND sequence = $2 AND target = $3 AND relation = 'correction'
"""

_UNSETTLED = """
SELECT sequence FROM links
WHERE owner = $1 AND sequence = ANY($2) AND target = $3 AND relation = 'correction'
"""


class PostgresIndex:
    """`storage.sql.index.Index` by GIN and two tables."""

    found = "fulltext JOIN archive USING (owner, sequence)"
    words = "fulltext"
    sequence = "fulltext.sequence"
    order = "fulltext.sequence"
    is_ordered = False

    def conditions(
        self,
        number: int,
        phrases: Iterable[Phrase],
        peer: str | None,
        first: int,
        last: int,
        value: Value,
    ) -> list[str]:
        phrases = tuple(dict.fromkeys(phrases))
        words = [term for phrase in phrases for term in _terms(phrase)]
        if peer is not None:
            words.append(_quoted(_peer(peer)))
        query = value(" & ".join(dict.fromkeys(words)))
        conditions = [
            "fulltext.owner = $1",
            f"fulltext.words @@ CAST(CAST({query} AS text) AS tsquery)",
            f"fulltext.sequence >= {value(first)}",
            f"fulltext.sequence <= {value(last)}",
        ]
        for phrase in phrases:
            if len(phrase.words) > 1:
                text = f" {' '.join(phrase.words)}{'' if phrase.is_prefix else ' '}"
                conditions.append(f"strpos(' ' || fulltext.folded || ' ', {value(text)}) > 0")
        return conditions

    async def add(
        self, connection: Connection, rows: Iterable[tuple[int, int, NewMessage, int | None]]
    ) -> None:
        texts: list[tuple[int, int, str, str]] = []
        names: list[tuple[int, int, int]] = []
        links: list[tuple[int, int, int, str]] = []
        for number, sequence, message, target in rows:
            if message.text:
                words = message.text.split()
                texts.append((number, sequence, " ".join(words), vector(words, message.peer)))
            names += [(number, name, sequence) for name in dict.fromkeys(message.name_hashes)]
            if target is not None:
                links.append((number, sequence, target, message.relation.value))
        if texts:
            await connection.execute(_ADD, *map(list, zip(*texts, strict=True)))
        await connection.insert("names (owner, name, sequence)", names)
        await connection.insert("links (owner, sequence, target, relation)", links)

    async def delete(self, connection: Connection, rows: Iterable[tuple[int, int]]) -> None:
        rows = list(rows)
        for sql in _DELETE:
            await connection.executemany(sql, rows)

    async def delete_words(
        self, connection: Connection, number: int, sequences: Iterable[int]
    ) -> None:
        rows = [(number, sequence) for sequence in sequences]
        await connection.executemany(_DELETE_WORDS, rows)

    async def last_named(
        self, connection: Connection, names: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], Target]:
        numbers, hashes = [number for number, _ in names], [name for _, name in names]
        rows = await connection.fetch(_LAST, numbers, hashes)
        return {
            (number, name): Target(sequence, sequence if original is None else original)
            for number, name, sequence, original in rows
        }

    async def targets(
        self, connection: Connection, number: int, sequences: Iterable[int]
    ) -> dict[int, int]:
        rows = await connection.fetch(_TARGETS, number, list(sequences))
        return {row[0]: row[1] for row in rows}

    async def links_behind(self, connection: Connection, number: int, sequence: int) -> list[Link]:
        rows = await connection.fetch(_LINKS_BEHIND, number, sequence)
        return [Link(place, target, Relation(relation)) for place, target, relation in rows]

    async def count_references(
        self, connection: Connection, number: int, sequences: Sequence[int]
    ) -> list[tuple[int, int]]:
        rows = await connection.fetch(_COUNTS, number, list(sequences))
        return [(row[0], row[1]) for row in rows]

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
        end = BEYOND if before is None else before
        names = [relation.value for relation in relations]
        return await connection.fetch(_NEWEST, number, sequence, end, names, limit, bound=bound)

    async def settle(
        self, connection: Connection, number: int, sequence: int, corrections: Iterable[int]
    ) -> None:
        await connection.executemany(
            _SETTLE, [(number, correction, sequence) for correction in corrections]
        )

    async def unsettled(
        self, connection: Connection, number: int, sequence: int, corrections: Iterable[int]
    ) -> set[int]:
        rows = await connection.fetch(_UNSETTLED, number, list(corrections), sequence)
        return {int(row[0]) for row in rows}


def _terms(phrase: Phrase) -> list[str]:
    """Return the terms of a query for messages that have all words of a phrase."""
    terms = [_quoted(word) for word in phrase.words]
    if phrase.is_prefix:
        terms[-1] += ":*"
    return terms


def vector(words: Iterable[str], peer: str) -> str:
    """Return a tsvector as text."""
    return " ".join([_quoted(word) for word in dict.fromkeys([*words, _peer(peer)])])


def _quoted(word: str) -> str:
    """Return a word of a tsvector or of a query; no character in quotes is an operator."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _peer(peer: str) -> str:
    """Return one word that stands for a peer, whatever characters are in its JID."""
    digest = blake2b(peer.encode(errors="surrogatepass"), digest_size=_PEER_BYTES)
    return f"{_PEER}{digest.hexdigest()}"
