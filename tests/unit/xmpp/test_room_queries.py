"""Features of rooms are asked for over the stream, while there is one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.wire import COMPONENT, DEADLINE_SECONDS, FOOTER, NS_DISCO, NS_STANZAS, Wire, open_wire

from component.xmpp.copies.rooms import RoomQueries

ROOM = "room@conference.example.org"

#: Longer than any test lasts.
LONG_SECONDS = 10 * DEADLINE_SECONDS


async def ask(wire: Wire) -> tuple[asyncio.Task[frozenset[str] | None], str]:
    """Ask for the features of the room; return the call and the id of the query."""
    asking = asyncio.create_task(RoomQueries(wire.stream, timeout=LONG_SECONDS).features(ROOM))
    iq = await wire.next_sent()
    assert (iq.get("type"), iq.get("from"), iq.get("to")) == ("get", COMPONENT, ROOM)
    return asking, iq.get("id", "")


def answer(wire: Wire, id: str, *features: str) -> None:
    """Answer with the features of the room."""
    written = "".join(f"<feature var='{feature}'/>" for feature in features)
    wire.peer.send(
        f"<iq type='result' from='{ROOM}' to='{COMPONENT}' id='{id}'>"
        f"<query xmlns='{NS_DISCO}'>{written}</query></iq>"
    )


async def test_features_are_those_of_the_disco_answer(wire: Wire) -> None:
    asking, id = await ask(wire)
    answer(wire, id, "muc_open", "muc_public")

    assert await asking == {"muc_open", "muc_public"}


async def test_room_that_changes_during_a_query_is_asked_again(wire: Wire) -> None:
    """The answer may be older than the change, which is noticed by another stanza."""
    queries = RoomQueries(wire.stream, timeout=LONG_SECONDS)
    asking = asyncio.create_task(queries.features(ROOM))
    first = await wire.next_sent()
    queries.forget(ROOM)
    answer(wire, first.get("id", ""), "muc_open")
    second = await wire.next_sent()
    answer(wire, second.get("id", ""), "muc_membersonly")

    assert await asking == {"muc_membersonly"}
    assert await queries.features(ROOM) == {"muc_membersonly"}


async def test_disco_error_answers_none(wire: Wire) -> None:
    asking, id = await ask(wire)
    wire.peer.send(
        f"<iq type='error' from='{ROOM}' to='{COMPONENT}' id='{id}'><error type='cancel'>"
        f"<item-not-found xmlns='{NS_STANZAS}'/></error></iq>"
    )

    assert await asking is None


async def test_lost_connection_ends_the_query(wire: Wire) -> None:
    asking, _ = await ask(wire)
    wire.peer.send(FOOTER)

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await asking is None


async def test_call_without_a_connection_answers_none(tmp_path: Path) -> None:
    async with open_wire(tmp_path, connected=False) as wire:
        queries = RoomQueries(wire.stream, timeout=LONG_SECONDS)

        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await queries.features(ROOM) is None
