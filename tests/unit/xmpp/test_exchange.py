"""The stanzas around an answer, also with hostile addresses and ids."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from support.wire import (
    DELEGATION_1,
    DELEGATION_2,
    NS_CLIENT,
    NS_COMPONENT,
    NS_FORWARD,
    NS_HINTS,
    NS_STANZAS,
    PRIVILEGE_1,
    PRIVILEGE_2,
    element_at,
    parsed,
)

from component.core.errors import BadRequest, Forbidden, Overloaded, Refused
from component.xmpp.queries.exchange import Delegated, Direct

HOSTILE = ["'", '"', "'\"", "<&>", "' to='eve@evil.example", "\u00e9\U0001f600", "\t\n"]

DIRECT = Direct(addressee="archive.example.org", asker="alice@example.org/phone", id="q1")
DELEGATED = Delegated(
    component="archive.example.org",
    host="example.org",
    outer_id="o1",
    delegation=DELEGATION_1,
    privilege=PRIVILEGE_1,
    asker="Alice@example.org/phone",
    addressee="ALICE@example.org",
    requester="alice@example.org",
    owner="alice@example.org",
    id="q1",
)


def on_stream(text: str) -> ET.Element:
    """Return a stanza as the server reads it."""
    return parsed(f"<stream xmlns='{NS_COMPONENT}'>{text}</stream>")[0]


def iq_in(text: str, namespace: str = DELEGATION_1) -> ET.Element:
    path = f"{{{namespace}}}delegation/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}iq"
    return element_at(on_stream(text), path)


def message_in(text: str, namespace: str = PRIVILEGE_1) -> ET.Element:
    path = f"{{{namespace}}}privilege/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message"
    return element_at(on_stream(text), path)


def test_direct_query_is_about_the_asker() -> None:
    assert (DIRECT.requester, DIRECT.owner) == ("alice@example.org", "alice@example.org")


def test_direct_query_to_an_archive_is_about_that_archive() -> None:
    exchange = replace(DIRECT, archive="bob@example.org")

    assert (exchange.requester, exchange.owner) == ("alice@example.org", "bob@example.org")


def test_direct_query_to_an_archive_is_answered_by_its_address() -> None:
    address = r"bob\40example.org@archive.example.org"
    exchange = replace(DIRECT, addressee=address, archive="bob@example.org")

    answers = [on_stream(text) for text in (exchange.messages([""]), exchange.result(""))]
    assert [stanza.get("from") for stanza in answers] == [address, address]


@pytest.mark.parametrize("exchange", [DIRECT, DELEGATED], ids=["direct", "delegated"])
@pytest.mark.parametrize("payloads", [[], [""], ["<x/>"], ["<x/>", "<y/>", ""]], ids=len)
def test_each_payload_gets_its_own_message(
    exchange: Direct | Delegated, payloads: list[str]
) -> None:
    stanzas = parsed(
        f"<stream xmlns='{NS_COMPONENT}'>{exchange.messages(iter(payloads))}</stream>"
    )

    assert len(stanzas) == len(payloads)


def test_direct_answer_goes_to_the_asker() -> None:
    assert on_stream(DIRECT.result("<x/>")).attrib == {
        "type": "result",
        "id": "q1",
        "from": "archive.example.org",
        "to": "alice@example.org/phone",
    }


def test_direct_message_goes_to_the_client_that_asked() -> None:
    message = on_stream(DIRECT.messages(["<x/>"]))

    assert message.attrib == {"from": "archive.example.org", "to": "alice@example.org/phone"}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_direct_answer_survives_hostile_ids_and_addresses(hostile: str) -> None:
    answer = on_stream(replace(DIRECT, id=hostile, asker=hostile).result(""))

    assert (answer.get("id"), answer.get("to"), len(answer.attrib)) == (hostile, hostile, 4)


def test_delegated_answer_goes_to_the_delegating_host() -> None:
    assert on_stream(DELEGATED.result("<x/>")).attrib == {
        "type": "result",
        "id": "o1",
        "from": "archive.example.org",
        # ejabberd 24.10 and 24.12 drop an IQ to an address without a resource.
        "to": "example.org/muniment",
    }


def test_delegated_answer_has_the_addresses_and_the_id_of_its_query() -> None:
    assert iq_in(DELEGATED.result("<x/>")).attrib == {
        "type": "result",
        "id": "q1",
        "from": "ALICE@example.org",
        "to": "Alice@example.org/phone",
    }


@pytest.mark.parametrize("namespace", [DELEGATION_1, DELEGATION_2])
def test_delegated_answer_has_the_namespace_of_its_query(namespace: str) -> None:
    assert iq_in(replace(DELEGATED, delegation=namespace).result(""), namespace) is not None


@pytest.mark.parametrize("namespace", [PRIVILEGE_1, PRIVILEGE_2])
def test_delegated_message_has_the_namespace_that_was_granted(namespace: str) -> None:
    assert (
        message_in(replace(DELEGATED, privilege=namespace).messages([""]), namespace) is not None
    )


def test_delegated_message_comes_from_the_archive_to_the_client_that_asked() -> None:
    assert message_in(DELEGATED.messages(["<x/>"])).attrib == {
        "from": "ALICE@example.org",
        "to": "Alice@example.org/phone",
    }


def test_delegated_message_is_addressed_to_the_host_without_a_type() -> None:
    assert on_stream(DELEGATED.messages(["<x/>"])).attrib == {
        "from": "archive.example.org",
        "to": "example.org",
    }


@pytest.mark.parametrize("message", [DIRECT.messages(["<x/>"]), DELEGATED.messages(["<x/>"])])
def test_message_asks_not_to_be_stored_or_copied(message: str) -> None:
    hints = {element.tag for element in on_stream(message).iter()}

    assert {f"{{{NS_HINTS}}}no-store", f"{{{NS_HINTS}}}no-copy"} <= hints


def test_without_privilege_a_delegated_message_is_refused() -> None:
    with pytest.raises(Refused):
        replace(DELEGATED, privilege=None).messages(["<x/>"])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_delegated_answer_survives_hostile_ids_and_addresses(hostile: str) -> None:
    exchange = replace(DELEGATED, id=hostile, asker=hostile, addressee=hostile, outer_id=hostile)

    assert iq_in(exchange.result("")).attrib == {
        "type": "result",
        "id": hostile,
        "from": hostile,
        "to": hostile,
    }


@pytest.mark.parametrize("hostile", HOSTILE)
def test_delegated_message_survives_hostile_addresses(hostile: str) -> None:
    exchange = replace(DELEGATED, asker=hostile, addressee=hostile)

    assert message_in(exchange.messages([""])).attrib == {"from": hostile, "to": hostile}


def test_delegated_refusal_is_inside_an_outer_result() -> None:
    """An outer error would never reach the client."""
    text = DELEGATED.error(Forbidden())

    assert (on_stream(text).get("type"), iq_in(text).get("type")) == ("result", "error")


@pytest.mark.parametrize("refused", [Forbidden(), BadRequest("<no> & 'never'"), Overloaded()])
def test_refusal_has_type_condition_and_text(refused: Refused) -> None:
    error = element_at(on_stream(DIRECT.error(refused)), f"{{{NS_COMPONENT}}}error")

    assert error.get("type") == refused.kind
    assert [(child.tag, child.text) for child in error] == [
        (f"{{{NS_STANZAS}}}{refused.condition}", None),
        (f"{{{NS_STANZAS}}}text", refused.message),
    ]


def test_delegated_refusal_is_in_the_namespace_of_its_answer() -> None:
    assert iq_in(DELEGATED.error(Forbidden())).find(f"{{{NS_CLIENT}}}error") is not None
