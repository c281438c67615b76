"""The full-text index: the words of messages, and the links by which they refer to each other.

Both are in one FTS5 index, which is cheap to write because it grows by whole segments. Each word
in it begins with the number of its owner. A search walks all words with one prefix, so it never
walks words of other owners. A sign after the number distinguishes links from words of a text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b

from storage.rows import NewMessage, Phrase, Relation
from storage.sql.database import Connection

#: The sequence of a row of the index; $1 is the number of the owner. The rowid combines the number
#: of the owner and the sequence, so that the rows of one owner are one range.
SEQUENCE = "fulltext.rowid - ($1 << 40)"

#: The rows of the archive that a search of the index finds.
FOUND = f"fulltext CROSS JOIN archive ON archive.owner = $1 AND archive.sequence = {SEQUENCE}"

# The signs of the word for the peer, and of the words for the names of the message.
_PEER, _NAME = ".«"
_PEER_BYTES = 8
_HASH_BITS = 64

# A link to another message has the sequence of that message, because names repeat. After a
# retraction has settled a correction, other retractions of the target no longer find the
# correction, but a message that names the correction still refers to the target.
_SIGNS = {Relation.CORRECTION: "¤", Relation.RETRACTION: "¬", Relation.OTHER: "»"}
_SETTLED = "†"

_INTO = "fulltext (rowid, text, peer, links)"

_DELETE = "DELETE FROM fulltext WHERE rowid = ($1 << 40) + $2"


_SETTLE = "UPDATE fulltext SET links = replace(links, $3, $4) WHERE rowid = ($1 << 40) + $2"

_UNSETTLED = f"""
SELECT {SEQUENCE} FROM fulltext
WHERE rowid IN (SELECT ($1 << 40) + value FROM json_each($2)) AND instr(' ' || links || ' ', $3)
"""  # noqa: S608 - constant words

_LINKS = f"""
SELECT {SEQUENCE}, links FROM fulltext
WHERE rowid IN (SELECT ($1 << 40) + value FROM json_each($2))
"""  # noqa: S608 - constant words

_ALL_SIGNS = "".join(_SIGNS.values()) + _SETTLED

_DELETE_TEXT = "UPDATE fulltext SET text = '' WHERE rowid = ($1 << 40) + $2"


async def add(
    connection: Connection, rows: Iterable[tuple[int, int, NewMessage, int | None]]
) -> None:
    """Index messages: number of the owner, sequence, message, sequence of its target or None."""
    await connection.insert(
        _INTO,
        [
            (
                (number << 40) + sequence,
                " ".join([_word(number, word) for word in message.text.split()]),
                _peer(number, message.peer),
                _links(number, message, target),
            )
            for number, sequence, message, target in rows
            if message.text or message.name_hashes or target is not None
        ],
    )


async def delete(connection: Connection, rows: Iterable[tuple[int, int]]) -> None:
    """Delete messages from the index: number of the owner, and sequence."""
    await connection.executemany(_DELETE, rows)


def text_query(number: int, phrases: Iterable[Phrase], peer: str | None) -> str:
    """Return the FTS5 query for phrases. In quotes, no character of a phrase is an operator."""
    terms = [f"text : {_quoted(number, phrase)}" for phrase in dict.fromkeys(phrases)]
    if peer is not None:
        terms.append(f'peer : "{_peer(number, peer)}"')
    return " AND ".join(terms)


def name_query(number: int, name_hash: int) -> str:
    """Return the FTS5 query for messages that have a name."""
    return f'links : "{_name(number, name_hash)}"'


def link_query(number: int, sequence: int, *relations: Relation) -> str:
    """Return the FTS5 query for messages that refer to one message in any of these relations."""
    terms = " OR ".join(f'"{_link(number, sequence, _SIGNS[relation])}"' for relation in relations)
    return f"links : ({terms})"


def corrected(links: str) -> int | None:
    """Return the sequence of the message that a message with these links corrects, or None."""
    return _target(links, _SIGNS[Relation.CORRECTION] + _SETTLED)


async def targets(connection: Connection, number: int, sequences: Iterable[int]) -> dict[int, int]:
    """Return the sequences of the messages that these messages refer to, by their sequences."""
    rows = await connection.fetch(_LINKS, number, json.dumps(list(sequences)))
    targets = {row[0]: _target(row[1], _ALL_SIGNS) for row in rows}
    return {sequence: target for sequence, target in targets.items() if target is not None}


async def delete_text(connection: Connection, number: int, sequences: Iterable[int]) -> None:
    """Delete the words of messages from the index; their names stay."""
    await connection.executemany(_DELETE_TEXT, [(number, sequence) for sequence in sequences])


async def settle(
    connection: Connection, number: int, sequence: int, corrections: Iterable[int]
) -> None:
    """Settle corrections of a message, so that its retractions no longer find them."""
    old = _link(number, sequence, _SIGNS[Relation.CORRECTION])
    new = _link(number, sequence, _SETTLED)
    await connection.executemany(
        _SETTLE, [(number, correction, old, new) for correction in corrections]
    )


async def unsettled(
    connection: Connection, number: int, sequence: int, corrections: Iterable[int]
) -> set[int]:
    """Return the unsettled corrections of a message among `corrections`."""
    sign = _link(number, sequence, _SIGNS[Relation.CORRECTION])
    rows = await connection.fetch(_UNSETTLED, number, json.dumps(list(corrections)), f" {sign} ")
    return {int(row[0]) for row in rows}


def _word(number: int, word: str) -> str:
    """Return a word of an owner. The "_" keeps one number from being a prefix of another."""
    return f"{number:x}_{word}"


def _quoted(number: int, phrase: Phrase) -> str:
    words = " ".join([_word(number, word) for word in phrase.words]).replace('"', '""')
    return f'"{words}"*' if phrase.is_prefix else f'"{words}"'


def _peer(number: int, peer: str) -> str:
    """Return one word that stands for a peer, whatever characters are in its JID."""
    digest = blake2b(peer.encode(errors="surrogatepass"), digest_size=_PEER_BYTES)
    return _word(number, f"{_PEER}{digest.hexdigest()}")


def _links(number: int, message: NewMessage, target: int | None) -> str:
    links = [_name(number, name_hash) for name_hash in message.name_hashes]
    if target is not None:
        links.append(_link(number, target, _SIGNS[message.relation]))
    return " ".join(links)


def _name(number: int, name_hash: int) -> str:
    return _word(number, f"{_NAME}{name_hash % (1 << _HASH_BITS):x}")


def _link(number: int, sequence: int, sign: str) -> str:
    return _word(number, f"{sign}{sequence:x}")


def _target(links: str, signs: str) -> int | None:
    words = (link.partition("_")[2] for link in links.split())
    return next((int(word[1:], 16) for word in words if word[0] in signs), None)
