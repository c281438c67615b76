"""Sign-up of strangers, and the identifiers of users, rooms and direct chats."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.chat import SERVICE, chat_services, with_chat_for
from support.http_services import HOST

from component.core.accounts.protocol import AccountSource
from component.core.chat.identifiers import DirectChat
from component.core.chat.service import Chat
from component.core.errors import BadRequest, Conflict, NotImplementedHere, RateLimited
from component.web.server.settings import Services

ALICE, BOB, CAROL = (f"{name}@{HOST}" for name in ("alice", "bob", "carol"))
PASSWORD = "correct horse"
PARTY = "203.0.113.1"


async def chat_of(services: Services, **options: object) -> Chat:
    chat = with_chat_for(await chat_services(services), **options).chat
    assert chat is not None
    return chat


async def test_stranger_creates_an_account_with_name_and_email(services: Services) -> None:
    chat = await chat_of(services, sign_up=True)

    await chat.sign_up.sign_up(PARTY, ALICE, PASSWORD, name="Alice A.", email="a@mail.example")

    assert await services.accounts.authenticator.authenticate(ALICE, PASSWORD)
    profile = await chat.directory.profile(ALICE)
    assert (profile.name, profile.email) == ("Alice A.", "a@mail.example")
    assert [found.jid for found in await chat.directory.search(BOB, "alice a")] == [ALICE]
    by_email = await chat.directory.with_email("A@mail.example")
    assert by_email is not None
    assert by_email.jid == ALICE


async def test_nobody_signs_up_by_default(services: Services) -> None:
    chat = await chat_of(services)

    assert not chat.sign_up.is_allowed
    with pytest.raises(NotImplementedHere):
        await chat.sign_up.sign_up(PARTY, ALICE, PASSWORD)


async def test_accounts_that_cannot_be_created_here_allow_no_sign_up(services: Services) -> None:
    source = AccountSource(
        authenticator=services.accounts.authenticator, administered=None, refusal="elsewhere"
    )
    chat = await chat_of(replace(services, accounts=source), sign_up=True)

    assert not chat.sign_up.is_allowed


@pytest.mark.parametrize(
    ("jid", "password", "field"),
    [
        (ALICE, "1234567", "password"),
        (ALICE, "x" * 129, "password"),
        (ALICE, "xxALICExx", "password"),
        ("alice@elsewhere.example", PASSWORD, "jid"),
    ],
)
async def test_refused_sign_up_names_the_field_and_creates_nothing(
    services: Services, jid: str, password: str, field: str
) -> None:
    chat = await chat_of(services, sign_up=True)

    with pytest.raises(BadRequest, match=f"^{field}: "):
        await chat.sign_up.sign_up(PARTY, jid, password)

    assert await services.accounts.admin.count(HOST) == 0


async def test_second_account_of_a_jid_or_an_email_is_a_conflict(services: Services) -> None:
    chat = await chat_of(services, sign_up=True)
    await chat.sign_up.sign_up(PARTY, ALICE, PASSWORD, email="a@mail.example")

    with pytest.raises(Conflict):
        await chat.sign_up.sign_up(PARTY, ALICE, PASSWORD)
    with pytest.raises(Conflict, match="e-mail"):
        await chat.sign_up.sign_up(PARTY, BOB, PASSWORD, email="A@MAIL.example")
    assert not await services.accounts.authenticator.exists(BOB)


async def test_nobody_signs_up_as_an_operator_without_an_account(services: Services) -> None:
    chat = await chat_of(services, sign_up=True, reserved=frozenset({ALICE}))

    with pytest.raises(Conflict):
        await chat.sign_up.sign_up(PARTY, ALICE, PASSWORD)

    assert not await services.accounts.authenticator.exists(ALICE)


async def test_sign_ups_are_limited_by_address(services: Services) -> None:
    chat = await chat_of(services, sign_up=True, sign_ups_per_hour=1)
    await chat.sign_up.sign_up(PARTY, ALICE, PASSWORD)

    with pytest.raises(RateLimited) as refusal:
        await chat.sign_up.sign_up(PARTY, BOB, PASSWORD)
    assert 0 < refusal.value.retry_seconds <= 3600
    await chat.sign_up.sign_up("203.0.113.2", BOB, PASSWORD)


async def test_identifiers_lead_back_to_users_rooms_and_chats(services: Services) -> None:
    identifiers = (await chat_of(services)).identifiers
    room = f"garden@{SERVICE}"
    users = await identifiers.of_users([ALICE, BOB])
    of_room = (await identifiers.of_rooms([room]))[room]
    chat = await identifiers.of_direct(DirectChat.of(BOB, ALICE))

    assert await identifiers.of_direct(DirectChat.of(ALICE, BOB)) == chat
    assert await identifiers.users([users[BOB].number, of_room.number, 0, 2**70]) == {
        users[BOB].number: BOB
    }
    assert await identifiers.conversation(of_room.number) == room
    assert await identifiers.with_uri(of_room.uri) == room
    found = await identifiers.conversation(chat.number)
    assert found == await identifiers.with_uri(chat.uri) == DirectChat(ALICE, BOB)
    assert isinstance(found, DirectChat)
    assert (found.other(ALICE), found.other(BOB), found.other(CAROL)) == (BOB, ALICE, None)
    assert await identifiers.conversation(users[ALICE].number) is None
    assert await identifiers.with_uri(users[ALICE].uri) is None
