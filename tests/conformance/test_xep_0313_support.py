"""XEP-0313: Message Archive Management, version 1.1.3: features and access.

Clauses are quoted as published; a paraphrase is marked as such.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from support.results import features, message_in
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB_PHONE,
    COMPONENT,
    DELEGATION_1,
    DELEGATION_2,
    HOST,
    NS_HINTS,
    NS_MAM,
    NS_RSM,
    OTHER_HOST,
    Wire,
    open_wire,
    parsed,
    query,
)

CAROL = f"carol@{OTHER_HOST}"


# --- 7. Determining support ----------------------------------------------------------------------


@pytest.mark.parametrize("version", [DELEGATION_1, DELEGATION_2])
async def test_bare_jids_advertise_mam(wire: Wire, version: str) -> None:
    """7: "it MUST advertise the 'urn:xmpp:mam:2' [...] features in response to Service Discovery
    requests made to archiving JIDs (i.e. JIDs hosting an archive, such as users' bare JIDs)"."""
    assert NS_MAM in await features(wire, f"{version}:bare:{NS_MAM}")


OF_ALICE = rf"alice\40example.org@{COMPONENT}"


@pytest.mark.parametrize("suffix", ["", "#extended", "#groupchat-field", "#groupchat-available"])
@pytest.mark.parametrize(
    ("node", "address"),
    [(f"{DELEGATION_1}:bare:{NS_MAM}", COMPONENT), (None, COMPONENT), (None, OF_ALICE)],
    ids=["users", "component", "archive"],
)
async def test_archives_advertise_all_features(
    wire: Wire, node: str | None, address: str, suffix: str
) -> None:
    """7: "it MUST advertise the 'urn:xmpp:mam:2' and 'urn:xmpp:mam:2#extended' features"; "Servers
    that understand the 'include-groupchat' field MUST advertise the
    'urn:xmpp:mam:2#groupchat-field' [...] and store groupchat messages in the user's archive must
    advertise the 'urn:xmpp:mam:2#groupchat-available' feature"."""
    assert f"{NS_MAM}{suffix}" in await features(wire, node, to=address)


async def test_groupchat_available_is_not_advertised_without_room_messages(tmp_path: Path) -> None:
    """7: "MUST advertise the 'urn:xmpp:mam:2#groupchat-field' (even if they cannot return
    groupchat messages)"."""
    async with open_wire(tmp_path, archive={"groupchat": False}) as wire:
        advertised = await features(wire, f"{DELEGATION_1}:bare:{NS_MAM}")

    assert f"{NS_MAM}#groupchat-field" in advertised
    assert f"{NS_MAM}#groupchat-available" not in advertised


async def test_query_of_a_node_is_feature_not_implemented(wire: Wire) -> None:
    """6.1.3: "reserves the 'node' attribute of the <query> element for [...] pubsub archives"."""
    reply = await wire.delegated(f"<query xmlns='{NS_MAM}' node='urn:xmpp:microblog:0'/>")

    assert reply.refusal == "feature-not-implemented"


# --- 8. Security considerations ------------------------------------------------------------------


@pytest.mark.parametrize("asker", [BOB_PHONE, "romeo@remote.example/x", HOST, f"{CAROL}/x"])
async def test_query_of_another_users_archive_is_forbidden(wire: Wire, asker: str) -> None:
    """8.1: "If a client requests access to an archive it does not have permissions for the server
    MUST return an iq with type error, and the error condition SHOULD be 'forbidden'"."""
    wire.say("private")
    reply = await wire.delegated(query(), asker=asker, owner=ALICE)

    assert (reply.iq.get("type"), reply.refusal, reply.messages) == ("error", "forbidden", [])


async def test_direct_query_of_a_stranger_is_forbidden(wire: Wire) -> None:
    """8.1: "a server MUST adequately protect an archive from unauthorized third-party access"."""
    reply = await wire.direct(query(), asker="romeo@remote.example/x")

    assert reply.refusal == "forbidden"


async def test_direct_query_reads_the_archive_of_the_requester(wire: Wire) -> None:
    """8.1 (paraphrase): the component itself has no archive, so it answers for the requester."""
    wire.say("private")
    reply = await wire.direct(query(), asker=BOB_PHONE, to=COMPONENT)

    assert [result.get("id") for result in reply.results] == (await wire.history(BOB_PHONE)).ids


async def test_refusal_does_not_depend_on_the_id(wire: Wire) -> None:
    """8.1 (paraphrase): a query of another archive is refused before its ids are looked up."""
    wire.say("private")
    [id] = (await wire.history()).ids
    existing, unknown = [
        await wire.delegated(query(after=after), asker=BOB_PHONE, owner=ALICE)
        for after in (id, "unknown")
    ]

    assert existing.refusal == unknown.refusal == "forbidden"


async def test_archive_is_read_at_its_component_address(wire: Wire) -> None:
    """3.4: "the queried entity [...] need not be an XMPP server as defined by RFC6120"."""
    wire.say("private")
    reply = await wire.direct(query(), to=OF_ALICE)

    assert reply.bodies == ["private"]
    assert {stanza.get("from") for stanza in (reply.iq, *reply.messages)} == {OF_ALICE}
    assert {stanza.get("to") for stanza in (reply.iq, *reply.messages)} == {ALICE_PHONE}


@pytest.mark.parametrize("asker", [BOB_PHONE, "romeo@remote.example/x", f"{CAROL}/x", HOST])
@pytest.mark.parametrize(
    "local", [r"alice\40example.org", r"nobody\40example.org", r"room\40rooms.example.org"]
)
async def test_component_address_of_another_user_is_forbidden(
    wire: Wire, asker: str, local: str
) -> None:
    """8.1: "the error condition SHOULD be 'forbidden'": also for archives that do not exist."""
    wire.say("private")
    address = f"{local}@{COMPONENT}"
    replies = [
        await wire.direct(query(), asker=asker, to=address),
        await wire.direct(f"<metadata xmlns='{NS_MAM}'/>", asker=asker, to=address, type="get"),
    ]

    assert [(reply.refusal, reply.messages) for reply in replies] == [("forbidden", [])] * 2
    assert [reply.iq.get("from") for reply in replies] == [address] * 2


@pytest.mark.parametrize("address", [f"alice@{COMPONENT}", f"{OF_ALICE}/phone", f"{COMPONENT}/x"])
async def test_unknown_component_address_is_item_not_found(wire: Wire, address: str) -> None:
    """RFC 6120 section 8.3.3.7 (paraphrase): the addressed JID does not exist."""
    assert (await wire.direct(query(), to=address)).refusal == "item-not-found"


async def test_forwarded_message_has_no_hints_of_the_result(wire: Wire) -> None:
    """4.2: <forwarded/> "SHOULD contain the original message as it was received"."""
    wire.say("hello")
    reply = await wire.history()

    [result] = reply.results
    assert message_in(result).find(f"{{{NS_HINTS}}}no-store") is None
    assert parsed(ET.tostring(result, "unicode")).find(f"{{{NS_RSM}}}set") is None
