"""MongooseIM big_tests, mam_SUITE, stanzaid_cases, archived and configurable_archiveid.

A server can add the archive id of a message to the live message (XEP-0359); a component sees only
copies. These tests have the names of their cases and test the promise of Muniment instead. Live
messages are tested in tests/integration/peers.
"""

from __future__ import annotations

from support.mam_payloads import GET_FEATURES, features_in
from support.wire import (
    ALICE,
    BOB,
    BOB_PHONE,
    DELEGATION_1,
    HOST,
    NS_CLIENT,
    NS_FORWARD,
    NS_MAM,
    Wire,
    chat,
    element_at,
)

NS_SID = "urn:xmpp:sid:0"
STANZA_ID = f"{{{NS_SID}}}stanza-id"


async def test_no_elements(wire: Wire) -> None:
    """Their server can be configured to add no ids; Muniment never adds any. Only an entity that
    removes forged ids and adds its own may advertise XEP-0359 (section 5)."""
    request = GET_FEATURES.replace("/>", f" node='{DELEGATION_1}:bare:{NS_MAM}'/>")
    features = features_in((await wire.direct(request, asker=HOST, type="get")).iq)

    assert NS_MAM in features
    assert NS_SID not in features


async def test_only_stanzaid(wire: Wire) -> None:
    """Their server adds nothing but <stanza-id/>. Muniment archives the message without an id of
    the archive; the id is that of the result."""
    wire.say("OH, HAI!")
    [result] = (await wire.history(BOB_PHONE)).results
    message = element_at(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message")

    assert [child.tag for child in message] == [f"{{{NS_CLIENT}}}body"]
    assert result.get("id")


async def test_same_stanza_id(wire: Wire) -> None:
    """Their server can assign the same id for both sides. In Muniment they differ: an id must be
    unpredictable for the other side of the conversation too (XEP-0313 section 3)."""
    wire.say("OH, HAI!")
    alice_reply, bob_reply = await wire.history(), await wire.history(BOB_PHONE)

    assert set(alice_reply.ids).isdisjoint(bob_reply.ids)


async def test_fake_by(wire: Wire) -> None:
    """ejabberd test/mam_tests.erl: ids that the sender forged in the name of our archives are not
    archived; those of other entities are."""
    forged = "".join(
        f"<stanza-id xmlns='{NS_SID}' by='{by}' id='{n}'/><archived xmlns='urn:xmpp:mam:tmp'"
        f" by='{by}' id='{n}'/>"
        for n, by in enumerate((HOST, f"{HOST}/x", BOB, BOB_PHONE))
    )
    foreign = f"<stanza-id xmlns='{NS_SID}' by='elsewhere.example' id='f'/>"
    wire.log_copy(chat("body", to=BOB, extra=forged + foreign))
    [result] = (await wire.history(BOB_PHONE)).results

    assert [element.get("by") for element in result.iter(STANZA_ID)] == ["elsewhere.example"]


async def test_fake_by_of_the_author_in_the_own_archive(wire: Wire) -> None:
    """Forged ids are not in the archive of the sender either."""
    wire.log_copy(chat("body", extra=f"<stanza-id xmlns='{NS_SID}' by='{ALICE}' id='1'/>"))
    [result] = (await wire.history()).results

    assert list(result.iter(STANZA_ID)) == []
