"""The full-text index in SQLite, with the words of messages and the links between them.

Both are in one FTS5 index, which is cheap to write because it grows by whole segments. Each word
in it begins with the number of its owner. A search walks all words with one prefix, so it never
walks words of other owners. A sign after the number distinguishes links from words of a text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

from storage.rows import NewMessage, Phrase, Relation
from storage.sql.database import Bound, Connection, Row
from storage.sql.index import Link, Target, Value
from storage.sql.messages.statements import COLUMNS

# $1 is the number of the owner. The rowid combines it with the sequence, so that the rows of one
# owner are one range.
_SEQUENCE = "fulltext.rowid - ($1 << 40)"

_FOUND = f"fulltext CROSS JOIN archive ON archive.owner = $1 AND archive.sequence = {_SEQUENCE}"

# The signs of the word for the peer, and of the words for the names of the message.
_PEER, NAME = ".«"
_PEER_BYTES = 8

#: The number of peers whose words are cached; each has at most 3 KiB.
CACHED_PEERS_MAX = 2_000

_HASH_BITS = 64

# A link to another message has the sequence of that message, because names repeat. After a
# retraction has settled a correction, other retractions of the target no longer find the
# correction, but a message that names the correction still refers to the target.
SIGNS = {Relation.CORRECTION: "¤", Relation.RETRACTION: "¬", Relation.OTHER: "»"}
SETTLED = "†"
_RELATIONS = {sign: relation for relation, sign in SIGNS.items()}

_INTO = "fulltext (rowid, text, peer, links)"

_DELETE = "DELETE FROM fulltext WHERE rowid = ($1 << 40) + $2"


_SETTLE = "UPDATE fulltext SET links = replace(links, $3, $4) WHERE rowid = ($1 << 40) + $2"

_UNSETTLED = f"""
SELECT {_SEQUENCE} FROM fulltext
WHERE rowid IN (SELECT ($1 << 40) + value FROM json_each($2)) AND instr(' ' || links || ' ', $3)
"""  # noqa: S608 - constant words

_LINKS = f"""
SELECT {_SEQUENCE}, links FROM fulltext
WHERE rowid IN (SELECT ($1 << 40) + value FROM json_each($2))
"""  # noqa: S608 - constant words

_LINKS_BEHIND = f"""
SELECT {_SEQUENCE}, links FROM fulltext
WHERE rowid > ($1 << 40) + $2 AND rowid < (($1 + 1) << 40)
    AND ({" OR ".join(f"instr(links, '{sign}')" for sign in SIGNS.values())})
ORDER BY rowid
"""  # noqa: S608 - constant words

_ALL_SIGNS = "".join(SIGNS.values()) + SETTLED

_DELETE_TEXT = "UPDATE fulltext SET text = '' WHERE rowid = ($1 << 40) + $2"

_NEWEST = f"""
SELECT {COLUMNS} FROM {_FOUND}
WHERE fulltext MATCH $2 ORDER BY fulltext.rowid DESC LIMIT $3
"""  # noqa: S608 - constant words

_NEWEST_BEFORE = f"""
SELECT {COLUMNS} FROM {_FOUND}
WHERE fulltext MATCH $2 AND fulltext.rowid < ($1 << 40) + $4 ORDER BY fulltext.rowid DESC LIMIT $3
"""  # noqa: S608 - constant words

# One statement for all names of a batch; $1 has the number of the owner and the query of each.
_LAST = """
WITH named AS MATERIALIZED (
    SELECT key, value ->> 0 AS number, (
        SELECT rowid FROM fulltext
        WHERE fulltext MATCH value ->> 1 ORDER BY rowid DESC LIMIT 1
    ) AS place
    FROM json_each($1)
)
SELECT key, fulltext.rowid - (number << 40), links
FROM named CROSS JOIN fulltext ON fulltext.rowid = place
"""

_COUNTS = """
SELECT (SELECT count(*) FROM fulltext WHERE fulltext MATCH value ->> 0),
    (SELECT count(*) FROM fulltext WHERE fulltext MATCH value ->> 1)
FROM json_each($1) ORDER BY key
"""


class SqliteIndex:
    """`storage.sql.index.Index` by FTS5."""

    found = _FOUND
    words = "fulltext"
    sequence = _SEQUENCE
    order = "fulltext.rowid"
    is_ordered = True

    def conditions(
        self,
        number: int,
        phrases: Iterable[Phrase],
        peer: str | None,
        first: int,
        last: int,
        value: Value,
    ) -> list[str]:
        return [
            f"fulltext MATCH {value(_text_query(number, phrases, peer))}",
            f"fulltext.rowid >= ($1 << 40) + {value(first)}",
            f"fulltext.rowid <= ($1 << 40) + {value(last)}",
        ]

    async def add(
        self, connection: Connection, rows: Iterable[tuple[int, int, NewMessage, int | None]]
    ) -> None:
        # FTS5 flushes its buffer whenever a rowid is smaller than the previous one.
        await connection.insert(
            _INTO,
            [
                (
                    (number << 40) + sequence,
                    " ".join([word_of(number, word) for word in message.text.split()]),
                    peer_word(number, message.peer),
                    _links(number, message, target),
                )
                for number, sequence, message, target in rows
                if message.text or message.name_hashes or target is not None
            ],
        )

    async def delete(self, connection: Connection, rows: Iterable[tuple[int, int]]) -> None:
        await connection.executemany(_DELETE, rows)

    async def delete_words(
        self, connection: Connection, number: int, sequences: Iterable[int]
    ) -> None:
        await connection.executemany(_DELETE_TEXT, [(number, sequence) for sequence in sequences])

    async def last_named(
        self, connection: Connection, names: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], Target]:
        searches = json.dumps([(number, _name_query(number, name)) for number, name in names])
        last = {}
        for key, sequence, links in await connection.fetch(_LAST, searches):
            last[names[key]] = Target(sequence, _corrected(links) or sequence)
        return last

    async def targets(
        self, connection: Connection, number: int, sequences: Iterable[int]
    ) -> dict[int, int]:
        rows = await connection.fetch(_LINKS, number, list(sequences))
        targets = {row[0]: _target(row[1], _ALL_SIGNS) for row in rows}
        return {sequence: target for sequence, target in targets.items() if target is not None}

    async def links_behind(self, connection: Connection, number: int, sequence: int) -> list[Link]:
        rows = await connection.fetch(_LINKS_BEHIND, number, sequence)
        return [Link(place, *link) for place, links in rows if (link := _link(links))]

    async def count_references(
        self, connection: Connection, number: int, sequences: Sequence[int]
    ) -> list[tuple[int, int]]:
        searches = [
            (
                _link_query(number, sequence, (Relation.CORRECTION, Relation.RETRACTION)),
                _link_query(number, sequence, (Relation.OTHER,)),
            )
            for sequence in sequences
        ]
        rows = await connection.fetch(_COUNTS, json.dumps(searches))
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
        match = _link_query(number, sequence, relations)
        if before is None:
            return await connection.fetch(_NEWEST, number, match, limit, bound=bound)
        return await connection.fetch(_NEWEST_BEFORE, number, match, limit, before, bound=bound)

    async def settle(
        self, connection: Connection, number: int, sequence: int, corrections: Iterable[int]
    ) -> None:
        old = link_word(number, sequence, SIGNS[Relation.CORRECTION])
        new = link_word(number, sequence, SETTLED)
        await connection.executemany(
            _SETTLE, [(number, correction, old, new) for correction in corrections]
        )

    async def unsettled(
        self, connection: Connection, number: int, sequence: int, corrections: Iterable[int]
    ) -> set[int]:
        sign = link_word(number, sequence, SIGNS[Relation.CORRECTION])
        rows = await connection.fetch(_UNSETTLED, number, list(corrections), f" {sign} ")
        return {int(row[0]) for row in rows}


def _text_query(number: int, phrases: Iterable[Phrase], peer: str | None) -> str:
    """Return the FTS5 query for phrases. In quotes, no character of a phrase is an operator."""
    terms = [f"text : {_quoted(number, phrase)}" for phrase in dict.fromkeys(phrases)]
    if peer is not None:
        terms.append(f'peer : "{peer_word(number, peer)}"')
    return " AND ".join(terms)


def _name_query(number: int, name_hash: int) -> str:
    """Return the FTS5 query for messages that have a name."""
    return f'links : "{name_word(number, name_hash)}"'


def _link_query(number: int, sequence: int, relations: Iterable[Relation]) -> str:
    """Return the FTS5 query for messages that refer to one message in any of these relations."""
    terms = " OR ".join(
        f'"{link_word(number, sequence, SIGNS[relation])}"' for relation in relations
    )
    return f"links : ({terms})"


def _corrected(links: str) -> int | None:
    """Return the sequence of the message that a message with these links corrects, or None."""
    return _target(links, SIGNS[Relation.CORRECTION] + SETTLED)


def word_of(number: int, word: str) -> str:
    """Return a word of an owner. The "_" keeps one number from being a prefix of another."""
    return f"{number:x}_{word}"


def _quoted(number: int, phrase: Phrase) -> str:
    words = " ".join([word_of(number, word) for word in phrase.words]).replace('"', '""')
    return f'"{words}"*' if phrase.is_prefix else f'"{words}"'


@lru_cache(CACHED_PEERS_MAX)
def peer_word(number: int, peer: str) -> str:
    """Return one word that stands for a peer, whatever characters are in its JID."""
    digest = blake2b(peer.encode(errors="surrogatepass"), digest_size=_PEER_BYTES)
    return word_of(number, f"{_PEER}{digest.hexdigest()}")


def _links(number: int, message: NewMessage, target: int | None) -> str:
    links = [name_word(number, name_hash) for name_hash in message.name_hashes]
    if target is not None:
        links.append(link_word(number, target, SIGNS[message.relation]))
    return " ".join(links)


def name_word(number: int, name_hash: int) -> str:
    return word_of(number, f"{NAME}{name_hash % (1 << _HASH_BITS):x}")


def link_word(number: int, sequence: int, sign: str) -> str:
    return word_of(number, f"{sign}{sequence:x}")


def _link(links: str) -> tuple[int, Relation] | None:
    """Return the target of a reference and the relation to it, None if it is settled, or none."""
    words = (link.partition("_")[2] for link in links.split())
    return next(
        ((int(word[1:], 16), _RELATIONS[word[0]]) for word in words if word[0] in _RELATIONS), None
    )


def _target(links: str, signs: str) -> int | None:
    words = (link.partition("_")[2] for link in links.split())
    return next((int(word[1:], 16) for word in words if word[0] in signs), None)
