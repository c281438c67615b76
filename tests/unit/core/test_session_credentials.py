"""Sessions log in with tokens where ejabberd takes them, else with the password in memory."""

from __future__ import annotations

import pytest
from support.clock import Clock

from component.core.sessions.credentials import (
    PASSWORDS_MAX,
    REFUSALS,
    REFUSED_SECONDS,
    Credentials,
)

ALICE, BOB, CAROL = "alice@one.test", "bob@one.test", "carol@two.test"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def credentials(clock: Clock) -> Credentials:
    return Credentials(clock)


async def token_of(jid: str) -> str | None:
    return f"token of {jid}"


async def signed_out(_: str) -> str | None:
    return None


async def secrets_of(credentials: Credentials, jid: str) -> list[str]:
    return [credential.secret for credential in await credentials.of(jid, token_of)]


async def test_token_is_tried_before_the_password(credentials: Credentials) -> None:
    credentials.remember(ALICE, "pencil")

    assert await secrets_of(credentials, ALICE) == [f"token of {ALICE}", "pencil"]


async def test_host_that_accepts_a_token_needs_no_passwords(credentials: Credentials) -> None:
    for jid in (ALICE, BOB, CAROL):
        credentials.remember(jid, "pencil")
    [token, _] = await credentials.of(ALICE, token_of)

    credentials.accepted(token)
    credentials.remember(BOB, "pencil")

    assert await secrets_of(credentials, ALICE) == [f"token of {ALICE}"]
    assert await secrets_of(credentials, BOB) == [f"token of {BOB}"]
    assert await secrets_of(credentials, CAROL) == [f"token of {CAROL}", "pencil"]


async def refuse_token(credentials: Credentials, jid: str) -> None:
    credentials.refused((await credentials.of(jid, token_of))[0])


async def test_refused_token_is_tried_again_after_a_while(
    credentials: Credentials, clock: Clock
) -> None:
    credentials.remember(ALICE, "pencil")
    await refuse_token(credentials, ALICE)

    assert await secrets_of(credentials, ALICE) == ["pencil"]
    assert await secrets_of(credentials, BOB) == [f"token of {BOB}"]
    clock.now += REFUSED_SECONDS
    assert await secrets_of(credentials, ALICE) == [f"token of {ALICE}", "pencil"]


async def test_host_that_refuses_several_accounts_is_shown_no_tokens_for_a_while(
    credentials: Credentials, clock: Clock
) -> None:
    for number in range(REFUSALS):
        await refuse_token(credentials, f"user{number}@one.test")

    assert await secrets_of(credentials, ALICE) == []
    assert await secrets_of(credentials, CAROL) == [f"token of {CAROL}"]
    clock.now += REFUSED_SECONDS
    assert await secrets_of(credentials, ALICE) == [f"token of {ALICE}"]


async def test_refused_account_does_not_matter_to_others_of_a_host_that_accepts_tokens(
    credentials: Credentials,
) -> None:
    credentials.accepted((await credentials.of(ALICE, token_of))[0])
    for number in range(REFUSALS):
        await refuse_token(credentials, f"user{number}@one.test")

    assert await secrets_of(credentials, ALICE) == [f"token of {ALICE}"]
    # ejabberd may have been configured anew, so passwords are kept from now on.
    credentials.remember(BOB, "pencil")
    assert await secrets_of(credentials, BOB) == [f"token of {BOB}", "pencil"]


async def test_account_whose_token_was_refused_signs_in_again(credentials: Credentials) -> None:
    credentials.accepted((await credentials.of(ALICE, token_of))[0])
    await refuse_token(credentials, BOB)
    assert await secrets_of(credentials, BOB) == []

    credentials.remember(BOB, "pencil")
    assert await secrets_of(credentials, BOB) == ["pencil"]


async def test_refused_password_is_forgotten(credentials: Credentials) -> None:
    credentials.remember(ALICE, "pencil")
    [token, password] = await credentials.of(ALICE, token_of)
    for credential in (token, password):
        credentials.refused(credential)

    assert await secrets_of(credentials, ALICE) == []


async def test_user_who_has_signed_out_has_no_credentials(credentials: Credentials) -> None:
    credentials.remember(ALICE, "pencil")

    assert await credentials.of(ALICE, signed_out) == []
    assert await secrets_of(credentials, ALICE) == [f"token of {ALICE}"]


async def test_number_of_passwords_is_bounded(
    credentials: Credentials,
) -> None:
    for number in range(PASSWORDS_MAX):
        credentials.remember(f"user{number}@one.test", "pencil")
    credentials.remember("user0@one.test", "pencil")
    credentials.remember(ALICE, "pencil")

    assert len(await credentials.of("user0@one.test", token_of)) == 2
    assert len(await credentials.of("user1@one.test", token_of)) == 1


async def test_secret_is_not_shown(credentials: Credentials) -> None:
    credentials.remember(ALICE, "pencil")

    assert "pencil" not in repr(await credentials.of(ALICE, token_of))
    assert "token of" not in repr(await credentials.of(ALICE, token_of))


@pytest.fixture
def others(clock: Clock) -> Credentials:
    """Credentials in which carol is on another server."""
    return Credentials(clock, is_other=lambda jid: jid.endswith("@two.test"))


async def test_other_server_never_sees_a_token_of_ours(others: Credentials) -> None:
    assert await secrets_of(others, CAROL) == []
    others.remember(CAROL, "pencil")
    assert await secrets_of(others, CAROL) == ["pencil"]


async def test_sign_in_on_another_server_is_usable_with_its_password_alone(
    others: Credentials,
) -> None:
    assert (others.is_usable(ALICE), others.is_usable(CAROL)) == (True, False)
    others.remember(CAROL, "pencil")
    assert others.is_usable(CAROL)

    [password] = await others.of(CAROL, token_of)
    others.refused(password)
    assert not others.is_usable(CAROL)

    others.remember(CAROL, "pencil")
    others.forget(CAROL)
    assert not others.is_usable(CAROL)

    others.remember(CAROL, "pencil")
    assert await others.of(CAROL, signed_out) == []
    assert not others.is_usable(CAROL)


async def test_users_of_other_servers_crowd_out_no_password_of_ours(others: Credentials) -> None:
    others.remember(ALICE, "pencil")
    for number in range(PASSWORDS_MAX + 1):
        others.remember(f"user{number}@two.test", "x")

    assert await secrets_of(others, ALICE) == [f"token of {ALICE}", "pencil"]
    assert not others.is_usable("user0@two.test")
    assert others.is_usable(f"user{PASSWORDS_MAX}@two.test")
