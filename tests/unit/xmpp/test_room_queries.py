"""What rooms are like is asked over the stream, for as long as there is one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.wire import COMPONENT, DEADLINE_SECONDS, FOOTER, NS_DISCO, NS_STANZAS, Wire, open_wire

from component.xmpp.copies.rooms import RoomQueries

ROOM = "room@conference.example.org"

#: Longer than any test lasts.
LONG_SECONDS = 10 * DEADLINE_SECONDS


async def ask(wire: Wire) -> tuple[asyncio.Task[frozenset[str] | None], str]:
    """Ask for the features of the room; return the question that goes out too."""
    asking = asyncio.create_task(RoomQueries(wire.stream, timeout=LONG_SECONDS).features(ROOM))
    iq = await wire.next_sent()
    assert (iq.get("type"), iq.get("from"), iq.get("to")) == ("get", COMPONENT, ROOM)
    return asking, iq.get("id", "")


def answer(wire: Wire, id: str, *features: str) -> None:
    """Say what the room is like."""
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
    """Its answer may be of before: the news of the change comes by another way."""
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
