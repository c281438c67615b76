"""Rooms of users: who is a member, and what owners, admins and members may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from support.chat import SERVICE, ChatWorld, chat_world
from support.http_services import HOST

from component.core.access.principals import User
from component.core.chat.memberships import RoomMembers
from component.core.chat.rooms import ChatRooms
from component.core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    ItemNotFound,
    NotAllowed,
    NotImplementedHere,
    ServerUnreachable,
)
from component.core.sessions.delivery import Undelivered
from component.web.server.settings import Services
from storage.rows import Occupant

ALICE, BOB, CAROL = (User(f"{name}@{HOST}") for name in ("alice", "bob", "carol"))
GARDEN = f"garden@{SERVICE}"
SECONDS = 30.0

Open = Callable[..., Awaitable[ChatWorld]]


@pytest.fixture
async def open_world(services: Services) -> AsyncIterator[Open]:
    """Return a function that returns chat for three users; it takes options of chat."""
    opened: list[ChatWorld] = []

    async def open(**options: object) -> ChatWorld:
        world = await chat_world(services, ALICE.jid, BOB.jid, CAROL.jid, **options)
        opened.append(world)
        return world

    yield open
    for world in opened:
        await world.chat.close()


@pytest.fixture
async def world(open_world: Open) -> ChatWorld:
    return await open_world()


def rooms_of(world: ChatWorld) -> ChatRooms:
    assert world.chat.rooms is not None
    return world.chat.rooms


async def listed(world: ChatWorld, user: User) -> list[str]:
    return [row.room for row in await rooms_of(world).memberships(user)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_new_room_is_private_and_persistent_and_its_members_are_invited(
    world: ChatWorld,
) -> None:
    made = await rooms_of(world).create(ALICE, "Garden & more", [BOB.jid, ALICE.jid])

    kept = world.server.rooms_kept[made.room]
    assert made.room.endswith(f"@{SERVICE}")
    assert made.affiliations == kept.affiliations == {ALICE.jid: "owner", BOB.jid: "member"}
    assert kept.options == {
        "FORM_TYPE": "http://jabber.org/protocol/muc#roomconfig",
        "muc#roomconfig_roomname": "Garden & more",
        "muc#roomconfig_persistentroom": "1",
        "muc#roomconfig_membersonly": "1",
        "muc#roomconfig_publicroom": "0",
        "muc#roomconfig_whois": "anyone",
        "muc#roomconfig_changesubject": "1",
        "allow_subscription": "1",
    }
    await until(lambda: world.server.invitations == [(made.room, (BOB.jid,))])
    assert await listed(world, BOB) == [made.room]
    assert (await rooms_of(world).get(BOB, made.room)).name == "Garden & more"
    assert [room.name for room in await rooms_of(world).member_rooms(BOB.jid)] == ["Garden & more"]
    assert await rooms_of(world).is_member(BOB.jid, made.room)
    assert not await rooms_of(world).is_member(CAROL.jid, made.room)


async def test_room_without_an_option_for_persistence_is_not_made(world: ChatWorld) -> None:
    world.server.offered = ("muc#roomconfig_roomname",)

    with pytest.raises(NotAllowed, match="access_persistent"):
        await rooms_of(world).create(ALICE, "Garden", [])

    assert world.server.rooms_kept == {}


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "\u0000"])
async def test_text_that_is_no_name_is_refused(world: ChatWorld, name: str) -> None:
    with pytest.raises(BadRequest, match="name"):
        await rooms_of(world).create(ALICE, name, [])

    assert world.server.sent == []


@pytest.mark.parametrize("jid", [f"nobody@{HOST}", GARDEN, HOST])
async def test_only_users_who_exist_become_members(world: ChatWorld, jid: str) -> None:
    with pytest.raises(BadRequest, match=jid):
        await rooms_of(world).create(ALICE, "Garden", [jid])


async def test_user_of_another_server_becomes_a_member(world: ChatWorld) -> None:
    made = await rooms_of(world).create(ALICE, "Garden", ["dave@elsewhere.example"])

    assert made.affiliations["dave@elsewhere.example"] == "member"


async def test_room_has_no_more_members_than_configured(open_world: Open) -> None:
    world = await open_world(room_members_max=2)
    with pytest.raises(Conflict, match="2 members"):
        await rooms_of(world).create(ALICE, "Garden", [BOB.jid, CAROL.jid])
    made = await rooms_of(world).create(ALICE, "Garden", [BOB.jid])
    with pytest.raises(Conflict, match="2 members"):
        await rooms_of(world).set_affiliation(ALICE, made.room, CAROL.jid, "member")


async def test_rooms_need_a_configured_service_with_archives(open_world: Open) -> None:
    world = await open_world(room_service="other.example")

    with pytest.raises(NotImplementedHere, match="room_services"):
        await rooms_of(world).create(ALICE, "Garden", [])


async def test_members_are_subscribed_where_that_is_configured(open_world: Open) -> None:
    world = await open_world(subscribe_members=True)
    made = await rooms_of(world).create(ALICE, "Garden", [BOB.jid])
    await rooms_of(world).remove(ALICE, made.room, BOB.jid)

    payloads = [text for text in world.server.queries_of(ALICE.jid) if "mucsub" in text]
    assert [text.partition(" ")[0] for text in payloads] == ["<subscribe"] * 2 + ["<unsubscribe"]
    assert f'jid="{BOB.jid}"' in payloads[1]


async def test_stranger_learns_nothing_about_a_room(world: ChatWorld) -> None:
    world.server.add_room(GARDEN, {ALICE.jid: "owner"})
    for room in (GARDEN, f"nothing@{SERVICE}", f"garden@{HOST}"):
        with pytest.raises(ItemNotFound, match="no such room"):
            await rooms_of(world).get(CAROL, room)
    assert await listed(world, CAROL) == []


async def test_room_is_asked_once_for_all_its_members_until_it_changes(world: ChatWorld) -> None:
    world.server.add_room(GARDEN, {ALICE.jid: "owner", BOB.jid: "member"})
    await rooms_of(world).get(ALICE, GARDEN)
    asked = len(world.server.sent)
    await rooms_of(world).get(BOB, GARDEN)
    assert len(world.server.sent) == asked

    # The server's copy of a request that the room has accepted.
    world.server.rooms_kept[GARDEN].affiliations[CAROL.jid] = "admin"
    occupant = Occupant(room=GARDEN, jid=CAROL.jid, affiliation="admin")
    world.services.rooms.note_granted(occupant)

    members = await rooms_of(world).get(BOB, GARDEN)
    assert members.affiliations[CAROL.jid] == "admin"
    assert await listed(world, CAROL) == [GARDEN]


async def test_user_who_was_just_added_is_a_member_although_the_answer_before_counts(
    world: ChatWorld,
) -> None:
    kept = world.server.add_room(GARDEN, {ALICE.jid: "owner"})
    await rooms_of(world).get(ALICE, GARDEN)
    kept.affiliations[BOB.jid] = "member"

    assert (await rooms_of(world).get(BOB, GARDEN)).affiliations[BOB.jid] == "member"


async def test_answer_of_a_room_corrects_what_was_seen_before(world: ChatWorld) -> None:
    kept = world.server.add_room(GARDEN, {ALICE.jid: "owner", BOB.jid: "member"}, "Garden")
    await rooms_of(world).get(ALICE, GARDEN)
    kept.affiliations = {ALICE.jid: "owner", BOB.jid: "outcast", CAROL.jid: "member"}
    kept.options["muc#roomconfig_roomname"] = "Park"
    world.services.rooms.note_changed(GARDEN)

    members = await rooms_of(world).get(ALICE, GARDEN)

    assert members.outcasts == {BOB.jid}
    assert await listed(world, BOB) == []
    assert await world.services.storage.rooms.affiliation(GARDEN, BOB.jid) == "outcast"
    [membership] = await rooms_of(world).memberships(CAROL)
    assert (membership.affiliation, membership.name) == ("member", "Park")


async def test_list_is_corrected_in_the_background(world: ChatWorld) -> None:
    kept = world.server.add_room(GARDEN, {ALICE.jid: "owner", BOB.jid: "member"})
    await rooms_of(world).get(BOB, GARDEN)
    del kept.affiliations[BOB.jid]
    world.services.rooms.note_changed(GARDEN)

    assert await listed(world, BOB) == [GARDEN]
    async with asyncio.timeout(SECONDS):
        while await listed(world, BOB):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_invited_user_finds_the_room_in_the_list(world: ChatWorld) -> None:
    world.server.add_room(GARDEN, {ALICE.jid: "owner", BOB.jid: "member"}, "Garden")
    world.services.rooms.note_invited(GARDEN, BOB.jid)
    world.services.rooms.note_invited(GARDEN, CAROL.jid)

    assert await listed(world, BOB) == [GARDEN]
    assert await listed(world, CAROL) == []


async def test_room_that_hides_its_members_is_entered_to_know_the_membership(
    world: ChatWorld,
) -> None:
    world.server.is_anonymous = True
    world.server.add_room(GARDEN, {ALICE.jid: "owner", BOB.jid: "member"})
    world.services.rooms.note(Occupant(room=GARDEN, jid=BOB.jid, affiliation="member"))

    members = await rooms_of(world).get(BOB, GARDEN)

    assert members.affiliations == {BOB.jid: "member"}
    assert not members.is_complete
    with pytest.raises(ItemNotFound):
        await rooms_of(world).get(CAROL, GARDEN)


async def test_silent_room_takes_nobodys_membership(world: ChatWorld) -> None:
    world.server.add_room(GARDEN, {ALICE.jid: "owner"})

    async def silent(_: str) -> None:
        return None

    world.server.features = silent  # type: ignore[method-assign]
    with pytest.raises(ServerUnreachable):
        await rooms_of(world).get(BOB, GARDEN)


async def test_members_may_not_rename_destroy_add_or_remove(world: ChatWorld) -> None:
    made = await rooms_of(world).create(ALICE, "Garden", [BOB.jid])
    refused: list[Callable[[], Awaitable[object]]] = [
        lambda: rooms_of(world).rename(BOB, made.room, "Mine"),
        lambda: rooms_of(world).destroy(BOB, made.room),
        lambda: rooms_of(world).set_affiliation(BOB, made.room, CAROL.jid, "member"),
        lambda: rooms_of(world).remove(BOB, made.room, ALICE.jid),
    ]
    for call in refused:
        with pytest.raises(Undelivered) as refusal:
            await call()
        assert refusal.value.status == 403

    assert (await rooms_of(world).get(ALICE, made.room)).affiliations == made.affiliations


async def test_owner_renames_adds_and_removes(world: ChatWorld) -> None:
    rooms = rooms_of(world)
    made = await rooms.create(ALICE, "Garden", [])

    assert (await rooms.rename(ALICE, made.room, "Park")).name == "Park"
    added = await rooms.set_affiliation(ALICE, made.room, BOB.jid, "admin")
    assert added.affiliations[BOB.jid] == "admin"
    await rooms.remove(ALICE, made.room, BOB.jid)
    assert await listed(world, BOB) == []
    with pytest.raises(ItemNotFound, match="not a member"):
        await rooms.remove(ALICE, made.room, BOB.jid)


async def test_destroyed_room_is_no_room_of_anybody(world: ChatWorld) -> None:
    made = await rooms_of(world).create(ALICE, "Garden", [BOB.jid])
    await rooms_of(world).destroy(ALICE, made.room)

    assert await listed(world, BOB) == []
    with pytest.raises(ItemNotFound):
        await rooms_of(world).get(ALICE, made.room)


async def test_member_who_leaves_is_removed_by_an_owner(world: ChatWorld) -> None:
    made = await rooms_of(world).create(ALICE, "Garden", [BOB.jid])
    kept = world.server.rooms_kept[made.room]
    await rooms_of(world).remove(BOB, made.room, BOB.jid)

    with pytest.raises(ItemNotFound):
        await rooms_of(world).get(BOB, made.room)
    await until(lambda: kept.affiliations[BOB.jid] == "none")


async def left_while_no_owner_is_here(world: ChatWorld) -> str:
    """Return a new room of alice that bob has left while she has no session; she has none yet."""
    made = await rooms_of(world).create(ALICE, "Garden", [BOB.jid])
    world.server.signed_out.add(ALICE.jid)
    await rooms_of(world).remove(BOB, made.room, BOB.jid)
    return made.room


async def test_member_who_leaves_while_no_owner_is_here_is_removed_later(world: ChatWorld) -> None:
    rooms, storage = rooms_of(world), world.services.storage.rooms
    room = await left_while_no_owner_is_here(world)
    kept = world.server.rooms_kept[room]

    assert await listed(world, BOB) == []
    with pytest.raises(ItemNotFound):
        await rooms.get(BOB, room)
    assert kept.affiliations[BOB.jid] == "member"
    world.server.signed_out.clear()
    assert BOB.jid not in (await rooms.get(ALICE, room)).affiliations
    await until(lambda: kept.affiliations[BOB.jid] == "none")
    async with asyncio.timeout(SECONDS):
        while await storage.departed(room):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_any_question_of_an_owner_removes_the_member_who_has_left(world: ChatWorld) -> None:
    room = await left_while_no_owner_is_here(world)
    world.server.signed_out.clear()

    await world.chat.conversations.check(ALICE, room)

    kept = world.server.rooms_kept[room]
    await until(lambda: kept.affiliations[BOB.jid] == "none")


async def test_departure_ends_when_an_owner_has_removed_the_member(world: ChatWorld) -> None:
    rooms, storage = rooms_of(world), world.services.storage.rooms
    room = await left_while_no_owner_is_here(world)
    kept = world.server.rooms_kept[room]
    kept.affiliations[BOB.jid] = "none"
    world.server.signed_out.clear()

    await rooms.get(ALICE, room)
    assert not await storage.departed(room)

    kept.affiliations[BOB.jid] = "member"
    world.services.rooms.note_changed(room)
    assert BOB.jid in (await rooms.get(ALICE, room)).affiliations
    assert (await rooms.get(BOB, room)).affiliations[BOB.jid] == "member"


async def test_owners_who_leave_at_once_do_not_leave_a_room_without_an_owner(
    world: ChatWorld,
) -> None:
    rooms, storage = rooms_of(world), world.services.storage.rooms
    made = await rooms.create(ALICE, "Garden", [BOB.jid, CAROL.jid])
    await rooms.set_affiliation(ALICE, made.room, BOB.jid, "owner")
    await storage.set_departed(made.room, BOB.jid, True)
    owners = {ALICE.jid: "owner", BOB.jid: "owner"}

    with pytest.raises(Conflict, match="All owners"):
        await rooms._leave(ALICE, RoomMembers(made.room, "Garden", owners))

    assert await storage.departed(made.room) == {BOB.jid}


async def test_member_who_has_left_returns_if_an_owner_adds_the_user(world: ChatWorld) -> None:
    rooms = rooms_of(world)
    made = await rooms.create(ALICE, "Garden", [BOB.jid])
    world.server.signed_out.add(ALICE.jid)
    await rooms.remove(BOB, made.room, BOB.jid)
    world.server.signed_out.clear()
    occupant = Occupant(room=made.room, jid=BOB.jid, affiliation="member")
    world.services.rooms.note_granted(occupant)

    async with asyncio.timeout(SECONDS):
        while not await listed(world, BOB):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_only_owner_cannot_leave_others_behind_and_the_last_one_destroys(
    world: ChatWorld,
) -> None:
    rooms = rooms_of(world)
    made = await rooms.create(ALICE, "Garden", [BOB.jid])
    with pytest.raises(Conflict, match="only owner"):
        await rooms.remove(ALICE, made.room, ALICE.jid)
    await rooms.remove(ALICE, made.room, BOB.jid)
    await rooms.remove(ALICE, made.room, ALICE.jid)

    assert world.server.rooms_kept == {}


async def test_invitation_makes_members_until_it_expires(world: ChatWorld) -> None:
    invitations = world.chat.invitations
    assert invitations is not None
    made = await rooms_of(world).create(ALICE, "Garden", [])
    issued = await invitations.issue(ALICE, made.room)

    joined = await invitations.join(BOB, issued.token)
    again = await invitations.join(BOB, issued.token)

    assert joined.affiliations == again.affiliations == {ALICE.jid: "owner", BOB.jid: "member"}
    with pytest.raises(ItemNotFound, match="invitation"):
        await invitations.join(CAROL, issued.token[:-1])
    with pytest.raises(Forbidden):
        await invitations.issue(BOB, made.room)
    invitations._clock = lambda: issued.expires_at
    with pytest.raises(ItemNotFound, match="expired"):
        await invitations.join(CAROL, issued.token)


async def test_invitation_opens_no_full_room_and_none_whose_inviter_has_left(
    open_world: Open,
) -> None:
    world = await open_world(room_members_max=2)
    rooms, invitations = rooms_of(world), world.chat.invitations
    assert invitations is not None
    made = await rooms.create(ALICE, "Garden", [])
    await rooms.set_affiliation(ALICE, made.room, BOB.jid, "admin")
    issued = await invitations.issue(BOB, made.room)

    with pytest.raises(Conflict, match="2 members"):
        await invitations.join(CAROL, issued.token)
    await world.services.storage.rooms.set_departed(made.room, BOB.jid, True)
    with pytest.raises(ItemNotFound, match="invitation"):
        await invitations.join(CAROL, issued.token)

    assert CAROL.jid not in world.server.rooms_kept[made.room].affiliations


async def test_invitation_opens_nothing_to_the_banned_and_after_the_inviter_has_gone(
    world: ChatWorld,
) -> None:
    invitations = world.chat.invitations
    assert invitations is not None
    made = await rooms_of(world).create(ALICE, "Garden", [])
    issued = await invitations.issue(ALICE, made.room)
    kept = world.server.rooms_kept[made.room]
    kept.affiliations[BOB.jid] = "outcast"
    with pytest.raises(Forbidden, match="banned"):
        await invitations.join(BOB, issued.token)
    world.server.signed_out.add(ALICE.jid)
    with pytest.raises(Conflict, match="signed in nowhere"):
        await invitations.join(CAROL, issued.token)
    world.server.signed_out.clear()
    kept.affiliations = {ALICE.jid: "none", BOB.jid: "owner"}
    with pytest.raises(ItemNotFound):
        await invitations.join(CAROL, issued.token)


async def test_erased_user_is_in_the_directory_again_with_the_next_use(world: ChatWorld) -> None:
    directory, profiles = world.chat.directory, world.services.storage.profiles
    await directory.add(BOB.jid)
    await world.services.storage.retention.erase(BOB.jid, limit=10)
    assert await profiles.get([BOB.jid]) == {}

    world.services.signals.note_erased(BOB.jid)
    await directory.add(BOB.jid)

    assert BOB.jid in await profiles.get([BOB.jid])


async def test_answer_of_a_room_does_not_count_once_another_process_has_changed_it(
    world: ChatWorld,
) -> None:
    made = await rooms_of(world).create(ALICE, "Garden", [BOB.jid])
    await rooms_of(world).get(ALICE, made.room)
    # The owner has renamed it through another process.
    world.server.rooms_kept[made.room].options["muc#roomconfig_roomname"] = "Orchard"
    changed = asyncio.Event()

    with world.services.signals.follow(BOB.jid, changed) as follower:
        world.services.signals.follow_rooms(follower, [made.room])
        world.services.rooms.changed_elsewhere(made.room)
        world.services.signals.note_room(made.room)
        assert follower.has_new_rooms

    assert (await rooms_of(world).get(ALICE, made.room)).name == "Orchard"
