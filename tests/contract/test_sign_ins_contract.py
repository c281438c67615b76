"""The contract of `storage.interface.SignIns`, on every backend."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.interface import SignIns, Storage
from storage.rows import GatewayTotals, SignIn

ALICE, BOB = "alice@example.org", "bob@example.org"


@pytest.fixture
def sign_ins(storage: Storage) -> SignIns:
    return storage.sign_ins


def sign_in(id: str, *, jid: str = ALICE, at: int = 1000) -> SignIn:
    return SignIn(
        id=id,
        jid=jid,
        label="phone",
        created_at=at,
        refreshed_at=at,
        expires_at=at + 1000,
        token_hash=f"hash of {id}".encode(),
    )


async def add(sign_ins: SignIns, row: SignIn, *, limit: int = 5) -> bool:
    """Add a sign-in during which nothing is revoked."""
    revocations = await sign_ins.revocations(row.jid)
    return await sign_ins.add(row, limit=limit, revocations=revocations)


async def test_added_sign_in_is_returned_as_it_was(sign_ins: SignIns) -> None:
    row = replace(sign_in("a"), previous_hash=b"\0\1", salt=b"\2\3")

    assert await add(sign_ins, row)

    assert await sign_ins.get("a") == row
    assert await sign_ins.get("b") is None


async def test_list_has_the_sign_ins_of_one_user_the_last_refreshed_first(
    sign_ins: SignIns,
) -> None:
    old, new = sign_in("a", at=1000), sign_in("b", at=1001)
    for row in (old, new, sign_in("c", jid=BOB)):
        await add(sign_ins, row)

    assert await sign_ins.list(ALICE) == (new, old)


async def test_rotation_replaces_the_token_in_use_once(sign_ins: SignIns) -> None:
    row = sign_in("a")
    await add(sign_ins, row)
    rotated = replace(
        row,
        refreshed_at=1500,
        expires_at=2500,
        token_hash=b"next",
        previous_hash=row.token_hash,
        salt=b"salt",
    )

    assert await sign_ins.rotate(rotated)
    assert not await sign_ins.rotate(replace(rotated, token_hash=b"other"))

    assert await sign_ins.get("a") == rotated


async def test_rotation_of_a_removed_sign_in_changes_nothing(sign_ins: SignIns) -> None:
    row = sign_in("a")
    await add(sign_ins, row)
    await sign_ins.remove(ALICE, "a")

    assert not await sign_ins.rotate(replace(row, previous_hash=row.token_hash))

    assert await sign_ins.get("a") is None


async def test_sign_in_beyond_the_limit_replaces_the_one_not_refreshed_for_longest(
    sign_ins: SignIns,
) -> None:
    for number in range(3):
        await add(sign_ins, sign_in(f"{number}", at=1000 + number), limit=2)
    await add(sign_ins, sign_in("of bob", jid=BOB), limit=2)

    assert [row.id for row in await sign_ins.list(ALICE)] == ["2", "1"]
    assert [row.id for row in await sign_ins.list(BOB)] == ["of bob"]


async def test_adding_removes_expired_sign_ins_of_all_users(sign_ins: SignIns) -> None:
    await add(sign_ins, sign_in("old", jid=BOB, at=1000))

    await add(sign_ins, sign_in("new", at=2000))

    assert await sign_ins.get("old") is None


async def test_removal_needs_the_user_of_the_sign_in(sign_ins: SignIns) -> None:
    await add(sign_ins, sign_in("a"))

    assert not await sign_ins.remove(BOB, "a")
    assert await sign_ins.remove(ALICE, "a")
    assert not await sign_ins.remove(ALICE, "a")


async def test_removal_of_all_leaves_other_users_alone(sign_ins: SignIns) -> None:
    for row in (sign_in("a"), sign_in("b"), sign_in("c", jid=BOB)):
        await add(sign_ins, row)

    assert await sign_ins.remove_all(ALICE) == 2

    assert await sign_ins.list(ALICE) == ()
    assert len(await sign_ins.list(BOB)) == 1


async def test_sign_in_that_began_before_a_removal_of_all_is_not_added(
    sign_ins: SignIns,
) -> None:
    before = await sign_ins.revocations(ALICE)
    await sign_ins.remove_all(ALICE)
    after = await sign_ins.revocations(ALICE)

    assert not await sign_ins.add(sign_in("a"), limit=5, revocations=before)
    assert await sign_ins.add(sign_in("b"), limit=5, revocations=after)
    assert await add(sign_ins, sign_in("c", jid=BOB))


async def test_each_removal_of_all_counts(sign_ins: SignIns) -> None:
    counts = [await sign_ins.revocations(ALICE)]
    for _ in range(3):
        await sign_ins.remove_all(ALICE)
        counts.append(await sign_ins.revocations(ALICE))

    assert len(set(counts)) == 4
    assert await sign_ins.revocations(BOB) == counts[0]


async def test_renewed_sign_in_expires_later_with_the_same_token(sign_ins: SignIns) -> None:
    row = sign_in("a")
    await add(sign_ins, row)

    await sign_ins.renew("a", at=1500, expires_at=9000)
    await sign_ins.renew("unknown", at=1500, expires_at=9000)

    assert await sign_ins.get("a") == replace(row, refreshed_at=1500, expires_at=9000)
    assert await sign_ins.get("unknown") is None


async def test_settings_of_a_gateway_session_are_replaced(sign_ins: SignIns) -> None:
    row = replace(sign_in("a"), gateway='{"client": "1"}')
    await add(sign_ins, row)
    assert await sign_ins.list(ALICE) == (row,)

    await sign_ins.set_gateway("a", '{"client": "2"}')

    assert await sign_ins.get("a") == replace(row, gateway='{"client": "2"}')


async def test_gateway_totals_count_sessions_that_have_not_expired(sign_ins: SignIns) -> None:
    rows = [
        replace(sign_in("a"), gateway="{}"),
        replace(sign_in("b"), gateway="{}"),
        replace(sign_in("c", jid=BOB), gateway="{}"),
        sign_in("no session", jid="carol@example.org"),
    ]
    for row in rows:
        await add(sign_ins, row)
    await sign_ins.renew("a", at=1500, expires_at=9000)

    assert await sign_ins.gateway_totals(at=1500) == GatewayTotals(sessions=3, users=2)
    assert await sign_ins.gateway_totals(at=3000) == GatewayTotals(sessions=1, users=1)
