"""Whom a room admits to its archive, by what is known of him and by what the room is like."""

from __future__ import annotations

import asyncio

import pytest
from support.builders import ALICE, BOB, HOST, ROMEO, ROOM
from support.probe import probe_of

from component.core.access.rooms import Rooms
from component.core.errors import Overloaded
from component.core.hosts import Hosts
from storage.interface import Storage
from storage.rows import Occupant

SERVICE = f"conference.{HOST}"
OPEN = frozenset({"muc_open", "muc_unsecured"})
MEMBERS = frozenset({"muc_membersonly"})
PASSWORD = frozenset({"muc_passwordprotected", "muc_open"})


class Answers:
    """Rooms that answer alike."""

    def __init__(self, features: frozenset[str] | None) -> None:
        self._features = features

    async def features(self, room: str) -> frozenset[str] | None:
        return self._features

    def forget(self, room: str) -> None:
        pass


def rooms(storage: Storage, features: frozenset[str] | None = OPEN, **limits: int) -> Rooms:
    return Rooms(Hosts([HOST], [SERVICE]), storage.rooms, Answers(features), **limits)


def occupant(affiliation: str, jid: str = ALICE) -> Occupant:
    return Occupant(room=ROOM, jid=jid, affiliation=affiliation)


@pytest.mark.parametrize(
    ("features", "admitted"),
    [
        (OPEN, {None, "none", "member", "admin", "owner"}),
        (MEMBERS, {"member", "admin", "owner"}),
        (MEMBERS | PASSWORD, {"member", "admin", "owner"}),
        (PASSWORD, {"none", "member", "admin", "owner"}),
        (None, set()),
    ],
    ids=["open", "members only", "members and password", "password", "no answer"],
)
@pytest.mark.parametrize("affiliation", [None, "outcast", "none", "member", "admin", "owner"])
async def test_room_admits_by_its_features_and_the_affiliation(
    storage: Storage,
    features: frozenset[str] | None,
    admitted: set[str | None],
    affiliation: str | None,
) -> None:
    known = rooms(storage, features)
    if affiliation:
        known.note(occupant(affiliation))

    assert await known.admits(ALICE, ROOM) is (affiliation in admitted)


async def test_user_of_another_host_is_not_admitted(storage: Storage) -> None:
    known = rooms(storage)
    known.note(occupant("owner", ROMEO))

    assert await known.admits(ROMEO, ROOM) is False


async def test_affiliation_counts_for_one_user_in_one_room(storage: Storage) -> None:
    known = rooms(storage, MEMBERS)
    known.note(occupant("member", BOB))
    known.note(Occupant(room=f"other@{SERVICE}", jid=ALICE, affiliation="member"))

    assert await known.admits(ALICE, ROOM) is False


async def test_only_rooms_of_the_services_have_archives(storage: Storage) -> None:
    known = rooms(storage)

    kept = [ROOM, f"{ROOM}/nick"]
    others = [SERVICE, ALICE, f"room@{HOST}", f"room@x.{SERVICE}", "", f"{HOST}/{ROOM}"]
    assert [known.has_archive(address) for address in kept] == [True, True]
    assert [known.has_archive(address) for address in others] == [False] * len(others)


async def test_last_affiliation_survives_a_restart(storage: Storage) -> None:
    before = rooms(storage, MEMBERS)
    running = asyncio.create_task(before.run())
    for affiliation in ("none", "member", "owner", "member"):
        before.note(occupant(affiliation))
    before.note(occupant("outcast", BOB))
    before.stop()
    await running

    after = rooms(storage, MEMBERS)
    assert (await after.admits(ALICE, ROOM), await after.admits(BOB, ROOM)) == (True, False)
    assert set(await probe_of(storage).occupants()) == {
        occupant("member"),
        occupant("outcast", BOB),
    }


async def test_affiliations_of_an_erased_user_are_discarded(storage: Storage) -> None:
    known = rooms(storage, MEMBERS)
    known.note(occupant("member"))
    known.note(occupant("member", BOB))
    known.forget(ALICE)

    assert (await known.admits(ALICE, ROOM), await known.admits(BOB, ROOM)) == (False, True)


async def test_recreated_room_has_no_members_of_its_predecessor(storage: Storage) -> None:
    known = rooms(storage, MEMBERS)
    running = asyncio.create_task(known.run())
    other = Occupant(room=f"other@{SERVICE}", jid=ALICE, affiliation="member")
    for before in (occupant("member"), occupant("outcast", BOB), other):
        known.note(before)
    known.note_created(ROOM, 7)
    known.note(occupant("owner", BOB))
    known.stop()
    await running

    after = rooms(storage, MEMBERS)
    for each in (known, after):
        assert (await each.admits(ALICE, ROOM), await each.admits(BOB, ROOM)) == (False, True)
        assert await each.admits(ALICE, other.room) is True
        assert (await each.since(ROOM), await each.since(other.room)) == (7, 0)
    assert set(await probe_of(storage).occupants()) == {occupant("owner", BOB), other}


async def test_replaced_room_is_announced(storage: Storage) -> None:
    heard: list[str] = []
    known = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, Answers(OPEN), on_replaced=heard.append)
    known.note(occupant("owner"))
    assert heard == []

    known.note_created(ROOM, 1)
    assert heard == [ROOM]

    known.note_connected(2)
    await known.admits(ALICE, ROOM)
    assert heard == [ROOM, ROOM]


async def test_erased_room_has_no_earliest_time(storage: Storage) -> None:
    known = rooms(storage)
    known.note_created(ROOM, 7)
    known.forget(ROOM)

    assert await known.since(ROOM) == 0


TEMPORARY, PERSISTENT = MEMBERS | {"muc_temporary"}, MEMBERS | {"muc_persistent"}


class Changing(Answers):
    """Rooms that answer as they are at the time."""

    def __init__(self) -> None:
        super().__init__(TEMPORARY)

    def become(self, features: frozenset[str]) -> None:
        self._features = features


@pytest.mark.parametrize("is_restarted", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        (PERSISTENT, PERSISTENT, True),
        (TEMPORARY, PERSISTENT, False),
        (PERSISTENT, TEMPORARY, False),
        (TEMPORARY, TEMPORARY, False),
    ],
)
async def test_room_stays_the_same_over_an_interruption_if_persistent_before_and_after(
    storage: Storage,
    before: frozenset[str],
    after: frozenset[str],
    is_same: bool,
    is_restarted: bool,
) -> None:
    info = Changing()
    info.become(before)
    known = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, info)
    known.note_connected(5)
    running = asyncio.create_task(known.run())
    known.note_created(ROOM, 7)
    known.note(occupant("member"))
    known.note(occupant("outcast", BOB))
    assert await known.admits(ALICE, ROOM)
    if is_restarted:
        known.stop()
        await running
        known = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, info)
        running = asyncio.create_task(known.run())
    info.become(after)
    known.note_connected(9)

    assert (await known.admits(ALICE, ROOM), await known.since(ROOM)) == (
        is_same,
        7 if is_same else 9,
    )
    assert not await known.admits(BOB, ROOM)
    known.stop()
    await running
    rows = {row for row in await probe_of(storage).occupants() if row.affiliation == "member"}
    assert rows == ({occupant("member")} if is_same else set())


async def test_presence_after_an_interruption_counts_for_the_present_room(
    storage: Storage,
) -> None:
    known = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, Changing())
    known.note(occupant("member"))
    known.note_connected(9)
    known.note(occupant("owner", BOB))

    assert (await known.admits(ALICE, ROOM), await known.admits(BOB, ROOM)) == (False, True)
    assert await known.since(ROOM) == 9


async def test_room_that_became_persistent_is_recorded(storage: Storage) -> None:
    info = Changing()
    known = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, info)
    known.note_connected(5)
    known.note_created(ROOM, 7)
    await known.admits(ALICE, ROOM)
    info.become(PERSISTENT)
    known.note_changed(ROOM)
    known.stop()
    await known.run()

    assert not (await storage.rooms.get(ROOM)).is_persistent
    await known.admits(ALICE, ROOM)
    await known.run()
    assert (await storage.rooms.get(ROOM)).is_persistent


# How much is remembered


@pytest.mark.parametrize("features", [TEMPORARY, PERSISTENT])
async def test_room_beyond_the_memory_is_not_taken_for_another(
    storage: Storage, features: frozenset[str]
) -> None:
    known = rooms(storage, features, remembered_max=1)
    known.note_connected(5)
    others = [f"{n}@{SERVICE}" for n in range(3)]
    for made, room in enumerate((ROOM, *others), start=7):
        known.note_created(room, made)
        known.note(Occupant(room=room, jid=ALICE, affiliation="member"))

    for _ in range(2):
        for made, room in enumerate((ROOM, *others), start=7):
            assert await known.admits(ALICE, room)
            assert not await known.admits(BOB, room)
            assert await known.since(room) == made


async def test_affiliation_is_readable_during_its_write(storage: Storage) -> None:
    known = rooms(storage, MEMBERS)
    running = asyncio.create_task(known.run())
    for affiliation in ("member", "outcast", "owner", "none", "admin"):
        known.note(occupant(affiliation))

        assert await known.admits(ALICE, ROOM) is (affiliation not in ("outcast", "none"))
    known.stop()
    await running
    assert await probe_of(storage).occupants() == (occupant("admin"),)


async def test_too_many_unwritten_changes_count_as_an_interruption(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    known = rooms(storage, MEMBERS, unwritten_max=20)
    known.note_connected(5)
    known.note(occupant("member"))
    assert await known.admits(ALICE, ROOM)

    for n in range(15):
        known.note(Occupant(room=f"{n}@{SERVICE}", jid=ALICE, affiliation="member"))
    known.note(occupant("owner", BOB))

    assert "they count as never seen" in caplog.text
    assert (await known.admits(ALICE, ROOM), await known.admits(BOB, ROOM)) == (False, True)
    assert await known.since(ROOM) > 5


async def test_nobody_is_admitted_while_the_store_fails(storage: Storage) -> None:
    known = rooms(storage, OPEN)
    known.note(occupant("outcast"))
    await storage.close()

    with pytest.raises(Overloaded):
        await known.admits(ALICE, ROOM)
    with pytest.raises(Overloaded):
        await known.since(ROOM)
