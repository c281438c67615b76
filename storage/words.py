"""The index of words: what a search finds messages by, and by which marks they refer to others.

All of it is one full text index, which grows by whole stretches and so is cheap to write. Each
word in it begins with the number of its owner: a search walks all that begins with what it looks
for, and so nothing of others. A sign behind the number tells words that are none of a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from storage.database import Connection
from storage.rows import Entry, Phrase

#: A row of the index is called by the number of its owner and its sequence, in one number, so that
#: one owner's are one stretch. $1 is the number of the owner.
SEQUENCE = "words.rowid - ($1 << 40)"

#: Rows of the archive, as they are found in the index.
FOUND = f"words CROSS JOIN archive ON archive.owner = $1 AND archive.sequence = {SEQUENCE}"

_PEER, _NAME, _ABOUT = "§«»"
_PEER_BYTES = 8
_MARK_BITS = 64

_INTO = "words (rowid, text, peer, marks)"

_DROP = "DELETE FROM words WHERE rowid = ($1 << 40) + $2"


async def add(connection: Connection, entries: Iterable[tuple[int, int, Entry]]) -> None:
    """Index messages: number of the owner, sequence, and what it is."""
    await connection.insert(
        _INTO,
        [
            (
                (number << 40) + sequence,
                " ".join([_word(number, word) for word in entry.text.split()]),
                _peer(number, entry.peer),
                _marks(number, entry),
            )
            for number, sequence, entry in entries
            if entry.text or entry.names or entry.about is not None
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
    """Write a search for what has a name.

    What refers to it is left out, even where a client gave both the same id.
    """
    return f'marks : ("{_mark(number, _NAME, mark)}" NOT "{_mark(number, _ABOUT, mark)}")'


def referring(number: int, marks: Sequence[int]) -> str:
    """Write a search for what refers to any of some names."""
    wanted = " OR ".join(f'"{_mark(number, _ABOUT, mark)}"' for mark in marks)
    return f"marks : ({wanted})"


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


def _marks(number: int, entry: Entry) -> str:
    marks = [_mark(number, _NAME, mark) for mark in entry.names]
    if entry.about is not None:
        marks.append(_mark(number, _ABOUT, entry.about))
    return " ".join(marks)


def _mark(number: int, sign: str, mark: int) -> str:
    return _word(number, f"{sign}{mark % (1 << _MARK_BITS):x}")
