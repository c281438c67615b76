"""MongooseIM big_tests, mam_SUITE, fetch_specific_msgs_cases and metadata_cases, and the form."""

from __future__ import annotations

import pytest
from support.mam_payloads import (
    GET_FORM,
    METADATA,
    NS_VALIDATE,
    Edge,
    fields_in,
    metadata_in,
)
from support.numbered_archive import NumberedArchive
from support.wire import NS_DELAY, NS_FORWARD, Reply, Wire, element_at

UNKNOWN = "AV25E9SCO50K"


async def test_query_messages_by_ids(fifteen: NumberedArchive) -> None:
    page = await fifteen.page(ids=[fifteen.ids[5], fifteen.ids[10]])

    assert (page.numbers, page.complete) == ([5, 10], True)


async def test_query_messages_by_ids_returns_archive_order(fifteen: NumberedArchive) -> None:
    """The order and repetition of the ids in the query do not matter."""
    page = await fifteen.page(ids=[fifteen.ids[n] for n in (10, 5, 5)])

    assert page.numbers == [5, 10]


async def test_simple_query_messages_by_ids(fifteen: NumberedArchive) -> None:
    """A query by ids is paged like any other. Their server omits count and index here."""
    page = await fifteen.page(ids=[fifteen.ids[2], fifteen.ids[5]], max=10, after=1)

    assert (page.numbers, page.count) == ([2, 5], 2)


async def test_server_returns_item_not_found_for_ids_filter_with_nonexistent_id(
    fifteen: NumberedArchive,
) -> None:
    page = await fifteen.page(ids=[fifteen.ids[3], fifteen.ids[12], UNKNOWN])

    assert (page.refusal, page.numbers) == ("item-not-found", [])


async def test_metadata_archive_request(wire: Wire) -> None:
    for number in range(1, 16):
        wire.say(str(number))
    history = await wire.history()
    metadata = metadata_in((await wire.delegated(METADATA, type="get")).iq)

    assert metadata == (edge(history, 0), edge(history, -1))


async def test_metadata_archive_request_empty(wire: Wire) -> None:
    assert metadata_in((await wire.delegated(METADATA, type="get")).iq) is None


async def test_metadata_archive_request_one_message(wire: Wire) -> None:
    wire.say("hello")
    metadata = metadata_in((await wire.delegated(METADATA, type="get")).iq)

    assert metadata is not None
    assert metadata[0] == metadata[1]


@pytest.mark.parametrize(
    ("name", "type"), [("with", "jid-single"), ("start", "text-single"), ("end", "text-single")]
)
async def test_retrieve_form_fields(wire: Wire, name: str, type: str) -> None:
    fields = fields_in((await wire.delegated(GET_FORM, type="get")).iq)

    assert fields[name].get("type") == type


@pytest.mark.parametrize(
    ("name", "type"),
    [
        ("before-id", "text-single"),
        ("after-id", "text-single"),
        ("ids", "list-multi"),
        ("include-groupchat", "boolean"),
    ],
)
async def test_retrieve_form_fields_extra_features(wire: Wire, name: str, type: str) -> None:
    fields = fields_in((await wire.delegated(GET_FORM, type="get")).iq)

    assert fields[name].get("type") == type


async def test_retrieve_form_fields_extra_features_leaves_ids_open(wire: Wire) -> None:
    """XEP-0122: the list is open to any id, and the form lists no ids."""
    ids = fields_in((await wire.delegated(GET_FORM, type="get")).iq)["ids"]

    assert ids.find(f"{{{NS_VALIDATE}}}validate/{{{NS_VALIDATE}}}open") is not None
    assert ids.find("{jabber:x:data}option") is None


def edge(reply: Reply, place: int) -> Edge:
    delay = element_at(reply.results[place], f"{{{NS_FORWARD}}}forwarded/{{{NS_DELAY}}}delay")
    return Edge(id=reply.ids[place], stamp=delay.get("stamp", ""))
