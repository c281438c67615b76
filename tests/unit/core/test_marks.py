"""The places in a text that a search matches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.core.messages.fulltext import fold, parse
from component.core.messages.marks import Piece, excerpt, pieces
from storage.rows import Phrase


def marked(text: str, query: str) -> str:
    """Return a text with brackets around its matches."""
    return "".join(
        f"[{piece.text}]" if piece.is_match else piece.text for piece in pieces(text, parse(query))
    )


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("The plan", "plan", "The [plan]"),
        ("The PLAN, a plan!", "plan", "The [PLAN], a [plan]!"),
        ("planned", "plan", "planned"),
        ("planned plans", "plan*", "[planned] [plans]"),
        ("CAFÉ cafe\u0301 cafe", "café", "[CAFÉ] [cafe\u0301] [cafe]"),
        ("the new plan, new", '"new plan"', "the [new plan], new"),
        ("new, plan", '"new plan"', "[new, plan]"),
        ("the new plans", '"new pla"*', "the [new plans]"),
        ("http://a.example/b", "example", "http://a.[example]/b"),
        ("日本語", "日本", "[日本]語"),
        ("a b c", "c a", "[a] b [c]"),
        ("a b a b a", '"a b a"', "[a b a b a]"),
        ("<b>plan</b>", "plan", "<b>[plan]</b>"),
        ("nothing", "plan", "nothing"),
        ("", "plan", ""),
    ],
)
def test_matches_are_marked_where_they_are_written(text: str, query: str, expected: str) -> None:
    assert marked(text, query) == expected


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3))
def test_pieces_are_the_text(text: str, words: list[str]) -> None:
    phrases = [Phrase(words=(word,)) for word in words]

    assert "".join(piece.text for piece in pieces(text, phrases)) == text


@given(st.from_regex(r"[a-zA-Z .,é]{0,60}", fullmatch=True))
def test_each_word_of_a_simple_text_is_marked(text: str) -> None:
    for word in fold(text).split():
        matches = [piece for piece in pieces(text, [Phrase(words=(word,))]) if piece.is_match]
        assert {fold(piece.text) for piece in matches} == {word}


def test_short_text_is_its_own_excerpt() -> None:
    parts = pieces("a plan", parse("plan"))

    assert excerpt(parts, 100) == parts


@pytest.mark.parametrize("place", [0, 500, 1000])
def test_excerpt_shows_the_first_match_of_a_long_text(place: int) -> None:
    words = ["x"] * 1000
    words.insert(place, "plan")

    parts = excerpt(pieces(" ".join(words), parse("plan")), 100)

    assert Piece("plan", is_match=True) in parts
    assert sum(len(part.text) for part in parts) <= 102
    assert (parts[0].text == "…") is (place > 0)
    assert (parts[-1].text == "…") is (place < 1000)


def test_excerpt_without_a_match_is_the_beginning() -> None:
    parts = excerpt((Piece("abc" * 100),), 10)

    assert parts == (Piece("abcabcabca"), Piece("…"))
