"""Parsing of archive queries: fields, result sets and malformed queries."""

from __future__ import annotations

import pytest
from support.wire import NS_FORM, NS_MAM, form_of, parsed, query

from component.core.errors import BadRequest, NotImplementedHere
from component.core.reading.pages import PageQuery
from component.core.xml.times import parse_time
from component.xmpp.archive import rsm
from component.xmpp.archive.mam import parse
from component.xmpp.archive.mam_form import FIELDS, FULLTEXT, IDS_MAX
from component.xmpp.connection.addresses import Addresses
from storage.rows import Filter, Phrase


def read(text: str) -> PageQuery:
    return parse(parsed(text), Addresses())


def with_form(form: str) -> str:
    return f"<query xmlns='{NS_MAM}'>{form}</query>"


def test_empty_query_has_no_filter() -> None:
    assert read(query()) == PageQuery()


def test_id_of_the_next_page_may_stand_outside_of_its_set() -> None:
    """Profanity 0.13 writes it so."""
    misplaced = f"<query xmlns='{NS_MAM}'><after>id</after></query>"

    assert read(misplaced) == read(query(after="id")) == PageQuery(after="id")


def test_set_prevails_over_an_id_outside_of_it() -> None:
    page = f"<set xmlns='{rsm.NS}'><max>5</max></set>"

    assert read(f"<query xmlns='{NS_MAM}'><after>id</after>{page}</query>") == PageQuery(limit=5)


def test_misplaced_id_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadRequest):
        read(f"<query xmlns='{NS_MAM}'><after>{'x' * 257}</after></query>")


@pytest.mark.parametrize(
    ("fields", "filter"),
    [
        ({"with_": "bob@example.org"}, Filter(peer="bob@example.org")),
        ({"with_": "bob@example.org/x"}, Filter(peer="bob@example.org", resource="x")),
        ({"with_": "BOB@Example.ORG/X"}, Filter(peer="bob@example.org", resource="X")),
        ({"with_": "example.org"}, Filter(peer="example.org")),
        ({"with_": "b@x.y/a/b@c"}, Filter(peer="b@x.y", resource="a/b@c")),
        (
            {"start": "2026-01-01T00:00:00Z"},
            Filter(since=parse_time("2026-01-01T00:00:00Z")),
        ),
        (
            {"end": "2026-01-01T02:00:00.5+02:00"},
            Filter(until=parse_time("2026-01-01T00:00:00.5Z")),
        ),
        ({"before_id": "a1"}, Filter(before="a1")),
        ({"after_id": "a1"}, Filter(after="a1")),
        ({"before_id": "", "after_id": ""}, Filter(before="", after="")),
        ({"ids": "a1"}, Filter(ids=("a1",))),
        ({"include_groupchat": "true"}, Filter()),
        ({"include_groupchat": "1"}, Filter()),
        ({"include_groupchat": "false"}, Filter(groupchat=False)),
        ({"include_groupchat": "0"}, Filter(groupchat=False)),
        (
            {"with_": "b@x.y", "start": "1969-12-31T23:59:59Z", "end": "1970-01-01T00:00:00Z"},
            Filter(peer="b@x.y", since=-1_000_000, until=0),
        ),
    ],
    ids=lambda value: "" if isinstance(value, Filter) else " ".join(value.values()),
)
def test_field_is_read_into_the_filter(fields: dict[str, str], filter: Filter) -> None:
    assert read(query(**fields)).filter == filter


def test_all_ids_of_a_list_are_read() -> None:
    assert read(query(ids=["b", "a", "b"])).filter == Filter(ids=("b", "a", "b"))


def test_list_of_ids_over_the_limit_is_bad_request() -> None:
    assert len(read(query(ids=["a"] * IDS_MAX)).filter.ids or ()) == IDS_MAX
    with pytest.raises(BadRequest):
        read(query(ids=["a"] * (IDS_MAX + 1)))


@pytest.mark.parametrize("text", ["", "yes", "True", "TRUE", "2", " true", "x" * 1000])
def test_invalid_boolean_is_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        read(query(include_groupchat=text))


@pytest.mark.parametrize("name", FULLTEXT)
def test_each_name_of_the_fulltext_field_is_a_search(name: str) -> None:
    phrases = (Phrase(words=("hello",)), Phrase(words=("wor",), is_prefix=True))

    assert read(query(**{name: "Hello wor*"})).filter == Filter(phrases=phrases)


@pytest.mark.parametrize("name", FULLTEXT)
def test_empty_text_is_no_search(name: str) -> None:
    assert read(query(**{name: ""})) == PageQuery()


@pytest.mark.parametrize("text", ["?!", '""', " ", "a " * 1000])
def test_text_without_words_is_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        read(query(withtext=text))


@pytest.mark.parametrize("names", [FULLTEXT[:2], FULLTEXT[1:], FULLTEXT], ids=len)
def test_text_under_two_names_is_bad_request(names: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest):
        read(query(**dict.fromkeys(names, "same")))


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({"max": "10"}, PageQuery(limit=10)),
        ({"max": "0"}, PageQuery(limit=0)),
        ({"max": "007"}, PageQuery(limit=7)),
        ({"after": "a1"}, PageQuery(after="a1")),
        ({"after": ""}, PageQuery()),
        ({"before": "b1"}, PageQuery(before="b1", backwards=True)),
        ({"before": ""}, PageQuery(backwards=True)),
        ({"max": "5", "after": "a1"}, PageQuery(limit=5, after="a1")),
        ({"after": "a1", "before": "b1"}, PageQuery(after="a1", before="b1", backwards=True)),
        ({"index": "0"}, PageQuery(index=0)),
        ({"max": "5", "index": "371"}, PageQuery(limit=5, index=371)),
    ],
    ids=str,
)
def test_result_set_is_read_into_the_page(page: dict[str, str], expected: PageQuery) -> None:
    assert read(query(**page)) == expected


def test_huge_maximum_is_accepted() -> None:
    assert (read(query(max="9" * 5000)).limit or 0) >= 10**9


@pytest.mark.parametrize(
    "text", ["-1", "+1", "1.5", "1e3", "ten", "0x10", "", " 1", "\u0661", "1_0"]
)
def test_invalid_maximum_is_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        read(query(max=text))


@pytest.mark.parametrize("text", ["-1", "1.5", "ten", "", "\u0661"])
def test_invalid_index_is_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        read(query(index=text))


@pytest.mark.parametrize("name", ["start", "end"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:61Z",
        "20260101T00:00:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01T00:00:00Z\n",
        "\u0662026-01-01T00:00:00Z",
    ],
)
def test_invalid_time_is_bad_request(name: str, text: str) -> None:
    with pytest.raises(BadRequest):
        read(query(**{name: text}))


@pytest.mark.parametrize("jid", ["", "@example.org", "a@", "a b@example.org", "a@b/", "x" * 4000])
def test_invalid_jid_is_bad_request(jid: str) -> None:
    with pytest.raises(BadRequest):
        read(query(with_=jid))


@pytest.mark.parametrize(
    "name",
    [
        "{urn:xmpp:fulltext:0}search",
        "fulltext",
        "id",
        "WITH",
        "with ",
        "",
        "owner",
    ],
)
def test_unknown_field_is_not_implemented(name: str) -> None:
    with pytest.raises(NotImplementedHere):
        read(with_form(form_of(**{name: ["x"]})))


def test_field_without_a_name_is_not_implemented() -> None:
    form = f"<x xmlns='{NS_FORM}' type='submit'><field><value>x</value></field></x>"

    with pytest.raises(NotImplementedHere):
        read(with_form(form))


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "ids"])
def test_field_with_two_values_is_bad_request(name: str) -> None:
    with pytest.raises(BadRequest):
        read(query(**{name: ["a@b", "a@b"]}))


@pytest.mark.parametrize("name", FIELDS)
def test_field_without_a_value_is_ignored(name: str) -> None:
    assert read(query(**{name: []})) == PageQuery()


def test_repeated_field_is_bad_request() -> None:
    twice = "<field var='with'><value>a@b</value></field>" * 2

    with pytest.raises(BadRequest):
        read(with_form(f"<x xmlns='{NS_FORM}' type='submit'>{twice}</x>"))


def test_form_of_another_type_is_bad_request() -> None:
    with pytest.raises(BadRequest):
        read(with_form(form_of("urn:xmpp:mam:1")))


def test_form_without_form_type_is_accepted() -> None:
    form = "<field var='with'><value>a@b</value></field>"

    assert read(with_form(f"<x xmlns='{NS_FORM}'>{form}</x>")).filter == Filter(peer="a@b")


@pytest.mark.parametrize(
    "text",
    [
        f"<query xmlns='{NS_MAM}' node='urn:x'/>",
        f"<query xmlns='{NS_MAM}' node=''/>",
    ],
    ids=["node", "empty node"],
)
def test_archives_of_nodes_are_not_implemented(text: str) -> None:
    with pytest.raises(NotImplementedHere):
        read(text)


def test_long_value_is_quoted_in_part() -> None:
    with pytest.raises(BadRequest) as refused:
        read(query(start="x" * 100_000))

    assert len(refused.value.message) < 200


def test_unknown_elements_of_a_query_are_ignored() -> None:
    assert read(f"<query xmlns='{NS_MAM}'>text<x xmlns='urn:x'/></query>") == PageQuery()
