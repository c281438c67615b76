"""The words of a text, whichever way they are found."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from component.core.search import WORD_MAX, fold

ASCII = st.text(st.characters(max_codepoint=127), max_size=300)
LONG = st.lists(st.text("aZ09", max_size=2 * WORD_MAX), max_size=4).map("-".join)


@given(ASCII | LONG)
def test_words_of_ascii_are_its_letters_and_digits(text: str) -> None:
    words = [word[:WORD_MAX] for word in re.findall("[a-z0-9]+", text.lower())]

    assert fold(text) == " ".join(words)


@given(ASCII | LONG)
def test_a_word_that_is_not_ascii_changes_no_other(text: str) -> None:
    assert fold(f"{text} \u0434") == f"{fold(text)} \u0434".lstrip()
