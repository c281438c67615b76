"""Who may read which archive, and what is written down of it before."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, ROOM, entry

from component.core.access.audit import Audit
from component.core.access.authorize import Access
from component.core.access.principals import Operator, Role
from component.core.access.rooms import Rooms
from component.core.access.served import ServedArchives
from component.core.archiving.writer import Writer
from component.core.errors import Forbidden, ItemNotFound
from component.core.hosts import Hosts
from storage.interface import Storage

EVE = Operator(name="eve", role=Role.READER, jid=f"eve@{HOST}")
OVER_HTTP = Operator(name="http", role=Role.ADMIN, secret="s3cret")


class OpenRooms:
    """Rooms that anybody may enter."""

    async def features(self, room: str) -> frozenset[str] | None:
        return frozenset({"muc_open"})

    def forget(self, room: str) -> None:
        pass


@pytest.fixture
def rooms(storage: Storage) -> Rooms:
    return Rooms(Hosts([HOST], [f"conference.{HOST}"]), storage.records, OpenRooms())


@pytest.fixture
def access(storage: Storage, writer: Writer, rooms: Rooms) -> Access:
    served = ServedArchives([HOST, OTHER_HOST], storage.retention)
    return Access(
        Hosts([HOST, OTHER_HOST]), [EVE, OVER_HTTP], Audit(storage.records, writer), rooms, served
    )


@pytest.mark.parametrize("owner", [ALICE, f"carol@{OTHER_HOST}"])
async def test_users_read_their_own_archives(access: Access, storage: Storage, owner: str) -> None:
    await access.authorize(owner, owner, "read")

    assert await storage.records.audit_entries(limit=10) == ()


@pytest.mark.parametrize(
    ("requester", "owner"),
    [
        (ALICE, BOB),
        (ALICE, HOST),
        (HOST, HOST),
        (HOST, ALICE),
        ("", ""),
        (ROMEO, ROMEO),
        (ROMEO, ROOM),
        (ALICE, f"room@rooms.{HOST}"),
        (ROOM, f"room@rooms.{HOST}"),
    ],
)
async def test_nobody_else_does(access: Access, requester: str, owner: str) -> None:
    with pytest.raises(Forbidden):
        await access.authorize(requester, owner, "read")


async def test_a_room_is_read_by_those_whom_it_admits(access: Access, storage: Storage) -> None:
    await access.authorize(ALICE, ROOM, "read")

    assert await storage.records.audit_entries(limit=10) == ()


@pytest.mark.parametrize(("requester", "since"), [(ALICE, 7), (f"eve@{HOST}", 0)])
async def test_only_operators_read_what_was_said_in_a_room_before_it_was_made(
    access: Access, storage: Storage, rooms: Rooms, requester: str, since: int
) -> None:
    rooms.note_new(ROOM, 7)

    assert await access.authorize(requester, ROOM, "read") == since
    assert len(await storage.records.audit_entries(limit=10)) == (since == 0)


async def test_without_archives_of_rooms_nobody_reads_any(
    storage: Storage, writer: Writer
) -> None:
    access = Access(Hosts([HOST]), [], Audit(storage.records, writer), None)

    with pytest.raises(Forbidden):
        await access.authorize(ALICE, ROOM, "read")


async def test_an_operator_is_told_of_a_domain_that_is_not_served(access: Access) -> None:
    with pytest.raises(ItemNotFound, match=r"remote\.example is not served here"):
        await access.authorize(f"eve@{HOST}", ROMEO, "read")


@pytest.mark.parametrize("owner", [ALICE, ROMEO, f"room@rooms.{HOST}"])
async def test_an_operator_reads_every_archive_on_record(
    access: Access, storage: Storage, owner: str
) -> None:
    await storage.archive.append([entry(owner=owner)])
    await access.authorize(f"eve@{HOST}", owner, "search", "words")

    [audit_entry] = await storage.records.audit_entries(limit=10)
    assert (audit_entry.actor, audit_entry.action, audit_entry.subject, audit_entry.detail) == (
        "eve",
        "search",
        owner,
        "words",
    )


async def test_an_operator_reads_the_own_archive_like_everybody(
    access: Access, storage: Storage
) -> None:
    await access.authorize(f"eve@{HOST}", f"eve@{HOST}", "read")

    assert await storage.records.audit_entries(limit=10) == ()


async def test_what_was_refused_is_not_on_record(access: Access, storage: Storage) -> None:
    with pytest.raises(Forbidden):
        await access.authorize(ALICE, BOB, "read")

    assert await storage.records.audit_entries(limit=10) == ()
