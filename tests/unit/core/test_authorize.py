"""Authorization of reads and of preferences, and the audit before a read."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, ROOM, entry

from component.core.access.audit import Audit
from component.core.access.authorize import Action, Authorizer
from component.core.access.principals import SERVER, Operator, Principal, Role, User
from component.core.access.roles import has_role, require_role, require_server
from component.core.access.rooms import Rooms
from component.core.access.served import ServedArchives
from component.core.archiving.writer import Writer
from component.core.errors import Forbidden, ItemNotFound
from component.core.hosts import Hosts
from storage.interface import Storage

EVE = Operator(name="eve", role=Role.READER, jid=f"eve@{HOST}")
OVER_HTTP = Operator(name="http", role=Role.ADMIN, secret="s3cret")


class OpenRooms:
    """Rooms that every user may enter."""

    async def features(self, room: str) -> frozenset[str] | None:
        return frozenset({"muc_open"})

    def forget(self, room: str) -> None:
        pass


@pytest.fixture
def rooms(storage: Storage) -> Rooms:
    return Rooms(Hosts([HOST], [f"conference.{HOST}"]), storage.rooms, OpenRooms())


@pytest.fixture
def authorizer(storage: Storage, writer: Writer, rooms: Rooms) -> Authorizer:
    served = ServedArchives([HOST, OTHER_HOST], storage.retention)
    return Authorizer(
        Hosts([HOST, OTHER_HOST]),
        [EVE, OVER_HTTP],
        Audit(storage.audit_log, writer),
        rooms,
        served,
    )


@pytest.mark.parametrize("owner", [ALICE, f"carol@{OTHER_HOST}"])
async def test_user_reads_own_archive_unaudited(
    authorizer: Authorizer, storage: Storage, owner: str
) -> None:
    await authorizer.authorize(User(owner), owner, Action.READ)

    assert await storage.audit_log.entries(limit=10) == ()


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
async def test_other_requesters_are_forbidden(
    authorizer: Authorizer, requester: str, owner: str
) -> None:
    with pytest.raises(Forbidden):
        await authorizer.authorize(User(requester), owner, Action.READ)


async def test_user_admitted_to_a_room_reads_its_archive_unaudited(
    authorizer: Authorizer, storage: Storage
) -> None:
    await authorizer.authorize(User(ALICE), ROOM, Action.READ)

    assert await storage.audit_log.entries(limit=10) == ()


@pytest.mark.parametrize(("requester", "since"), [(ALICE, 7), (f"eve@{HOST}", 0)])
async def test_only_operators_read_messages_older_than_the_room(
    authorizer: Authorizer, storage: Storage, rooms: Rooms, requester: str, since: int
) -> None:
    rooms.note_created(ROOM, 7)

    assert await authorizer.authorize(User(requester), ROOM, Action.READ) == since
    assert len(await storage.audit_log.entries(limit=10)) == (since == 0)


async def test_room_is_forbidden_where_rooms_have_no_archives(
    storage: Storage, writer: Writer
) -> None:
    authorizer = Authorizer(Hosts([HOST]), [], Audit(storage.audit_log, writer), None)

    with pytest.raises(Forbidden):
        await authorizer.authorize(User(ALICE), ROOM, Action.READ)


async def test_operator_gets_item_not_found_for_an_unserved_domain(authorizer: Authorizer) -> None:
    with pytest.raises(ItemNotFound, match=r"remote\.example is not served here"):
        await authorizer.authorize(User(f"eve@{HOST}"), ROMEO, Action.READ)


@pytest.mark.parametrize("owner", [ALICE, ROMEO, f"room@rooms.{HOST}"])
async def test_operator_reads_every_archive_and_is_audited(
    authorizer: Authorizer, storage: Storage, owner: str
) -> None:
    await storage.archive.append([entry(owner=owner)])
    await authorizer.authorize(User(f"eve@{HOST}"), owner, Action.SEARCH, "words")

    [audit_entry] = await storage.audit_log.entries(limit=10)
    assert (audit_entry.actor, audit_entry.action, audit_entry.subject, audit_entry.detail) == (
        "eve",
        "search",
        owner,
        "words",
    )


async def test_operator_reads_own_archive_unaudited(
    authorizer: Authorizer, storage: Storage
) -> None:
    await authorizer.authorize(User(f"eve@{HOST}"), f"eve@{HOST}", Action.READ)

    assert await storage.audit_log.entries(limit=10) == ()


async def test_refused_read_is_not_audited(authorizer: Authorizer, storage: Storage) -> None:
    with pytest.raises(Forbidden):
        await authorizer.authorize(User(ALICE), BOB, Action.READ)

    assert await storage.audit_log.entries(limit=10) == ()


@pytest.mark.parametrize("owner", [ALICE, f"carol@{OTHER_HOST}"])
async def test_preferences_are_open_to_their_owner(authorizer: Authorizer, owner: str) -> None:
    assert await authorizer.authorize(User(owner), owner, Action.PREFERENCES) == 0


@pytest.mark.parametrize(
    ("principal", "owner"),
    [
        (User(BOB), ALICE),
        (User(ROMEO), ALICE),
        (User(HOST), ALICE),
        (User(ROMEO), ROMEO),
        (User(HOST), HOST),
        (User(""), ""),
        (User(f"eve@{HOST}"), ALICE),
        (User(ALICE), ROOM),
        (EVE, ALICE),
        (SERVER, ALICE),
    ],
)
async def test_preferences_are_forbidden_to_other_requesters(
    authorizer: Authorizer, storage: Storage, principal: Principal, owner: str
) -> None:
    with pytest.raises(Forbidden, match="these preferences are not yours"):
        await authorizer.authorize(principal, owner, Action.PREFERENCES)

    assert await storage.audit_log.entries(limit=10) == ()


@pytest.mark.parametrize(
    ("principal", "owner"), [(EVE, f"eve@{HOST}"), (OVER_HTTP, ALICE), (SERVER, ROOM)]
)
async def test_read_of_an_operator_or_the_server_is_audited_for_every_owner(
    authorizer: Authorizer, storage: Storage, principal: Principal, owner: str
) -> None:
    assert await authorizer.authorize(principal, owner, Action.READ) == 0

    [audit_entry] = await storage.audit_log.entries(limit=10)
    assert (audit_entry.actor, audit_entry.subject) == (principal.name, owner)


@pytest.mark.parametrize(
    ("principal", "reader", "admin"),
    [
        (SERVER, True, True),
        (OVER_HTTP, True, True),
        (EVE, True, False),
        (User(f"eve@{HOST}"), False, False),
    ],
)
def test_server_has_every_role_and_a_user_has_none(
    principal: Principal, reader: bool, admin: bool
) -> None:
    assert (has_role(principal, Role.READER), has_role(principal, Role.ADMIN)) == (reader, admin)
    for role, is_admitted in ((Role.READER, reader), (Role.ADMIN, admin)):
        with nullcontext() if is_admitted else pytest.raises(Forbidden):
            require_role(principal, role)


@pytest.mark.parametrize("principal", [OVER_HTTP, EVE, User(ALICE)])
def test_operators_and_users_are_not_the_server(principal: Principal) -> None:
    require_server(SERVER)
    with pytest.raises(Forbidden):
        require_server(principal)
