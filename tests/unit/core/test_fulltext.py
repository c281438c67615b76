"""Folding turns a text and a search for it into the same words."""

from __future__ import annotations

import unicodedata

import pytest

from component.core.errors import BadRequest
from component.core.messages import fulltext
from component.core.messages.fulltext import PIECE_MAX, TEXT_MAX, WORD_MAX, WORDS_MAX, fold, parse
from storage.rows import Phrase


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", "hello world"),
        ("", ""),
        (" \n\t ", ""),
        ("foo_bar-baz", "foo bar baz"),
        ("Ærøskøbing ÉTÉ", "ærøskøbing ete"),
        ("STRASSE Straße", "strasse strasse"),
        ("ﬁne \uff11\uff12 \uff21\uff42", "fine 12 ab"),
        ("Ёлка ёлка", "елка елка"),
        ("Ἀθῆναι ΑΘΗΝΑΙ", "αθηναι αθηναι"),
        ("שָׁלוֹם שלום", "שלום שלום"),
        ("مُحَمَّد محمد", "محمد محمد"),
        ("İstanbul istanbul", "istanbul istanbul"),
        ("漢字かな", "漢 字 か な"),
        ("が か", "が か"),
        ("abc漢字def", "abc 漢 字 def"),
        ("한국어 단어", "한국어 단어"),
        ("สวัสดี", "ส วั ส ดี"),
        ("မြန်မာ ខ្មែរ", "မြ န် မာ ខ្ មែ រ"),
        ("दान दिन दीन", "दान दिन दीन"),
        ("தமிழ் বাংলা ਪੰਜਾਬੀ", "தமிழ் বাংলা ਪੰਜਾਬੀ"),
        ("क़लम क़लम", "क़लम क़लम"),
        ("شب\u200cبخیر Wörter\u00adbuch", "شببخیر worterbuch"),
        ("1\ufe0f\u20e3 a\u1dc4", "1 a"),
        ("\u093e दान", "दान"),
        ("a\u200bb", "a b"),
        ("👋 hi 👩‍👩‍👧", "hi"),
        ("https://example.org/a?b=1", "https example org a b 1"),
    ],
)
def test_text_is_folded_to_words(text: str, words: str) -> None:
    assert fold(text) == words


@pytest.mark.parametrize("text", ["Ĥello Ŵorld", "漢字かなカナ", "ΌΣΟΣ", "ǅ ﬀ ﷺ", "①②", "ẞ"])
def test_folding_is_idempotent(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_long_text_and_long_word_are_cut() -> None:
    assert len(fold("a " * TEXT_MAX)) <= TEXT_MAX
    assert fold("x" * (WORD_MAX + 10)) == "x" * WORD_MAX


def test_text_that_grows_by_folding_is_cut() -> None:
    assert len(fold("\ufdfa " * TEXT_MAX)) <= TEXT_MAX


def test_long_text_is_folded_like_its_words() -> None:
    words = ["É" * 40, "漢字", "ΌΣΟΣ", "straße", "한국어", "दान"] * PIECE_MAX

    assert fold(" ".join(words)) == " ".join(fold(word) for word in words)


def test_endless_accents_are_normalized_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths: list[int] = []

    def normalize(form: str, text: str) -> str:
        lengths.append(len(text))
        return unicodedata.normalize(form, text)  # type: ignore[arg-type]

    monkeypatch.setattr(fulltext, "normalize", normalize)
    fold("\u1dce\u1dc2" * PIECE_MAX)

    assert max(lengths) <= PIECE_MAX


def phrase(*words: str, is_prefix: bool = False) -> Phrase:
    return Phrase(words=words, is_prefix=is_prefix)


@pytest.mark.parametrize(
    ("query", "phrases"),
    [
        ("hello", (phrase("hello"),)),
        ("Hello WORLD", (phrase("hello"), phrase("world"))),
        ('"hello world" again', (phrase("hello", "world"), phrase("again"))),
        ("“hello world”", (phrase("hello", "world"),)),
        ('"never closed', (phrase("never", "closed"),)),
        ("wor*", (phrase("wor", is_prefix=True),)),
        ('"hello wor"*', (phrase("hello", "wor", is_prefix=True),)),
        ("foo-bar", (phrase("foo", "bar"),)),
        ("漢字", (phrase("漢", "字"),)),
        ("漢字*", (phrase("漢", "字"),)),
        ("สวัสดี*", (phrase("ส", "วั", "ส", "ดี"),)),
        ("नमस्ते*", (phrase("नमस्ते", is_prefix=True),)),
        ("दान", (phrase("दान"),)),
        ("hello !!! ...", (phrase("hello"),)),
        ("a OR b NOT c", tuple(phrase(w) for w in ("a", "or", "b", "not", "c"))),
        ("text:secret NEAR(a)", (phrase("text", "secret"), phrase("near", "a"))),
        ('a"b c"d', (phrase("a"), phrase("b", "c"), phrase("d"))),
    ],
)
def test_search_is_parsed_to_phrases(query: str, phrases: tuple[Phrase, ...]) -> None:
    assert parse(query) == phrases


@pytest.mark.parametrize("query", ["", "   ", "*", '""', "!?", '"*"', "👋"])
def test_search_without_a_word_is_bad_request(query: str) -> None:
    with pytest.raises(BadRequest, match="no word"):
        parse(query)


@pytest.mark.parametrize("query", ["w*", "wo*", '"hello wo"*', "ÄÖ*"])
def test_short_prefix_is_bad_request(query: str) -> None:
    with pytest.raises(BadRequest, match="3 characters"):
        parse(query)


@pytest.mark.parametrize(
    ("word", "query"),
    [("word ", "{}"), ("word ", '"{}"'), ("word-", "{}"), ("字", "{}")],
    ids=["apart", "quoted", "joined", "characters"],
)
def test_search_with_too_many_words_is_bad_request(word: str, query: str) -> None:
    longest = parse(query.format(word * WORDS_MAX))

    assert sum(len(phrase.words) for phrase in longest) == WORDS_MAX
    with pytest.raises(BadRequest, match="64 words"):
        parse(query.format(word * (WORDS_MAX + 1)))
