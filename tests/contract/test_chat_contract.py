"""The contract of the stores of chat, on every backend: profiles and identifiers."""

from __future__ import annotations

from storage.interface import Storage
from storage.rows import Account, Identifier, IdentifierKind, Profile

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
