"""The contract of the stores of chat, on every backend: profiles, identifiers, rooms, marks."""

from __future__ import annotations

from typing import Any

from support.builders import dedup_key

from storage.interface import Storage
from storage.rows import (
    ANY,
    Account,
    Cutoff,
    Direction,
    DisplayedMarker,
    Identifier,
    IdentifierKind,
    ImportedMessage,
    Kind,
    Membership,
    NewMessage,
    Occupant,
    Profile,
    RoomChanges,
    RoomConversation,
    RoomInvitation,
)

HOST, OTHER = "example.org", "example.net"
ALICE, BOB, CARLOS = f"alice@{HOST}", f"bob@{HOST}", f"carlos@{HOST}"
ROOM = f"x7@rooms.{HOST}"

USER, DIRECT = IdentifierKind.USER, IdentifierKind.DIRECT


def account(jid: str, *, is_enabled: bool = True) -> Account:
    return Account(jid=jid, verifier="v", is_enabled=is_enabled, created=1)


async def found(
    storage: Storage, *, local: str | None = None, words: str | None = None
) -> list[str]:
    profiles = await storage.profiles.search(HOST, local=local, words=words, limit=10)
    return [profile.jid for profile in profiles]


async def test_profile_is_returned_as_it_was_put(storage: Storage) -> None:
    profile = Profile(
        jid=ALICE, name="Alice A.", email="Alice@Mail.example", folded_name="alice a"
    )

    assert await storage.profiles.put(profile)
    await storage.profiles.add(ALICE)

    assert await storage.profiles.get([ALICE, BOB]) == {ALICE: profile}
    assert await storage.profiles.get([]) == {}
    assert await storage.profiles.with_email("alice@mail.EXAMPLE") == profile
    assert await storage.profiles.with_email("other@mail.example") is None


async def test_email_of_another_profile_is_refused_and_nothing_changes(storage: Storage) -> None:
    await storage.profiles.put(Profile(jid=ALICE, email="a@mail.example"))
    await storage.profiles.put(Profile(jid=BOB, name="Bob"))

    assert not await storage.profiles.put(Profile(jid=BOB, email="A@mail.example"))
    assert await storage.profiles.put(Profile(jid=ALICE, email="A@mail.example"))

    assert (await storage.profiles.get([BOB]))[BOB].name == "Bob"


async def test_search_finds_parts_of_local_parts_and_names_in_one_domain(storage: Storage) -> None:
    for jid in (CARLOS, f"oscar@{HOST}", f"car@{OTHER}", f"dave@{HOST}"):
        await storage.accounts.add(account(jid))
    await storage.profiles.put(Profile(jid=BOB, name="Ann Carter", folded_name="ann carter"))
    await storage.profiles.put(Profile(jid=f"x@{OTHER}", folded_name="carter"))

    assert await found(storage, local="car") == [CARLOS, f"oscar@{HOST}"]
    assert await found(storage, words="car") == [BOB]
    assert await found(storage, local="car", words="car") == [BOB, CARLOS, f"oscar@{HOST}"]
    assert await found(storage) == []


async def test_search_takes_wildcards_of_like_literally(storage: Storage) -> None:
    for jid in (f"a_b@{HOST}", f"axb@{HOST}", f"a%c@{HOST}", f"a\\d@{HOST}"):
        await storage.accounts.add(account(jid))

    assert await found(storage, local="a_b") == [f"a_b@{HOST}"]
    assert await found(storage, local="a%") == [f"a%c@{HOST}"]
    assert await found(storage, local="a\\d") == [f"a\\d@{HOST}"]
    assert await found(storage, local="example") == []


async def test_search_finds_no_disabled_and_no_removed_account(storage: Storage) -> None:
    await storage.accounts.add(account(CARLOS, is_enabled=False))
    await storage.profiles.add(CARLOS)
    await storage.accounts.add(account(BOB))
    await storage.profiles.put(Profile(jid=BOB, email="b@mail.example"))
    await storage.accounts.remove(BOB)

    assert await found(storage, local="o") == []
    assert await storage.profiles.with_email("b@mail.example") is None


async def test_identifier_stays_the_same_and_numbers_differ(storage: Storage) -> None:
    identifiers = storage.identifiers
    made = await identifiers.of(USER, [ALICE, BOB])
    room = (await identifiers.of(IdentifierKind.ROOM, [ROOM]))[ROOM]

    assert made.keys() == {ALICE, BOB}
    assert await identifiers.of(USER, [BOB, ALICE]) == made
    everything = [*made.values(), room]
    assert len({identifier.number for identifier in everything}) == 3
    assert len({identifier.uri for identifier in everything}) == 3
    assert all(
        len(identifier.uri) == 15 and int(identifier.uri, 16) >= 0 for identifier in everything
    )
    assert await identifiers.with_numbers(USER, [made[BOB].number, room.number]) == {
        made[BOB].number: made[BOB]
    }
    assert await identifiers.with_uri(room.uri) == room
    assert await identifiers.with_uri("0" * 15) is None
    assert await identifiers.of(USER, []) == {}


async def test_identifiers_of_a_removed_account_point_to_nothing_and_are_not_used_again(
    storage: Storage,
) -> None:
    await storage.accounts.add(account(BOB))
    direct = f"{ALICE} {BOB}"
    user = (await storage.identifiers.of(USER, [BOB]))[BOB]
    chats = await storage.identifiers.of(DIRECT, [direct, f"{ALICE} b{BOB}"])
    await storage.accounts.remove(BOB)

    assert await storage.identifiers.with_numbers(USER, [user.number]) == {}
    assert await storage.identifiers.with_uri(chats[direct].uri) is None
    again: Identifier = (await storage.identifiers.of(USER, [BOB]))[BOB]
    assert again.number > max(chat.number for chat in chats.values())
    assert await storage.identifiers.of(DIRECT, [f"{ALICE} b{BOB}"]) == {
        f"{ALICE} b{BOB}": chats[f"{ALICE} b{BOB}"]
    }


async def test_erased_room_has_another_identifier(storage: Storage) -> None:
    before = (await storage.identifiers.of(IdentifierKind.ROOM, [ROOM]))[ROOM]
    await storage.retention.erase(ROOM, limit=10)

    after = (await storage.identifiers.of(IdentifierKind.ROOM, [ROOM]))[ROOM]

    assert after.number != before.number


def said(number: int, peer: str, *, owner: str = ALICE, type: str = "chat") -> NewMessage:
    """Return a message with a peer."""
    return NewMessage(
        owner=owner,
        at=number,
        peer=peer,
        resource="",
        type=type,
        direction=Direction.RECEIVED,
        kind=Kind.MESSAGE,
        dedup_key=dedup_key(f"{owner} {peer} {number}"),
        xml=f"<message><body>{number}</body></message>",
    )


def chat(jid: str, peer: str) -> str:
    """Return the key of a direct chat."""
    return " ".join(sorted((jid, peer)))


async def list_all(storage: Storage, owner: str = ALICE) -> None:
    """List the conversations of an archive that are not listed; groupchat is no direct chat."""
    peers = await storage.identifiers.unlisted(owner, limit=100)
    keys = [chat(owner, peer) for peer, type in peers.items() if type != "groupchat"]
    made = await storage.identifiers.of(DIRECT, keys)
    chats = {peer: made.get(chat(owner, peer)) for peer in peers}
    await storage.identifiers.list_chats(owner, chats)


async def keys_of(
    storage: Storage, *rooms: str, owner: str = ALICE, offset: int = 0, limit: int = 10
) -> tuple[list[str], int]:
    """Return the keys of a page, and the number of all conversations."""
    page = await storage.identifiers.page(owner, rooms, offset=offset, limit=limit)
    return [identifier.key for identifier in page.identifiers], page.count


async def test_conversations_are_listed_by_their_numbers_with_rooms(storage: Storage) -> None:
    foreign = "x@rooms.elsewhere.example"
    await storage.archive.append([said(1, CARLOS), said(2, BOB), said(3, CARLOS)])
    await storage.archive.append([said(4, foreign, type="groupchat"), said(5, ALICE, owner=BOB)])
    assert len(await storage.identifiers.unlisted(ALICE, limit=1)) == 1
    await list_all(storage)
    await storage.identifiers.of(IdentifierKind.ROOM, [ROOM])
    await storage.archive.append([said(6, f"dora@{HOST}"), said(7, BOB)])

    assert await storage.identifiers.unlisted(ALICE, limit=10) == {f"dora@{HOST}": "chat"}
    await list_all(storage)
    await storage.identifiers.of(IdentifierKind.ROOM, [f"other@rooms.{HOST}"])

    bob, carlos, dora = (chat(ALICE, peer) for peer in (BOB, CARLOS, f"dora@{HOST}"))
    assert await keys_of(storage, ROOM) == ([bob, carlos, ROOM, dora], 4)
    assert await keys_of(storage, ROOM, offset=1, limit=2) == ([carlos, ROOM], 4)
    assert await keys_of(storage, ROOM, offset=4) == ([], 4)
    assert await keys_of(storage) == ([bob, carlos, dora], 3)
    assert await keys_of(storage, owner=BOB) == ([], 0)
    assert await keys_of(storage, owner=f"nobody@{HOST}") == ([], 0)


async def test_conversation_without_messages_is_not_listed_until_there_are_some(
    storage: Storage,
) -> None:
    await storage.archive.append([said(1, BOB), said(2, CARLOS)])
    await list_all(storage)
    before = await storage.identifiers.page(ALICE, (), offset=0, limit=10)
    await storage.retention.delete_oldest(ALICE, Cutoff(since=2), limit=1)

    assert await keys_of(storage) == ([chat(ALICE, CARLOS)], 1)

    await storage.archive.append([said(3, BOB)])
    assert await storage.identifiers.unlisted(ALICE, limit=10) == {BOB: "chat"}
    await list_all(storage)
    assert await storage.identifiers.page(ALICE, (), offset=0, limit=10) == before


async def test_chat_with_a_removed_account_gets_another_number_in_the_list(
    storage: Storage,
) -> None:
    await storage.accounts.add(account(BOB))
    await storage.archive.append([said(1, BOB), said(2, CARLOS), said(3, ALICE, owner=BOB)])
    await list_all(storage)
    await list_all(storage, BOB)
    made = await storage.identifiers.of(DIRECT, [chat(ALICE, BOB)])
    await storage.accounts.remove(BOB)

    assert await keys_of(storage) == ([chat(ALICE, CARLOS)], 1)
    # Somebody has read the identifier before the account was removed.
    await storage.identifiers.list_chats(ALICE, {BOB: made[chat(ALICE, BOB)]})
    assert await keys_of(storage) == ([chat(ALICE, CARLOS)], 1)
    await list_all(storage)
    await list_all(storage, BOB)
    assert await keys_of(storage) == ([chat(ALICE, CARLOS), chat(ALICE, BOB)], 2)
    assert await keys_of(storage, owner=BOB) == ([chat(ALICE, BOB)], 1)


def posted(
    number: int, *, author: str = "", kind: Kind = Kind.MESSAGE, **fields: Any
) -> NewMessage:
    """Return a message in the archive of the room."""
    return NewMessage(
        owner=ROOM,
        at=number,
        peer=ROOM,
        resource="nick",
        type="groupchat",
        direction=Direction.RECEIVED,
        xml=f"<message xmlns='jabber:client'><body>{number}</body></message>",
        dedup_key=dedup_key(number),
        kind=kind,
        author=author,
        is_seen=author != "",
        **fields,
    )


async def seen_by(storage: Storage, jid: str) -> RoomConversation:
    [conversation] = await storage.archive.room_conversations(jid, [ROOM, f"no{ROOM}"])
    return conversation


async def ids_of(storage: Storage) -> list[str]:
    return [message.id for message in (await storage.archive.page(ROOM, ANY, limit=99)).messages]


async def test_room_has_unread_messages_for_each_member(storage: Storage) -> None:
    await storage.archive.append([posted(1), posted(2, author=ALICE), posted(3)])
    await storage.archive.append([posted(4, kind=Kind.ANNOTATION), posted(5, kind=Kind.RECEIPT)])
    ids = await ids_of(storage)

    alice, bob = await seen_by(storage, ALICE), await seen_by(storage, BOB)

    assert (alice.room, alice.unread, alice.displayed) == (ROOM, 1, ids[1])
    assert (bob.unread, bob.displayed) == (3, None)
    assert alice.last is not None
    assert alice.last.id == ids[2]
    assert await storage.archive.room_conversations(ALICE, []) == ()


async def test_imported_messages_of_a_room_count_as_read(storage: Storage) -> None:
    rows = [ImportedMessage(posted(n, stanza_id=f"old-{n}"), f"old-{n}") for n in (1, 2)]
    await storage.imports.add(rows)
    bob = await seen_by(storage, BOB)
    assert (bob.unread, bob.displayed) == (0, "old-2")

    await storage.archive.append([posted(3), posted(4)])
    await storage.imports.add([ImportedMessage(posted(5))])
    assert (await seen_by(storage, BOB)).unread == 2
    await storage.archive.note_displayed(
        [DisplayedMarker(owner=BOB, peer=ROOM, id=(await ids_of(storage))[3], is_room=True)]
    )
    assert (await seen_by(storage, BOB)).unread == 1


async def test_messages_that_are_imported_behind_those_of_a_room_count_as_read(
    storage: Storage,
) -> None:
    await storage.archive.append([posted(1)])
    await storage.imports.add([ImportedMessage(posted(2))], behind=True)
    assert (await seen_by(storage, BOB)).unread == 0

    await storage.archive.append([posted(3)])
    assert (await seen_by(storage, BOB)).unread == 1


async def test_marker_may_name_an_imported_message_by_its_old_id(storage: Storage) -> None:
    rows = [posted(n)._replace(owner=ALICE, peer=BOB, type="chat") for n in (1, 2)]
    await storage.imports.add([ImportedMessage(rows[0], "1700000000000001")])
    await storage.archive.append(rows[1:])
    first, _ = (await storage.archive.page(ALICE, ANY, limit=9)).messages
    marker = DisplayedMarker(owner=ALICE, peer=BOB, id="1700000000000001")

    assert await storage.archive.note_displayed([marker]) == {ALICE}
    assert await storage.archive.note_displayed([marker]) == frozenset()

    [conversation] = (await storage.archive.conversations(ALICE, limit=5)).conversations
    assert (conversation.displayed, conversation.unread) == (first.id, 1)


async def test_marker_moves_the_read_mark_of_a_room_forward_only(storage: Storage) -> None:
    rows = [posted(number, stanza_id=f"room-id-{number}") for number in range(1, 5)]
    await storage.archive.append(rows)

    async def mark(id: str) -> frozenset[str]:
        marker = DisplayedMarker(owner=BOB, peer=ROOM, id=id, is_room=True)
        return await storage.archive.note_displayed([marker])

    assert await mark("room-id-3") == {BOB}
    assert await mark("room-id-2") == frozenset()
    assert await mark("unknown-id") == frozenset()

    bob = await seen_by(storage, BOB)
    assert (bob.unread, bob.displayed) == (1, "room-id-3")
    assert (await seen_by(storage, ALICE)).unread == 4


async def test_marker_by_the_name_of_a_message_counts_in_the_room(storage: Storage) -> None:
    await storage.archive.append([posted(1, name_hashes=(77,)), posted(2)])

    marker = DisplayedMarker(owner=BOB, peer=ROOM, name_hash=77, is_room=True)
    assert await storage.archive.note_displayed([marker]) == {BOB}

    assert (await seen_by(storage, BOB)).unread == 1


async def test_marker_of_a_receipt_counts_up_to_its_target(storage: Storage) -> None:
    await storage.archive.append([posted(1, name_hashes=(77,)), posted(2)])
    await storage.archive.append([posted(3, author=BOB, kind=Kind.RECEIPT, refers_to=(77,))])

    bob = await seen_by(storage, BOB)

    assert (bob.unread, bob.displayed) == (1, (await ids_of(storage))[0])


async def test_new_member_has_read_what_was_there_and_no_mark_moves_back(storage: Storage) -> None:
    await storage.archive.append([posted(1, author=ALICE), posted(2)])
    await storage.archive.read_rooms(ROOM, [ALICE, BOB])
    await storage.archive.append([posted(3)])

    assert (await seen_by(storage, BOB)).unread == 1
    assert (await seen_by(storage, ALICE)).unread == 2


async def test_messages_from_before_a_room_was_created_do_not_count(storage: Storage) -> None:
    await storage.archive.append([posted(1), posted(2)])
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=5))

    before = await seen_by(storage, BOB)
    await storage.archive.append([posted(6)])

    assert (before.unread, before.last) == (0, None)
    assert (await seen_by(storage, BOB)).unread == 1


async def test_erased_room_has_no_marks(storage: Storage) -> None:
    await storage.archive.append([posted(1, author=BOB)])
    await storage.retention.erase(ROOM, limit=10)
    await storage.archive.append([posted(2)])

    assert (await seen_by(storage, BOB)).unread == 1


async def test_conversation_has_the_last_message_that_its_owner_has_seen(storage: Storage) -> None:
    rows = [posted(number)._replace(owner=ALICE, peer=BOB, type="chat") for number in (1, 2)]
    await storage.archive.append(rows)
    first = (await storage.archive.page(ALICE, ANY, limit=1)).messages[0]
    before = await storage.archive.conversations(ALICE, limit=1)
    await storage.archive.note_displayed([DisplayedMarker(owner=ALICE, peer=BOB, id=first.id)])

    after = await storage.archive.conversations(ALICE, limit=1)

    assert before.conversations[0].displayed is None
    assert after.conversations[0].displayed == first.id


def member(jid: str, affiliation: str = "member", room: str = ROOM) -> Occupant:
    return Occupant(room=room, jid=jid, affiliation=affiliation)


async def test_memberships_are_those_of_a_user_with_the_names_of_rooms(storage: Storage) -> None:
    other = f"a{ROOM}"
    owner = Membership(room=ROOM, jid=ALICE, affiliation="owner", name="Garden")
    await storage.rooms.change(
        RoomChanges(room=ROOM, name="Garden", occupants=(member(BOB), member(ALICE, "owner")))
    )
    await storage.rooms.change(RoomChanges(room=other, occupants=(member(BOB, "none", other),)))

    assert await storage.rooms.memberships(ALICE) == (owner,)
    assert [row.room for row in await storage.rooms.memberships(BOB)] == [ROOM]
    assert [row.jid for row in await storage.rooms.members(ROOM)] == [ALICE, BOB]
    assert (await storage.rooms.get(ROOM)).name == "Garden"


async def test_user_who_has_left_has_no_membership_until_the_return(storage: Storage) -> None:
    await storage.rooms.change(RoomChanges(room=ROOM, occupants=(member(BOB),)))
    for _ in range(2):
        await storage.rooms.set_departed(ROOM, BOB, True)

    assert await storage.rooms.memberships(BOB) == ()
    assert await storage.rooms.departed(ROOM) == {BOB}
    await storage.rooms.set_departed(ROOM, BOB, False)
    assert len(await storage.rooms.memberships(BOB)) == 1


async def test_rooms_that_have_removed_a_member_are_known_with_the_time(storage: Storage) -> None:
    def occupant(room: str, affiliation: str, lost_at: int = 0) -> Occupant:
        return Occupant(room=room, jid=ALICE, affiliation=affiliation, lost_at=lost_at)

    other, third, left = (f"x{number}@rooms.{HOST}" for number in (8, 9, 10))
    for room in (ROOM, other, third, left):
        await storage.rooms.change(RoomChanges(room=room, occupants=(occupant(room, "member"),)))
    await storage.rooms.set_departed(left, ALICE, True)
    assert await storage.rooms.lost(ALICE, limit=10) == {}

    for room, at in ((ROOM, 5), (other, 7), (third, 0), (left, 9)):
        lost = occupant(room, "none", at)
        await storage.rooms.change(RoomChanges(room=room, occupants=(lost,)))
    # Only the first time counts, and only that of a member.
    await storage.rooms.change(RoomChanges(room=ROOM, occupants=(occupant(ROOM, "outcast", 8),)))
    await storage.rooms.change(RoomChanges(room=third, removed=(occupant(third, "none", 8),)))
    never = Occupant(room=ROOM, jid=BOB, affiliation="none", lost_at=8)
    await storage.rooms.change(RoomChanges(room=ROOM, occupants=(never,)))

    assert await storage.rooms.lost(ALICE, limit=10) == {other: 7, ROOM: 5}
    assert await storage.rooms.lost(ALICE, limit=1) == {other: 7}
    assert await storage.rooms.lost(BOB, limit=10) == {}
    await storage.rooms.change(RoomChanges(room=other, occupants=(occupant(other, "owner"),)))
    assert await storage.rooms.lost(ALICE, limit=10) == {ROOM: 5}
    await storage.rooms.change(RoomChanges(room=other, removed=(occupant(other, "none", 9),)))
    assert await storage.rooms.lost(ALICE, limit=1) == {other: 9}


async def test_created_room_has_no_name_no_members_and_no_invitations(storage: Storage) -> None:
    await storage.rooms.change(RoomChanges(room=ROOM, name="Garden", occupants=(member(BOB),)))
    await storage.rooms.set_departed(ROOM, BOB, True)
    await storage.rooms.invite(invitation(b"a"), at=1)
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=9))

    assert await storage.rooms.memberships(BOB) == ()
    assert await storage.rooms.departed(ROOM) == frozenset()
    assert await storage.rooms.invitation(b"a") is None
    assert (await storage.rooms.get(ROOM)).name == ""


def invitation(token_hash: bytes, *, expires_at: int = 10) -> RoomInvitation:
    return RoomInvitation(token_hash=token_hash, room=ROOM, inviter=ALICE, expires_at=expires_at)


async def test_invitation_is_returned_until_another_one_is_added_after_its_end(
    storage: Storage,
) -> None:
    await storage.rooms.invite(invitation(b"a"), at=1)

    assert await storage.rooms.invitation(b"a") == invitation(b"a")
    assert await storage.rooms.invitation(b"b") is None
    await storage.rooms.invite(invitation(b"b", expires_at=20), at=10)
    assert await storage.rooms.invitation(b"a") is None
    assert await storage.rooms.invitation(b"b") is not None
