"""MongooseIM big_tests, mam_SUITE: pages, ids, metadata, search and retraction in rooms.

Each test has the name of the case in their suite. `muc_rsm_cases` repeats the cases of
tests/conformance/peers/test_rsm_cases.py in the archive of a room.
"""

from __future__ import annotations

import pytest
from support import mam
from support.mam_payloads import FULLTEXT, METADATA, Edge, archive_query, metadata_in
from support.room import Room
from support.stanzas import CLIENT, Refused

#: Rooms differ between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

COUNT = 15
NS_RETRACT = "urn:xmpp:message-retract:1"

DISHES = ("Leek, and mushrooms.", "Mushrooms only.", "A soup of MUSHROOMS with leek.")


@pytest.fixture
async def fifteen(room: Room) -> Room:
    """A room with the messages 1 to 15, from alice and bob by turns."""
    await room.numbers(COUNT)
    return room


async def ids(room: Room) -> list[str]:
    """Return the ids of all messages, each at the index of its number; index 0 is unused."""
    return ["", *(result.id for result in await mam.everything(room.alice, to=room.archive))]


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


async def fetch(room: Room, requested: list[str]) -> list[str]:
    """Return the ids of the results of a query by these ids."""
    ids: list[str] = []
    path = "{urn:xmpp:mam:2}result"
    with room.alice.listening(
        lambda stanza: ids.extend(result.get("id", "") for result in stanza.iterfind(path))
    ):
        await room.alice.ask("set", archive_query({"ids": requested}), to=room.archive)
    return ids


async def test_muc_querying_for_all_messages(fifteen: Room) -> None:
    assert (await fifteen.query(fifteen.alice)).bodies == numbers(1, COUNT)


async def test_muc_querying_for_all_messages_with_jid(fifteen: Room) -> None:
    """The field `with` takes the JID of an occupant."""
    page = await fifteen.query(fifteen.alice, fields={"with": f"{fifteen.address}/bob"})

    assert page.bodies == numbers(1, COUNT)[1::2]


async def test_muc_rsm_cases(fifteen: Room) -> None:
    archive_ids = await ids(fifteen)
    cases: list[tuple[dict[str, object], int, int, bool]] = [
        ({"max": 5}, 1, 5, False),
        ({"max": 5, "before": ""}, 11, 15, False),
        ({"max": 5, "before": archive_ids[10]}, 5, 9, False),
        ({"max": 5, "before": archive_ids[6]}, 1, 5, True),
        ({"max": 5, "before": archive_ids[3]}, 1, 2, True),
        ({"max": 5, "after": archive_ids[10]}, 11, 15, True),
        ({"max": 5, "after": archive_ids[12]}, 13, 15, True),
        ({"max": 3, "after": archive_ids[5]}, 6, 8, False),
        ({"max": 0}, 1, 0, False),
        ({"max": 5, "fields": {"after-id": archive_ids[4]}}, 5, 9, False),
        ({"max": 5, "fields": {"after-id": archive_ids[4]}, "before": ""}, 11, 15, False),
        ({"fields": {"after-id": archive_ids[5], "before-id": archive_ids[11]}}, 6, 10, True),
    ]
    for page_request, first, last, complete in cases:
        page = await fifteen.query(fifteen.alice, **page_request)
        assert (page.bodies, page.complete) == (numbers(first, last), complete), page_request
    for page_request in ({"after": "AV25E9SCO50K"}, {"before": "AV25E9SCO50K"}):
        with pytest.raises(Refused, match="item-not-found"):
            await fifteen.query(fifteen.alice, **page_request)


async def test_muc_query_messages_by_ids(fifteen: Room) -> None:
    archive_ids = await ids(fifteen)

    assert await fetch(fifteen, [archive_ids[5], archive_ids[10]]) == [
        archive_ids[5],
        archive_ids[10],
    ]


async def test_muc_simple_query_messages_by_ids(fifteen: Room) -> None:
    """A page of a query by ids; their server does not count it, Muniment does."""
    archive_ids = await ids(fifteen)
    page = await fifteen.query(
        fifteen.alice, max=1, fields={"ids": archive_ids[5]}, after=archive_ids[1]
    )

    assert (page.bodies, page.count) == (["5"], 1)


async def test_muc_server_returns_item_not_found_for_ids_filter_with_nonexistent_id(
    fifteen: Room,
) -> None:
    archive_ids = await ids(fifteen)

    with pytest.raises(Refused, match="item-not-found"):
        await fetch(fifteen, [archive_ids[3], archive_ids[12], "AV25E9SCO50K"])


async def test_muc_metadata_archive_request(fifteen: Room) -> None:
    first, *_, last = (await fifteen.query(fifteen.alice)).results
    answer = await fifteen.alice.ask("get", METADATA, to=fifteen.archive)

    assert metadata_in(answer) == (
        Edge(id=first.id, stamp=first.stamp),
        Edge(id=last.id, stamp=last.stamp),
    )


async def test_muc_metadata_archive_request_empty(room: Room) -> None:
    assert metadata_in(await room.alice.ask("get", METADATA, to=room.archive)) is None


async def test_muc_metadata_archive_request_one_message(room: Room) -> None:
    await room.say(room.alice, "OH, HAI!")
    metadata = metadata_in(await room.alice.ask("get", METADATA, to=room.archive))

    assert metadata is not None
    assert metadata[0] == metadata[1]


async def test_muc_text_search_request(room: Room) -> None:
    await room.say(room.alice, *DISHES)
    page = await room.query(room.bob, fields={FULLTEXT: "leek muShrooms"})

    assert page.bodies == [DISHES[0], DISHES[2]]


# --- Retraction: by the id of the room, or by the id of the author if the room gives none --------


async def retract(room: Room, id: str) -> list[bool]:
    """Have alice retract a message; return for each archived message whether it is a tombstone."""
    room.alice.send(
        f"<message to='{room.address}' type='groupchat' id='r1'><retract xmlns='{NS_RETRACT}'"
        f" id='{id}'/><body>(retracted)</body></message>"
    )
    await room.bob.wait_for_body("(retracted)")
    await room.alice.wait_for_body("(retracted)")
    return [
        result.message.find(f"{{{NS_RETRACT}}}retracted") is not None
        and result.message.find(f"{CLIENT}body") is None
        for result in (await room.query(room.bob)).results
    ]


async def test_retract_muc_message(room: Room) -> None:
    [id] = await room.say(room.alice, "hi, bob!")
    live = await room.alice.wait_for_body("hi, bob!")
    # XEP-0424 section 4: the retraction names the id of the room, if the room gives one.
    stanza_ids = [
        element.get("id", "")
        for element in live.iterfind("{urn:xmpp:sid:0}stanza-id")
        if element.get("by") == room.address
    ]

    assert await retract(room, stanza_ids[-1] if stanza_ids else id) == [True, False]


async def test_retract_wrong_muc_message(room: Room) -> None:
    await room.say(room.alice, "hi, bob!")

    assert await retract(room, "wrong-id") == [False, False]


async def test_retraction_by_another_occupant_is_ignored(room: Room) -> None:
    """XEP-0424 section 5: only the author of a message may retract it."""
    [id] = await room.say(room.bob, "hi, alice!")

    assert await retract(room, id) == [False, False]
