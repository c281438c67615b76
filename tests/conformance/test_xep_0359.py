"""XEP-0359: Unique and Stable Stanza IDs, version 0.7.0, as an archive obeys it.

A component cannot change live messages, only archived ones.
"""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, BOB, HOST, OTHER_HOST, Wire, chat, parsed

NS = "urn:xmpp:sid:0"
ROOM = f"room@conference.{HOST}"


def stanza_id(by: str) -> str:
    return f"<stanza-id xmlns='{NS}' by='{by}' id='x'/>"


async def stanza_id_origins(wire: Wire, owner: str = BOB) -> list[str]:
    """Return the `by` of each stanza-id in an archive."""
    return [
        child.get("by", "")
        for row in await wire.archived(owner)
        for child in parsed(row.xml).iter(f"{{{NS}}}stanza-id")
    ]


@pytest.mark.parametrize("by", [ALICE, BOB, HOST, f"carol@{OTHER_HOST}"])
@pytest.mark.parametrize("owner", [ALICE, BOB])
async def test_forged_stanza_ids_of_our_entities_are_deleted(
    wire: Wire, by: str, owner: str
) -> None:
    """3 (paraphrase): an entity that assigns ids must delete forged ids with its own JID."""
    wire.log_copy(chat("hello", extra=stanza_id(by)))

    assert await stanza_id_origins(wire, owner) == []


async def test_stanza_ids_of_other_entities_are_kept(wire: Wire) -> None:
    """3 (paraphrase): elements with another 'by' must be kept."""
    wire.log_copy(
        chat("hello", sender="romeo@remote.example/r", extra=stanza_id("remote.example"))
    )
    wire.log_copy(
        chat("hello", sender=f"{ROOM}/n", to=BOB, type="groupchat", extra=stanza_id(ROOM))
    )

    assert await stanza_id_origins(wire) == ["remote.example", ROOM]


async def test_origin_ids_are_kept(wire: Wire) -> None:
    """3 (paraphrase): an origin id is preserved."""
    wire.log_copy(chat("hello", extra=f"<origin-id xmlns='{NS}' id='o'/>"))

    [row] = await wire.archived(BOB)
    assert parsed(row.xml).find(f"{{{NS}}}origin-id") is not None


async def test_unsupported_policy_is_not_advertised(wire: Wire) -> None:
    """4 (paraphrase): only an entity that deletes forged ids of live messages may advertise it."""
    wire.peer.send(
        f"<iq type='get' id='d' from='{ALICE_PHONE}' to='archive.example.org'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    )
    answer = await wire.next_sent()

    features = {feature.get("var") for feature in answer.iter() if feature.get("var")}
    assert features
    assert NS not in features
