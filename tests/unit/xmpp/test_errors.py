"""The answer to the requester and the log lines after a failure of the program."""

from __future__ import annotations

import logging

import pytest
from support.wire import ALICE, BOB, COMPONENT, HOST, NS_STANZAS, Wire, condition, parsed, query

from component.core.errors import (
    BadRequest,
    Forbidden,
    ItemNotFound,
    NotAuthorized,
    NotImplementedHere,
    Overloaded,
    Refused,
    TooLarge,
    UnknownService,
)
from component.core.xml.stanza import parse
from component.core.xml.times import now
from component.xmpp.queries.errors import error_xml, refusal
from storage.rows import Direction, NewMessage

ID = "q1"

DEFINED = {
    "auth": {"forbidden", "not-authorized"},
    "cancel": {
        "feature-not-implemented",
        "internal-server-error",
        "item-not-found",
        "service-unavailable",
    },
    "modify": {"bad-request", "policy-violation"},
    "wait": {"resource-constraint"},
}


@pytest.mark.parametrize(
    "kind",
    [
        BadRequest,
        Forbidden,
        ItemNotFound,
        NotAuthorized,
        NotImplementedHere,
        Overloaded,
        Refused,
        TooLarge,
        UnknownService,
    ],
)
def test_each_refusal_has_a_condition_with_the_type_that_goes_with_it(kind: type[Refused]) -> None:
    """RFC 6120 section 8.3.3 associates a type with each condition."""
    assert kind.condition in DEFINED[kind.kind]


def test_refusal_is_returned_unchanged() -> None:
    refused = BadRequest("max: 'x' is not a number of messages")

    assert refusal(refused, ID, ALICE) is refused


def test_unknown_failure_reveals_no_internals() -> None:
    text = error_xml(refusal(RuntimeError("password=hunter2 in /var/lib/x.db"), ID, ALICE))

    assert "hunter2" not in text
    assert "/var/lib" not in text


def test_unknown_failure_is_an_internal_server_error() -> None:
    error = parsed(error_xml(refusal(KeyError("x"), ID, ALICE)))

    assert error.find(f"{{{NS_STANZAS}}}internal-server-error") is not None


def test_unknown_failure_is_logged_with_the_query_and_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal(RuntimeError("the reason"), ID, ALICE)

    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"query with id '{ID}' from '{ALICE}' failed"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the reason"


def test_refusal_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    refusal(Forbidden(), ID, ALICE)

    assert caplog.records == []


def test_refusal_escapes_what_the_asker_wrote() -> None:
    error = parsed(error_xml(BadRequest("</text></error><evil/>&x;")))

    assert error.findtext(f"{{{NS_STANZAS}}}text") == "</text></error><evil/>&x;"


async def test_query_is_refused_inside_the_delegation_when_the_store_is_closed(wire: Wire) -> None:
    await wire.storage.close()

    reply = await wire.history()

    assert reply.outer.get("type") == "result"
    assert reply.refusal in {"internal-server-error", "resource-constraint"}


@pytest.mark.parametrize(
    "posted",
    [
        "<?xml version='1.0'?><message><body>posted</body></message>",
        "<message id='a>b' xmlns='jabber:client'><body>posted</body></message>",
        "<message\nxmlns='jabber:client'><body>posted</body></message>",
    ],
    ids=["declaration", "bracket", "line feed"],
)
async def test_no_message_in_the_archive_breaks_the_stream(wire: Wire, posted: str) -> None:
    """Messages posted over HTTP are read over the stream, too."""
    at = now()
    entry = NewMessage(
        owner=ALICE,
        at=at,
        peer=BOB,
        resource="",
        type="chat",
        direction=Direction.SENT,
        xml=parse(posted).xml,
        dedup_key=b"0" * 16,
    )
    await wire.writer.store([entry])

    assert (await wire.history()).bodies == ["posted"]


async def test_broken_query_does_not_break_the_next_one(wire: Wire) -> None:
    wire.say("hello")
    await wire.delegated(query(max="x"))

    assert (await wire.history()).bodies == ["hello"]


async def test_query_with_unknown_payload_is_refused(wire: Wire) -> None:
    reply = await wire.direct("<x xmlns='urn:x'/>", type="get")

    assert condition(reply.outer) in {"feature-not-implemented", "service-unavailable"}


@pytest.mark.parametrize("type", ["result", "error"])
async def test_iq_result_with_a_query_payload_is_ignored(wire: Wire, type: str) -> None:
    wire.peer.send(f"<iq type='{type}' id='z' from='{ALICE}' to='{COMPONENT}'>{query()}</iq>")

    await wire.nothing_comes()


async def test_iq_error_without_request_is_ignored(wire: Wire) -> None:
    wire.peer.send(f"<iq type='error' id='z' from='{HOST}' to='{COMPONENT}'/>")

    await wire.nothing_comes()


async def test_bounced_archive_result_is_ignored(wire: Wire) -> None:
    wire.peer.send(
        f"<message type='error' from='{HOST}' to='{COMPONENT}'>"
        "<privilege xmlns='urn:xmpp:privilege:1'><forwarded xmlns='urn:xmpp:forward:0'>"
        "<message xmlns='jabber:client' from='alice@example.org' to='alice@example.org/x'/>"
        "</forwarded></privilege><error type='auth'><forbidden xmlns="
        f"'{NS_STANZAS}'/></error></message>"
    )

    await wire.nothing_comes()


async def test_query_to_an_unknown_address_at_the_component_is_not_found(wire: Wire) -> None:
    reply = await wire.direct(query(), to=f"bob@{COMPONENT}")

    assert reply.refusal == "item-not-found"
