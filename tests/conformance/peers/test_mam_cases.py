"""MongooseIM big_tests, mam_SUITE, mam_cases, nostore, chat_markers and text_search.

Each test has the name of their case. Cases of discovery, and cases that need live clients, are in
tests/integration/peers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.mam_payloads import FULLTEXT, GET_FORM, archive_query, fields_in
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    HOST,
    NS_CLIENT,
    NS_DELAY,
    NS_FORWARD,
    NS_HINTS,
    NS_MAM,
    Reply,
    Wire,
    chat,
    element_at,
    open_wire,
)

KATE = f"kate@{HOST}"
EMOJI = ("to be found 🐢", "🦊 to be", "is found again 🐢")

#: The first, the third and the last text contain all three words of the search.
DISHES = (
    "Mushrooms, fried, with leek: a dish of the autumn, leek and all.",
    "Leek soup, as my aunt made it.",
    "In autumn she would sort the mushrooms and cut the leek.",
    "No mushrooms before the first rain, she said.",
    "A leek is not an onion. Autumn comes.",
    "So: autumn. Leek? Yes. And MUSHROOMS.",
)

MARKERS = "urn:xmpp:chat-markers:0"


def marker(name: str, extra: str = "") -> str:
    """Return a chat marker of bob for alice (XEP-0333)."""
    return (
        f"<message xmlns='{NS_CLIENT}' type='chat' id='{name}' from='{BOB_PHONE}'"
        f" to='{ALICE_PHONE}'><{name} xmlns='{MARKERS}' id='m1'/>{extra}</message>"
    )


def stamps(reply: Reply) -> list[str]:
    path = f"{{{NS_FORWARD}}}forwarded/{{{NS_DELAY}}}delay"
    return [element_at(result, path).get("stamp", "") for result in reply.results]


# --- mam_cases -----------------------------------------------------------------------------------


async def test_easy_archive_request(wire: Wire) -> None:
    wire.say("OH, HAI!")
    reply = await wire.delegated(archive_query(queryid="q1"))

    assert [result.get("queryid") for result in reply.results] == ["q1"]


async def test_easy_archive_request_for_the_receiver(wire: Wire) -> None:
    wire.say("OH, HAI!")

    assert (await wire.history(BOB_PHONE)).bodies == ["OH, HAI!"]


async def test_message_sent_to_yourself(wire: Wire) -> None:
    """The server copies the message on sending and on receipt; it is archived once."""
    for _ in range(2):
        wire.say("OH, HAI!", to=ALICE)

    assert (await wire.history()).bodies == ["OH, HAI!"]


async def test_range_archive_request(wire: Wire) -> None:
    wire.say("much later")
    reply = await wire.history(start="2010-06-07T00:00:00Z", end="2010-07-07T13:23:54Z")

    assert (reply.iq.get("type"), reply.bodies) == ("result", [])


async def test_range_archive_request_not_empty(wire: Wire) -> None:
    """A range from the time of one message to that of another includes both."""
    for number in range(1, 16):
        wire.say(str(number))
        # Each message gets a time of its own.
        await wire.caught_up()
    start, end = stamps(await wire.history())[2:4]
    reply = await wire.history(start=start, end=end)

    assert (reply.bodies, stamps(reply)) == (["3", "4"], [start, end])


async def test_limit_archive_request(wire: Wire) -> None:
    for number in range(1, 16):
        wire.say(str(number))

    assert len((await wire.history(start="2010-08-07T00:00:00Z", max="10")).results) == 10


async def test_querying_for_all_messages_with_jid(wire: Wire) -> None:
    for number in range(1, 16):
        wire.say(str(number), to=BOB if number % 3 else KATE)

    assert len((await wire.history(with_=BOB)).results) == 10


async def test_querying_for_all_messages_with_jid_after(wire: Wire) -> None:
    """MongooseIM issue 4222: the page after a message contains only matching messages."""
    wire.say("hi, bob")
    wire.say("hi, kate", to=BOB)
    wire.say("hi, alice", sender=f"{KATE}/home", to=ALICE)
    wire.say("how are you?", sender=f"{KATE}/home", to=ALICE)
    wire.say("busy", sender=BOB_PHONE, to=ALICE)
    third = (await wire.history()).ids[2]

    assert (await wire.history(with_=KATE, max="50", after=third)).bodies == ["how are you?"]


async def test_querying_with_invalid_mam_id_in_after(wire: Wire) -> None:
    """Their server answers not-acceptable; XEP-0313 section 4.1.1 requires item-not-found."""
    assert (await wire.history(max="50", after="PURPLEFE965CC9")).refusal == "item-not-found"


async def test_unicode_messages_can_be_extracted(wire: Wire) -> None:
    for text in EMOJI:
        wire.say(text)

    assert (await wire.history()).bodies == list(EMOJI)


# --- nostore, archived ---------------------------------------------------------------------------


@pytest.mark.parametrize("asker", [ALICE_PHONE, BOB_PHONE])
async def test_nostore_hint(wire: Wire, asker: str) -> None:
    wire.log_copy(chat("so secret", extra=f"<no-store xmlns='{NS_HINTS}'/>"))

    assert (await wire.history(asker)).bodies == []


async def test_filter_forwarded(wire: Wire) -> None:
    """The server copies results to the component like any message; they are not archived again."""
    wire.say("OH, HAI!")
    [id] = (await wire.history(BOB_PHONE)).ids
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' from='{BOB}' to='{BOB_PHONE}'>"
        f"<result xmlns='{NS_MAM}' id='{id}'><forwarded xmlns='{NS_FORWARD}'>{chat('OH, HAI!')}"
        "</forwarded></result></message>"
    )

    assert (await wire.history(BOB_PHONE)).bodies == ["OH, HAI!"]


# --- chat_markers --------------------------------------------------------------------------------


@pytest.fixture
async def unmarked(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component that does not archive chat markers."""
    async with open_wire(tmp_path, archive={"markers": False}) as opened:
        yield opened


async def test_archive_chat_markers(wire: Wire) -> None:
    wire.log_copy(chat("hello", extra=f"<markable xmlns='{MARKERS}'/>"))
    for name in ("received", "displayed", "acknowledged"):
        wire.log_copy(marker(name))

    assert len((await wire.history()).results) == 1 + 3


async def test_dont_archive_chat_markers(wire: Wire) -> None:
    """Their server omits markers with a result, a delay or the no-store hint. A delay does not
    forbid storing, so Muniment omits only the other two."""
    wire.log_copy(chat("hello", extra=f"<markable xmlns='{MARKERS}'/>"))
    wire.log_copy(marker("received", "<result xmlns='urn:xmpp:mam:2' id='x'/>"))
    wire.log_copy(marker("displayed", f"<no-store xmlns='{NS_HINTS}'/>"))

    assert (await wire.history()).bodies == ["hello"]


async def test_chat_markers_are_not_archived_if_disabled(unmarked: Wire) -> None:
    unmarked.log_copy(chat("hello", extra=f"<markable xmlns='{MARKERS}'/>"))
    unmarked.log_copy(marker("displayed"))

    assert (await unmarked.history()).bodies == ["hello"]


# --- text_search ---------------------------------------------------------------------------------


async def test_text_search_is_available(wire: Wire) -> None:
    """XEP-0431; their server has a different name for the field."""
    fields = fields_in((await wire.delegated(GET_FORM, type="get")).iq)

    assert fields[FULLTEXT].get("type") == "text-single"


async def test_easy_text_search_request(wire: Wire) -> None:
    """Their server finds parts of words; Muniment finds words, and prefixes with a star."""
    texts = ("My cat is called Tom", "He is lost", "Cats come back", "A bike is not a cat")
    for text in texts:
        wire.say(text)

    assert (await search(wire, "cat*")).bodies == [texts[0], texts[2], texts[3]]
    assert (await search(wire, "CAT")).bodies == [texts[0], texts[3]]
    assert (await search(wire, "bike")).bodies == [texts[3]]


async def test_long_text_search_request(wire: Wire) -> None:
    """The search finds messages with all words, in any order and case."""
    for text in DISHES:
        wire.say(text)
    reply = await search(wire, "leek muShrooms autuMn")

    assert reply.bodies == [DISHES[0], DISHES[2], DISHES[5]]


async def test_save_unicode_messages(wire: Wire) -> None:
    for text in EMOJI:
        wire.say(text)

    assert (await search(wire, "found")).bodies == [EMOJI[0], EMOJI[2]]


async def search(wire: Wire, words: str) -> Reply:
    return await wire.delegated(archive_query({FULLTEXT: words}))
