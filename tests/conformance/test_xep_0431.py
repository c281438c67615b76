"""XEP-0431: Full Text Search in MAM, version 0.2.0, and the names that the field had before."""

from __future__ import annotations

from pathlib import Path

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
    open_wire,
    query,
)

from storage.sqlite.engine.database import DatabaseTimeouts

FIELD = "{urn:xmpp:fulltext:0}fulltext"
NAMES = [FIELD, "withtext", "search"]


@pytest.fixture
async def talk(wire: Wire) -> Wire:
    """Alice's archive with four messages."""
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
async def test_only_messages_with_that_text_are_returned(talk: Wire, name: str) -> None:
    """2.2: "an additional text key, which if non-empty is used as input to a full text search"."""
    reply = await talk.history(**{name: "cafe"})

    assert len(reply.results) == 2
    assert all("caf" in body.lower() for body in reply.bodies)


@pytest.mark.parametrize("name", NAMES)
async def test_empty_text_is_no_search(talk: Wire, name: str) -> None:
    """2.2: "which if non-empty is used as input to a full text search"."""
    assert len((await talk.history(**{name: ""})).results) == 4


async def test_the_form_has_the_field_as_text(wire: Wire) -> None:
    """3.1: "A text input field of {urn:xmpp:fulltext:0}fulltext is hereby defined for the
    'urn:xmpp:mam:2' FORM_TYPE"."""
    reply = await wire.delegated(query(), type="get")
    types = {field.get("var"): field.get("type") for field in reply.iq.iter(f"{{{NS_FORM}}}field")}

    assert types[FIELD] == "text-single"


async def test_a_reasonable_search_is_performed(talk: Wire) -> None:
    """3.2: "the intent is that a reasonable full-text search is performed based on the input":
    a message has to have all words, in any order and case."""
    assert len((await talk.history(withtext="RIVER old")).results) == 1
    assert (await talk.history(withtext="riv")).results == []
    assert (await talk.history(withtext="river meet")).results == []


async def test_words_in_a_row_and_beginnings_of_words_are_found(talk: Wire) -> None:
    """3.2: "certain characters are deemed "special""."""
    assert len((await talk.history(withtext='"the river"')).results) == 2
    assert (await talk.history(withtext='"river the"')).results == []
    assert len((await talk.history(withtext="riv*")).results) == 2


async def test_a_search_narrows_a_query_and_has_pages(talk: Wire) -> None:
    """2 (paraphrase): the field is one of a query like any other."""
    first = await talk.history(withtext="the", max="1")
    rest = await talk.history(withtext="the", after=first.ids[0])

    assert (first.complete, first.index, first.rsm("count")) == (False, "0", "3")
    assert len(rest.results) == 2
    assert (await talk.history(withtext="river", with_="carol@example.net")).bodies == [
        "At the river?"
    ]


async def test_text_in_two_fields_is_refused(talk: Wire) -> None:
    """3.1 (paraphrase): it is one field, whatever it was called before."""
    assert (await talk.history(withtext="a", search="b")).refusal == "bad-request"


async def test_a_text_without_a_word_is_refused(talk: Wire) -> None:
    """3.2 (paraphrase): there is nothing to search for."""
    assert (await talk.history(withtext="?!")).refusal == "bad-request"


async def test_slow_search_is_refused_with_advice(tmp_path: Path) -> None:
    """3.2 (paraphrase): the server decides how it searches, and may refuse a search."""
    async with open_wire(tmp_path, timeouts=DatabaseTimeouts(long_read=0.0)) as wire:
        wire.say("At the river?")
        refused = await wire.history(withtext="river")

        assert (refused.refusal, refused.results) == ("policy-violation", [])
        assert (await wire.history()).bodies == ["At the river?"]


async def test_the_component_searches_too(talk: Wire) -> None:
    """2.2 (paraphrase): whichever way the query comes."""
    reply = await talk.direct(query(withtext="meet"), asker=ALICE_PHONE, to=COMPONENT)

    assert reply.bodies == ["Let us meet there"]
