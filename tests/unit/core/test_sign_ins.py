"""Sign-ins over a real store: rotation of refresh tokens, reuse, and revocation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from support.http_services import HOST, HOSTS, PASSWORDS

from component.core.accounts.own import OwnAccounts
from component.core.accounts.protocol import AccountSource
from component.core.accounts.throttle import TokenBucket
from component.core.errors import (
    ItemNotFound,
    NotAllowed,
    NotAuthorized,
    Overloaded,
    RateLimited,
)
from component.core.hosts import Hosts
from component.core.tokens.access_tokens import AccessTokens, Key
from component.core.tokens.accounts import with_tokens
from component.core.tokens.refresh_tokens import RefreshToken
from component.core.tokens.sign_ins import GRACE_SECONDS, PENDING_MAX, PER_ACCOUNT_MAX, SignIns
from component.core.xml.times import now
from storage.interface import Storage
from storage.open import open_storage

ALICE, BOB = f"alice@{HOST}", f"bob@{HOST}"
PASSWORD = "pencil"
SECOND = 1_000_000


class Clock:
    """A clock that a test turns on."""

    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> int:
        """Return the time in microseconds; it is never the same twice."""
        self.at += 1
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    async with open_storage("sqlite::memory:") as opened:
        yield opened


@pytest.fixture
async def own(storage: Storage) -> OwnAccounts:
    accounts = OwnAccounts(storage.accounts, PASSWORDS, Hosts(HOSTS))
    await accounts.register(ALICE, PASSWORD)
    return accounts


@pytest.fixture
def sign_ins(storage: Storage, own: OwnAccounts, clock: Callable[[], int]) -> SignIns:
    access = AccessTokens(Key.generate(), lifetime_seconds=600)
    return SignIns(storage.sign_ins, access, own, Hosts(HOSTS), refresh_days=30, clock=clock)


@pytest.fixture
def accounts(own: OwnAccounts, sign_ins: SignIns) -> AccountSource:
    """The accounts as the rest of the program sees them."""
    return with_tokens(AccountSource(authenticator=own, administered=own), sign_ins)


async def test_right_password_gives_tokens_of_the_account(sign_ins: SignIns) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD, "phone")

    claims = await sign_ins.verify(tokens.access_token)
    assert (claims.jid, claims.sign_in) == (ALICE, tokens.sign_in.id)
    assert [row.label for row in await sign_ins.list(ALICE)] == ["phone"]


@pytest.mark.parametrize("jid", [ALICE, BOB, "alice@elsewhere.example", HOST])
async def test_wrong_password_and_unknown_account_are_refused_alike(
    sign_ins: SignIns, jid: str
) -> None:
    with pytest.raises(NotAuthorized, match="The JID or the password is wrong"):
        await sign_ins.sign_in(jid, "wrong")


async def test_access_token_is_no_password_for_a_new_sign_in(
    sign_ins: SignIns, accounts: AccountSource
) -> None:
    token = (await sign_ins.sign_in(ALICE, PASSWORD)).access_token

    assert await accounts.authenticator.authenticate(ALICE, token)
    with pytest.raises(NotAuthorized):
        await sign_ins.sign_in(ALICE, token)


async def test_token_that_ejabberd_may_still_accept_is_no_password(storage: Storage) -> None:
    """ejabberd checks the signature and the time alone, with its own clock."""

    class Ejabberd:
        """Accepts every password."""

        async def authenticate(self, jid: str, password: str) -> bool:
            return True

        async def exists(self, jid: str) -> bool:
            return True

    accepting, key = Ejabberd(), Key.generate()
    short, other = (
        SignIns(
            storage.sign_ins,
            AccessTokens(key, lifetime_seconds=seconds),
            accepting,
            Hosts(HOSTS),
            refresh_days=1,
        )
        for key, seconds in ((key, 0), (Key.generate(), 600))
    )
    source = with_tokens(AccountSource(authenticator=accepting, administered=None), short)
    expired = (await short.sign_in(ALICE, PASSWORD)).access_token
    replaced = (await other.sign_in(ALICE, PASSWORD)).access_token

    assert not await source.authenticator.authenticate(ALICE, expired)
    for token in (expired, replaced):
        with pytest.raises(NotAuthorized):
            await short.sign_in(ALICE, token)


async def test_access_token_is_a_password_of_its_user_alone(
    sign_ins: SignIns, accounts: AccountSource
) -> None:
    assert accounts.administered is not None
    await accounts.administered.register(BOB, "other")
    token = (await sign_ins.sign_in(ALICE, PASSWORD)).access_token

    assert await accounts.authenticator.authenticate(ALICE, token)
    assert not await accounts.authenticator.authenticate(BOB, token)


async def test_password_in_the_form_of_a_token_is_a_password(
    sign_ins: SignIns, accounts: AccountSource
) -> None:
    assert accounts.administered is not None
    await accounts.administered.register(BOB, "a.b.c")

    assert await accounts.authenticator.authenticate(BOB, "a.b.c")
    assert (await sign_ins.sign_in(BOB, "a.b.c")).sign_in.jid == BOB


async def test_refresh_token_is_replaced_by_each_use(sign_ins: SignIns, clock: Clock) -> None:
    first = await sign_ins.sign_in(ALICE, PASSWORD)
    clock.at += 100 * SECOND

    second = await sign_ins.refresh(first.refresh_token)

    assert second.refresh_token != first.refresh_token
    assert second.sign_in.id == first.sign_in.id
    assert second.sign_in.expires_at > first.sign_in.expires_at
    third = await sign_ins.refresh(second.refresh_token)
    assert third.refresh_token != second.refresh_token


async def test_access_token_is_renewed_and_the_refresh_token_stays(sign_ins: SignIns) -> None:
    first = await sign_ins.sign_in(ALICE, PASSWORD)

    renewed = [await sign_ins.renew_access(first.refresh_token) for _ in range(3)]

    for access_token in renewed:
        assert (await sign_ins.verify(access_token)).sign_in == first.sign_in.id
    second = await sign_ins.refresh(first.refresh_token)
    with pytest.raises(NotAuthorized):
        await sign_ins.renew_access(first.refresh_token)
    await sign_ins.revoke(ALICE, second.sign_in.id)
    with pytest.raises(NotAuthorized):
        await sign_ins.renew_access(second.refresh_token)


async def test_repeated_refresh_within_the_grace_gives_the_same_next_token(
    sign_ins: SignIns, clock: Clock
) -> None:
    first = await sign_ins.sign_in(ALICE, PASSWORD)
    second = await sign_ins.refresh(first.refresh_token)
    clock.at += (GRACE_SECONDS - 1) * SECOND

    repeated = await sign_ins.refresh(first.refresh_token)

    assert repeated.refresh_token == second.refresh_token
    await sign_ins.refresh(second.refresh_token)


async def test_refreshes_at_the_same_moment_give_the_same_next_token(sign_ins: SignIns) -> None:
    first = await sign_ins.sign_in(ALICE, PASSWORD)

    answers = await asyncio.gather(*(sign_ins.refresh(first.refresh_token) for _ in range(5)))

    assert len({answer.refresh_token for answer in answers}) == 1


async def test_reuse_after_the_grace_revokes_the_sign_in(sign_ins: SignIns, clock: Clock) -> None:
    first = await sign_ins.sign_in(ALICE, PASSWORD)
    second = await sign_ins.refresh(first.refresh_token)
    clock.at += (GRACE_SECONDS + 1) * SECOND

    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(first.refresh_token)

    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(second.refresh_token)
    with pytest.raises(NotAuthorized):
        await sign_ins.verify(second.access_token)


async def test_token_before_the_previous_one_revokes_the_sign_in(sign_ins: SignIns) -> None:
    first = await sign_ins.sign_in(ALICE, PASSWORD)
    second = await sign_ins.refresh(first.refresh_token)
    third = await sign_ins.refresh(second.refresh_token)

    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(first.refresh_token)

    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(third.refresh_token)


async def test_stranger_who_knows_the_id_of_a_sign_in_cannot_revoke_it(sign_ins: SignIns) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)
    guess = replace(RefreshToken.generate(), selector=tokens.sign_in.id.ljust(22, "A"))

    for text in (str(guess), str(RefreshToken.generate()), "", "x.y", tokens.sign_in.id):
        with pytest.raises(NotAuthorized):
            await sign_ins.refresh(text)

    await sign_ins.refresh(tokens.refresh_token)


async def test_store_has_no_part_of_a_refresh_token(sign_ins: SignIns, storage: Storage) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)
    tokens = await sign_ins.refresh(tokens.refresh_token)

    row = await storage.sign_ins.get(tokens.sign_in.id)

    selector, verifier = tokens.refresh_token.split(".")
    stored = str((row and row.id, row and row.token_hash, row and row.previous_hash))
    assert selector not in stored
    assert verifier not in stored
    assert tokens.refresh_token not in repr(tokens)


async def test_sign_in_that_is_not_refreshed_expires(sign_ins: SignIns, clock: Clock) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)
    clock.at += 30 * 24 * 3600 * SECOND

    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(tokens.refresh_token)
    assert await sign_ins.list(ALICE) == ()


@pytest.mark.parametrize("change", ["set_password", "remove", "disable"])
async def test_change_of_the_account_revokes_its_sign_ins(
    sign_ins: SignIns, accounts: AccountSource, change: str
) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)

    if change == "set_password":
        await accounts.admin.set_password(ALICE, "another")
    elif change == "remove":
        await accounts.admin.remove(ALICE)
    else:
        await accounts.admin.set_enabled(ALICE, False)

    with pytest.raises(NotAuthorized):
        await sign_ins.verify(tokens.access_token)
    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(tokens.refresh_token)


async def test_account_that_is_registered_again_inherits_no_sign_in(
    sign_ins: SignIns, own: OwnAccounts, accounts: AccountSource
) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)
    await own.remove(ALICE)  # in ejabberd, unseen by Muniment

    await accounts.admin.register(ALICE, "another")

    with pytest.raises(NotAuthorized):
        await sign_ins.verify(tokens.access_token)
    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(tokens.refresh_token)


async def test_repeated_removal_of_an_account_revokes_its_sign_ins(
    sign_ins: SignIns, own: OwnAccounts, accounts: AccountSource
) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)
    await own.remove(ALICE)

    with pytest.raises(ItemNotFound):
        await accounts.admin.remove(ALICE)

    with pytest.raises(NotAuthorized):
        await sign_ins.verify(tokens.access_token)


async def test_user_signs_in_after_a_revocation_and_a_clock_that_is_set_back(
    sign_ins: SignIns, clock: Clock
) -> None:
    await sign_ins.revoke_all(ALICE)
    clock.at -= 3600 * SECOND

    assert (await sign_ins.sign_in(ALICE, PASSWORD)).sign_in.jid == ALICE


async def test_reuse_after_the_clock_was_set_back_revokes_the_sign_in(
    sign_ins: SignIns, clock: Clock
) -> None:
    first = await sign_ins.sign_in(ALICE, PASSWORD)
    second = await sign_ins.refresh(first.refresh_token)
    clock.at -= (GRACE_SECONDS + 1) * SECOND

    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(first.refresh_token)
    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(second.refresh_token)


async def test_slow_refresh_whose_token_was_replaced_twice_meanwhile_revokes_nothing(
    storage: Storage, sign_ins: SignIns, own: OwnAccounts, clock: Clock
) -> None:
    """A client repeats a request that hangs, and goes on with the answer to the second one."""

    class Slow:
        """Is overtaken by two refreshes while it looks for the account."""

        async def authenticate(self, jid: str, password: str) -> bool:
            return await own.authenticate(jid, password)

        async def exists(self, jid: str) -> bool:
            second = await sign_ins.refresh(first.refresh_token)
            latest.append(await sign_ins.refresh(second.refresh_token))
            return True

    access = AccessTokens(Key.generate(), lifetime_seconds=600)
    slow = SignIns(storage.sign_ins, access, Slow(), Hosts(HOSTS), refresh_days=1, clock=clock)
    first, latest = await sign_ins.sign_in(ALICE, PASSWORD), []

    with pytest.raises(NotAuthorized):
        await slow.refresh(first.refresh_token)

    await sign_ins.refresh(latest[0].refresh_token)


async def test_account_that_its_source_has_removed_gets_no_new_token(
    sign_ins: SignIns, own: OwnAccounts
) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)
    await own.remove(ALICE)

    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(tokens.refresh_token)
    with pytest.raises(NotAuthorized):
        await sign_ins.verify(tokens.access_token)


async def test_enabling_an_account_revokes_nothing(
    sign_ins: SignIns, accounts: AccountSource
) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)

    await accounts.admin.set_enabled(ALICE, True)

    await sign_ins.verify(tokens.access_token)


async def test_sign_in_under_way_while_all_are_revoked_is_refused(
    storage: Storage, sign_ins: SignIns, own: OwnAccounts, clock: Clock
) -> None:
    class Slow:
        """Revokes all sign-ins while it checks a password, as a new password does."""

        async def authenticate(self, jid: str, password: str) -> bool:
            is_right = await own.authenticate(jid, password)
            await sign_ins.revoke_all(jid)
            return is_right

        async def exists(self, jid: str) -> bool:
            return await own.exists(jid)

    access = AccessTokens(Key.generate(), lifetime_seconds=600)
    slow = SignIns(storage.sign_ins, access, Slow(), Hosts(HOSTS), refresh_days=1, clock=clock)

    with pytest.raises(NotAuthorized):
        await slow.sign_in(ALICE, PASSWORD)


async def test_sign_ins_under_way_are_bounded(storage: Storage) -> None:
    release = asyncio.Event()

    class Waiting:
        """Answers once the test releases it."""

        async def authenticate(self, jid: str, password: str) -> bool:
            await release.wait()
            return True

        async def exists(self, jid: str) -> bool:
            return True

    access = AccessTokens(Key.generate(), lifetime_seconds=600)
    waiting = SignIns(storage.sign_ins, access, Waiting(), Hosts(HOSTS), refresh_days=1)
    pending = [
        asyncio.create_task(waiting.sign_in(f"user{number}@{HOST}", PASSWORD))
        for number in range(PENDING_MAX)
    ]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await waiting.sign_in(ALICE, PASSWORD)
    release.set()
    await asyncio.gather(*pending)

    assert (await waiting.sign_in(ALICE, PASSWORD)).sign_in.jid == ALICE


@pytest.fixture
def limited(storage: Storage, own: OwnAccounts) -> SignIns:
    """An account gets tokens three times at once."""
    return SignIns(
        storage.sign_ins,
        AccessTokens(Key.generate(), lifetime_seconds=600),
        own,
        Hosts(HOSTS),
        refresh_days=1,
        grants=TokenBucket(burst=3, refill=1000.0),
    )


async def test_account_that_refreshes_too_often_has_to_wait_and_stays_signed_in(
    limited: SignIns,
) -> None:
    tokens = await limited.sign_in(ALICE, PASSWORD)
    for _ in range(2):
        before, tokens = tokens, await limited.refresh(tokens.refresh_token)

    with pytest.raises(RateLimited) as refusal:
        await limited.refresh(tokens.refresh_token)
    assert 0 < refusal.value.retry_seconds <= 1000

    # A repetition costs nothing.
    assert (await limited.refresh(before.refresh_token)).refresh_token == tokens.refresh_token
    await limited.verify(tokens.access_token)


async def test_account_that_signs_in_too_often_has_to_wait(
    limited: SignIns, own: OwnAccounts
) -> None:
    await own.register(BOB, PASSWORD)
    for _ in range(3):
        await limited.sign_in(ALICE, PASSWORD)

    with pytest.raises(RateLimited):
        await limited.sign_in(ALICE, PASSWORD)
    await limited.sign_in(BOB, PASSWORD)


async def test_stranger_uses_up_no_sign_ins_of_an_account(limited: SignIns) -> None:
    for _ in range(5):
        with pytest.raises(NotAuthorized):
            await limited.sign_in(ALICE, "wrong")

    await limited.sign_in(ALICE, PASSWORD)


async def test_sign_out_revokes_one_sign_in(sign_ins: SignIns) -> None:
    here, there = [await sign_ins.sign_in(ALICE, PASSWORD) for _ in range(2)]

    await sign_ins.revoke(ALICE, there.sign_in.id)

    await sign_ins.verify(here.access_token)
    with pytest.raises(NotAuthorized):
        await sign_ins.verify(there.access_token)
    with pytest.raises(ItemNotFound):
        await sign_ins.revoke(ALICE, there.sign_in.id)


async def test_sign_in_of_somebody_else_cannot_be_revoked(sign_ins: SignIns) -> None:
    tokens = await sign_ins.sign_in(ALICE, PASSWORD)

    with pytest.raises(ItemNotFound):
        await sign_ins.revoke(BOB, tokens.sign_in.id)


async def test_account_keeps_the_sign_ins_that_were_used_last(sign_ins: SignIns) -> None:
    first = await sign_ins.sign_in(ALICE, PASSWORD)
    for _ in range(PER_ACCOUNT_MAX):
        await sign_ins.sign_in(ALICE, PASSWORD)

    assert len(await sign_ins.list(ALICE)) == PER_ACCOUNT_MAX
    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(first.refresh_token)


async def test_access_token_is_issued_to_a_user_who_is_signed_in(sign_ins: SignIns) -> None:
    assert await sign_ins.access_token(ALICE) is None
    signed_in = await sign_ins.sign_in(ALICE, PASSWORD)

    token = await sign_ins.access_token(ALICE)
    assert token is not None
    assert (await sign_ins.verify(token)).sign_in == signed_in.sign_in.id

    await sign_ins.revoke_all(ALICE)
    assert await sign_ins.access_token(ALICE) is None


async def test_right_password_alone_is_passed_on(storage: Storage, own: OwnAccounts) -> None:
    passed: list[tuple[str, str]] = []
    sign_ins = SignIns(
        storage.sign_ins,
        AccessTokens(Key.generate(), lifetime_seconds=600),
        own,
        Hosts(HOSTS),
        refresh_days=30,
        on_password=lambda jid, password: passed.append((jid, password)),
    )
    with pytest.raises(NotAuthorized):
        await sign_ins.sign_in(ALICE, "wrong")
    await sign_ins.sign_in(ALICE, PASSWORD)

    assert passed == [(ALICE, PASSWORD)]


class Far:
    """Another server, which takes one password."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def authenticate(self, jid: str, password: str) -> bool:
        self.asked.append(jid)
        return password == "far"

    async def exists(self, jid: str) -> bool:
        raise NotAllowed("not known here")


def with_far(
    storage: Storage, own: OwnAccounts, far: Far, usable: set[str], seconds: float = 0.0
) -> SignIns:
    """Return sign-ins with another server; those of the usable users are of use."""
    return SignIns(
        storage.sign_ins,
        AccessTokens(Key.generate(), lifetime_seconds=600),
        own,
        Hosts(HOSTS),
        refresh_days=30,
        on_password=lambda jid, _: usable.add(jid),
        others=far,
        is_usable=usable.__contains__,
        refusal_seconds=seconds,
    )


async def test_user_of_another_server_signs_in_while_the_password_is_known(
    storage: Storage, own: OwnAccounts
) -> None:
    far, usable = Far(), set[str]()
    sign_ins = with_far(storage, own, far, usable)
    jid = "carol@far.example"
    tokens = await sign_ins.sign_in(jid, "far")
    assert (await sign_ins.verify(tokens.access_token)).jid == jid
    tokens = await sign_ins.refresh(tokens.refresh_token)

    usable.clear()
    with pytest.raises(NotAuthorized):
        await sign_ins.verify(tokens.access_token)
    with pytest.raises(NotAuthorized):
        await sign_ins.refresh(tokens.refresh_token)


async def test_password_of_an_own_user_is_shown_to_no_other_server(
    storage: Storage, own: OwnAccounts
) -> None:
    far = Far()
    sign_ins = with_far(storage, own, far, set())
    for password in ("far", PASSWORD):
        with suppress(NotAuthorized):
            await sign_ins.sign_in(ALICE, password)
    assert far.asked == []


async def test_every_refused_sign_in_takes_the_same_time(
    storage: Storage, own: OwnAccounts
) -> None:
    sign_ins = with_far(storage, own, Far(), set(), seconds=0.3)
    loop = asyncio.get_running_loop()
    token = (await sign_ins.sign_in(ALICE, PASSWORD)).access_token
    wrong = [(ALICE, "x"), (BOB, "x"), ("carol@far.example", "x"), (HOST, "x"), (ALICE, token)]
    for jid, password in wrong:
        began = loop.time()
        with pytest.raises(NotAuthorized, match="The JID or the password is wrong"):
            await sign_ins.sign_in(jid, password)
        # A check of another server takes longer only on a busy machine.
        assert 0.29 <= loop.time() - began < 10


async def test_wait_ends_with_the_sign_in(sign_ins: SignIns) -> None:
    token = await sign_ins.verify((await sign_ins.sign_in(ALICE, PASSWORD)).access_token)
    waiting = asyncio.create_task(sign_ins.wait_ended(token, pause=3600.0))
    await sign_ins.sign_in(ALICE, PASSWORD)
    await asyncio.sleep(0.1)
    assert not waiting.done()

    await sign_ins.revoke(ALICE, token.sign_in)
    async with asyncio.timeout(30):
        await waiting


async def test_wait_ends_with_the_token(sign_ins: SignIns, clock: Clock) -> None:
    token = await sign_ins.verify((await sign_ins.sign_in(ALICE, PASSWORD)).access_token)
    clock.at += 3600 * SECOND
    async with asyncio.timeout(30):
        await sign_ins.wait_ended(token, pause=3600.0)
