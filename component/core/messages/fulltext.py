"""Words of a text as they are indexed, and of a search as somebody types it.

Both are made here, by the same function, so that every store finds the same. A word is what
Unicode Standard Annex #29 (Text Segmentation) says, with two differences: punctuation always ends
a word, so that a part of an address finds it, and each katakana letter is a word, as other kana
are. Where a script puts no blanks between words each letter, with its marks, is one. Case, width
and accents make no difference. All other marks do: in Brahmic scripts they are the vowels.
"""

from __future__ import annotations

from unicodedata import normalize

import regex

from component.core.errors import BadRequest
from storage.rows import Phrase

#: No more of a message is indexed, in characters, nor of one word.
TEXT_MAX = 65_536
WORD_MAX = 64

#: A shorter beginning of a word stands for too many of them.
PREFIX_MIN = 3

#: More words than these are no search for something: each takes its time, in a phrase too.
WORDS_MAX = 64

#: Marks in a row are put in order in the square of their number, so a text is folded in pieces of
#: at most so many characters, which end at a blank where there is one, and before no mark.
PIECE_MAX = 256

# What makes no difference: marks that no script has to itself (accents of Latin, Greek and
# Cyrillic letters; those of kana stay), points of Hebrew and Arabic letters, marks around a
# letter, and what is never seen by itself, such as joiners, but for the blank without a width.
_IGNORED = regex.compile(
    r"(?V1)[[[\p{Script=Inherited}&&\p{M}]\p{Me}\p{Default_Ignorable_Code_Point}"
    r"\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670]--[\u200b\u3099\u309a]]"
)

# Letters of scripts without blanks, for which the annex has no class: Han, kana, Thai, Khmer, ...
_UNSPACED = r"[[\p{L}\p{N}]&&[\p{WB=Other}\p{WB=Katakana}]]"
_SPACED = rf"[[\p{{L}}\p{{N}}]--{_UNSPACED}]"
_ALONE = regex.compile(rf"(?V1){_UNSPACED}\p{{M}}*+")
_WORD = regex.compile(rf"(?V1){_UNSPACED}\p{{M}}*+|{_SPACED}[{_SPACED}\p{{M}}]*+")

#: Letters and digits of ASCII without case, a blank for all else.
_ASCII = "".join(chr(n).lower() if chr(n).isalnum() else " " for n in range(128))

_SHORT = f".{{1,{PIECE_MAX}}}"
_PIECE = regex.compile(rf"(?s){_SHORT}(?!\S)|{_SHORT}(?!\p{{M}})|{_SHORT}")

_QUOTED = regex.compile(r'"([^"]*)(?:"|\Z)(\*?)|([^\s"]+)')

#: Quotation marks as keyboards and word processors put them.
_QUOTES = str.maketrans("“”„«»\uff02", '""""""')


def fold(text: str) -> str:
    """Return the words of a text, with one blank between two of them."""
    return " ".join(_words(text))


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
    if len(word) < PREFIX_MIN:
        raise BadRequest(f"a star has to stand behind {PREFIX_MIN} characters or more")
    return True


def _words(text: str) -> list[str]:
    text = text[:TEXT_MAX]
    if text.isascii():
        # Most are, and each message is folded.
        words = text.translate(_ASCII).split()
        if max(map(len, words), default=0) <= WORD_MAX:
            return words
        return [word[:WORD_MAX] for word in words]
    return [word[:WORD_MAX] for word in _WORD.findall(_plain(text))]


def _plain(text: str) -> str:
    """Return a text without case, accents and width, as far as is indexed."""
    plain, length = [], 0
    for piece in _PIECE.finditer(text):
        decomposed = normalize("NFKD", piece[0]).casefold()
        plain.append(normalize("NFKC", _IGNORED.sub("", decomposed)))
        length += len(plain[-1])
        # One character may stand for eighteen.
        if length >= TEXT_MAX:
            break
    return "".join(plain)[:TEXT_MAX]
