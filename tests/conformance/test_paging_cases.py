"""Paging cases that other servers and clients test too, written anew.

Their archive is one of fifteen messages, and a page has five.
"""

from __future__ import annotations

import pytest
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    NS_CLIENT,
    NS_FORWARD,
    NS_MAM,
    NS_RSM,
    Wire,
    found,
)


@pytest.fixture
async def ids(wire: Wire) -> list[str]:
    """The ids of messages 1 to 15, preceded by one that stands for nothing."""
    for number in range(1, 16):
        wire.say(str(number))
    return ["", *(await wire.history()).ids]


def bodies(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


@pytest.mark.parametrize(
    ("way", "place", "first", "last"),
    [
        pytest.param("after", None, 1, 5, id="pagination_first5"),
        pytest.param("before", None, 11, 15, id="pagination_last5"),
        pytest.param("before", 10, 5, 9, id="pagination_before10"),
        pytest.param("after", 10, 11, 15, id="pagination_after10"),
        pytest.param("before", 1, 1, 0, id="pagination_simple_before1"),
        pytest.param("before", 2, 1, 1, id="pagination_simple_before2"),
        pytest.param("before", 3, 1, 2, id="pagination_simple_before3"),
        pytest.param("before", 6, 1, 5, id="pagination_simple_before6"),
        pytest.param("after", 5, 6, 10, id="pagination_simple_after5"),
        pytest.param("after", 12, 13, 15, id="pagination_simple_after12"),
    ],
)
async def test_a_page_of_five_holds_what_it_should(
    wire: Wire, ids: list[str], way: str, place: int | None, first: int, last: int
) -> None:
    """MongooseIM big_tests, mam_SUITE, rsm_cases: the name of the case is that of the test."""
    reply = await wire.history(max="5", **{way: "" if place is None else ids[place]})

    assert reply.bodies == bodies(first, last)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param({"max": "0"}, id="pagination_first0"),
        pytest.param({"max": "0", "before": ""}, id="pagination_last0"),
    ],
)
async def test_a_page_of_nothing_holds_the_count(
    wire: Wire, ids: list[str], page: dict[str, str]
) -> None:
    """MongooseIM big_tests, mam_SUITE, rsm_cases."""
    reply = await wire.history(**page)

    assert (reply.bodies, reply.rsm("count")) == ([], "15")


async def test_an_empty_result_set_element_asks_for_a_page_as_usual(
    wire: Wire, ids: list[str]
) -> None:
    """MongooseIM big_tests, mam_SUITE, pagination_empty_rset."""
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}'><set xmlns='{NS_RSM}'/></query>")

    assert reply.bodies == bodies(1, 15)


@pytest.mark.parametrize(
    ("way", "place", "complete"),
    [
        pytest.param("before", None, False, id="before_complete_false_last5"),
        pytest.param("before", 10, False, id="before_complete_false_before10"),
        pytest.param("before", 1, True, id="before_complete_true_before1"),
        pytest.param("before", 5, True, id="before_complete_true_before5"),
        pytest.param("before", 6, True, id="before_complete_true_before6"),
        pytest.param("after", None, False, id="after_complete_false_first_page"),
        pytest.param("after", 2, False, id="after_complete_false_after2"),
        pytest.param("after", 9, False, id="after_complete_false_after9"),
        pytest.param("after", 10, True, id="after_complete_true_after10"),
        pytest.param("after", 11, True, id="after_complete_true_after11"),
    ],
)
async def test_a_page_of_five_is_complete_when_nothing_lies_beyond(
    wire: Wire, ids: list[str], way: str, place: int | None, complete: bool
) -> None:
    """MongooseIM big_tests, mam_SUITE, complete_flag_cases."""
    reply = await wire.history(max="5", **{way: "" if place is None else ids[place]})

    assert reply.complete is complete


@pytest.mark.parametrize("way", ["before", "after"])
@pytest.mark.parametrize("id", ["AV25E9SCO50K", "bad-id", "1500000000000000"])
async def test_an_id_that_never_was_is_not_found(
    wire: Wire, ids: list[str], way: str, id: str
) -> None:
    """MongooseIM big_tests, mam_SUITE, server_returns_item_not_found_for_{before,after}_filter_
    with_{nonexistent,invalid}_id."""
    assert (await wire.history(**{way: id})).refusal == "item-not-found"


async def test_the_last_message_with_a_user_is_found(wire: Wire) -> None:
    """Smack integration tests, MamIntegrationTest.mamTest: bob asks for the last message with
    alice, a page of one; it has its id, body, full sender and bare recipient."""
    wire.say("before", id="m1")
    wire.say("the message", id="m2")
    reply = await wire.history(BOB_PHONE, with_=ALICE, max="1", before="")

    [result] = reply.results
    message = found(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message")
    assert (message.get("id"), message.get("from"), message.get("to"), reply.bodies) == (
        "m2",
        ALICE_PHONE,
        BOB,
        ["the message"],
    )


async def test_thirty_messages_are_three_pages_of_ten(wire: Wire) -> None:
    """Smack integration tests, MamIntegrationTest.mamPageTest: pages after what was known before;
    only the last one is complete."""
    wire.say("known before")
    [latest] = (await wire.history(BOB_PHONE, max="1", before="")).ids
    for number in range(30):
        wire.say(str(number))
    pages = []
    for _ in range(3):
        pages.append(await wire.history(BOB_PHONE, with_=ALICE, max="10", after=latest))
        latest = pages[-1].ids[-1]

    assert [page.complete for page in pages] == [False, False, True]
    assert [body for page in pages for body in page.bodies] == bodies(0, 29)
