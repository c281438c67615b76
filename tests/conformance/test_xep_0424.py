"""XEP-0424: Message Retraction, version 0.4.2, as an archive obeys it."""

from __future__ import annotations

import pytest
from support.archives import correct
from support.wire import ALICE, ALICE_PHONE, BOB, BOB_PHONE, Wire, chat, element_at, parsed

from component.core.xml.times import parse_time
from storage.rows import Kind

NS = "urn:xmpp:message-retract:1"
RETRACTED = f"{{{NS}}}retracted"


def retract(
    id: str = "m1", *, own_id: str = "r1", sender: str = ALICE_PHONE, to: str = BOB
) -> str:
    """Return a retraction like example 4."""
    return chat(
        "/me retracted a previous message",
        sender=sender,
        to=to,
        id=own_id,
        extra=f"<retract id='{id}' xmlns='{NS}'/>"
        f"<fallback xmlns='urn:xmpp:fallback:0' for='{NS}'/><store xmlns='urn:xmpp:hints'/>",
    )


@pytest.mark.parametrize("owner", [ALICE, BOB])
async def test_tombstone_replaces_the_content(wire: Wire, owner: str) -> None:
    """4: "the original contents (i.e. the <body/> and any related elements which might leak
    information about the original message) get replaced with a <retracted/> element"."""
    wire.log_copy(chat("secret", id="m1", extra="<subject>secret</subject><x xmlns='urn:x'/>"))
    wire.log_copy(retract())

    original, _ = [row.xml for row in await wire.archived(owner)]
    assert [child.tag for child in parsed(original)] == [RETRACTED]
    assert "secret" not in original


async def test_tombstone_has_the_id_of_the_retraction(wire: Wire) -> None:
    """4: "which MUST include an 'id' attribute that's set to the value of the retraction's
    <message/> element's 'id' attribute"."""
    wire.log_copy(chat("secret", id="m1"))
    wire.log_copy(retract(own_id="r7"))

    original, retraction = [parsed(row.xml) for row in await wire.archived(BOB)]
    assert element_at(original, RETRACTED).get("id") == retraction.get("id") == "r7"


async def test_tombstone_has_the_time_of_the_retraction(wire: Wire) -> None:
    """4: "SHOULD also include a 'stamp' attribute indicating the time at which the retraction took
    place"."""
    wire.log_copy(chat("secret", id="m1"))
    wire.log_copy(retract())

    original, retraction = await wire.archived(BOB)
    stamp = element_at(parsed(original.xml), RETRACTED).get("stamp") or ""
    assert 0 <= retraction.at - parse_time(stamp) < 10_000_000


async def test_retracted_message_keeps_its_time(wire: Wire) -> None:
    """4 (paraphrase): the delay tells when the original message was received."""
    wire.log_copy(chat("secret", id="m1"))
    [before] = await wire.archived(BOB)
    wire.log_copy(retract())

    after, _ = await wire.archived(BOB)
    assert (after.id, after.at) == (before.id, before.at)


async def test_retraction_is_archived(wire: Wire) -> None:
    """5: "The archiving service therefore MUST store the retraction message, regardless of whether
    the original message is deleted or replaced with a tombstone"."""
    wire.log_copy(chat("secret", id="m1"))
    wire.log_copy(retract())

    assert (await wire.history(BOB_PHONE)).bodies[-1] == "/me retracted a previous message"


async def test_retraction_of_an_unknown_message_is_archived(wire: Wire) -> None:
    """5: "The archiving service therefore MUST store the retraction message"."""
    wire.log_copy(retract("unknown"))

    assert len(await wire.archived(BOB)) == 1


@pytest.mark.parametrize("owner", [ALICE, BOB])
async def test_only_the_author_retracts_a_message(wire: Wire, owner: str) -> None:
    """5: "MUST only be processed when both the original message and the retraction request are
    received from the same bare-JID (in a one-on-one conversation)"."""
    wire.log_copy(chat("mine", id="m1"))
    wire.log_copy(retract(sender=BOB_PHONE, to=ALICE))
    wire.log_copy(retract(sender=f"{BOB_PHONE}", to=ALICE_PHONE, own_id="r2"))

    assert "mine" in (await wire.archived(owner))[0].xml


async def test_another_client_of_the_author_retracts_a_message(wire: Wire) -> None:
    """5: "are received from the same bare-JID": clients of one user share it."""
    wire.log_copy(chat("secret", id="m1"))
    wire.log_copy(retract(sender=f"{ALICE}/laptop"))

    assert "secret" not in (await wire.archived(BOB))[0].xml


async def test_retracted_text_is_not_found_by_search(wire: Wire) -> None:
    """5: "SHOULD prevent further distribution of the message by the service"."""
    search = {"{urn:xmpp:fulltext:0}fulltext": "secret"}
    wire.log_copy(chat("secret", id="m1"))
    before = await wire.history(BOB_PHONE, **search)
    wire.log_copy(retract())

    assert (before.bodies, (await wire.history(BOB_PHONE, **search)).bodies) == (["secret"], [])


@pytest.mark.parametrize("owner", [ALICE, BOB])
async def test_message_is_retracted_by_the_id_of_its_correction(wire: Wire, owner: str) -> None:
    """4 (paraphrase): a message and its corrections are one message for its readers."""
    wire.log_copy(chat("secret", id="m1"))
    wire.log_copy(chat("secret too", id="m2", extra=correct("m1")))
    wire.log_copy(retract("m2"))

    rows = await wire.archived(owner)
    assert [row.kind for row in rows] == [Kind.TOMBSTONE, Kind.ANNOTATION, Kind.ANNOTATION]
    assert not any("secret" in row.xml for row in rows)


@pytest.mark.parametrize("owner", [ALICE, BOB])
async def test_reused_id_retracts_the_last_message(wire: Wire, owner: str) -> None:
    """RFC 6120 section 8.1.3: ids are unique in one stream only."""
    wire.log_copy(chat("meet at five", id="1"))
    wire.log_copy(chat("buy milk", id="1"))
    wire.log_copy(chat("buy bread", id="2", extra=correct("1")))
    wire.log_copy(retract("1"))

    rows = await wire.archived(owner)
    assert "meet at five" in rows[0].xml
    assert not any("buy" in row.xml for row in rows)


@pytest.mark.parametrize("owner", [ALICE, BOB])
async def test_retraction_replaces_corrections_too(wire: Wire, owner: str) -> None:
    """4: "the original contents (i.e. the <body/> and any related elements which might leak
    information about the original message) get replaced". Its corrections repeat the
    content."""
    wire.log_copy(chat("secret", id="m1"))
    wire.log_copy(chat("secret too", id="m2", extra=correct("m1")))
    # COMPAT: some clients correct their last correction.
    wire.log_copy(chat("secret as well", id="m3", extra=correct("m2")))
    wire.log_copy(chat("other", id="m4", extra=correct("m0")))
    wire.log_copy(chat("not mine", sender=BOB_PHONE, to=ALICE, id="m5", extra=correct("m1")))
    wire.log_copy(retract())

    rows = await wire.archived(owner)
    assert [row.kind for row in rows] == [Kind.TOMBSTONE] + 5 * [Kind.ANNOTATION]
    assert not any("secret" in row.xml for row in rows)
    assert ["other" in rows[3].xml, "not mine" in rows[4].xml] == [True, True]
    for row, id in zip(rows[1:3], ("m1", "m2"), strict=True):
        tombstone = parsed(row.xml)
        assert element_at(tombstone, "{urn:xmpp:message-correct:0}replace").get("id") == id
        assert element_at(tombstone, RETRACTED).get("id") == "r1"
