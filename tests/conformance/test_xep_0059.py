"""XEP-0059: Result Set Management, version 1.0, clause by clause."""

from __future__ import annotations

import pytest
from support.results import features
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    DELEGATION_1,
    HOST,
    NS_MAM,
    NS_RSM,
    OTHER_HOST,
    Wire,
    chat,
)

CAROL = f"carol@{OTHER_HOST}"


@pytest.fixture
async def fifteen(wire: Wire) -> list[str]:
    """The ids of fifteen messages in alice's archive."""
    for number in range(1, 16):
        wire.say(str(number))
    return (await wire.history()).ids


async def test_max_limits_the_number_of_items(wire: Wire, fifteen: list[str]) -> None:
    """2.1: "The number of items is limited to the requested size"."""
    assert (await wire.history(max="4")).ids == fifteen[:4]


async def test_page_has_first_and_last_id(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "in each page it returns, the responding entity MUST include <first/> and <last/>
    elements that specify the unique ID (UID) for the first and last items in the page"."""
    reply = await wire.history(max="4", after=fifteen[3])

    assert (reply.rsm("first"), reply.rsm("last")) == (fifteen[4], fifteen[7])


async def test_first_and_last_are_equal_on_a_page_of_one_item(
    wire: Wire, fifteen: list[str]
) -> None:
    """2.2: "If there is only one item in the page, then the first and last UIDs MUST be the
    same"."""
    reply = await wire.history(max="1")

    assert reply.rsm("first") == reply.rsm("last") == fifteen[0]


@pytest.mark.parametrize("page", [{"max": "0"}, {"with_": "nobody@example.org"}])
async def test_empty_page_has_neither_first_nor_last(
    wire: Wire, fifteen: list[str], page: dict[str, str]
) -> None:
    """2.2: "If there are no items in the page, then the <first/> and <last/> elements MUST NOT be
    included"."""
    reply = await wire.history(**page)

    assert (reply.rsm("first"), reply.rsm("last")) == (None, None)


async def test_empty_archive_has_an_empty_page(wire: Wire) -> None:
    """2.2: "If there are no items whatsoever in the full result set, the responding entity MUST
    return a response that adheres to the definition of the wrapper protocol"."""
    reply = await wire.history(max="10")

    assert (reply.complete, reply.rsm("first"), reply.rsm("count")) == (True, None, "0")


async def test_count_is_the_number_of_all_items(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "The responding entity SHOULD also include the number of items in the full result set
    encapsulated in a <count/> element"."""
    assert (await wire.history(max="4", after=fifteen[3])).rsm("count") == "15"


async def test_count_is_the_number_of_filtered_items(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "the number of items in the full result set": of all items that match the query,
    independent of the page."""
    for number in range(3):
        wire.say(str(number), to=CAROL)

    for page in ({}, {"max": "1"}, {"max": "1", "before": ""}, {"max": "1", "index": "2"}):
        assert (await wire.history(with_=CAROL, **page)).rsm("count") == "3"


@pytest.mark.parametrize(
    ("page", "index"),
    [
        ({}, 0),
        ({"max": "4"}, 0),
        ({"max": "4", "after": "4"}, 4),
        ({"max": "4", "before": "10"}, 5),
        ({"max": "4", "after": "11"}, 11),
        ({"max": "4", "index": "7"}, 7),
    ],
)
async def test_index_of_the_first_item_is_returned(
    wire: Wire, fifteen: list[str], page: dict[str, str], index: int
) -> None:
    """2.2: "The <first/> element SHOULD include an 'index' attribute. This integer specifies the
    position within the full set [...] of the first item in the page [...]. If that item is the
    first in the full set, then the index SHOULD be '0'"."""
    parameters = {
        name: fifteen[int(value) - 1] if name in ("after", "before") else value
        for name, value in page.items()
    }

    assert (await wire.history(**parameters)).index == str(index)


async def test_index_of_the_last_page_fits_the_count(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "If the last item in the page is the last item in the full set, then the value of the
    <first/> element's 'index' attribute SHOULD be the specified count minus the number of items in
    the last page"."""
    reply = await wire.history(max="4", after=fifteen[10])

    assert (reply.index, reply.rsm("count")) == (str(15 - 4), "15")


async def test_index_is_omitted_on_a_requested_last_page(wire: Wire, fifteen: list[str]) -> None:
    """2.2 (paraphrase): the index is the count minus the items of the page. With the index,
    clients that page backwards and look for the end of the result set would stop after this
    page."""
    last = await wire.history(max="4", before="")
    previous = await wire.history(max="4", before=last.ids[0])

    assert (last.index, last.rsm("count")) == (None, "15")
    assert (previous.index, previous.rsm("count")) == ("7", "15")


async def test_after_continues_with_the_next_item(wire: Wire, fifteen: list[str]) -> None:
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
    ids: list[str] = []
    while len(ids) < 15:
        ids += (await wire.history(max="4", **({"after": ids[-1]} if ids else {}))).ids

    assert ids == fifteen


async def test_page_is_up_to_date_when_it_is_sent(wire: Wire, fifteen: list[str]) -> None:
    """2.2: "Each page of the result set is up-to-date at the time it is sent (not just at the time
    the first page was sent)"."""
    wire.say("sixteen")

    assert (await wire.history(after=fifteen[14])).bodies == ["sixteen"]


async def test_before_ends_with_the_item_just_before(wire: Wire, fifteen: list[str]) -> None:
    """2.3: "The last item in the page returned by the responding entity MUST be the item that
    immediately preceeds the item that the requesting entity indicated it has already received"."""
    assert (await wire.history(max="3", before=fifteen[9])).ids == fifteen[6:9]


async def test_deleted_item_is_item_not_found(wire: Wire) -> None:
    """2.4: "MUST reply with an 'item-not-found' error if [...] the item specified by the
    requesting entity via the UID in the <after/> or <before/> element no longer exists"."""
    wire.log_copy(chat("hello"))
    [erased_id] = (await wire.history(f"{BOB}/x")).ids
    await wire.storage.retention.erase(BOB, limit=10)

    assert (await wire.history(f"{BOB}/x", after=erased_id)).refusal == "item-not-found"


async def test_empty_before_returns_the_last_page(wire: Wire, fifteen: list[str]) -> None:
    """2.5: "The requesting entity MAY ask for the last page in a result set by including in its
    request an empty <before/> element, and the maximum number of items to return"."""
    assert (await wire.history(max="4", before="")).ids == fifteen[11:]


@pytest.mark.parametrize("index", [0, 1, 7, 14])
async def test_page_is_found_by_index(wire: Wire, fifteen: list[str], index: int) -> None:
    """2.6: "the requesting entity MAY request the page that starts at a particular index within
    the result set"; "If the specified index was "0" then the responding entity SHOULD derive the
    UID that is the first in the full result set"."""
    assert (await wire.history(max="4", index=str(index))).ids == fifteen[index : index + 4]


async def test_requested_index_is_returned(wire: Wire, fifteen: list[str]) -> None:
    """2.6: "The 'index' attribute of the <first/> element MUST be the same as the index specified
    in the request"."""
    assert (await wire.history(max="4", index="7")).index == "7"


@pytest.mark.parametrize("index", ["15", "16", "1000000", "9" * 40])
async def test_index_behind_the_last_item_returns_an_empty_page(
    wire: Wire, fifteen: list[str], index: str
) -> None:
    """2.6: "If the index specified by the requesting entity is greater than or equal to the number
    of items in the full set then the responding entity MUST return an empty page"."""
    reply = await wire.history(max="4", index=index)

    assert (reply.iq.get("type"), reply.results, reply.complete) == ("result", [], True)
    assert (reply.rsm("first"), reply.rsm("last"), reply.rsm("count")) == (None, None, "15")


async def test_index_counts_filtered_items(wire: Wire, fifteen: list[str]) -> None:
    """2.6: "a particular index within the result set": of the items that match the query."""
    for number in range(3):
        wire.say(f"carol {number}", to=CAROL)

    assert (await wire.history(with_=CAROL, index="1")).bodies == ["carol 1", "carol 2"]


async def test_expensive_index_is_feature_not_implemented(wire: Wire, fifteen: list[str]) -> None:
    """2.6: "If it would be either impossible or exceptionally resource intensive [...] to derive
    the first UID from the specified index [...] the responding entity MAY return a
    <feature-not-implemented/> error"."""
    reply = await wire.history(with_=f"{BOB}/phone", index="1000000")

    assert reply.refusal == "feature-not-implemented"


@pytest.mark.parametrize("place", [("before", ""), ("before", "known"), ("after", "known")])
async def test_index_with_before_or_after_is_refused(
    wire: Wire, fifteen: list[str], place: tuple[str, str]
) -> None:
    """2.6: "Only if the UID before the start (or after the end) of a desired result set page is
    not known, then the requesting entity MAY request the page" by its index."""
    name, id = place

    assert (await wire.history(index="4", **{name: id and fifteen[3]})).refusal == "bad-request"


@pytest.mark.parametrize("index", ["-1", "first", "1.5", ""])
async def test_index_that_is_no_number_is_refused(wire: Wire, index: str) -> None:
    """8 (schema): <index/> is an xs:int; a negative index is before the first item."""
    assert (await wire.history(index=index)).refusal == "bad-request"


async def test_max_of_zero_returns_the_count(wire: Wire, fifteen: list[str]) -> None:
    """2.7: "In order to get the item count of a result set without retrieving the items
    themselves, the requesting entity simply specifies zero for the maximum size"."""
    reply = await wire.history(max="0")

    assert (reply.results, reply.rsm("count")) == ([], "15")


async def test_count_with_max_of_zero_obeys_the_filter(wire: Wire, fifteen: list[str]) -> None:
    """2.7: "the item count of a result set": of the items that match the query."""
    wire.say("to carol", to=CAROL)

    assert (await wire.history(max="0", with_=CAROL)).rsm("count") == "1"


async def test_count_is_returned_with_before_and_after(wire: Wire, fifteen: list[str]) -> None:
    """2.7: "the item count of a result set": <after/> and <before/> do not change the set."""
    for page in ({"after": fifteen[3]}, {"before": fifteen[3]}, {"before": ""}, {"index": "3"}):
        assert (await wire.history(max="0", **page)).rsm("count") == "15"


@pytest.mark.parametrize("address", [ALICE_PHONE, HOST])
async def test_support_is_advertised(wire: Wire, address: str) -> None:
    """4: "it SHOULD send a Service Discovery information request to the responding entity": the
    response has the feature."""
    node = f"{DELEGATION_1}:bare:{NS_MAM}" if address == HOST else None

    assert NS_RSM in await features(wire, node, asker=address)


@pytest.mark.parametrize("max", ["-1", "many", "1.5"])
async def test_max_that_is_no_number_is_refused(wire: Wire, max: str) -> None:
    """8 (schema): <max/> is an xs:int; the archive refuses a negative one."""
    assert (await wire.history(max=max)).refusal == "bad-request"


async def test_page_is_from_the_archive_of_the_owner(wire: Wire, fifteen: list[str]) -> None:
    """2.2 (paraphrase): ids are unique within their result set, so another archive has none of
    them."""
    assert (await wire.history(f"{BOB}/x", after=fifteen[0])).refusal == "item-not-found"
    assert (await wire.history(ALICE_PHONE, after=fifteen[0])).iq.get("from") == ALICE
