"""Queries for the features of rooms over the stream."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.wire import (
    COMPONENT,
    DEADLINE_SECONDS,
    FOOTER,
    HOST,
    NS_DISCO,
    NS_STANZAS,
    PRIVILEGE_2,
    Wire,
    open_wire,
)

from component.core.hosts import Hosts
from component.xmpp.copies.rooms import RoomQueries
from component.xmpp.queries.privilege import Privileges

ROOM = "room@conference.example.org"

#: Longer than any test.
LONG_SECONDS = 10 * DEADLINE_SECONDS


def queries_of(wire: Wire) -> RoomQueries:
    privileges = Privileges(wire.stream, Hosts([HOST]))
    return RoomQueries(wire.stream, privileges, timeout=LONG_SECONDS)


async def ask(wire: Wire) -> tuple[asyncio.Task[frozenset[str] | None], str]:
    """Ask for the features of the room; return the call and the id of the query."""
    task = asyncio.create_task(queries_of(wire).features(ROOM))
    iq = await wire.next_sent()
    assert (iq.get("type"), iq.get("from"), iq.get("to")) == ("get", COMPONENT, ROOM)
    return task, iq.get("id", "")


def answer(wire: Wire, id: str, *features: str) -> None:
    """Answer with the features of the room."""
    feature_elements = "".join(f"<feature var='{feature}'/>" for feature in features)
    wire.peer.send(
        f"<iq type='result' from='{ROOM}' to='{COMPONENT}' id='{id}'>"
        f"<query xmlns='{NS_DISCO}'>{feature_elements}</query></iq>"
    )


async def test_features_are_those_of_the_disco_answer(wire: Wire) -> None:
    task, id = await ask(wire)
    answer(wire, id, "muc_open", "muc_public")

    assert await task == {"muc_open", "muc_public"}


async def test_room_that_changes_during_a_query_is_asked_again(wire: Wire) -> None:
    """The answer may be older than the change, which another stanza announces."""
    queries = queries_of(wire)
    task = asyncio.create_task(queries.features(ROOM))
    first = await wire.next_sent()
    queries.forget(ROOM)
    answer(wire, first.get("id", ""), "muc_open")
    second = await wire.next_sent()
    answer(wire, second.get("id", ""), "muc_membersonly")

    assert await task == {"muc_membersonly"}
    assert await queries.features(ROOM) == {"muc_membersonly"}


async def test_disco_error_returns_none(wire: Wire) -> None:
    task, id = await ask(wire)
    wire.peer.send(
        f"<iq type='error' from='{ROOM}' to='{COMPONENT}' id='{id}'><error type='cancel'>"
        f"<item-not-found xmlns='{NS_STANZAS}'/></error></iq>"
    )

    assert await task is None


async def test_lost_connection_ends_the_query(wire: Wire) -> None:
    task, _ = await ask(wire)
    wire.peer.send(FOOTER)

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await task is None


async def test_call_without_a_connection_returns_no_features(tmp_path: Path) -> None:
    async with open_wire(tmp_path, connected=False) as wire:
        queries = queries_of(wire)

        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await queries.features(ROOM) is None


def grant(wire: Wire, *perms: str) -> None:
    """Let the virtual host grant privileges."""
    wire.peer.send(
        f"<message from='{HOST}' to='{COMPONENT}'>"
        f"<privilege xmlns='{PRIVILEGE_2}'>{''.join(perms)}</privilege></message>"
    )


DISCO_GRANT = f"<perm access='iq'><namespace ns='{NS_DISCO}' type='get'/></perm>"


@pytest.mark.parametrize(
    ("type", "features"), [("result", frozenset({"muc_open"})), ("error", None)]
)
async def test_room_is_asked_as_its_host_where_that_is_granted(
    wire: Wire, type: str, features: frozenset[str] | None
) -> None:
    """XEP-0356 section 6 defines IQ privileges."""
    queries = queries_of(wire)
    grant(wire, DISCO_GRANT)
    await wire.caught_up()
    task = asyncio.create_task(queries.features(ROOM))
    iq = await wire.next_sent()
    inner = iq.find(f"{{{PRIVILEGE_2}}}privileged_iq/{{jabber:client}}iq")
    assert (iq.get("type"), iq.get("to")) == ("get", HOST)
    assert inner is not None
    assert (inner.get("type"), inner.get("to")) == ("get", ROOM)
    assert inner.find(f"{{{NS_DISCO}}}query") is not None
    wire.peer.send(
        f"<iq type='result' from='{HOST}' to='{COMPONENT}' id='{iq.get('id')}'>"
        f"<privilege xmlns='{PRIVILEGE_2}'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<iq xmlns='jabber:client' type='{type}' from='{ROOM}' to='{HOST}' id='room'>"
        f"<query xmlns='{NS_DISCO}'><feature var='muc_open'/></query></iq>"
        "</forwarded></privilege></iq>"
    )

    assert await task == features
