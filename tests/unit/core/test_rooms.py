"""Access to archives of rooms: affiliations, features of rooms, replaced rooms."""

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
    """Rooms that all have the same features."""

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
    service = rooms(storage, features)
    if affiliation:
        service.note(occupant(affiliation))

    assert await service.admits(ALICE, ROOM) is (affiliation in admitted)


async def test_user_of_another_host_is_not_admitted_to_a_room(storage: Storage) -> None:
    service = rooms(storage)
    service.note(occupant("owner", ROMEO))

    assert await service.admits(ROMEO, ROOM) is False


async def test_affiliation_counts_for_one_user_in_one_room(storage: Storage) -> None:
    service = rooms(storage, MEMBERS)
    service.note(occupant("member", BOB))
    service.note(Occupant(room=f"other@{SERVICE}", jid=ALICE, affiliation="member"))

    assert await service.admits(ALICE, ROOM) is False


async def test_only_rooms_of_the_services_have_archives(storage: Storage) -> None:
    service = rooms(storage)

    in_rooms = [ROOM, f"{ROOM}/nick"]
    elsewhere = [SERVICE, ALICE, f"room@{HOST}", f"room@x.{SERVICE}", "", f"{HOST}/{ROOM}"]
    assert [service.has_archive(address) for address in in_rooms] == [True, True]
    assert [service.has_archive(address) for address in elsewhere] == [False] * len(elsewhere)


async def test_last_affiliation_survives_a_restart(storage: Storage) -> None:
    before = rooms(storage, MEMBERS)
    run_task = asyncio.create_task(before.run())
    for affiliation in ("none", "member", "owner", "member"):
        before.note(occupant(affiliation))
    before.note(occupant("outcast", BOB))
    before.stop()
    await run_task

    after = rooms(storage, MEMBERS)
    assert (await after.admits(ALICE, ROOM), await after.admits(BOB, ROOM)) == (True, False)
    assert set(await probe_of(storage).occupants()) == {
        occupant("member"),
        occupant("outcast", BOB),
    }


async def test_affiliations_of_an_erased_user_are_discarded(storage: Storage) -> None:
    service = rooms(storage, MEMBERS)
    service.note(occupant("member"))
    service.note(occupant("member", BOB))
    service.forget(ALICE)

    assert (await service.admits(ALICE, ROOM), await service.admits(BOB, ROOM)) == (False, True)


async def test_recreated_room_has_no_members_of_its_predecessor(storage: Storage) -> None:
    service = rooms(storage, MEMBERS)
    run_task = asyncio.create_task(service.run())
    in_another_room = Occupant(room=f"other@{SERVICE}", jid=ALICE, affiliation="member")
    for before in (occupant("member"), occupant("outcast", BOB), in_another_room):
        service.note(before)
    service.note_created(ROOM, 7)
    service.note(occupant("owner", BOB))
    service.stop()
    await run_task

    after = rooms(storage, MEMBERS)
    for instance in (service, after):
        assert (await instance.admits(ALICE, ROOM), await instance.admits(BOB, ROOM)) == (
            False,
            True,
        )
        assert await instance.admits(ALICE, in_another_room.room) is True
        assert (await instance.since(ROOM), await instance.since(in_another_room.room)) == (7, 0)
    assert set(await probe_of(storage).occupants()) == {occupant("owner", BOB), in_another_room}


async def test_replacement_of_a_room_calls_on_replaced(storage: Storage) -> None:
    replaced: list[str] = []
    service = Rooms(
        Hosts([HOST], [SERVICE]), storage.rooms, Answers(OPEN), on_replaced=replaced.append
    )
    service.note(occupant("owner"))
    assert replaced == []

    service.note_created(ROOM, 1)
    assert replaced == [ROOM]

    service.note_connected(2)
    await service.admits(ALICE, ROOM)
    assert replaced == [ROOM, ROOM]


async def test_erased_room_has_no_time_of_creation(storage: Storage) -> None:
    service = rooms(storage)
    service.note_created(ROOM, 7)
    service.forget(ROOM)

    assert await service.since(ROOM) == 0


TEMPORARY, PERSISTENT = MEMBERS | {"muc_temporary"}, MEMBERS | {"muc_persistent"}


class Changing(Answers):
    """Rooms whose features change during the test."""

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
async def test_persistent_room_stays_the_same_over_an_interruption(
    storage: Storage,
    before: frozenset[str],
    after: frozenset[str],
    is_same: bool,
    is_restarted: bool,
) -> None:
    info = Changing()
    info.become(before)
    service = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, info)
    service.note_connected(5)
    run_task = asyncio.create_task(service.run())
    service.note_created(ROOM, 7)
    service.note(occupant("member"))
    service.note(occupant("outcast", BOB))
    assert await service.admits(ALICE, ROOM)
    if is_restarted:
        service.stop()
        await run_task
        service = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, info)
        run_task = asyncio.create_task(service.run())
    info.become(after)
    service.note_connected(9)

    assert (await service.admits(ALICE, ROOM), await service.since(ROOM)) == (
        is_same,
        7 if is_same else 9,
    )
    assert not await service.admits(BOB, ROOM)
    service.stop()
    await run_task
    rows = {row for row in await probe_of(storage).occupants() if row.affiliation == "member"}
    assert rows == ({occupant("member")} if is_same else set())


async def test_presence_after_an_interruption_counts_for_the_new_room(
    storage: Storage,
) -> None:
    service = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, Changing())
    service.note(occupant("member"))
    service.note_connected(9)
    service.note(occupant("owner", BOB))

    assert (await service.admits(ALICE, ROOM), await service.admits(BOB, ROOM)) == (False, True)
    assert await service.since(ROOM) == 9


async def test_room_that_became_persistent_is_recorded(storage: Storage) -> None:
    info = Changing()
    service = Rooms(Hosts([HOST], [SERVICE]), storage.rooms, info)
    service.note_connected(5)
    service.note_created(ROOM, 7)
    await service.admits(ALICE, ROOM)
    info.become(PERSISTENT)
    service.note_changed(ROOM)
    service.stop()
    await service.run()

    assert not (await storage.rooms.get(ROOM)).is_persistent
    await service.admits(ALICE, ROOM)
    await service.run()
    assert (await storage.rooms.get(ROOM)).is_persistent


# Bounds of memory


@pytest.mark.parametrize("features", [TEMPORARY, PERSISTENT])
async def test_evicted_room_is_read_from_the_store(
    storage: Storage, features: frozenset[str]
) -> None:
    service = rooms(storage, features, remembered_max=1)
    service.note_connected(5)
    other_rooms = [f"{n}@{SERVICE}" for n in range(3)]
    for created, room in enumerate((ROOM, *other_rooms), start=7):
        service.note_created(room, created)
        service.note(Occupant(room=room, jid=ALICE, affiliation="member"))

    for _ in range(2):
        for created, room in enumerate((ROOM, *other_rooms), start=7):
            assert await service.admits(ALICE, room)
            assert not await service.admits(BOB, room)
            assert await service.since(room) == created


async def test_affiliation_is_readable_during_its_write(storage: Storage) -> None:
    service = rooms(storage, MEMBERS)
    run_task = asyncio.create_task(service.run())
    for affiliation in ("member", "outcast", "owner", "none", "admin"):
        service.note(occupant(affiliation))

        assert await service.admits(ALICE, ROOM) is (affiliation not in ("outcast", "none"))
    service.stop()
    await run_task
    assert await probe_of(storage).occupants() == (occupant("admin"),)


async def test_too_many_unwritten_changes_count_as_an_interruption(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    service = rooms(storage, MEMBERS, unwritten_max=20)
    service.note_connected(5)
    service.note(occupant("member"))
    assert await service.admits(ALICE, ROOM)

    for n in range(15):
        service.note(Occupant(room=f"{n}@{SERVICE}", jid=ALICE, affiliation="member"))
    service.note(occupant("owner", BOB))

    assert "they count as never seen" in caplog.text
    assert (await service.admits(ALICE, ROOM), await service.admits(BOB, ROOM)) == (False, True)
    assert await service.since(ROOM) > 5


async def test_failing_store_is_overloaded(storage: Storage) -> None:
    service = rooms(storage, OPEN)
    service.note(occupant("outcast"))
    await storage.close()

    with pytest.raises(Overloaded):
        await service.admits(ALICE, ROOM)
    with pytest.raises(Overloaded):
        await service.since(ROOM)
