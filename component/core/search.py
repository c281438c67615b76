"""Words of a text as they are indexed, and of a search as somebody types it.

Both are folded alike here, so that every store finds the same: case, accents and width make no
difference, and where a script puts no blanks between words each of its characters is one.
"""

from __future__ import annotations

import re
from unicodedata import normalize

from component.core.errors import BadRequest
from storage.rows import Phrase

#: No more of a message is indexed, in characters, nor of one word.
TEXT_MAX = 65_536
WORD_MAX = 64

#: A shorter beginning of a word stands for too many of them.
BEGINNING_MIN = 3

#: More words than these are no search for something: each takes its time, in a phrase too.
WORDS_MAX = 64

#: Accents in a row are put in order in the square of their number, so a text is folded in pieces
#: of at most so many characters, which end at a blank where there is one.
PIECE_MAX = 256

#: Accents of Latin, Greek and Cyrillic letters, points of Hebrew and Arabic ones.
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670]")

#: Thai, Lao, Burmese, Khmer, kana, and Han characters.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_ALONE = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(f"(?=[^\\W_])[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")

#: Letters and digits of ASCII without case, a blank for all else.
_ASCII = "".join(chr(n).lower() if chr(n).isalnum() else " " for n in range(128))
_PIECE = re.compile(f"(?s:.{{1,{PIECE_MAX}}}(?!\\S)|.{{1,{PIECE_MAX}}})")

_QUOTED = re.compile(r'"([^"]*)(?:"|\Z)(\*?)|([^\s"]+)')

#: Quotation marks as keyboards and word processors put them.
_QUOTES = str.maketrans("“”„«»\uff02", '""""""')


def fold(text: str) -> str:
    """Return the words of a text, with one blank between two of them."""
    return " ".join(_words(text[:TEXT_MAX]))


def parse(query: str) -> tuple[Phrase, ...]:
    """Return what a search asks for: all of these phrases. Raises BadRequest.

    Words stand alone or, between quotation marks, in a row; a star behind one stands for any end
    of it, which takes three characters. What is written together without blanks is a row too.
    Nothing else has a meaning.
    """
    phrases, count = [], 0
    for quoted, star, plain in _QUOTED.findall(query.translate(_QUOTES)):
        words = _words(quoted or plain)
        count += len(words)
        if count > WORDS_MAX:
            raise BadRequest(f"a search has {WORDS_MAX} words at most")
        if words:
            is_prefix = _is_beginning(words[-1], bool(star) or plain.endswith("*"))
            phrases.append(Phrase(words=tuple(words), is_prefix=is_prefix))
    if not phrases:
        raise BadRequest("the search has no word in it")
    return tuple(phrases)


def _is_beginning(word: str, has_star: bool) -> bool:
    """Whether a word may go on; one that is a character of its own cannot."""
    if not has_star or _ALONE.fullmatch(word):
        return False
    if len(word) < BEGINNING_MIN:
        raise BadRequest(f"a star has to stand behind {BEGINNING_MIN} characters or more")
    return True


def _words(text: str) -> list[str]:
    if text.isascii():
        # Most are, and each message is folded.
        words = text.translate(_ASCII).split()
        if max(map(len, words), default=0) <= WORD_MAX:
            return words
        return [word[:WORD_MAX] for word in words]
    plain = "".join(map(_plain, _PIECE.findall(text)))
    return [word[:WORD_MAX] for word in _WORD.findall(plain)]


def _plain(piece: str) -> str:
    """Return a text without case, accents and width."""
    return normalize("NFKC", _ACCENTS.sub("", normalize("NFKD", piece).casefold()))
