"""MongooseIM big_tests, mam_SUITE: pages, ids, metadata, search and retraction in rooms.

Each test has the name of theirs; muc_rsm_cases are those of tests/conformance/peers/
test_rsm_cases.py once more, in the archive of a room.
"""

from __future__ import annotations

import pytest
from support import mam
from support.mam_payloads import FULLTEXT, METADATA, Edge, archive_query, metadata_in
from support.room import Room
from support.stanzas import CLIENT, Refused

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

COUNT = 15
NS_RETRACT = "urn:xmpp:message-retract:1"

DISHES = ("Leek, and mushrooms.", "Mushrooms only.", "A soup of MUSHROOMS with leek.")


@pytest.fixture
async def fifteen(room: Room) -> Room:
    """A room in which 1 to 15 were said, by alice and bob by turns."""
    await room.numbers(COUNT)
    return room


async def ids(room: Room) -> list[str]:
    """Return the ids of all messages, behind one that stands for nothing."""
    return ["", *(found.id for found in await mam.everything(room.alice, to=room.archive))]


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


async def fetch(room: Room, wanted: list[str]) -> list[str]:
    """Return the ids of the messages that are found by these ids."""
    found: list[str] = []
    path = "{urn:xmpp:mam:2}result"
    with room.alice.listening(
        lambda stanza: found.extend(result.get("id", "") for result in stanza.iterfind(path))
    ):
        await room.alice.ask("set", archive_query({"ids": wanted}), to=room.archive)
    return found


async def test_muc_querying_for_all_messages(fifteen: Room) -> None:
    assert (await fifteen.query(fifteen.alice)).bodies == numbers(1, COUNT)


async def test_muc_querying_for_all_messages_with_jid(fifteen: Room) -> None:
    """The JID of a message of a room is that of its occupant."""
    page = await fifteen.query(fifteen.alice, fields={"with": f"{fifteen.address}/bob"})

    assert page.bodies == numbers(1, COUNT)[1::2]


async def test_muc_rsm_cases(fifteen: Room) -> None:
    known = await ids(fifteen)
    cases: list[tuple[dict[str, object], int, int, bool]] = [
        ({"max": 5}, 1, 5, False),
        ({"max": 5, "before": ""}, 11, 15, False),
        ({"max": 5, "before": known[10]}, 5, 9, False),
        ({"max": 5, "before": known[6]}, 1, 5, True),
        ({"max": 5, "before": known[3]}, 1, 2, True),
        ({"max": 5, "after": known[10]}, 11, 15, True),
        ({"max": 5, "after": known[12]}, 13, 15, True),
        ({"max": 3, "after": known[5]}, 6, 8, False),
        ({"max": 0}, 1, 0, False),
        ({"max": 5, "fields": {"after-id": known[4]}}, 5, 9, False),
        ({"max": 5, "fields": {"after-id": known[4]}, "before": ""}, 11, 15, False),
        ({"fields": {"after-id": known[5], "before-id": known[11]}}, 6, 10, True),
    ]
    for asked, first, last, complete in cases:
        page = await fifteen.query(fifteen.alice, **asked)
        assert (page.bodies, page.complete) == (numbers(first, last), complete), asked
    for asked in ({"after": "AV25E9SCO50K"}, {"before": "AV25E9SCO50K"}):
        with pytest.raises(Refused, match="item-not-found"):
            await fifteen.query(fifteen.alice, **asked)


async def test_muc_query_messages_by_ids(fifteen: Room) -> None:
    known = await ids(fifteen)

    assert await fetch(fifteen, [known[5], known[10]]) == [known[5], known[10]]


async def test_muc_simple_query_messages_by_ids(fifteen: Room) -> None:
    """A page of them, which theirs does not count and ours does."""
    known = await ids(fifteen)
    page = await fifteen.query(fifteen.alice, max=1, fields={"ids": known[5]}, after=known[1])

    assert (page.bodies, page.count) == (["5"], 1)


async def test_muc_server_returns_item_not_found_for_ids_filter_with_nonexistent_id(
    fifteen: Room,
) -> None:
    known = await ids(fifteen)

    with pytest.raises(Refused, match="item-not-found"):
        await fetch(fifteen, [known[3], known[12], "AV25E9SCO50K"])


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


# --- Retraction: of a message by the id its author gave it, where the room gives none ------------


async def retract(room: Room, id: str) -> list[bool]:
    """Have alice take something back; return of each message whether it is a tombstone."""
    room.alice.send(
        f"<message to='{room.address}' type='groupchat' id='r1'><retract xmlns='{NS_RETRACT}'"
        f" id='{id}'/><body>(retracted)</body></message>"
    )
    await room.bob.wait_for_body("(retracted)")
    await room.alice.wait_for_body("(retracted)")
    found = (await room.query(room.bob)).results
    return [
        one.message.find(f"{{{NS_RETRACT}}}retracted") is not None
        and one.message.find(f"{CLIENT}body") is None
        for one in found
    ]


async def test_retract_muc_message(room: Room) -> None:
    [id] = await room.say(room.alice, "hi, bob!")
    heard = await room.alice.wait_for_body("hi, bob!")
    # XEP-0424 section 4: by the id of the room, where it gives one.
    given = [
        element.get("id", "")
        for element in heard.iterfind("{urn:xmpp:sid:0}stanza-id")
        if element.get("by") == room.address
    ]

    assert await retract(room, given[-1] if given else id) == [True, False]


async def test_retract_wrong_muc_message(room: Room) -> None:
    await room.say(room.alice, "hi, bob!")

    assert await retract(room, "wrong-id") == [False, False]


async def test_nobody_takes_back_what_another_said(room: Room) -> None:
    """XEP-0424 section 5: only who sent it may."""
    [id] = await room.say(room.bob, "hi, alice!")

    assert await retract(room, id) == [False, False]
