"""XEP-0431: Full Text Search in MAM, version 0.2.0, and the earlier names of the field."""

from __future__ import annotations

import pytest
from support.results import features
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB_PHONE,
    COMPONENT,
    DELEGATION_1,
    NS_FORM,
    NS_MAM,
    Wire,
    query,
)

FIELD = "{urn:xmpp:fulltext:0}fulltext"
NAMES = [FIELD, "withtext", "search"]


@pytest.fixture
async def talk(wire: Wire) -> Wire:
    """The archive of alice with four messages."""
    wire.say("Have you seen the Caf\u00e9?")
    wire.say("Seen it, yes: the old cafe by the river", sender=BOB_PHONE, to=ALICE)
    wire.say("Let us meet there")
    wire.say("At the river?", to="carol@example.net")
    return wire


@pytest.mark.parametrize("node", [None, f"{DELEGATION_1}:bare:{NS_MAM}"])
async def test_support_is_advertised(wire: Wire, node: str | None) -> None:
    """2.1: "Support for this protocol is advertised by the Service Discovery protocol [...] using
    a feature of urn:xmpp:fulltext:0"."""
    assert "urn:xmpp:fulltext:0" in await features(wire, node)


@pytest.mark.parametrize("name", NAMES)
async def test_search_returns_only_messages_with_the_text(talk: Wire, name: str) -> None:
    """2.2: "an additional text key, which if non-empty is used as input to a full text search"."""
    reply = await talk.history(**{name: "cafe"})

    assert len(reply.results) == 2
    assert all("caf" in body.lower() for body in reply.bodies)


@pytest.mark.parametrize("name", NAMES)
async def test_empty_search_text_returns_everything(talk: Wire, name: str) -> None:
    """2.2: "which if non-empty is used as input to a full text search"."""
    assert len((await talk.history(**{name: ""})).results) == 4


async def test_form_has_the_field_as_text_single(wire: Wire) -> None:
    """3.1: "A text input field of {urn:xmpp:fulltext:0}fulltext is hereby defined for the
    'urn:xmpp:mam:2' FORM_TYPE"."""
    reply = await wire.delegated(query(), type="get")
    types = {field.get("var"): field.get("type") for field in reply.iq.iter(f"{{{NS_FORM}}}field")}

    assert types[FIELD] == "text-single"


async def test_search_matches_whole_words_in_any_order_and_case(talk: Wire) -> None:
    """3.2: "the intent is that a reasonable full-text search is performed based on the input":
    a message matches if it has all words of the search, in any order and case."""
    assert len((await talk.history(withtext="RIVER old")).results) == 1
    assert (await talk.history(withtext="riv")).results == []
    assert (await talk.history(withtext="river meet")).results == []


async def test_search_supports_phrases_and_prefixes(talk: Wire) -> None:
    """3.2: "certain characters are deemed "special""."""
    assert len((await talk.history(withtext='"the river"')).results) == 2
    assert (await talk.history(withtext='"river the"')).results == []
    assert len((await talk.history(withtext="riv*")).results) == 2


async def test_search_is_combined_with_filters_and_paged(talk: Wire) -> None:
    """2 (paraphrase): the field is a filter of the query like any other."""
    first = await talk.history(withtext="the", max="1")
    rest = await talk.history(withtext="the", after=first.ids[0])

    assert (first.complete, first.index, first.rsm("count")) == (False, "0", "3")
    assert len(rest.results) == 2
    assert (await talk.history(withtext="river", with_="carol@example.net")).bodies == [
        "At the river?"
    ]


async def test_search_text_in_two_fields_is_refused(talk: Wire) -> None:
    """3.1 (paraphrase): there is one text field, and the earlier names are names of it."""
    assert (await talk.history(withtext="a", search="b")).refusal == "bad-request"


async def test_search_text_without_a_word_is_refused(talk: Wire) -> None:
    """3.2 (paraphrase): a search needs at least one word."""
    assert (await talk.history(withtext="?!")).refusal == "bad-request"


async def test_slow_search_is_refused_with_advice(
    talk: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.2 (paraphrase): the server decides how it searches, and may refuse a search."""
    assert len((await talk.history(withtext="river")).results) == 2
    monkeypatch.setattr("storage.sqlite.engine.database.LONG_SECONDS", 0)
    refused = await talk.history(withtext="river")

    assert (refused.refusal, refused.results) == ("policy-violation", [])
    assert len((await talk.history()).results) == 4


async def test_direct_query_is_searched(talk: Wire) -> None:
    """2.2 (paraphrase): delegated and direct queries have the same fields."""
    reply = await talk.direct(query(withtext="meet"), asker=ALICE_PHONE, to=COMPONENT)

    assert reply.bodies == ["Let us meet there"]
