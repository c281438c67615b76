"""XEP-0059: Result Set Management, version 1.0, clause by clause."""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, BOB, NS_CLIENT, Wire, chat


@pytest.fixture
async def fifteen(wire: Wire) -> list[str]:
    """The ids of fifteen messages in alice's archive."""
    for number in range(1, 16):
        wire.say(str(number))
    return (await wire.history()).ids


async def test_the_number_of_items_is_limited_to_the_requested_size(
    wire: Wire, fifteen: list[str]
) -> None:
    """2.1: "The number of items is limited to the requested size"."""
    assert (await wire.history(max="4")).ids == fifteen[:4]


async def test_each_page_names_its_first_and_its_last_item(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "in each page it returns, the responding entity MUST include <first/> and <last/>
    elements that specify the unique ID (UID) for the first and last items in the page"."""
    reply = await wire.history(max="4", after=fifteen[3])

    assert (reply.rsm("first"), reply.rsm("last")) == (fifteen[4], fifteen[7])


async def test_first_and_last_of_a_page_of_one_are_the_same(
    wire: Wire, fifteen: list[str]
) -> None:
    """2.2: "If there is only one item in the page, then the first and last UIDs MUST be the
    same"."""
    reply = await wire.history(max="1")

    assert reply.rsm("first") == reply.rsm("last") == fifteen[0]


@pytest.mark.parametrize("page", [{"max": "0"}, {"with_": "nobody@example.org"}])
async def test_an_empty_page_names_no_first_and_no_last(
    wire: Wire, fifteen: list[str], page: dict[str, str]
) -> None:
    """2.2: "If there are no items in the page, then the <first/> and <last/> elements MUST NOT be
    included"."""
    reply = await wire.history(**page)

    assert (reply.rsm("first"), reply.rsm("last")) == (None, None)


async def test_an_empty_archive_has_an_empty_page(wire: Wire) -> None:
    """2.2: "If there are no items whatsoever in the full result set, the responding entity MUST
    return a response that adheres to the definition of the wrapper protocol"."""
    reply = await wire.history(max="10")

    assert (reply.complete, reply.rsm("first"), reply.rsm("count")) == (True, None, "0")


async def test_the_number_of_all_items_is_told(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "The responding entity SHOULD also include the number of items in the full result set
    encapsulated in a <count/> element"."""
    assert (await wire.history(max="4", after=fifteen[3])).rsm("count") == "15"


async def test_after_continues_with_the_very_next_item(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "The first item in the page returned by the responding entity MUST be the item that
    immediately follows the item that the requesting entity indicated in the <after/> element"."""
    assert (await wire.history(max="2", after=fifteen[4])).ids == fifteen[5:7]


async def test_without_after_a_page_begins_with_the_first_item(
    wire: Wire, fifteen: list[str]
) -> None:
    """2.2: "If no <after/> element is specified, then the UID defaults to "before the first item
    in the result set""."""
    assert (await wire.history(max="1")).ids == fifteen[:1]


async def test_pages_hold_each_item_once(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "When paging through the list in order, duplicate items are never received"; "No items
    will be omitted from pages not yet sent"."""
    seen: list[str] = []
    while len(seen) < 15:
        seen += (await wire.history(max="4", **({"after": seen[-1]} if seen else {}))).ids

    assert seen == fifteen


async def test_a_page_is_up_to_date_when_it_is_sent(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "Each page of the result set is up-to-date at the time it is sent (not just at the time
    the first page was sent)"."""
    wire.say("sixteen")

    assert (await wire.history(after=fifteen[14])).bodies == ["sixteen"]


async def test_before_ends_with_the_item_just_before(wire: Wire, fifteen: list[str]) -> None:
    """2.3: "The last item in the page returned by the responding entity MUST be the item that
    immediately preceeds the item that the requesting entity indicated it has already received"."""
    assert (await wire.history(max="3", before=fifteen[9])).ids == fifteen[6:9]


async def test_an_item_that_is_gone_is_not_found(wire: Wire) -> None:
    """2.4: "MUST reply with an 'item-not-found' error if [...] the item specified by the
    requesting entity via the UID in the <after/> or <before/> element no longer exists"."""
    wire.log_copy(chat("hello"))
    [gone] = (await wire.history(f"{BOB}/x")).ids
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='error' id='m1' from='{BOB}' to='{ALICE_PHONE}'>"
        "<body>hello</body><error type='cancel'/></message>"
    )

    assert (await wire.history(f"{BOB}/x", after=gone)).refusal == "item-not-found"


async def test_an_empty_before_is_the_last_page(wire: Wire, fifteen: list[str]) -> None:
    """2.5: "The requesting entity MAY ask for the last page in a result set by including in its
    request an empty <before/> element, and the maximum number of items to return"."""
    assert (await wire.history(max="4", before="")).ids == fifteen[11:]


async def test_a_page_by_its_index_is_not_implemented(wire: Wire, fifteen: list[str]) -> None:
    """2.6: "the responding entity MAY return a <feature-not-implemented/> error"."""
    assert (await wire.history(max="4", index="4")).refusal == "feature-not-implemented"


async def test_a_maximum_of_nothing_asks_for_the_count(wire: Wire, fifteen: list[str]) -> None:
    """2.7: "In order to get the item count of a result set without retrieving the items
    themselves, the requesting entity simply specifies zero for the maximum size"."""
    reply = await wire.history(max="0")

    assert (reply.results, reply.rsm("count")) == ([], "15")


async def test_the_count_is_that_of_the_filter(wire: Wire, fifteen: list[str]) -> None:
    """2.7: "the item count of a result set": of what the query matches."""
    wire.say("to carol", to="carol@example.net")

    assert (await wire.history(max="0", with_="carol@example.net")).rsm("count") == "1"


@pytest.mark.parametrize("max", ["-1", "many", "1.5"])
async def test_a_maximum_that_is_no_number_is_refused(wire: Wire, max: str) -> None:
    """8 (schema): <max/> is an xs:int of items; the archive takes none below zero."""
    assert (await wire.history(max=max)).refusal == "bad-request"


async def test_the_archive_is_that_of_the_owner(wire: Wire, fifteen: list[str]) -> None:
    """2.2 (paraphrase): ids are unique in the context of the result set they were given for."""
    assert (await wire.history(f"{BOB}/x", after=fifteen[0])).refusal == "item-not-found"
    assert (await wire.history(ALICE_PHONE, after=fifteen[0])).iq.get("from") == ALICE
