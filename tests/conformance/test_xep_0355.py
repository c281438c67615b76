"""XEP-0355: Namespace Delegation, version 0.5, on the side of the managing entity.

ejabberd uses urn:xmpp:delegation:1, the document uses :2. Both are tested.
"""

from __future__ import annotations

import pytest
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB_PHONE,
    COMPONENT,
    DELEGATION_1,
    DELEGATION_2,
    HOST,
    NS_CLIENT,
    NS_COMPONENT,
    NS_DISCO,
    NS_FORWARD,
    NS_MAM,
    OTHER_HOST,
    PRIVILEGE_1,
    Reply,
    Wire,
    condition,
    element_at,
    query,
)

VERSIONS = pytest.mark.parametrize("version", [DELEGATION_1, DELEGATION_2])


async def info(wire: Wire, node: str) -> Reply:
    return await wire.direct(f"<query xmlns='{NS_DISCO}' node='{node}'/>", asker=HOST, type="get")


@VERSIONS
async def test_delegation_notification_is_not_answered(wire: Wire, version: str) -> None:
    """4.2 (paraphrase): the server notifies the managing entity of its namespaces by a message."""
    wire.peer.send(
        f"<message from='{HOST}' to='{COMPONENT}' id='n'><delegation xmlns='{version}'>"
        f"<delegated namespace='{NS_MAM}'/></delegation></message>"
    )

    await wire.nothing_comes()


@VERSIONS
async def test_forwarded_query_is_answered_in_kind(wire: Wire, version: str) -> None:
    """4.3 (paraphrase): the managing entity replies with the answer forwarded inside an <iq/> of
    type result."""
    reply = await wire.delegated(query(), namespace=version)

    path = f"{{{version}}}delegation/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}iq"
    assert (reply.outer.get("type"), element_at(reply.outer, path).get("type")) == (
        "result",
        "result",
    )


@VERSIONS
async def test_outer_result_matches_the_outer_query(wire: Wire, version: str) -> None:
    """4.3 (paraphrase): the reply to the server has the id of the query of the server.

    ejabberd 24.10 and 24.12 drop IQs to a domain without a resource.
    """
    reply = await wire.delegated(query(), namespace=version)

    assert reply.outer.attrib == {
        "type": "result",
        "id": "s1",
        "from": COMPONENT,
        "to": f"{HOST}/muniment",
    }


@VERSIONS
async def test_inner_result_matches_the_inner_query(wire: Wire, version: str) -> None:
    """4.3 (paraphrase): the server checks from, to and id before it forwards the reply."""
    reply = await wire.delegated(query(), namespace=version, id="pep1")

    assert reply.iq.attrib == {
        "type": "result",
        "id": "pep1",
        "from": ALICE,
        "to": ALICE_PHONE,
    }


@VERSIONS
async def test_error_is_forwarded_like_any_answer(wire: Wire, version: str) -> None:
    """4.3 (paraphrase): the inner stanza is of type result or error."""
    reply = await wire.delegated(query(max="x"), namespace=version)

    assert (reply.outer.get("type"), reply.iq.get("type")) == ("result", "error")


@VERSIONS
async def test_features_of_users_are_nested_under_their_node(wire: Wire, version: str) -> None:
    """7.2.2 (paraphrase): features of bare JIDs are asked at the node <namespace>:bare:<managed>
    and merged by the server."""
    reply = await info(wire, f"{version}:bare:{NS_MAM}")

    assert NS_MAM in {feature.get("var") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature")}


@VERSIONS
async def test_features_of_the_server_are_nested_under_their_node(
    wire: Wire, version: str
) -> None:
    """7.2.1 (paraphrase): features of the server are asked for at the node <namespace>::<managed>
    and merged by the server."""
    reply = await info(wire, f"{version}::{NS_MAM}")

    assert NS_MAM in {f.get("var") for f in reply.iq.iter(f"{{{NS_DISCO}}}feature")}


@VERSIONS
async def test_query_to_the_server_reads_the_archive_of_its_user(wire: Wire, version: str) -> None:
    """4.3 (paraphrase): queries to the server itself are forwarded like those to its users;
    mod_mam of ejabberd answers them from the archive of the asker."""
    wire.grant(PRIVILEGE_1)
    wire.say("private", sender=ALICE_PHONE)
    replies = [
        await wire.delegated(query(), asker=asker, owner=HOST, namespace=version)
        for asker in (ALICE_PHONE, f"carol@{HOST}/phone")
    ]

    assert [reply.bodies for reply in replies] == [["private"], []]
    assert replies[0].iq.attrib == {"type": "result", "id": "q1", "from": HOST, "to": ALICE_PHONE}
    assert [message.get("from") for message in replies[0].messages] == [HOST]


@VERSIONS
@pytest.mark.parametrize("asker", [f"alice@{OTHER_HOST}/phone", "eve@evil.example/x", HOST])
async def test_query_to_the_server_by_another_than_its_users_is_refused(
    wire: Wire, version: str, asker: str
) -> None:
    """10 (paraphrase): the managing entity controls access; nobody reads the archive of another
    user at the server's address."""
    wire.say("private")
    reply = await wire.delegated(query(), asker=asker, owner=HOST, namespace=version)

    assert (reply.outer.get("type"), reply.refusal, reply.messages) == ("result", "forbidden", [])


@VERSIONS
@pytest.mark.parametrize("stranger", [ALICE_PHONE, "evil.example"])
async def test_only_the_server_may_delegate(wire: Wire, version: str, stranger: str) -> None:
    """10 (paraphrase): the managing entity must be sure that a stanza was forwarded by the
    server."""
    wire.say("private")
    addresses = f"from='{ALICE_PHONE}' to='{ALICE}'"
    inner = f"<iq xmlns='{NS_CLIENT}' type='set' id='q' {addresses}>{query()}</iq>"
    reply = await wire.direct(
        f"<delegation xmlns='{version}'><forwarded xmlns='{NS_FORWARD}'>{inner}</forwarded>"
        "</delegation>",
        asker=stranger,
    )

    assert (condition(reply.outer), reply.messages) == ("forbidden", [])


@VERSIONS
async def test_refusal_does_not_reveal_whether_an_account_exists(wire: Wire, version: str) -> None:
    """10 (paraphrase): care is taken not to leak the existence of accounts."""
    wire.say("private")
    existing = await wire.delegated(query(), asker=BOB_PHONE, owner=ALICE, namespace=version)
    nonexistent = await wire.delegated(
        query(), asker=BOB_PHONE, owner=f"nobody@{HOST}", namespace=version
    )

    assert (existing.refusal, existing.iq.get("type")) == (
        nonexistent.refusal,
        nonexistent.iq.get("type"),
    )


async def test_component_sends_no_query_in_the_namespace_it_manages(wire: Wire) -> None:
    """4.3.1: "If a stanza is sent by the managing entity on a managed namespace, the server MUST
    NOT forward it". Some servers do, so the component must not send one."""
    wire.say("hello")
    reply = await wire.history()
    sent = [*reply.wrapped, reply.outer]

    queries = [
        stanza
        for stanza in sent
        if stanza.tag == f"{{{NS_COMPONENT}}}iq" and stanza.get("type") != "result"
    ]
    assert queries == []
