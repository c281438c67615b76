"""The index of words: what a search finds messages by, and by which marks they refer to others.

All of it is one full text index, which grows by whole stretches and so is cheap to write. Each
word in it begins with the number of its owner: a search walks all that begins with what it looks
for, and so nothing of others. A sign behind the number tells words that are none of a text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b

from storage.rows import NewMessage, Phrase, Relation
from storage.sqlite.engine.protocols import Connection

#: A row of the index is called by the number of its owner and its sequence, in one number, so that
#: one owner's are one stretch. $1 is the number of the owner.
SEQUENCE = "words.rowid - ($1 << 40)"

#: Rows of the archive, as they are found in the index.
FOUND = f"words CROSS JOIN archive ON archive.owner = $1 AND archive.sequence = {SEQUENCE}"

_PEER, _NAME = ".«"
_PEER_BYTES = 8
_MARK_BITS = 64

# What a message is about is no name but the place of a message: ids repeat. A correction of which
# a tombstone is left is looked for no more, but what names it is about what it corrected.
_SIGNS = {Relation.CORRECTION: "¤", Relation.RETRACTION: "¬", Relation.OTHER: "»"}
_BURIED = "†"

_INTO = "words (rowid, text, peer, marks)"

_DROP = "DELETE FROM words WHERE rowid = ($1 << 40) + $2"


_BURY = "UPDATE words SET marks = replace(marks, $3, $4) WHERE rowid = ($1 << 40) + $2"

_UNSETTLED = f"""
SELECT {SEQUENCE} FROM words
WHERE rowid IN (SELECT ($1 << 40) + value FROM json_each($2)) AND instr(' ' || marks || ' ', $3)
"""  # noqa: S608 - constant words

_SILENCE = "UPDATE words SET text = '' WHERE rowid = ($1 << 40) + $2"


async def add(
    connection: Connection, entries: Iterable[tuple[int, int, NewMessage, int | None]]
) -> None:
    """Index messages: number of the owner, sequence, what it is, the sequence it is about."""
    await connection.insert(
        _INTO,
        [
            (
                (number << 40) + sequence,
                " ".join([_word(number, word) for word in entry.text.split()]),
                _peer(number, entry.peer),
                _marks(number, entry, about),
            )
            for number, sequence, entry, about in entries
            if entry.text or entry.name_hashes or about is not None
        ],
    )


async def drop(connection: Connection, rows: Iterable[tuple[int, int]]) -> None:
    """Take messages out of the index: number of the owner, and sequence."""
    await connection.executemany(_DROP, rows)


def saying(number: int, phrases: Iterable[Phrase], peer: str | None) -> str:
    """Write a search as FTS5 wants it, where nothing between quotation marks has a meaning."""
    wanted = [f"text : {_quoted(number, phrase)}" for phrase in dict.fromkeys(phrases)]
    if peer is not None:
        wanted.append(f'peer : "{_peer(number, peer)}"')
    return " AND ".join(wanted)


def called(number: int, mark: int) -> str:
    """Write a search for what has a name."""
    return f'marks : "{_name(number, mark)}"'


def about(number: int, sequence: int, *relations: Relation) -> str:
    """Write a search for what is about one message in these ways."""
    wanted = " OR ".join(f'"{_about(number, sequence, _SIGNS[one])}"' for one in relations)
    return f"marks : ({wanted})"


def corrected(marks: str) -> int | None:
    """Return the sequence of the message that a message with these marks corrects."""
    return _place(marks, _SIGNS[Relation.CORRECTION] + _BURIED)


async def silence(connection: Connection, number: int, sequences: Iterable[int]) -> None:
    """Let messages be found by no word any more, but by their names."""
    await connection.executemany(_SILENCE, [(number, sequence) for sequence in sequences])


async def settle(
    connection: Connection, number: int, sequence: int, corrections: Iterable[int]
) -> None:
    """Let corrections of a message no longer be looked for: what had to go of them is gone."""
    old = _about(number, sequence, _SIGNS[Relation.CORRECTION])
    new = _about(number, sequence, _BURIED)
    await connection.executemany(_BURY, [(number, one, old, new) for one in corrections])


async def unsettled(
    connection: Connection, number: int, sequence: int, corrections: Iterable[int]
) -> set[int]:
    """Return which of these are corrections of a message that are not settled."""
    sign = _about(number, sequence, _SIGNS[Relation.CORRECTION])
    rows = await connection.fetch(_UNSETTLED, number, json.dumps(list(corrections)), f" {sign} ")
    return {int(row[0]) for row in rows}


def _word(number: int, word: str) -> str:
    """Return a word of an owner; no number with a "_" behind it is the beginning of another."""
    return f"{number:x}_{word}"


def _quoted(number: int, phrase: Phrase) -> str:
    words = " ".join([_word(number, word) for word in phrase.words]).replace('"', '""')
    return f'"{words}"*' if phrase.is_prefix else f'"{words}"'


def _peer(number: int, peer: str) -> str:
    """Return one word that stands for a peer, whatever its JID is made of."""
    digest = blake2b(peer.encode(errors="surrogatepass"), digest_size=_PEER_BYTES)
    return _word(number, f"{_PEER}{digest.hexdigest()}")


def _marks(number: int, entry: NewMessage, about: int | None) -> str:
    marks = [_name(number, mark) for mark in entry.name_hashes]
    if about is not None:
        marks.append(_about(number, about, _SIGNS[entry.relation]))
    return " ".join(marks)


def _name(number: int, mark: int) -> str:
    return _word(number, f"{_NAME}{mark % (1 << _MARK_BITS):x}")


def _about(number: int, sequence: int, sign: str) -> str:
    return _word(number, f"{sign}{sequence:x}")


def _place(marks: str, signs: str) -> int | None:
    words = (one.partition("_")[2] for one in marks.split())
    return next((int(word[1:], 16) for word in words if word[0] in signs), None)
