"""The words of a text as they are indexed, and those of a search query.

One function folds both, so that every store finds the same messages. Words follow Unicode Standard
Annex #29 (Text Segmentation), with two differences: punctuation always ends a word, so that a part
of an address finds it, and each katakana letter is a word, as other kana are. In scripts without
blanks between words each letter, with its marks, is a word. Case, width and accents make no
difference. All other marks do: in Brahmic scripts they are the vowels.
"""

from __future__ import annotations

from unicodedata import normalize

import regex

from component.core.errors import BadRequest
from storage.rows import Phrase

#: The limits of indexed text and of a word, in characters.
TEXT_MAX = 65_536
WORD_MAX = 64

#: A shorter prefix stands for too many words.
PREFIX_MIN = 3

#: The limit of words in a search: each takes time, in a phrase too.
WORDS_MAX = 64

#: Normalisation sorts marks in a row in quadratic time. So a text is folded in pieces of at most
#: this many characters, which end at a blank if there is one, and never before a mark.
PIECE_MAX = 256

# Ignored characters: marks that several scripts share (accents of Latin, Greek and Cyrillic
# letters; those of kana stay), points of Hebrew and Arabic letters, marks around a letter, and
# invisible characters such as joiners, except the zero-width space.
_IGNORED = regex.compile(
    r"(?V1)[[[\p{Script=Inherited}&&\p{M}]\p{Me}\p{Default_Ignorable_Code_Point}"
    r"\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670]--[\u200b\u3099\u309a]]"
)

# Letters of scripts without blanks, for which the annex has no class: Han, kana, Thai, Khmer, ...
_UNSPACED = r"[[\p{L}\p{N}]&&[\p{WB=Other}\p{WB=Katakana}]]"
_SPACED = rf"[[\p{{L}}\p{{N}}]--{_UNSPACED}]"
_ALONE = regex.compile(rf"(?V1){_UNSPACED}\p{{M}}*+")
_WORD = regex.compile(rf"(?V1){_UNSPACED}\p{{M}}*+|{_SPACED}[{_SPACED}\p{{M}}]*+")

#: Letters and digits of ASCII in lower case, a blank for all other characters.
_ASCII = "".join(chr(n).lower() if chr(n).isalnum() else " " for n in range(128))

_SHORT = f".{{1,{PIECE_MAX}}}"
_PIECE = regex.compile(rf"(?s){_SHORT}(?!\S)|{_SHORT}(?!\p{{M}})|{_SHORT}")

_QUOTED = regex.compile(r'"([^"]*)(?:"|\Z)(\*?)|([^\s"]+)')

#: Quotation marks of keyboards and word processors.
_QUOTES = str.maketrans("“”„«»\uff02", '""""""')


def fold(text: str) -> str:
    """Return the folded words of a text, joined by blanks."""
    return " ".join(_words(text))


def parse(query: str) -> tuple[Phrase, ...]:
    """Return the phrases of a search; a message must contain all of them. Raises BadRequest.

    Words between quotation marks form a phrase, and so do words without blanks between them. A
    star behind a word of three characters or more matches any word that begins with it. No other
    character has a meaning.
    """
    phrases, count = [], 0
    for quoted, star, plain in _QUOTED.findall(query.translate(_QUOTES)):
        words = _words(quoted or plain)
        count += len(words)
        if count > WORDS_MAX:
            raise BadRequest(f"a search has {WORDS_MAX} words at most")
        if words:
            is_prefix = _is_prefix(words[-1], bool(star) or plain.endswith("*"))
            phrases.append(Phrase(words=tuple(words), is_prefix=is_prefix))
    if not phrases:
        raise BadRequest("the search has no word in it")
    return tuple(phrases)


def _is_prefix(word: str, has_star: bool) -> bool:
    """Return whether a word is a prefix; a letter that is a word by itself is none."""
    if not has_star or _ALONE.fullmatch(word):
        return False
    if len(word) < PREFIX_MIN:
        raise BadRequest(f"a star has to stand behind {PREFIX_MIN} characters or more")
    return True


def _words(text: str) -> list[str]:
    text = text[:TEXT_MAX]
    if text.isascii():
        # Most texts are ASCII, and every message is folded.
        words = text.translate(_ASCII).split()
        if max(map(len, words), default=0) <= WORD_MAX:
            return words
        return [word[:WORD_MAX] for word in words]
    return [word[:WORD_MAX] for word in _WORD.findall(_plain(text))]


def _plain(text: str) -> str:
    """Return the indexed part of a text without case, accents and width."""
    plain, length = [], 0
    for piece in _PIECE.finditer(text):
        decomposed = normalize("NFKD", piece[0]).casefold()
        plain.append(normalize("NFKC", _IGNORED.sub("", decomposed)))
        length += len(plain[-1])
        # One character may decompose into eighteen.
        if length >= TEXT_MAX:
            break
    return "".join(plain)[:TEXT_MAX]
