"""XEP-0313: Message Archive Management, version 1.1.3: fields of queries.

Clauses are quoted as published; a paraphrase is marked as such.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from support.results import DELAY, say_then
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    NS_FORM,
    NS_MAM,
    OTHER_HOST,
    Wire,
    chat,
    element_at,
    form_of,
    query,
)

from component.xmpp.archive.mam_form import FIELDS

pytestmark = pytest.mark.usefixtures("january")

CAROL = f"carol@{OTHER_HOST}"


# --- 4.1.1 Filtering by JID ----------------------------------------------------------------------


@pytest.fixture
async def three_peers(wire: Wire) -> Wire:
    """The archive of alice: messages with bob on two resources, with carol, and to herself."""
    wire.say("to bob")
    wire.say("from bob's phone", sender=BOB_PHONE, to=ALICE)
    wire.say("from bob's desk", sender=f"{BOB}/desk", to=ALICE_PHONE)
    wire.say("to carol", to=CAROL)
    wire.say("to myself", to=ALICE)
    return wire


async def test_with_returns_only_messages_from_or_to_the_jid(three_peers: Wire) -> None:
    """4.1.1: "The server MUST only return messages if they match the supplied JID. A message in a
    user's archive matches if the JID matches either the to or from of the message"."""
    assert (await three_peers.history(with_=CAROL)).bodies == ["to carol"]


async def test_bare_jid_matches_each_of_its_resources(three_peers: Wire) -> None:
    """4.1.1: "If (and only if) the supplied JID is a bare JID [...] the server SHOULD return
    messages if their bare to/from address for a user archive [...] would match it"."""
    assert (await three_peers.history(with_=BOB)).bodies == [
        "to bob",
        "from bob's phone",
        "from bob's desk",
    ]


async def test_full_jid_matches_itself_only(three_peers: Wire) -> None:
    """4.1.1: "If (and only if) the supplied JID is a bare JID": a full JID matches exactly."""
    assert (await three_peers.history(with_=f"{BOB}/desk")).bodies == ["from bob's desk"]


async def test_own_bare_jid_matches_messages_to_oneself_only(three_peers: Wire) -> None:
    """4.1.1: "the client needs to set the 'with' attribute to the account JID. In that case, the
    server MUST only return results where both the 'to' and 'from' match the bare JID"."""
    assert (await three_peers.history(with_=ALICE)).bodies == ["to myself"]


async def test_message_between_own_resources_matches_the_own_bare_jid(wire: Wire) -> None:
    """4.1.1: "where both the 'to' and 'from' match the bare JID (either as bare or by ignoring the
    resource)"."""
    wire.say("to bob")
    wire.say("to the desk", to=f"{ALICE}/desk")
    wire.say("back", sender=f"{ALICE}/desk", to=ALICE_PHONE)

    assert (await wire.history(with_=ALICE)).bodies == ["to the desk", "back"]


async def test_own_full_jid_matches_messages_to_that_resource(wire: Wire) -> None:
    """4.1.1 (paraphrase): messages to oneself match by the JID that they were sent to. If the own
    full JID matched senders too, it would match every message that this resource ever sent."""
    wire.say("to bob")
    wire.say("to the desk", to=f"{ALICE}/desk")
    wire.say("back", sender=f"{ALICE}/desk", to=ALICE_PHONE)

    assert (await wire.history(with_=f"{ALICE}/desk")).bodies == ["to the desk"]


async def test_jids_are_compared_after_preparation(three_peers: Wire) -> None:
    """4.1.1 with RFC 7622: the case of the local part and of the domain does not matter."""
    assert (await three_peers.history(with_="CAROL@Example.NET")).bodies == ["to carol"]


async def test_query_without_with_matches_every_message(three_peers: Wire) -> None:
    """4.1.1: "If 'with' is omitted, the server MUST match all messages in the selected timespan
    with the query, regardless of the to/from addresses on each message"."""
    assert len((await three_peers.history()).results) == 5


# --- 4.1.2 Filtering by time received ------------------------------------------------------------


@pytest.fixture
async def three_days(wire: Wire) -> Wire:
    """The archive of bob: one message per day."""
    for day in (1, 2, 3):
        say_then(wire, f"day {day}", f"2026-01-0{day}T12:00:00Z")
    return wire


async def test_start_excludes_earlier_messages(three_days: Wire) -> None:
    """4.1.2: "a server MUST only return messages whose timestamp is equal to or later than the
    given timestamp"."""
    reply = await three_days.history(BOB_PHONE, start="2026-01-02T12:00:00Z")

    assert reply.bodies == ["day 2", "day 3"]


async def test_end_excludes_later_messages(three_days: Wire) -> None:
    """4.1.2: "a server MUST only return messages whose timestamp is equal to or earlier than the
    timestamp given in the 'end' field"."""
    reply = await three_days.history(BOB_PHONE, end="2026-01-02T12:00:00Z")

    assert reply.bodies == ["day 1", "day 2"]


async def test_start_and_end_are_inclusive(three_days: Wire) -> None:
    """4.1.2 (paraphrase): the range includes both ends."""
    moment = "2026-01-02T12:00:00Z"
    reply = await three_days.history(BOB_PHONE, start=moment, end=moment)

    assert reply.bodies == ["day 2"]


async def test_end_before_start_returns_nothing(three_days: Wire) -> None:
    """4.1.2 (paraphrase): no message is both later than the start and earlier than the end."""
    reply = await three_days.history(
        BOB_PHONE, start="2026-01-03T00:00:00Z", end="2026-01-01T00:00:00Z"
    )

    assert (reply.iq.get("type"), reply.results) == ("result", [])


@pytest.mark.parametrize(
    "moment",
    ["2026-01-02T13:00:00+01:00", "2026-01-02T06:30:00-05:30", "2026-01-02T12:00:00.000Z"],
)
async def test_times_of_the_datetime_profile_are_accepted(three_days: Wire, moment: str) -> None:
    """4.1.2: "MUST contain timestamps formatted according to the DateTime profile defined in
    XMPP Date and Time Profiles"."""
    reply = await three_days.history(BOB_PHONE, start=moment, end=moment)

    assert reply.bodies == ["day 2"]


async def test_time_in_another_format_is_refused(wire: Wire) -> None:
    """4.1.2: "MUST contain timestamps formatted according to the DateTime profile"."""
    assert (await wire.history(start="20260101T00:00:00")).refusal == "bad-request"


async def test_filters_are_combined(three_days: Wire) -> None:
    """4.1 (paraphrase): a message matches if it matches every filter."""
    delay = DELAY.format("2026-01-02T12:00:00Z")
    three_days.log_copy(chat("from tybalt", sender="tybalt@remote.example/x", extra=delay))
    reply = await three_days.history(
        BOB_PHONE, with_="romeo@remote.example", start="2026-01-02T00:00:00Z"
    )

    assert reply.bodies == ["day 2", "day 3"]


# --- 4.1.4 Including groupchat results in a user archive -----------------------------------------


ROOM = "room@conference.example.org"


@pytest.fixture
async def with_rooms(wire: Wire) -> Wire:
    """The archive of alice: a message of bob to her, and a message of bob in a room."""
    wire.say("to alice", sender=BOB_PHONE, to=ALICE)
    wire.log_copy(chat("to all", sender=f"{ROOM}/bob", to=ALICE_PHONE, type="groupchat", id="g"))
    return wire


@pytest.mark.parametrize("value", ["true", "1"])
async def test_include_groupchat_true_returns_room_messages(with_rooms: Wire, value: str) -> None:
    """4.1.4: "a client may query a user archive and request for them to be included in the result
    with the 'include-groupchat' field set to 'true'"."""
    reply = await with_rooms.history(include_groupchat=value)

    assert reply.bodies == ["to alice", "to all"]


@pytest.mark.parametrize("value", ["false", "0"])
async def test_include_groupchat_false_omits_room_messages(with_rooms: Wire, value: str) -> None:
    """4.1.4: "a client may request that they not be included by setting the 'include-groupchat'
    field to 'false'"."""
    assert (await with_rooms.history(include_groupchat=value)).bodies == ["to alice"]


async def test_room_messages_are_included_by_default(with_rooms: Wire) -> None:
    """4.1.4: "where the client doesn't specify the 'include-groupchat' field, it is
    implementation-defined whether groupchat messages are included in the results"."""
    assert (await with_rooms.history()).bodies == ["to alice", "to all"]


async def test_with_room_jid_returns_messages_of_the_room(with_rooms: Wire) -> None:
    """4.1.4 with 4.1.1 (paraphrase): a message matches if it matches every filter."""
    assert (await with_rooms.history(with_=ROOM)).bodies == ["to all"]
    assert (await with_rooms.history(with_=ROOM, include_groupchat="false")).bodies == []


async def test_invalid_boolean_is_refused(wire: Wire) -> None:
    """XEP-0004 section 3.3 (paraphrase): a boolean is 0, 1, false or true."""
    assert (await wire.history(include_groupchat="maybe")).refusal == "bad-request"


# --- 4.1.5 Retrieving form fields ----------------------------------------------------------------


async def form(wire: Wire) -> ET.Element:
    """Return the form that alice receives."""
    reply = await wire.delegated(query(), type="get")
    return element_at(reply.iq, f"{{{NS_MAM}}}query/{{{NS_FORM}}}x")


async def test_form_has_all_fields_with_their_types(wire: Wire) -> None:
    """4.1.5: "The server replies with all the form fields it supports in queries, which MUST
    include the mandatory fields specified in this document"; "the types of these fields MUST be
    'jid-single', 'text-single' and 'text-single' respectively" for with, start and end."""
    types = {field.get("var"): field.get("type") for field in await form(wire)}

    assert types == {
        "FORM_TYPE": "hidden",
        "with": "jid-single",
        "start": "text-single",
        "end": "text-single",
        "before-id": "text-single",
        "after-id": "text-single",
        "ids": "list-multi",
        "include-groupchat": "boolean",
        "{urn:xmpp:fulltext:0}fulltext": "text-single",
        "withtext": "text-single",
        "search": "text-single",
    }


async def test_form_lists_no_ids(wire: Wire) -> None:
    """4.1.5: "the list of all possible ids MUST NOT be provided by the server"."""
    wire.say("hello")

    assert list((await form(wire)).iter(f"{{{NS_FORM}}}option")) == []


async def test_list_of_ids_is_open(wire: Wire) -> None:
    """4.1.5: "the server MUST include a XEP-0122 <validate/> element that signals the list is open
    to arbitrary values provided by the client"."""
    [ids] = [field for field in await form(wire) if field.get("var") == "ids"]

    validate = element_at(ids, "{http://jabber.org/protocol/xdata-validate}validate")
    assert (validate.get("datatype"), [child.tag for child in validate]) == (
        "xs:string",
        ["{http://jabber.org/protocol/xdata-validate}open"],
    )


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "ids"])
async def test_second_value_of_a_single_value_field_is_refused(wire: Wire, name: str) -> None:
    """XEP-0004 section 3.2 (paraphrase): only fields of a multi-value type may contain more than
    one <value/>."""
    assert (await wire.history(**{name: ["a", "b"]})).refusal == "bad-request"


async def test_query_without_a_prior_form_request_is_answered(wire: Wire) -> None:
    """4.1.5: "A server MUST NOT rely on a client having first requested the form"."""
    assert (await wire.history(with_=BOB)).refusal is None


async def test_unknown_field_is_feature_not_implemented(wire: Wire) -> None:
    """4.1.5: "If a client includes a form field that the server does not recognise, the server
    MUST respond with a 'feature-not-implemented' error"."""
    form = form_of(**{"{urn:example}colour": ["blue"]})
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}'>{form}</query>")

    assert reply.refusal == "feature-not-implemented"
