"""XEP-0313: Message Archive Management, version 1.1.3, clause by clause.

Quoted as published; what is said in other words is marked as a paraphrase.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import count

import pytest
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    COMPONENT,
    DELEGATION_1,
    DELEGATION_2,
    HOST,
    NS_CLIENT,
    NS_DELAY,
    NS_DISCO,
    NS_FORM,
    NS_FORWARD,
    NS_HINTS,
    NS_MAM,
    NS_RSM,
    OTHER_HOST,
    Wire,
    chat,
    form_of,
    found,
    parsed,
    query,
)

from component.core.times import parse_time

CAROL = f"carol@{OTHER_HOST}"
DELAY = f"<delay xmlns='{NS_DELAY}' from='{HOST}' stamp='{{}}'>Offline storage</delay>"


@pytest.fixture(autouse=True)
def january(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be noon of 9 January 2026, a week after the times below."""
    week_after = count(parse_time("2026-01-09T12:00:00Z"))
    monkeypatch.setattr("component.xmpp.service_log.now", lambda: next(week_after))


def message_in(result: ET.Element) -> ET.Element:
    return found(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message")


def stamp_of(result: ET.Element) -> str:
    return found(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_DELAY}}}delay").get("stamp", "")


def say_then(wire: Wire, body: str, stamp: str) -> None:
    """Send bob a message from elsewhere which the server kept since that time."""
    wire.log_copy(
        chat(body, sender="romeo@remote.example/x", to=BOB, id=body, extra=DELAY.format(stamp))
    )


async def features(wire: Wire, node: str | None) -> set[str]:
    of = "" if node is None else f" node='{node}'"
    reply = await wire.direct(f"<query xmlns='{NS_DISCO}'{of}/>", asker=HOST, type="get")
    return {feature.get("var", "") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature")}


# --- 3. Message archives -------------------------------------------------------------------------


async def test_the_stanza_is_stored_with_its_standard_attributes(wire: Wire) -> None:
    """3: "at a minimum only the <body> tag MUST be preserved [...] in addition to all standard
    attributes of the stanza (e.g. to, from, type, id)"."""
    wire.log_copy(chat("hello", id="m7"))
    [result] = (await wire.history()).results

    assert message_in(result).attrib == {
        "from": ALICE_PHONE,
        "to": BOB,
        "type": "chat",
        "id": "m7",
    }


async def test_the_entire_original_stanza_is_stored(wire: Wire) -> None:
    """3: "The entire original stanza SHOULD be stored"."""
    stanza = chat("hello", extra="<thread>t1</thread><x xmlns='urn:x'><y a='1'>z</y></x>")
    wire.log_copy(stanza)
    [result] = (await wire.history()).results

    got, sent = (
        ET.canonicalize(xml, rewrite_prefixes=True)
        for xml in (ET.tostring(message_in(result)), stanza)
    )
    assert got == sent


async def test_ids_are_unique_within_the_archive(wire: Wire) -> None:
    """3: "A server-assigned UID that MUST be unpredictable and unique within the archive"."""
    for number in range(200):
        wire.say(str(number))
    ids = (await wire.history(max="200")).ids

    assert len(set(ids)) == 200


async def test_ids_do_not_tell_the_next_one(wire: Wire) -> None:
    """3: "A server-assigned UID that MUST be unpredictable"."""
    wire.say("one")
    wire.say("two")
    first, second = (await wire.history()).ids

    assert sum(a == b for a, b in zip(first, second, strict=True)) < len(first) // 2


async def test_ids_in_two_archives_of_one_message_differ(wire: Wire) -> None:
    """3: "MUST be unpredictable": knowing an id of one's own tells nothing about another's."""
    wire.say("hello")
    mine, theirs = await wire.history(), await wire.history(BOB_PHONE)

    assert set(mine.ids).isdisjoint(theirs.ids)


async def test_the_order_is_that_of_arrival_whatever_the_clock_says(wire: Wire) -> None:
    """3.1: "the order of messages is the same as the order that the client originally received
    them [...] implementors should take care not to rely on timestamps alone"."""
    say_then(wire, "new", "2026-01-03T00:00:00Z")
    say_then(wire, "old", "2026-01-01T00:00:00Z")
    say_then(wire, "middle", "2026-01-02T00:00:00Z")

    assert (await wire.history(BOB_PHONE)).bodies == ["new", "old", "middle"]


async def test_messages_of_one_moment_keep_their_order(wire: Wire) -> None:
    """3.1: "multiple messages may share the same timestamp"."""
    for number in range(20):
        say_then(wire, str(number), "2026-01-01T00:00:00Z")

    assert (await wire.history(BOB_PHONE)).bodies == [str(number) for number in range(20)]


async def test_an_archive_is_exposed_on_the_bare_address_of_its_user(wire: Wire) -> None:
    """3.3.1: "MUST expose these archives to the user on the user's bare JID"."""
    wire.say("hello")
    reply = await wire.delegated(query(), owner=ALICE)

    assert (reply.iq.get("from"), reply.bodies) == (ALICE, ["hello"])


# --- 4. Querying an archive ----------------------------------------------------------------------


async def test_a_query_without_a_form_is_answered_with_everything(wire: Wire) -> None:
    """4.1: "By default all messages match a query"."""
    wire.say("to bob")
    wire.say("to carol", to=CAROL)
    wire.say("from romeo", sender="romeo@remote.example/x", to=ALICE)

    assert (await wire.history()).bodies == ["to bob", "to carol", "from romeo"]


async def test_the_answer_holds_a_result_set(wire: Wire) -> None:
    """4: "The final <iq/> result response MUST include an RSM <set/> element, wrapped into a
    <fin/> element [...] indicating the UID of the first and last message"."""
    for body in ("one", "two", "three"):
        wire.say(body)
    reply = await wire.history()

    assert (reply.rsm("first"), reply.rsm("last")) == (reply.ids[0], reply.ids[-1])


async def test_the_answer_comes_after_the_last_result(wire: Wire) -> None:
    """4: "the server MUST send the <iq/> result after last query result has been sent"."""
    for number in range(100):
        wire.say(str(number))
    reply = await wire.history(max="100")
    await wire.nothing_comes()

    assert len(reply.messages) == 100


async def test_an_empty_archive_is_a_success(wire: Wire) -> None:
    """4 (paraphrase): a query that matches nothing is answered with a result, not an error."""
    reply = await wire.history()

    assert (reply.iq.get("type"), reply.results, reply.complete) == ("result", [], True)


async def test_a_query_id_comes_back_with_each_result(wire: Wire) -> None:
    """4.2: "If the client gave a 'queryid' attribute in its initial query, the server MUST also
    include that in this result element"."""
    wire.say("one")
    wire.say("two")
    reply = await wire.history(queryid="f27")

    assert [result.get("queryid") for result in reply.results] == ["f27", "f27"]


async def test_a_form_of_another_type_is_refused(wire: Wire) -> None:
    """4.1: "The hidden FORM_TYPE field MUST be set to this protocol's namespace"."""
    form = form_of("urn:xmpp:mam:1", **{"with": [BOB]})
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}'>{form}</query>")

    assert reply.refusal == "bad-request"


async def test_no_field_of_the_form_is_required(wire: Wire) -> None:
    """4.1: "Servers MUST NOT mark any fields in the form as being required"."""
    reply = await wire.delegated(query(), type="get")

    assert list(reply.iq.iter(f"{{{NS_FORM}}}required")) == []


# --- 4.1.1 Filtering by JID ----------------------------------------------------------------------


@pytest.fixture
async def three_peers(wire: Wire) -> Wire:
    """Alice's archive: messages with bob on two devices, with carol, and with herself."""
    wire.say("to bob")
    wire.say("from bob's phone", sender=BOB_PHONE, to=ALICE)
    wire.say("from bob's desk", sender=f"{BOB}/desk", to=ALICE_PHONE)
    wire.say("to carol", to=CAROL)
    wire.say("to myself", to=ALICE)
    return wire


async def test_only_messages_with_that_address_are_returned(three_peers: Wire) -> None:
    """4.1.1: "The server MUST only return messages if they match the supplied JID. A message in a
    user's archive matches if the JID matches either the to or from of the message"."""
    assert (await three_peers.history(with_=CAROL)).bodies == ["to carol"]


async def test_a_bare_address_matches_each_of_its_resources(three_peers: Wire) -> None:
    """4.1.1: "If (and only if) the supplied JID is a bare JID [...] the server SHOULD return
    messages if their bare to/from address for a user archive [...] would match it"."""
    assert (await three_peers.history(with_=BOB)).bodies == [
        "to bob",
        "from bob's phone",
        "from bob's desk",
    ]


async def test_a_full_address_matches_itself_only(three_peers: Wire) -> None:
    """4.1.1: "If (and only if) the supplied JID is a bare JID": a full one matches exactly."""
    assert (await three_peers.history(with_=f"{BOB}/desk")).bodies == ["from bob's desk"]


async def test_the_own_address_matches_messages_to_oneself_only(three_peers: Wire) -> None:
    """4.1.1: "the client needs to set the 'with' attribute to the account JID. In that case, the
    server MUST only return results where both the 'to' and 'from' match the bare JID"."""
    assert (await three_peers.history(with_=ALICE)).bodies == ["to myself"]


async def test_an_address_is_compared_as_an_address(three_peers: Wire) -> None:
    """4.1.1 with RFC 7622: case of the local part and of the domain tells nothing apart."""
    assert (await three_peers.history(with_="CAROL@Example.NET")).bodies == ["to carol"]


async def test_without_an_address_every_message_matches(three_peers: Wire) -> None:
    """4.1.1: "If 'with' is omitted, the server MUST match all messages in the selected timespan
    with the query, regardless of the to/from addresses on each message"."""
    assert len((await three_peers.history()).results) == 5


# --- 4.1.2 Filtering by time received ------------------------------------------------------------


@pytest.fixture
async def three_days(wire: Wire) -> Wire:
    """Bob's archive: a message a day."""
    for day in (1, 2, 3):
        say_then(wire, f"day {day}", f"2026-01-0{day}T12:00:00Z")
    return wire


async def test_start_leaves_out_what_was_before_it(three_days: Wire) -> None:
    """4.1.2: "a server MUST only return messages whose timestamp is equal to or later than the
    given timestamp"."""
    reply = await three_days.history(BOB_PHONE, start="2026-01-02T12:00:00Z")

    assert reply.bodies == ["day 2", "day 3"]


async def test_end_leaves_out_what_was_after_it(three_days: Wire) -> None:
    """4.1.2: "a server MUST only return messages whose timestamp is equal to or earlier than the
    timestamp given in the 'end' field"."""
    reply = await three_days.history(BOB_PHONE, end="2026-01-02T12:00:00Z")

    assert reply.bodies == ["day 1", "day 2"]


async def test_start_and_end_together_bound_a_span(three_days: Wire) -> None:
    """4.1.2 (paraphrase): both ends belong to the span."""
    moment = "2026-01-02T12:00:00Z"
    reply = await three_days.history(BOB_PHONE, start=moment, end=moment)

    assert reply.bodies == ["day 2"]


async def test_a_span_that_ends_before_it_starts_is_empty(three_days: Wire) -> None:
    """4.1.2 (paraphrase): no message is both later than the start and earlier than the end."""
    reply = await three_days.history(
        BOB_PHONE, start="2026-01-03T00:00:00Z", end="2026-01-01T00:00:00Z"
    )

    assert (reply.iq.get("type"), reply.results) == ("result", [])


@pytest.mark.parametrize(
    "moment",
    ["2026-01-02T13:00:00+01:00", "2026-01-02T06:30:00-05:30", "2026-01-02T12:00:00.000Z"],
)
async def test_times_are_those_of_the_profile(three_days: Wire, moment: str) -> None:
    """4.1.2: "MUST contain timestamps formatted according to the DateTime profile defined in
    XMPP Date and Time Profiles"."""
    reply = await three_days.history(BOB_PHONE, start=moment, end=moment)

    assert reply.bodies == ["day 2"]


async def test_a_time_in_another_format_is_refused(wire: Wire) -> None:
    """4.1.2: "MUST contain timestamps formatted according to the DateTime profile"."""
    assert (await wire.history(start="20260101T00:00:00")).refusal == "bad-request"


async def test_all_filters_hold_at_once(three_days: Wire) -> None:
    """4.1 (paraphrase): filters narrow each other."""
    kept = DELAY.format("2026-01-02T12:00:00Z")
    three_days.log_copy(chat("from tybalt", sender="tybalt@remote.example/x", extra=kept))
    reply = await three_days.history(
        BOB_PHONE, with_="romeo@remote.example", start="2026-01-02T00:00:00Z"
    )

    assert reply.bodies == ["day 2", "day 3"]


# --- 4.1.5 Retrieving form fields ----------------------------------------------------------------


async def test_the_form_holds_the_mandatory_fields_with_their_types(wire: Wire) -> None:
    """4.1.5: "the types of these fields MUST be 'jid-single', 'text-single' and 'text-single'
    respectively" for with, start and end."""
    reply = await wire.delegated(query(), type="get")
    form = found(reply.iq, f"{{{NS_MAM}}}query/{{{NS_FORM}}}x")

    assert {field.get("var"): field.get("type") for field in form} == {
        "FORM_TYPE": "hidden",
        "with": "jid-single",
        "start": "text-single",
        "end": "text-single",
    }


async def test_a_query_needs_no_form_to_be_fetched_before(wire: Wire) -> None:
    """4.1.5: "A server MUST NOT rely on a client having first requested the form"."""
    assert (await wire.history(with_=BOB)).refusal is None


async def test_a_field_that_is_not_known_is_not_implemented(wire: Wire) -> None:
    """4.1.5: "If a client includes a form field that the server does not recognise, the server
    MUST respond with a 'feature-not-implemented' error"."""
    form = form_of(**{"{urn:example}colour": ["blue"]})
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}'>{form}</query>")

    assert reply.refusal == "feature-not-implemented"


# --- 4.2 Query results ---------------------------------------------------------------------------


async def test_each_result_is_a_message_of_its_own(wire: Wire) -> None:
    """4.2: "The results are sent as individual stanzas, with the original message encapsulated in
    a <forwarded/> element"."""
    wire.say("one")
    wire.say("two")
    reply = await wire.history()

    assert [message_in(result).get("id") for result in reply.results] == ["one", "two"]


async def test_each_result_has_the_id_of_its_message(wire: Wire) -> None:
    """4.2: "The result messages MUST contain a <result/> element with an 'id' attribute that gives
    the current message's archive UID": the one which pages are found by."""
    wire.say("one")
    wire.say("two")
    first, _ = (await wire.history()).ids

    assert (await wire.history(after=first)).bodies == ["two"]


async def test_each_result_says_when_the_message_was_received(wire: Wire) -> None:
    """4.2: "SHOULD also contain a <delay/> element [...]. The value of the 'stamp' attribute MUST
    be the time the message was originally received by the forwarding entity"."""
    wire.say("hello")
    [result] = (await wire.history()).results

    assert stamp_of(result) == "2026-01-09T12:00:00.000000Z"


async def test_a_message_that_was_offline_has_the_time_when_the_server_took_it(wire: Wire) -> None:
    """4.2: "the time the message was originally received by the forwarding entity"."""
    say_then(wire, "hello", "2026-01-01T12:00:00Z")
    [result] = (await wire.history(BOB_PHONE)).results

    assert stamp_of(result) == "2026-01-01T12:00:00.000000Z"


async def test_times_are_in_utc(wire: Wire) -> None:
    """4.2 with XEP-0203 section 3: the stamp "MUST be [...] in UTC" (paraphrase)."""
    wire.say("hello")
    [result] = (await wire.history()).results

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamp_of(result))


async def test_results_go_to_the_client_that_asked_and_to_no_other(wire: Wire) -> None:
    """4: "the server pushes to the client a series of messages": the full address that asked."""
    wire.say("hello")
    reply = await wire.history(f"{ALICE}/desk")

    assert {message.get("to") for message in reply.messages} == {f"{ALICE}/desk"}


async def test_results_come_from_the_archive_that_was_asked(wire: Wire) -> None:
    """8.2: a client MUST check that "the stanza 'from' matches the entity that was queried"."""
    wire.say("hello")
    reply = await wire.history()

    assert {message.get("from") for message in reply.messages} == {ALICE}


# --- 4.3 Paging through results ------------------------------------------------------------------


async def fifteen(wire: Wire) -> list[str]:
    """Say fifteen things and return their ids."""
    for number in range(1, 16):
        wire.say(str(number))
    return (await wire.history()).ids


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


async def test_two_pages_are_in_the_order_of_one(wire: Wire) -> None:
    """4.2: "if a client were to request the first 10 stanzas in an archive, then use RSM to
    request the next 10 stanzas [...] all 20 result stanzas would be received in chronological
    order"."""
    await fifteen(wire)
    first = await wire.history(max="10")
    second = await wire.history(max="10", after=first.ids[-1])

    assert first.bodies + second.bodies == numbers(1, 15)


async def test_a_page_is_no_larger_than_asked_for(wire: Wire) -> None:
    """4.3.1: "a server MUST support Result Set Management and MUST support the paging mechanism
    defined therein"."""
    await fifteen(wire)

    assert (await wire.history(max="10")).bodies == numbers(1, 10)


async def test_the_server_may_limit_a_page(wire: Wire) -> None:
    """4.3.1: "a server MAY place a reasonable limit on how many stanzas may be pushed to a client
    in one request [...] modifying the <set/> element it returns appropriately"."""
    for number in range(300):
        wire.say(str(number))
    reply = await wire.history(max="1000000")

    assert (len(reply.results), reply.complete, reply.rsm("last")) == (250, False, reply.ids[249])


async def test_any_page_can_be_asked_for_at_any_time(wire: Wire) -> None:
    """4.3.2: "There is no concept of an "open query", and servers MUST be prepared to receive
    arbitrary page requests at any time"."""
    ids = await fifteen(wire)
    pages = [(await wire.history(max="2", after=ids[place])).bodies for place in (12, 0, 6)]

    assert pages == [["14", "15"], ["2", "3"], ["8", "9"]]


@pytest.mark.parametrize("way", ["after", "before"])
@pytest.mark.parametrize(
    "id", ["unknown", "0" * 22, "A" * 22, "-1", "1767225600000000", "&lt;&amp;'"]
)
async def test_an_unknown_id_is_not_found(wire: Wire, way: str, id: str) -> None:
    """4.3.2: "If the UID contained within an <after/> or <before/> element is not present in the
    archive, the server MUST return an item-not-found error"."""
    wire.say("hello")
    reply = await wire.history(**{way: id})

    assert (reply.refusal, reply.messages) == ("item-not-found", [])


@pytest.mark.parametrize("way", ["after", "before"])
async def test_an_id_of_another_archive_is_not_found(wire: Wire, way: str) -> None:
    """4.3.2: "is not present in the archive": the one that is asked."""
    wire.say("hello")
    [id] = (await wire.history(BOB_PHONE)).ids

    assert (await wire.history(**{way: id})).refusal == "item-not-found"


async def test_the_last_page_is_marked_complete(wire: Wire) -> None:
    """4.3.2: "When the results returned by the server are complete [...] the server MUST include a
    'complete' attribute on the <fin> element, with a value of 'true'"."""
    await fifteen(wire)

    assert (await wire.history(max="15")).fin.get("complete") == "true"


async def test_a_page_that_was_limited_is_not_marked_complete(wire: Wire) -> None:
    """4.3.2: "If it is not the last page of the result set, the server MUST either omit the
    'complete' attribute, or give it a value of 'false'"."""
    await fifteen(wire)

    assert (await wire.history(max="14")).fin.get("complete") in (None, "false")


async def test_results_are_stable(wire: Wire) -> None:
    """4.3.2: "If the server knows that the data it's serving are stable it MUST either stamp a
    'stable' attribute with a value of 'true', or no such attribute"."""
    wire.say("hello")

    assert (await wire.history()).fin.get("stable") in (None, "true")


async def test_a_query_sees_all_that_came_before_it(wire: Wire) -> None:
    """4.3.2 (paraphrase): what is stable can not gain a message later that came before."""
    for number in range(500):
        wire.say(str(number))
    reply = await wire.history(before="", max="1")

    assert reply.bodies == ["499"]


async def test_an_empty_before_asks_for_the_last_page(wire: Wire) -> None:
    """4.3.3: "To request the page at the end of the archive (i.e. the most recent messages),
    include just an empty <before/> element in the RSM part of the query"."""
    await fifteen(wire)

    assert (await wire.history(max="3", before="")).bodies == ["13", "14", "15"]


async def test_the_last_page_is_in_chronological_order_too(wire: Wire) -> None:
    """4.3.3: "all results are still in chronological order, that is, the first result you receive
    will be the oldest item in the page"."""
    ids = await fifteen(wire)
    reply = await wire.history(max="5", before=ids[9])

    assert reply.bodies == numbers(5, 9)


# --- 6. Business rules ---------------------------------------------------------------------------


@pytest.mark.parametrize("type", ["chat", "normal", ""])
async def test_messages_with_a_body_are_archived(wire: Wire, type: str) -> None:
    """6.1.1: "a server SHOULD include in a user archive all of the messages a user sends or
    receives of type 'normal' or 'chat' that contain a <body> element"."""
    stanza = chat("hello", type=type).replace(' type=""', "")
    wire.log_copy(stanza)

    assert (await wire.history()).bodies == ["hello"]


async def test_a_message_is_archived_for_who_sent_it_and_for_who_got_it(wire: Wire) -> None:
    """6.1.1: "all of the messages a user sends or receives"."""
    wire.say("hello")

    assert (await wire.history()).bodies == (await wire.history(BOB_PHONE)).bodies == ["hello"]


async def test_headlines_are_not_archived(wire: Wire) -> None:
    """6.1.1: "A server MAY include messages of type 'headline', but this is not generally
    suggested"."""
    wire.log_copy(chat("news", type="headline"))

    assert (await wire.history()).bodies == []


async def test_state_changes_are_not_archived(wire: Wire) -> None:
    """3: "all messages that hold meaningful content, rather than state changes such as Chat State
    Notifications, would be archived"."""
    state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    wire.log_copy(chat("", extra=state).replace("<body></body>", ""))

    assert (await wire.history()).results == []


async def test_a_message_that_many_clients_get_is_archived_once(wire: Wire) -> None:
    """6.1.1: "it MUST store such a staza within a given archive only once, irrespective of
    multiple connected clients receiving copies"."""
    for _ in range(5):
        wire.log_copy(chat("hello"))

    assert (await wire.history(BOB_PHONE)).bodies == ["hello"]


async def test_carbons_are_not_archived_again(wire: Wire) -> None:
    """6.1.1: "If a server supports mechanisms that multiply copies of a stanza (e.g. Carbons"."""
    wire.log_copy(chat("hello"))
    carbon = (
        f"<message xmlns='{NS_CLIENT}' type='chat' from='{ALICE}' to='{ALICE}/desk'>"
        f"<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='{NS_FORWARD}'>{chat('hello')}"
        "</forwarded></sent></message>"
    )
    wire.log_copy(carbon)

    assert (await wire.history()).bodies == ["hello"]


async def test_results_of_the_archive_are_not_archived(wire: Wire) -> None:
    """6.1.1 (paraphrase): reading history must not become history."""
    wire.log_copy(chat("hello"))
    await wire.history()
    inner = (
        f"<result xmlns='{NS_MAM}' id='1'><forwarded xmlns='{NS_FORWARD}'>{chat('hello')}"
        f"</forwarded></result><no-store xmlns='{NS_HINTS}'/>"
    )
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' from='{ALICE}' to='{ALICE_PHONE}'>{inner}</message>"
    )

    assert (await wire.history()).bodies == ["hello"]


async def test_a_message_that_was_rejected_is_not_in_the_archive_of_who_rejected_it(
    wire: Wire,
) -> None:
    """6.1: "If an entity (user's server, ...) rejects an incoming message [...] that message
    should not appear in the archive for the entity that rejected it"."""
    wire.log_copy(chat("hello"))
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='error' id='m1' from='{BOB}' to='{ALICE_PHONE}'>"
        "<body>hello</body><error type='cancel'><service-unavailable "
        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )

    assert (await wire.history(BOB_PHONE)).bodies == []


async def test_an_id_is_not_used_again(wire: Wire) -> None:
    """6.2: "MUST NOT be reused, even if the original item with a given ID has since been removed
    from the archive"."""
    wire.log_copy(chat("hello"))
    [gone] = (await wire.history(BOB_PHONE)).ids
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='error' id='m1' from='{BOB}' to='{ALICE_PHONE}'>"
        "<body>hello</body><error type='cancel'/></message>"
    )
    wire.say("another")
    reply = await wire.history(BOB_PHONE)

    assert (reply.bodies, gone in reply.ids) == (["another"], False)


# --- 7. Determining support ----------------------------------------------------------------------


@pytest.mark.parametrize("version", [DELEGATION_1, DELEGATION_2])
async def test_archiving_addresses_advertise_the_protocol(wire: Wire, version: str) -> None:
    """7: "it MUST advertise the 'urn:xmpp:mam:2' [...] features in response to Service Discovery
    requests made to archiving JIDs (i.e. JIDs hosting an archive, such as users' bare JIDs)"."""
    assert NS_MAM in await features(wire, f"{version}:bare:{NS_MAM}")


@pytest.mark.parametrize("node", [None, f"{DELEGATION_1}:bare:{NS_MAM}"])
@pytest.mark.parametrize("of", ["#extended", "#groupchat-field", "#groupchat-available"])
async def test_what_is_not_there_is_not_advertised(wire: Wire, node: str | None, of: str) -> None:
    """7: "Servers advertising the 'urn:xmpp:mam:2#extended' feature MUST implement the 'before-id'
    and 'after-id' fields, as well as support for flipped pages and single-item retrieval"."""
    assert f"{NS_MAM}{of}" not in await features(wire, node)


@pytest.mark.parametrize("name", ["before-id", "after-id", "ids", "include-groupchat"])
async def test_fields_that_are_not_there_are_not_implemented(wire: Wire, name: str) -> None:
    """4.1.5: "a form field that the server does not recognise": feature-not-implemented."""
    form = form_of(**{name: ["x"]})
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}'>{form}</query>")

    assert reply.refusal == "feature-not-implemented"


async def test_flipped_pages_are_not_implemented(wire: Wire) -> None:
    """4.3.4: a client "MUST ensure that the server advertises the 'urn:xmpp:mam:2#extended'
    feature"; one that did not gets no page in the wrong order, but an error."""
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}'><flip-page/></query>")

    assert reply.refusal == "feature-not-implemented"


@pytest.mark.parametrize("payload", ["metadata", "prefs"])
async def test_other_queries_are_not_implemented(wire: Wire, payload: str) -> None:
    """5, and XEP-0441: metadata and preferences come with the features that advertise them."""
    reply = await wire.delegated(f"<{payload} xmlns='{NS_MAM}'/>", type="get")

    assert reply.refusal == "feature-not-implemented"


async def test_archives_of_nodes_are_not_implemented(wire: Wire) -> None:
    """6.1.3: "reserves the 'node' attribute of the <query> element for [...] pubsub archives"."""
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}' node='urn:xmpp:microblog:0'/>")

    assert reply.refusal == "feature-not-implemented"


# --- 8. Security considerations ------------------------------------------------------------------


@pytest.mark.parametrize("asker", [BOB_PHONE, "romeo@remote.example/x", HOST, f"{CAROL}/x"])
async def test_nobody_else_may_read_an_archive(wire: Wire, asker: str) -> None:
    """8.1: "If a client requests access to an archive it does not have permissions for the server
    MUST return an iq with type error, and the error condition SHOULD be 'forbidden'"."""
    wire.say("private")
    reply = await wire.delegated(query(), asker=asker, owner=ALICE)

    assert (reply.iq.get("type"), reply.refusal, reply.messages) == ("error", "forbidden", [])


async def test_a_stranger_has_no_archive_at_the_component(wire: Wire) -> None:
    """8.1: "a server MUST adequately protect an archive from unauthorized third-party access"."""
    reply = await wire.direct(query(), asker="romeo@remote.example/x")

    assert reply.refusal == "forbidden"


async def test_a_direct_query_reads_the_archive_of_who_asks(wire: Wire) -> None:
    """8.1 (paraphrase): the component has no archive of its own to ask for."""
    wire.say("private")
    reply = await wire.direct(query(), asker=BOB_PHONE, to=COMPONENT)

    assert [result.get("id") for result in reply.results] == (await wire.history(BOB_PHONE)).ids


async def test_a_refusal_shows_nothing_of_the_archive(wire: Wire) -> None:
    """8.1: an id of another's archive is refused before it is looked up."""
    wire.say("private")
    [id] = (await wire.history()).ids
    known, unknown = [
        await wire.delegated(query(after=after), asker=BOB_PHONE, owner=ALICE)
        for after in (id, "unknown")
    ]

    assert known.refusal == unknown.refusal == "forbidden"


async def test_hints_for_the_result_are_not_in_the_message(wire: Wire) -> None:
    """4.2: <forwarded/> "SHOULD contain the original message as it was received"."""
    wire.say("hello")
    reply = await wire.history()

    [result] = reply.results
    assert message_in(result).find(f"{{{NS_HINTS}}}no-store") is None
    assert parsed(ET.tostring(result, "unicode")).find(f"{{{NS_RSM}}}set") is None
