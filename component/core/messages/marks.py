"""Finds the places in a text where a search matches, to mark them for readers.

The index folds whole texts, and a mark needs places in the text as it was written. So each word of
the text is folded by itself. A word whose parts only belong together after folding has no mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from component.core.messages.fulltext import fold
from storage.rows import Phrase

# A run of letters, digits and their marks. Folding splits runs of scripts without blanks.
_RUN = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}\u200c\u200d\u00ad]*+")

# One letter with its marks, of the scripts in which each letter is a word.
_LETTER = regex.compile(r"[\p{L}\p{N}]\p{M}*+")

#: The number of characters of a text that are looked through.
EXAMINED_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, which a search matches or not."""

    text: str
    is_match: bool = False


def pieces(text: str, phrases: Sequence[Phrase]) -> tuple[Piece, ...]:
    """Return a text in pieces, with the places that match any of the phrases as their own."""
    parts, end = [], 0
    for start, stop in _merged(_spans(text, phrases)):
        if start > end:
            parts.append(Piece(text[end:start]))
        parts.append(Piece(text[start:stop], is_match=True))
        end = stop
    if end < len(text) or not parts:
        parts.append(Piece(text[end:]))
    return tuple(parts)


def excerpt(parts: Sequence[Piece], limit: int) -> tuple[Piece, ...]:
    """Return about `limit` characters of a text around its first match, with "…" where it is cut.

    A shorter text stays whole.
    """
    length = sum(len(part.text) for part in parts)
    if length <= limit:
        return tuple(parts)
    first = 0
    for part in parts:
        if part.is_match:
            break
        first += len(part.text)
    start = max(min(first - limit // 4, length - limit), 0) if first < length else 0
    return tuple(_cut(parts, start, start + limit, length))


def _cut(parts: Sequence[Piece], start: int, stop: int, length: int) -> Iterator[Piece]:
    if start > 0:
        yield Piece("…")
    place = 0
    for part in parts:
        text = part.text[max(start - place, 0) : max(stop - place, 0)]
        if text:
            yield Piece(text, part.is_match)
        place += len(part.text)
    if stop < length:
        yield Piece("…")


def _spans(text: str, phrases: Sequence[Phrase]) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each match, in any order."""
    words = list(_words(text[:EXAMINED_MAX]))
    places: dict[str, list[int]] = {}
    for place, (word, _, _) in enumerate(words):
        places.setdefault(word, []).append(place)
    for phrase in phrases:
        length = len(phrase.words)
        is_single_prefix = phrase.is_prefix and length == 1
        starts = range(len(words)) if is_single_prefix else places.get(phrase.words[0], ())
        for start in starts:
            if _matches(words[start : start + length], phrase):
                yield words[start][1], words[start + length - 1][2]


def _matches(words: Sequence[tuple[str, int, int]], phrase: Phrase) -> bool:
    if len(words) < len(phrase.words):
        return False
    for (word, _, _), expected in zip(words[:-1], phrase.words[:-1], strict=True):
        if word != expected:
            return False
    last, expected = words[-1][0], phrase.words[-1]
    return last.startswith(expected) if phrase.is_prefix else last == expected


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each word of a text, folded, with its place."""
    for run in _RUN.finditer(text):
        folded = fold(run[0]).split(" ")
        if len(folded) == 1:
            if folded[0]:
                yield folded[0], run.start(), run.end()
            continue
        letters = list(_LETTER.finditer(text, run.start(), run.end()))
        if len(letters) == len(folded):
            for word, letter in zip(folded, letters, strict=True):
                yield word, letter.start(), letter.end()
        else:
            for word in folded:
                yield word, run.start(), run.end()


def _merged(spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans in order, and overlapping ones as one."""
    current: tuple[int, int] | None = None
    for start, stop in sorted(spans):
        if current is None:
            current = start, stop
        elif start <= current[1]:
            current = current[0], max(current[1], stop)
        else:
            yield current
            current = start, stop
    if current is not None:
        yield current
