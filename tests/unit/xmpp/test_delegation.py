"""Delegated queries: accepted and refused queries, and their answers."""

from __future__ import annotations

from pathlib import Path

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
    NS_FORWARD,
    NS_MAM,
    OTHER_HOST,
    Reply,
    Wire,
    condition,
    element_at,
    open_wire,
    query,
)

from component.config.sections import Operator

INNER = (
    f"<iq xmlns='{NS_CLIENT}' type='set' id='q1' from='{ALICE_PHONE}' to='{ALICE}'>{query()}</iq>"
)


async def ask(wire: Wire, delegation: str, *, host: str = HOST, type: str = "set") -> Reply:
    """Send a delegated stanza, which may be malformed."""
    return await wire.direct(delegation, asker=host, type=type)


def wrapped(inner: str, namespace: str = DELEGATION_1) -> str:
    return (
        f"<delegation xmlns='{namespace}'><forwarded xmlns='{NS_FORWARD}'>{inner}</forwarded>"
        "</delegation>"
    )


@pytest.mark.parametrize("namespace", [DELEGATION_1, DELEGATION_2])
async def test_query_is_answered_in_the_version_it_came_in(wire: Wire, namespace: str) -> None:
    reply = await wire.delegated(query(), namespace=namespace)

    assert reply.complete


async def test_answer_has_the_ids_of_the_outer_and_the_inner_iq(wire: Wire) -> None:
    reply = await wire.delegated(query(), id="from the client")

    assert (reply.outer.get("id"), reply.iq.get("id")) == ("s1", "from the client")


async def test_delegated_query_without_to_is_about_the_asker(wire: Wire) -> None:
    """Prosody leaves `to` out when users ask for their own archive."""
    wire.say("hello")
    reply = await wire.delegated(query(), owner=None)

    assert reply.bodies == ["hello"]


async def test_answer_to_a_query_without_to_comes_from_the_bare_jid(wire: Wire) -> None:
    reply = await wire.delegated(query(), owner=None)

    assert reply.iq.get("from") == ALICE


async def test_owner_in_capitals_is_the_same_user(wire: Wire) -> None:
    wire.say("hello")
    reply = await wire.delegated(query(), owner="ALICE@Example.org")

    assert reply.bodies == ["hello"]


async def test_answer_has_the_addresses_as_written(wire: Wire) -> None:
    """ejabberd compares the addresses byte by byte and drops an answer with other ones."""
    reply = await wire.delegated(query(), owner="ALICE@Example.org", asker="Alice@example.org/Q")

    assert (reply.iq.get("from"), reply.iq.get("to")) == (
        "ALICE@Example.org",
        "Alice@example.org/Q",
    )


async def test_asker_with_an_odd_address_is_answered(wire: Wire) -> None:
    reply = await wire.delegated(query(), asker="mallory@-odd.example/x")

    assert reply.refusal == "forbidden"


@pytest.mark.parametrize(
    "asker",
    [
        BOB_PHONE,
        BOB,
        "alice@remote.example/phone",
        "alice@example.org.evil.example/x",
        f"eve@remote.example/{ALICE}",
        HOST,
        "",
        f"{ALICE}@evil.example",
    ],
)
async def test_query_for_the_archive_of_another_user_is_forbidden(wire: Wire, asker: str) -> None:
    wire.say("private")
    reply = await wire.delegated(query(), asker=asker, owner=ALICE)

    assert (reply.refusal, reply.messages) == ("forbidden", [])


async def test_query_to_the_server_is_about_its_asker(wire: Wire) -> None:
    """Of preferences and of metadata as of messages: mod_mam answers all at both addresses."""
    wire.say("hello")
    never = f"<prefs xmlns='{NS_MAM}' default='never'/>"
    metadata = f"<metadata xmlns='{NS_MAM}'/>"
    ends = [await wire.delegated(metadata, type="get", owner=owner) for owner in (ALICE, HOST)]
    await wire.delegated(never, owner=HOST)
    prefs = [
        await wire.delegated(f"<prefs xmlns='{NS_MAM}'/>", type="get", asker=asker, owner=owner)
        for asker, owner in ((ALICE_PHONE, ALICE), (BOB_PHONE, BOB))
    ]

    assert ends[0].metadata == ends[1].metadata != {}
    assert [element_at(reply.iq, f"{{{NS_MAM}}}prefs").get("default") for reply in prefs] == [
        "never",
        "always",
    ]


async def test_operator_reads_the_own_archive_at_the_server(tmp_path: Path) -> None:
    """There is no archive of all users, and none of the server itself."""
    operators = {"alice": Operator(jid=ALICE, role="admin")}
    async with open_wire(tmp_path, operators=operators) as wire:
        wire.say("private", sender=BOB_PHONE, to=f"carol@{HOST}")
        wire.say("own")
        replies = [
            await wire.delegated(query(), owner=host, host=host) for host in (HOST, OTHER_HOST)
        ]

    assert [reply.bodies for reply in replies] == [["own"], []]


async def test_unknown_user_looks_like_one_without_messages(wire: Wire) -> None:
    """No answer reveals whether an account exists."""
    of_known_user = await wire.delegated(query(), asker=BOB_PHONE, owner=ALICE)
    of_unknown_user = await wire.delegated(query(), asker=BOB_PHONE, owner=f"nobody@{HOST}")

    assert of_known_user.refusal == of_unknown_user.refusal == "forbidden"


async def test_host_delegates_for_its_own_users_only(wire: Wire) -> None:
    wire.say("private")
    reply = await wire.delegated(query(), host=OTHER_HOST)

    assert (condition(reply.outer), reply.messages) == ("forbidden", [])


@pytest.mark.parametrize(
    "stranger",
    [ALICE_PHONE, ALICE, "evil.example", f"conference.{HOST}", f"{HOST}/x", f"x@{HOST}"],
)
async def test_delegation_from_anybody_but_a_host_is_forbidden(wire: Wire, stranger: str) -> None:
    wire.say("private")
    reply = await ask(wire, wrapped(INNER), host=stranger)

    assert (condition(reply.outer), reply.messages) == ("forbidden", [])


async def test_another_server_cannot_delegate_even_for_its_own_users(wire: Wire) -> None:
    inner = INNER.replace(HOST, "evil.example")
    reply = await ask(wire, wrapped(inner), host="evil.example")

    assert condition(reply.outer) == "forbidden"


@pytest.mark.parametrize(
    "broken",
    [
        f"<delegation xmlns='{DELEGATION_1}'/>",
        f"<delegation xmlns='{DELEGATION_1}'><forwarded xmlns='{NS_FORWARD}'/></delegation>",
        wrapped(INNER.replace(NS_CLIENT, "jabber:server")),
        wrapped(INNER.replace("<iq ", "<message ").replace("</iq>", "</message>")),
        f"<delegation xmlns='{DELEGATION_1}'>{INNER}</delegation>",
        wrapped(INNER).replace(NS_FORWARD, "urn:xmpp:forward:1"),
    ],
    ids=["empty", "nothing forwarded", "server's iq", "message", "bare", "forward:1"],
)
async def test_delegation_without_a_query_is_refused(wire: Wire, broken: str) -> None:
    reply = await ask(wire, broken)

    assert condition(reply.outer) == "bad-request"


async def test_delegation_of_a_query_without_an_asker_is_refused(wire: Wire) -> None:
    reply = await ask(wire, wrapped(INNER.replace(f" from='{ALICE_PHONE}' to='{ALICE}'", "")))

    assert condition(reply.outer) == "forbidden"


@pytest.mark.parametrize("type", ["result", "error"])
async def test_delegation_in_an_iq_result_is_ignored(wire: Wire, type: str) -> None:
    wire.say("private")
    wire.peer.send(
        f"<iq type='{type}' id='z' from='{HOST}' to='{COMPONENT}'>{wrapped(INNER)}</iq>"
    )

    await wire.nothing_comes()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("<query xmlns='urn:xmpp:mam:1'/>", "service-unavailable"),
        ("<x xmlns='urn:x'/>", "service-unavailable"),
        ("", "bad-request"),
        ("text", "bad-request"),
    ],
    ids=["mam:1", "unknown", "nothing", "text"],
)
async def test_unknown_payload_is_refused_inside_the_delegation(
    wire: Wire, payload: str, expected: str
) -> None:
    reply = await wire.delegated(payload)

    assert (reply.outer.get("type"), reply.refusal) == ("result", expected)


async def test_malformed_query_is_refused_inside_the_delegation(wire: Wire) -> None:
    reply = await wire.delegated(query(max="x"))

    assert (reply.outer.get("type"), reply.refusal) == ("result", "bad-request")


async def test_form_is_returned_inside_the_delegation(wire: Wire) -> None:
    reply = await wire.delegated(query(), type="get")

    assert element_at(reply.iq, f"{{{NS_MAM}}}query/{{jabber:x:data}}x").get("type") == "form"


async def test_delegation_notification_is_not_a_query(wire: Wire) -> None:
    wire.peer.send(
        f"<message from='{HOST}' to='{COMPONENT}'><delegation xmlns='{DELEGATION_1}'>"
        f"<delegated namespace='{NS_MAM}'/></delegation></message>"
    )

    await wire.nothing_comes()


async def test_many_queries_at_once_are_all_answered(wire: Wire) -> None:
    wire.say("hello")
    for number in range(1000):
        inner = INNER.replace("q1", f"q{number}")
        wire.peer.send(
            f"<iq type='set' id='o{number}' from='{HOST}' to='{COMPONENT}'>{wrapped(inner)}</iq>"
        )
    answered_ids = set()
    while len(answered_ids) < 1000:
        stanza = await wire.next_sent()
        if stanza.tag.endswith("}iq"):
            answered_ids.add(stanza.get("id"))

    assert answered_ids == {f"o{number}" for number in range(1000)}
