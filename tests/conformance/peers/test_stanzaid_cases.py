"""MongooseIM big_tests, mam_SUITE, stanzaid_cases, archived and configurable_archiveid.

A server can put the id that a message has in the archive into the message itself (XEP-0359); a
component sees copies only. What theirs tests on live messages is tested here of what we promise
instead; the tests have the names of theirs. Live messages: tests/integration/peers.
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
    found,
)

NS_SID = "urn:xmpp:sid:0"
STANZA_ID = f"{{{NS_SID}}}stanza-id"


async def test_no_elements(wire: Wire) -> None:
    """Theirs can be told to add nothing, which is what we always do: only an entity that removes
    forged ids and adds its own may say that it knows XEP-0359 (section 5)."""
    asked = GET_FEATURES.replace("/>", f" node='{DELEGATION_1}:bare:{NS_MAM}'/>")
    features = features_in((await wire.direct(asked, asker=HOST, type="get")).iq)

    assert NS_MAM in features
    assert NS_SID not in features


async def test_only_stanzaid(wire: Wire) -> None:
    """Theirs: nothing but <stanza-id/> is added. Ours: what is archived is what was said, without
    any id of the archive inside; its id is that of the result."""
    wire.say("OH, HAI!")
    [result] = (await wire.history(BOB_PHONE)).results
    message = found(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message")

    assert [child.tag for child in message] == [f"{{{NS_CLIENT}}}body"]
    assert result.get("id")


async def test_same_stanza_id(wire: Wire) -> None:
    """Theirs can give both sides the same id. Ours always differ: an id is to be unpredictable,
    also for who has the message himself (XEP-0313 section 3)."""
    wire.say("OH, HAI!")
    mine, theirs = await wire.history(), await wire.history(BOB_PHONE)

    assert set(mine.ids).isdisjoint(theirs.ids)


async def test_fake_by(wire: Wire) -> None:
    """ejabberd test/mam_tests.erl: ids that claim to come from an archive of ours, and were given
    by the sender, are not in what is archived; those of other entities stay."""
    forged = "".join(
        f"<stanza-id xmlns='{NS_SID}' by='{by}' id='{n}'/><archived xmlns='urn:xmpp:mam:tmp'"
        f" by='{by}' id='{n}'/>"
        for n, by in enumerate((HOST, f"{HOST}/x", BOB, BOB_PHONE))
    )
    foreign = f"<stanza-id xmlns='{NS_SID}' by='elsewhere.example' id='f'/>"
    wire.log_copy(chat("body", to=BOB, extra=forged + foreign))
    [result] = (await wire.history(BOB_PHONE)).results

    assert [one.get("by") for one in result.iter(STANZA_ID)] == ["elsewhere.example"]


async def test_fake_by_of_the_author_in_the_own_archive(wire: Wire) -> None:
    """The same holds of the archive of who sent it."""
    wire.log_copy(chat("body", extra=f"<stanza-id xmlns='{NS_SID}' by='{ALICE}' id='1'/>"))
    [result] = (await wire.history()).results

    assert list(result.iter(STANZA_ID)) == []
