"""XEP-0313: Message Archive Management, version 1.1.3: pages.

Clauses are quoted as published; a paraphrase is marked as such.
"""

from __future__ import annotations

import pytest
from support.results import numbers, say_all
from support.wire import (
    BOB_PHONE,
    Wire,
)

# --- 4.3 Paging through results ------------------------------------------------------------------


async def test_consecutive_pages_are_in_chronological_order(wire: Wire) -> None:
    """4.2: "if a client were to request the first 10 stanzas in an archive, then use RSM to
    request the next 10 stanzas [...] all 20 result stanzas would be received in chronological
    order"."""
    await say_all(wire, 15)
    first = await wire.history(max="10")
    second = await wire.history(max="10", after=first.ids[-1])

    assert first.bodies + second.bodies == numbers(1, 15)


async def test_page_has_at_most_the_requested_size(wire: Wire) -> None:
    """4.3.1: "a server MUST support Result Set Management and MUST support the paging mechanism
    defined therein"."""
    await say_all(wire, 15)

    assert (await wire.history(max="10")).bodies == numbers(1, 10)


async def test_large_page_is_limited_by_the_server(wire: Wire) -> None:
    """4.3.1: "a server MAY place a reasonable limit on how many stanzas may be pushed to a client
    in one request [...] modifying the <set/> element it returns appropriately"."""
    for number in range(300):
        wire.say(str(number))
    reply = await wire.history(max="1000000")

    assert (len(reply.results), reply.complete, reply.rsm("last")) == (250, False, reply.ids[249])


async def test_any_page_can_be_requested_at_any_time(wire: Wire) -> None:
    """4.3.2: "There is no concept of an "open query", and servers MUST be prepared to receive
    arbitrary page requests at any time"."""
    ids = await say_all(wire, 15)
    pages = [(await wire.history(max="2", after=ids[place])).bodies for place in (12, 0, 6)]

    assert pages == [["14", "15"], ["2", "3"], ["8", "9"]]


@pytest.mark.parametrize("direction", ["after", "before"])
@pytest.mark.parametrize(
    "id", ["unknown", "0" * 22, "A" * 22, "-1", "1767225600000000", "&lt;&amp;'"]
)
async def test_unknown_id_is_item_not_found(wire: Wire, direction: str, id: str) -> None:
    """4.3.2: "If the UID contained within an <after/> or <before/> element is not present in the
    archive, the server MUST return an item-not-found error"."""
    wire.say("hello")
    reply = await wire.history(**{direction: id})

    assert (reply.refusal, reply.messages) == ("item-not-found", [])


@pytest.mark.parametrize("direction", ["after", "before"])
async def test_id_of_another_archive_is_item_not_found(wire: Wire, direction: str) -> None:
    """4.3.2: "is not present in the archive": the archive of the query."""
    wire.say("hello")
    [id] = (await wire.history(BOB_PHONE)).ids

    assert (await wire.history(**{direction: id})).refusal == "item-not-found"


async def test_last_page_is_complete(wire: Wire) -> None:
    """4.3.2: "When the results returned by the server are complete [...] the server MUST include a
    'complete' attribute on the <fin> element, with a value of 'true'"."""
    await say_all(wire, 15)

    assert (await wire.history(max="15")).fin.get("complete") == "true"


async def test_limited_page_is_not_complete(wire: Wire) -> None:
    """4.3.2: "If it is not the last page of the result set, the server MUST either omit the
    'complete' attribute, or give it a value of 'false'"."""
    await say_all(wire, 15)

    assert (await wire.history(max="14")).fin.get("complete") in (None, "false")


async def test_results_are_stable(wire: Wire) -> None:
    """4.3.2: "If the server knows that the data it's serving are stable it MUST either stamp a
    'stable' attribute with a value of 'true', or no such attribute"."""
    wire.say("hello")

    assert (await wire.history()).fin.get("stable") in (None, "true")


async def test_query_returns_every_message_received_before_it(wire: Wire) -> None:
    """4.3.2 (paraphrase): stable results do not gain earlier messages afterwards."""
    for number in range(500):
        wire.say(str(number))
    reply = await wire.history(before="", max="1")

    assert reply.bodies == ["499"]


async def test_empty_before_returns_the_last_page(wire: Wire) -> None:
    """4.3.3: "To request the page at the end of the archive (i.e. the most recent messages),
    include just an empty <before/> element in the RSM part of the query"."""
    await say_all(wire, 15)

    assert (await wire.history(max="3", before="")).bodies == ["13", "14", "15"]


async def test_page_before_an_id_is_in_chronological_order(wire: Wire) -> None:
    """4.3.3: "all results are still in chronological order, that is, the first result you receive
    will be the oldest item in the page"."""
    ids = await say_all(wire, 15)
    reply = await wire.history(max="5", before=ids[9])

    assert reply.bodies == numbers(5, 9)
