"""XEP-0313: Message Archive Management, version 1.1.3: the features of #extended.

Clauses are quoted as published; a paraphrase is marked as such.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from support.results import numbers, say_all, say_then, stamp_of
from support.wire import (
    ALICE,
    BOB,
    BOB_PHONE,
    NS_MAM,
    Wire,
)

pytestmark = pytest.mark.usefixtures("january")


# --- 4.1.3 Limiting results by id ----------------------------------------------------------------


async def test_before_id_excludes_the_message_and_later_ones(wire: Wire) -> None:
    """4.1.3: "restrict its query to before and/or after messages it already knows about"."""
    ids = await say_all(wire, 9)

    assert (await wire.history(before_id=ids[4])).bodies == numbers(1, 4)


async def test_after_id_excludes_the_message_and_earlier_ones(wire: Wire) -> None:
    """4.1.3: "restrict its query to before and/or after messages it already knows about"."""
    ids = await say_all(wire, 9)

    assert (await wire.history(after_id=ids[4])).bodies == numbers(6, 9)


async def test_after_id_and_before_id_bound_a_range(wire: Wire) -> None:
    """4.1.3 (example): "Querying the archive for all messages between two known messages"."""
    ids = await say_all(wire, 9)
    reply = await wire.history(after_id=ids[1], before_id=ids[5])

    assert (reply.bodies, reply.complete) == (numbers(3, 5), True)


async def test_before_id_does_not_page_backwards(wire: Wire) -> None:
    """10: "using 'before' implies paging backwards through the result set while using 'before-id'
    does not"."""
    ids = await say_all(wire, 9)

    assert (await wire.history(before_id=ids[7], max="3")).bodies == numbers(1, 3)


async def test_range_is_paged_forwards_and_backwards(wire: Wire) -> None:
    """4.3.2: "To retrieve a range of items between two known ids, use before-id and after-id in
    the query form instead": the range is paged like any result set."""
    ids = await say_all(wire, 9)
    part = {"after_id": ids[0], "before_id": ids[8], "max": "3"}

    forwards = await wire.history(**part, after=ids[3])
    backwards = await wire.history(**part, before=ids[5])
    assert (forwards.bodies, backwards.bodies) == (numbers(5, 7), numbers(3, 5))
    assert (forwards.index, forwards.rsm("count")) == ("3", "7")


async def test_after_and_before_in_one_request_return_the_last_page_between_them(
    wire: Wire,
) -> None:
    """4.3.2: "RSM does not define the behaviour of including both <before> and <after> in the same
    request": Muniment returns the last page between both."""
    ids = await say_all(wire, 9)
    reply = await wire.history(after=ids[1], before=ids[7], max="3")

    assert (reply.bodies, reply.complete) == (numbers(5, 7), False)


async def test_message_is_fetched_by_id(wire: Wire) -> None:
    """4.1.3: "If the client already knows the UID of one or more messages it wants to fetch, it
    can use the 'ids' field"."""
    ids = await say_all(wire, 9)

    assert (await wire.history(ids=ids[6])).bodies == ["7"]


async def test_messages_fetched_by_ids_are_in_chronological_order_and_once(wire: Wire) -> None:
    """4.2: "The archive results MUST be sorted in chronological order": the order of the ids in
    the query does not matter."""
    ids = await say_all(wire, 9)
    reply = await wire.history(ids=[ids[6], ids[0], ids[3], ids[0]])

    assert (reply.bodies, reply.complete) == (["1", "4", "7"], True)


async def test_query_by_ids_is_paged(wire: Wire) -> None:
    """4.3.1 (paraphrase): paging applies to every query."""
    ids = await say_all(wire, 9)
    page = await wire.history(ids=ids[2:8], max="4")

    assert (page.bodies, page.complete) == (numbers(3, 6), False)
    assert (await wire.history(ids=ids[2:8], max="4", after=page.ids[-1])).bodies == ["7", "8"]


PLACES = ["before_id", "after_id", "ids", "before", "after"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("id", ["unknown", "0" * 22, "A" * 22, "-1", "1767225600000000", "&lt;"])
async def test_unknown_id_in_any_place_is_item_not_found(wire: Wire, place: str, id: str) -> None:
    """4.1.3: "If any UID requested by the client in any of the 'before-id', 'after-id' or 'ids'
    form fields is not present in the archive, the server MUST return an item-not-found error";
    4.3.2 says the same of <after/> and <before/>."""
    wire.say("hello")
    reply = await wire.history(**{place: id})

    assert (reply.refusal, reply.messages) == ("item-not-found", [])


@pytest.mark.parametrize("place", PLACES)
async def test_id_of_another_archive_in_any_place_is_item_not_found(
    wire: Wire, place: str
) -> None:
    """4.1.3: "is not present in the archive": the archive of the query."""
    wire.say("hello")
    [id] = (await wire.history(BOB_PHONE)).ids

    assert (await wire.history(**{place: id})).refusal == "item-not-found"


@pytest.mark.parametrize("field", ["before_id", "after_id", "ids"])
async def test_empty_id_is_item_not_found(wire: Wire, field: str) -> None:
    """4.1.3: "is not present in the archive". (An empty <before/> asks for the last page.)"""
    wire.say("hello")

    assert (await wire.history(**{field: ""})).refusal == "item-not-found"


async def test_unknown_id_among_known_ids_is_item_not_found(wire: Wire) -> None:
    """4.1.3: "If any UID requested by the client [...] is not present in the archive"."""
    ids = await say_all(wire, 3)

    assert (await wire.history(ids=[*ids, "unknown"])).refusal == "item-not-found"


async def test_id_of_a_message_outside_the_filter_is_accepted(wire: Wire) -> None:
    """4.1.3 (paraphrase): an id must be in the archive, not necessarily in the result set."""
    ids = await say_all(wire, 3)
    wire.say("to carol", to="carol@example.net")

    assert (await wire.history(after_id=ids[1], with_="carol@example.net")).bodies == ["to carol"]
    assert (await wire.history(ids=ids, with_="carol@example.net")).bodies == []


async def test_ids_and_the_other_filters_are_combined(wire: Wire) -> None:
    """4.1 (paraphrase): a message matches if it matches every filter."""
    ids = await say_all(wire, 9)
    reply = await wire.history(
        with_=BOB,
        start="2026-01-01T00:00:00Z",
        end="2026-01-31T00:00:00Z",
        after_id=ids[1],
        before_id=ids[7],
        ids=[ids[0], ids[4], ids[5], ids[8]],
        include_groupchat="false",
        withtext="5",
    )

    assert (reply.bodies, reply.index, reply.rsm("count")) == (["5"], "0", "1")


# --- 4.3.4 Flipped pages -------------------------------------------------------------------------


@pytest.mark.parametrize("page", [{}, {"before": ""}], ids=["first page", "last page"])
async def test_flipped_page_is_sent_in_reverse_order(wire: Wire, page: dict[str, str]) -> None:
    """4.3.4: "the client may prefer for the server to send the results within that page in reverse
    order"."""
    await say_all(wire, 9)
    unflipped = await wire.history(max="4", **page)
    flipped = await wire.history(max="4", flip=True, **page)

    assert flipped.bodies == unflipped.bodies[::-1]


async def test_flipped_page_has_the_same_fin(wire: Wire) -> None:
    """4.3.4: "flipping a page does not affect what results are returned in response to the query.
    It only affects the order in which they are transmitted from the server to the client"."""
    ids = await say_all(wire, 9)
    unflipped = await wire.history(max="4", after=ids[1])
    flipped = await wire.history(max="4", after=ids[1], flip=True)

    assert ET.tostring(flipped.fin) == ET.tostring(unflipped.fin)
    assert (flipped.rsm("first"), flipped.rsm("last")) == (ids[2], ids[5])


# --- 5. Archive metadata -------------------------------------------------------------------------


METADATA = f"<metadata xmlns='{NS_MAM}'/>"


async def test_metadata_has_the_first_and_the_last_message(wire: Wire) -> None:
    """5: "This element MUST include <start/> and <end/> elements, which each have an 'id' and
    XEP-0082 formatted 'timestamp' of the first and last messages in the archive respectively"."""
    for day in (2, 1, 3):
        say_then(wire, f"day {day}", f"2026-01-0{day}T12:00:00Z")
    ids = (await wire.history(BOB_PHONE)).ids
    reply = await wire.delegated(METADATA, asker=BOB_PHONE, owner=BOB, type="get")

    assert reply.metadata == {
        "start": (ids[0], "2026-01-02T12:00:00.000000Z"),
        "end": (ids[2], "2026-01-03T12:00:00.000000Z"),
    }


async def test_metadata_agrees_with_the_results(wire: Wire) -> None:
    """5: "of the first and last messages in the archive": with the ids and times of the
    results."""
    await say_all(wire, 3)
    first, _, last = (await wire.history()).results
    reply = await wire.delegated(METADATA, type="get")

    assert reply.metadata == {
        "start": (first.get("id"), stamp_of(first)),
        "end": (last.get("id"), stamp_of(last)),
    }


async def test_empty_archive_has_empty_metadata(wire: Wire) -> None:
    """5: "If the archive is empty, the <metadata/> element is empty, too" (paraphrase)."""
    reply = await wire.delegated(METADATA, type="get")

    assert (reply.iq.get("type"), reply.metadata) == ("result", {})


async def test_direct_metadata_query_reads_the_archive_of_the_requester(wire: Wire) -> None:
    """5: "an iq of type 'get' to the archive's address"."""
    [id] = await say_all(wire, 1)
    reply = await wire.direct(METADATA, type="get")

    assert [end for end, _ in reply.metadata.values()] == [id, id]


async def test_metadata_set_is_refused(wire: Wire) -> None:
    """5: "via an iq of type 'get'"."""
    assert (await wire.delegated(METADATA, type="set")).refusal == "bad-request"


async def test_metadata_of_another_user_is_forbidden(wire: Wire) -> None:
    """8.1: "the error condition SHOULD be 'forbidden'"."""
    wire.say("hello")
    reply = await wire.delegated(METADATA, asker=BOB_PHONE, owner=ALICE, type="get")

    assert reply.refusal == "forbidden"
