"""Names and avatars are set and read through sessions, and kept for some minutes."""

from __future__ import annotations

from base64 import b64decode, b64encode
from io import BytesIO

import pytest
from PIL import Image
from support.account_server import AccountServer
from support.clock import Clock

from component.core.access.principals import User
from component.core.chat.people import profiles
from component.core.chat.people.avatars import Avatar, hash_of
from component.core.chat.people.profiles import Profiles
from component.core.chat.people.vcards import NS_DATA, NS_METADATA, VCard, avatar_id_of
from component.core.errors import BadRequest, RateLimited
from component.core.sessions.delivery import Undelivered
from component.core.sessions.queries import UserQueries
from component.core.xml.document_parser import parse

ALICE, BOB = User("alice@one.test"), "bob@one.test"


def image(colour: str = "red", size: int = 20) -> bytes:
    file = BytesIO()
    Image.new("RGB", (size, size), colour).save(file, "PNG", dpi=(72, 72))
    return file.getvalue()


def card(*, name: str = "", photo: bytes | None = None, more: str = "") -> str:
    names = f"<FN>{name}</FN>" if name else ""
    value = f"<PHOTO><BINVAL>{b64encode(photo).decode()}</BINVAL></PHOTO>" if photo else ""
    return f"<vCard xmlns='vcard-temp'>{names}{value}{more}</vCard>"


def read(xml: str) -> VCard:
    return VCard.of(parse(xml.encode()), xml.encode())


def publish(server: AccountServer, jid: str, data: bytes) -> None:
    """Have an avatar in PEP alone."""
    id = hash_of(data)
    value = f"<data xmlns='{NS_DATA}'>{b64encode(data).decode()}</data>"
    metadata = f"<metadata xmlns='{NS_METADATA}'><info id='{id}' bytes='1'/></metadata>"
    server.items[jid] = {
        NS_DATA: f"<item id='{id}'>{value}</item>",
        NS_METADATA: f"<item id='{id}'>{metadata}</item>",
    }


@pytest.fixture
def server() -> AccountServer:
    return AccountServer(queue=None)  # type: ignore[arg-type]  # no message is sent


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def of(server: AccountServer, clock: Clock) -> Profiles:
    return Profiles(server, UserQueries(server), clock=clock)


async def test_name_and_avatar_come_from_the_vcard(of: Profiles, server: AccountServer) -> None:
    server.vcards[BOB] = card(name="Bob &amp; Co", photo=image())

    profile = await of.of(ALICE, BOB)

    assert profile.name == "Bob & Co"
    assert profile.avatar is not None
    assert profile.photo_hash == hash_of(image())
    # It is encoded again: that of bob says how dense it is.
    assert profile.avatar.data != image()
    assert [query.to for query in server.queries] == [BOB]


async def test_nickname_is_the_name_without_a_full_name(
    of: Profiles, server: AccountServer
) -> None:
    server.vcards[BOB] = card(more="<NICKNAME>bobby</NICKNAME>")

    assert (await of.of(ALICE, BOB)).name == "bobby"


async def test_account_without_a_vcard_has_its_local_part(of: Profiles) -> None:
    profile = await of.of(ALICE, BOB)

    assert (profile.name, profile.avatar) == ("bob", None)


async def test_avatar_in_pep_counts_if_the_vcard_has_none(
    of: Profiles, server: AccountServer
) -> None:
    publish(server, BOB, image())

    profile = await of.of(ALICE, BOB)

    assert profile.avatar is not None
    assert profile.photo_hash == hash_of(image())
    of.note_photo(BOB, hash_of(image()))
    assert of.known(ALICE, BOB) == profile
    of.note_photo(BOB, hash_of(image("blue")))
    assert of.known(ALICE, BOB) is None


async def test_avatar_in_pep_is_kept_for_those_alone_who_may_see_it(
    of: Profiles, server: AccountServer
) -> None:
    publish(server, BOB, image())
    friend, stranger = ALICE, User("carol@one.test")
    seen = await of.of(friend, BOB)
    items, server.items[BOB] = server.items[BOB], {}

    assert (await of.of(stranger, BOB)).avatar is None
    assert of.known(stranger, BOB) is not None

    server.items[BOB] = items
    assert await of.of(friend, BOB) == seen
    assert seen.avatar is not None


@pytest.mark.parametrize("photo", [b"no image", b"<svg/>"])
async def test_photo_that_is_no_image_is_not_shown(
    of: Profiles, server: AccountServer, photo: bytes
) -> None:
    server.vcards[BOB] = card(name="Bob", photo=photo)

    profile = await of.of(ALICE, BOB)

    assert (profile.name, profile.avatar) == ("Bob", None)


async def test_photo_at_another_address_is_not_fetched(
    of: Profiles, server: AccountServer
) -> None:
    server.vcards[BOB] = card(more="<PHOTO><EXTVAL>http://169.254.0.1/</EXTVAL></PHOTO>")

    assert (await of.of(ALICE, BOB)).avatar is None


async def test_profile_is_kept_for_some_minutes(
    of: Profiles, server: AccountServer, clock: Clock
) -> None:
    server.vcards[BOB] = card(name="Bob")
    await of.of(ALICE, BOB)
    server.vcards[BOB] = card(name="Robert")

    assert (await of.of(User(BOB), BOB)).name == "Bob"
    clock.now += profiles.FRESH_SECONDS
    assert (await of.of(ALICE, BOB)).name == "Robert"


async def test_presence_with_another_photo_ends_the_kept_profile(
    of: Profiles, server: AccountServer
) -> None:
    server.vcards[BOB] = card(photo=image())
    before = await of.of(ALICE, BOB)
    of.note_photo(BOB, hash_of(image()))
    assert of.known(ALICE, BOB) == before

    of.note_photo(BOB, hash_of(image("blue")))

    assert of.known(ALICE, BOB) is None


async def test_erased_account_is_forgotten(of: Profiles, server: AccountServer) -> None:
    publish(server, BOB, image())
    await of.of(ALICE, BOB)

    of.forget(BOB)

    assert of.known(ALICE, BOB) is None


async def test_kept_profiles_are_bounded(server: AccountServer) -> None:
    of = Profiles(server, UserQueries(server), cache_bytes=2400)
    for number in range(10):
        await of.of(ALICE, f"{number}@one.test")

    assert [bool(of.known(ALICE, f"{number}@one.test")) for number in range(10)] == [False] * 8 + [
        True,
        True,
    ]


async def test_name_is_set_and_everything_else_in_the_vcard_stays(
    of: Profiles, server: AccountServer
) -> None:
    more = "<ORG><ORGNAME>A &lt; B</ORGNAME></ORG><X xmlns='urn:x'><Y/></X>"
    server.vcards[ALICE.jid] = card(name="Old", photo=image(), more=more)
    await of.of(ALICE, ALICE.jid)

    await of.set_name(ALICE, "Alice <3")

    stored = server.vcards[ALICE.jid]
    assert read(stored).photo == image()
    assert more in stored
    assert "Old" not in stored
    assert (await of.of(ALICE, ALICE.jid)).name == "Alice <3"


async def test_name_of_an_account_without_a_vcard_is_set(
    of: Profiles, server: AccountServer
) -> None:
    await of.set_name(ALICE, "Alice")

    assert read(server.vcards[ALICE.jid]).name == "Alice"


async def test_avatar_is_published_in_vcard_pep_and_presence(
    of: Profiles, server: AccountServer
) -> None:
    server.vcards[ALICE.jid] = card(name="Alice")

    avatar = await of.set_avatar(ALICE, image())

    assert isinstance(avatar, Avatar)
    stored = read(server.vcards[ALICE.jid])
    assert (stored.name, stored.photo) == ("Alice", avatar.data)
    items = server.items[ALICE.jid]
    assert avatar.id in items[NS_METADATA]
    assert f"bytes='{len(avatar.data)}'" in items[NS_METADATA]
    assert b64decode(parse(items[NS_DATA].encode()).elements[0].text) == avatar.data
    assert server.photos == [avatar.id]
    assert (await of.of(ALICE, ALICE.jid)).photo_hash == avatar.id


async def test_removed_avatar_is_gone_everywhere(of: Profiles, server: AccountServer) -> None:
    await of.set_name(ALICE, "Alice")
    await of.set_avatar(ALICE, image())

    await of.remove_avatar(ALICE)

    stored = read(server.vcards[ALICE.jid])
    assert (stored.name, stored.photo) == ("Alice", None)
    metadata = server.items[ALICE.jid][NS_METADATA]
    whole = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items>{metadata}</items></pubsub>"
    assert avatar_id_of(parse(whole.encode())) is None
    assert server.photos[-1] == ""


async def test_avatar_is_set_where_the_server_has_no_pep(
    of: Profiles, server: AccountServer
) -> None:
    server.has_pep = False

    avatar = await of.set_avatar(ALICE, image())

    assert read(server.vcards[ALICE.jid]).photo == avatar.data


async def test_what_is_no_image_changes_nothing(of: Profiles, server: AccountServer) -> None:
    for data in (b"", b"text"):
        with pytest.raises(BadRequest):
            await of.set_avatar(ALICE, data)

    assert server.sent == []


async def test_server_that_refuses_the_vcard_is_named(of: Profiles, server: AccountServer) -> None:
    server.conditions[ALICE.jid] = "not-allowed"

    with pytest.raises(Undelivered) as refused:
        await of.set_avatar(ALICE, image())
    assert refused.value.condition == "not-allowed"
    assert server.items[ALICE.jid] == {}


async def test_server_that_does_not_answer_hides_only_the_profile(
    of: Profiles, server: AccountServer
) -> None:
    server.conditions[BOB] = "remote-server-timeout"

    profile = await of.of(ALICE, BOB)

    assert (profile.name, profile.avatar) == ("bob", None)


async def test_session_that_cannot_log_in_is_an_error(of: Profiles, server: AccountServer) -> None:
    server.condition = "not-authorized"

    with pytest.raises(Undelivered) as refused:
        await of.of(ALICE, BOB)
    assert refused.value.status == 401
    assert of.known(ALICE, BOB) is None


async def test_avatars_that_are_set_too_often_are_refused(
    of: Profiles, server: AccountServer, clock: Clock
) -> None:
    for _ in range(profiles.BURST):
        await of.set_avatar(ALICE, image())

    with pytest.raises(RateLimited):
        await of.set_avatar(ALICE, image())
    await of.set_avatar(User(BOB), image())
    clock.now += profiles.REFILL_SECONDS
    await of.set_avatar(ALICE, image())
