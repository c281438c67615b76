"""XEP-0313: Message Archive Management, version 1.1.3: archives, and results of queries.

Clauses are quoted as published; a paraphrase is marked as such.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from support.results import message_in, say_all, say_then, stamp_of
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    NS_CLIENT,
    NS_DELAY,
    NS_FORM,
    NS_FORWARD,
    NS_HINTS,
    NS_MAM,
    OTHER_HOST,
    Wire,
    chat,
    element_at,
    form_of,
    query,
)

pytestmark = pytest.mark.usefixtures("january")

CAROL = f"carol@{OTHER_HOST}"


# --- 3. Message archives -------------------------------------------------------------------------


async def test_stanza_is_stored_with_its_standard_attributes(wire: Wire) -> None:
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


async def test_entire_original_stanza_is_stored(wire: Wire) -> None:
    """3: "The entire original stanza SHOULD be stored"."""
    stanza = chat("hello", extra="<thread>t1</thread><x xmlns='urn:x'><y a='1'>z</y></x>")
    wire.log_copy(stanza)
    [result] = (await wire.history()).results

    archived, sent = (
        ET.canonicalize(xml, rewrite_prefixes=True)
        for xml in (ET.tostring(message_in(result)), stanza)
    )
    assert archived == sent


async def test_ids_are_unique_within_the_archive(wire: Wire) -> None:
    """3: "A server-assigned UID that MUST be unpredictable and unique within the archive"."""
    for number in range(200):
        wire.say(str(number))
    ids = (await wire.history(max="200")).ids

    assert len(set(ids)) == 200


async def test_ids_are_not_predictable(wire: Wire) -> None:
    """3: "A server-assigned UID that MUST be unpredictable"."""
    wire.say("one")
    wire.say("two")
    first, second = (await wire.history()).ids

    assert sum(x == y for x, y in zip(first, second, strict=True)) < len(first) // 2


async def test_ids_in_two_archives_of_one_message_differ(wire: Wire) -> None:
    """3: "MUST be unpredictable": the id of an own message does not reveal ids of other
    archives."""
    wire.say("hello")
    alice_reply, bob_reply = await wire.history(), await wire.history(BOB_PHONE)

    assert set(alice_reply.ids).isdisjoint(bob_reply.ids)


async def test_order_of_arrival_does_not_depend_on_the_clock(wire: Wire) -> None:
    """3.1: "the order of messages is the same as the order that the client originally received
    them [...] implementors should take care not to rely on timestamps alone"."""
    say_then(wire, "new", "2026-01-03T00:00:00Z")
    say_then(wire, "old", "2026-01-01T00:00:00Z")
    say_then(wire, "middle", "2026-01-02T00:00:00Z")

    assert (await wire.history(BOB_PHONE)).bodies == ["new", "old", "middle"]


async def test_messages_of_equal_time_keep_their_order(wire: Wire) -> None:
    """3.1: "multiple messages may share the same timestamp"."""
    for number in range(20):
        say_then(wire, str(number), "2026-01-01T00:00:00Z")

    assert (await wire.history(BOB_PHONE)).bodies == [str(number) for number in range(20)]


async def test_blanked_message_keeps_its_place(wire: Wire) -> None:
    """3.2: "a server that wishes to remove messages from the middle of an archive [...] may omit
    the <message> stanza from inside the <forwarded> element [...]. However servers MUST retain the
    UID, timestamp and JID of the original message"."""
    ids = await say_all(wire, 3)
    before = await wire.history(with_=BOB)
    await wire.storage.retention.blank(ALICE, ids[1])
    after = await wire.history(with_=BOB)

    assert (after.ids, after.bodies) == (ids, ["1", "", "3"])
    assert [stamp_of(result) for result in after.results] == [
        stamp_of(result) for result in before.results
    ]
    forwarded = element_at(after.results[1], f"{{{NS_FORWARD}}}forwarded")
    assert [child.tag for child in forwarded] == [f"{{{NS_DELAY}}}delay"]
    assert (await wire.history(after=ids[1])).ids == ids[2:]


async def test_archive_is_at_the_bare_address_of_its_user(wire: Wire) -> None:
    """3.3.1: "MUST expose these archives to the user on the user's bare JID"."""
    wire.say("hello")
    reply = await wire.delegated(query(), owner=ALICE)

    assert (reply.iq.get("from"), reply.bodies) == (ALICE, ["hello"])


# --- 4. Querying an archive ----------------------------------------------------------------------


async def test_query_without_form_returns_everything(wire: Wire) -> None:
    """4.1: "By default all messages match a query"."""
    wire.say("to bob")
    wire.say("to carol", to=CAROL)
    wire.say("from romeo", sender="romeo@remote.example/x", to=ALICE)

    assert (await wire.history()).bodies == ["to bob", "to carol", "from romeo"]


async def test_fin_has_a_result_set(wire: Wire) -> None:
    """4: "The final <iq/> result response MUST include an RSM <set/> element, wrapped into a
    <fin/> element [...] indicating the UID of the first and last message"."""
    for body in ("one", "two", "three"):
        wire.say(body)
    reply = await wire.history()

    assert (reply.rsm("first"), reply.rsm("last")) == (reply.ids[0], reply.ids[-1])


async def test_fin_follows_the_last_result(wire: Wire) -> None:
    """4: "the server MUST send the <iq/> result after last query result has been sent"."""
    for number in range(100):
        wire.say(str(number))
    reply = await wire.history(max="100")
    await wire.nothing_comes()

    assert len(reply.messages) == 100


async def test_query_of_an_empty_archive_succeeds(wire: Wire) -> None:
    """4 (paraphrase): a query that matches nothing is answered with a result, not an error."""
    reply = await wire.history()

    assert (reply.iq.get("type"), reply.results, reply.complete) == ("result", [], True)


async def test_queryid_is_returned_with_each_result(wire: Wire) -> None:
    """4.2: "If the client gave a 'queryid' attribute in its initial query, the server MUST also
    include that in this result element"."""
    wire.say("one")
    wire.say("two")
    reply = await wire.history(queryid="f27")

    assert [result.get("queryid") for result in reply.results] == ["f27", "f27"]


async def test_form_with_another_form_type_is_refused(wire: Wire) -> None:
    """4.1: "The hidden FORM_TYPE field MUST be set to this protocol's namespace"."""
    form = form_of("urn:xmpp:mam:1", **{"with": [BOB]})
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}'>{form}</query>")

    assert reply.refusal == "bad-request"


async def test_no_field_of_the_form_is_required(wire: Wire) -> None:
    """4.1: "Servers MUST NOT mark any fields in the form as being required"."""
    reply = await wire.delegated(query(), type="get")

    assert list(reply.iq.iter(f"{{{NS_FORM}}}required")) == []


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
    the current message's archive UID": the UID is the same as in requests for pages."""
    wire.say("one")
    wire.say("two")
    first, _ = (await wire.history()).ids

    assert (await wire.history(after=first)).bodies == ["two"]


async def test_result_has_the_time_of_receipt(wire: Wire) -> None:
    """4.2: "SHOULD also contain a <delay/> element [...]. The value of the 'stamp' attribute MUST
    be the time the message was originally received by the forwarding entity"."""
    wire.say("hello")
    [result] = (await wire.history()).results

    assert stamp_of(result) == "2026-01-09T12:00:00.000000Z"


async def test_offline_message_has_the_time_of_receipt_by_the_server(wire: Wire) -> None:
    """4.2: "the time the message was originally received by the forwarding entity"."""
    say_then(wire, "hello", "2026-01-01T12:00:00Z")
    [result] = (await wire.history(BOB_PHONE)).results

    assert stamp_of(result) == "2026-01-01T12:00:00.000000Z"


async def test_times_are_in_utc(wire: Wire) -> None:
    """4.2 with XEP-0203 section 3: the stamp "MUST be [...] in UTC" (paraphrase)."""
    wire.say("hello")
    [result] = (await wire.history()).results

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamp_of(result))


async def test_results_go_only_to_the_requesting_client(wire: Wire) -> None:
    """4: "the server pushes to the client a series of messages": to the full JID of the
    request."""
    wire.say("hello")
    reply = await wire.history(f"{ALICE}/desk")

    assert {message.get("to") for message in reply.messages} == {f"{ALICE}/desk"}


async def test_results_come_from_the_queried_archive(wire: Wire) -> None:
    """8.2: a client MUST check that "the stanza 'from' matches the entity that was queried"."""
    wire.say("hello")
    reply = await wire.history()

    assert {message.get("from") for message in reply.messages} == {ALICE}


# --- 6. Business rules ---------------------------------------------------------------------------


@pytest.mark.parametrize("type", ["chat", "normal", ""])
async def test_messages_with_a_body_are_archived(wire: Wire, type: str) -> None:
    """6.1.1: "a server SHOULD include in a user archive all of the messages a user sends or
    receives of type 'normal' or 'chat' that contain a <body> element"."""
    stanza = chat("hello", type=type).replace(' type=""', "")
    wire.log_copy(stanza)

    assert (await wire.history()).bodies == ["hello"]


async def test_message_is_archived_for_sender_and_recipient(wire: Wire) -> None:
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


async def test_message_to_several_clients_is_archived_once(wire: Wire) -> None:
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
    """6.1.1 (paraphrase): results of a query are not archived as messages."""
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


async def test_rejected_message_is_not_archived_for_its_recipient(
    wire: Wire,
) -> None:
    """6.1: "If an entity (user's server, ...) rejects an incoming message [...] that message
    should not appear in the archive for the entity that rejected it"."""
    wire.log_copy(chat("hello"), is_delivered=False)
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='error' id='m1' from='{BOB}' to='{ALICE_PHONE}'>"
        "<body>hello</body><error type='cancel'><service-unavailable "
        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )

    assert (await wire.history(BOB_PHONE)).bodies == []


async def test_ids_are_never_reused(wire: Wire) -> None:
    """6.2: "MUST NOT be reused, even if the original item with a given ID has since been removed
    from the archive"."""
    wire.log_copy(chat("hello"))
    [erased_id] = (await wire.history(BOB_PHONE)).ids
    await wire.storage.retention.erase(BOB, limit=10)
    wire.say("another")
    reply = await wire.history(BOB_PHONE)

    assert (reply.bodies, erased_id in reply.ids) == (["another"], False)
