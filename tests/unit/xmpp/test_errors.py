"""What askers and administrators hear when something breaks inside."""

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


def test_a_refusal_is_told_as_it_is() -> None:
    refused = BadRequest("max: 'x' is not a number of messages")

    assert refusal(refused, ID, ALICE) is refused


def test_an_unknown_failure_tells_nothing_of_the_inside() -> None:
    text = error_xml(refusal(RuntimeError("password=hunter2 in /var/lib/x.db"), ID, ALICE))

    assert "hunter2" not in text
    assert "/var/lib" not in text


def test_an_unknown_failure_is_an_internal_server_error() -> None:
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


def test_a_refusal_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    refusal(Forbidden(), ID, ALICE)

    assert caplog.records == []


def test_a_refusal_escapes_what_the_asker_wrote() -> None:
    error = parsed(error_xml(BadRequest("</text></error><evil/>&x;")))

    assert error.findtext(f"{{{NS_STANZAS}}}text") == "</text></error><evil/>&x;"


async def test_a_store_that_is_gone_refuses_a_query_inside(wire: Wire) -> None:
    await wire.archive._database.close()

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
    """Others than ejabberd write messages too; whatever they write is read over the stream."""
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


async def test_a_broken_query_does_not_break_the_next_one(wire: Wire) -> None:
    wire.say("hello")
    await wire.delegated(query(max="x"))

    assert (await wire.history()).bodies == ["hello"]


async def test_a_query_that_nobody_knows_is_refused(wire: Wire) -> None:
    reply = await wire.direct("<x xmlns='urn:x'/>", type="get")

    assert condition(reply.outer) in {"feature-not-implemented", "service-unavailable"}


@pytest.mark.parametrize("type", ["result", "error"])
async def test_an_answer_that_holds_a_query_is_no_question(wire: Wire, type: str) -> None:
    wire.peer.send(f"<iq type='{type}' id='z' from='{ALICE}' to='{COMPONENT}'>{query()}</iq>")

    await wire.nothing_comes()


async def test_an_answer_to_nothing_is_ignored(wire: Wire) -> None:
    wire.peer.send(f"<iq type='error' id='z' from='{HOST}' to='{COMPONENT}'/>")

    await wire.nothing_comes()


async def test_a_result_that_bounces_is_ignored(wire: Wire) -> None:
    wire.peer.send(
        f"<message type='error' from='{HOST}' to='{COMPONENT}'>"
        "<privilege xmlns='urn:xmpp:privilege:1'><forwarded xmlns='urn:xmpp:forward:0'>"
        "<message xmlns='jabber:client' from='alice@example.org' to='alice@example.org/x'/>"
        "</forwarded></privilege><error type='auth'><forbidden xmlns="
        f"'{NS_STANZAS}'/></error></message>"
    )

    await wire.nothing_comes()


async def test_nobody_is_at_an_address_below_the_component(wire: Wire) -> None:
    reply = await wire.direct(query(), to=f"bob@{COMPONENT}")

    assert reply.refusal == "item-not-found"
