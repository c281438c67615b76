"""Folding and search find the words of any text."""

from __future__ import annotations

import re
from unicodedata import category, normalize

from hypothesis import assume, given
from hypothesis import strategies as st

from component.core.messages.fulltext import TEXT_MAX, WORD_MAX, fold, parse

ASCII = st.text(st.characters(max_codepoint=127), max_size=300)
LONG = st.lists(st.text("aZ09", max_size=2 * WORD_MAX), max_size=4).map("-".join)

#: Scripts whose marks carry meaning: Devanagari, Bengali, Tamil, Sinhala, Thai, Tibetan, Burmese,
#: Khmer, kana.
SCRIPTS = (
    (0x0904, 0x0950),
    (0x0985, 0x09CD),
    (0x0B85, 0x0BCD),
    (0x0D85, 0x0DDF),
    (0x0E01, 0x0E4E),
    (0x0F40, 0x0F84),
    (0x1000, 0x103E),
    (0x1780, 0x17D2),
    (0x3041, 0x309A),
)


def _characters(first: int, last: int, kinds: str) -> st.SearchStrategy[str]:
    characters = map(chr, range(first, last + 1))
    return st.sampled_from(
        [character for character in characters if category(character)[0] in kinds]
    )


def _spelled(first: int, last: int) -> st.SearchStrategy[str]:
    """Return words of letters with marks on them."""
    letters, marks = _characters(first, last, "L"), _characters(first, last, "M")
    syllables = st.builds(str.__add__, letters, st.text(marks, max_size=2))
    return st.lists(syllables, min_size=1, max_size=8).map("".join)


WORDS = st.sampled_from(SCRIPTS).flatmap(lambda script: _spelled(*script))
ANYTHING = st.text(max_size=40) | WORDS


def is_found(text: str, query: str) -> bool:
    """Return whether a search finds a text, by the rule of the stores."""
    words = fold(text).split()
    return all(
        any(
            _begins(words[place:], list(phrase.words), phrase.is_prefix)
            for place in range(len(words))
        )
        for phrase in parse(query)
    )


def _begins(words: list[str], phrase_words: list[str], is_prefix: bool) -> bool:
    if (
        is_prefix
        and words[: len(phrase_words) - 1] == phrase_words[:-1]
        and len(words) >= len(phrase_words)
    ):
        return words[len(phrase_words) - 1].startswith(phrase_words[-1])
    return words[: len(phrase_words)] == phrase_words


@given(ASCII | LONG)
def test_words_of_ascii_text_are_runs_of_letters_and_digits(text: str) -> None:
    words = [word[:WORD_MAX] for word in re.findall("[a-z0-9]+", text.lower())]

    assert fold(text) == " ".join(words)


@given(ASCII | LONG)
def test_word_outside_ascii_changes_no_other_word(text: str) -> None:
    assert fold(f"{text} \u0434") == f"{fold(text)} \u0434".lstrip()


@given(st.lists(ANYTHING, min_size=1, max_size=6))
def test_every_word_of_a_text_finds_the_text(parts: list[str]) -> None:
    text = " ".join(parts)
    for word in text.split():
        if fold(word):
            assert is_found(text, word.replace('"', " ").replace("*", " "))
            assert is_found(text, f'"{fold(word)}"')


@given(ANYTHING)
def test_folding_does_not_depend_on_the_normalization_form(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(normalize(form, text)) == fold(text)


@given(WORDS, WORDS)
def test_words_of_different_letters_or_marks_fold_differently(first: str, second: str) -> None:
    assume(normalize("NFKC", first) != normalize("NFKC", second))
    assume(len(fold(first)) < WORD_MAX and len(fold(second)) < WORD_MAX)

    assert fold(first) != fold(second)


@given(st.text(min_size=1, max_size=3), st.integers(1, TEXT_MAX))
def test_folded_text_is_bounded(text: str, times: int) -> None:
    # One blank between two words of a script that has none.
    assert len(fold(text * times)) <= 2 * TEXT_MAX
