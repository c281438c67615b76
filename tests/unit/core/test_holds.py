"""Legal holds: whom they are on, and that they last."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, HOST, ROMEO, ROOM

from component.core.errors import Conflict, Overloaded
from component.core.holds import Holds
from storage.open import open_storage
from storage.rows import Hold


def hold(subject: str) -> Hold:
    return Hold(subject=subject, reason="a case", by="counsel", at=1)


@pytest.mark.parametrize(
    ("subject", "held"),
    [
        (ALICE, {ALICE}),
        (HOST, {ALICE, BOB, ROOM}),
        (f"conference.{HOST}", {ROOM}),
        ("org", {ALICE, BOB, ROOM}),
        ("ample.org", set()),
        ("remote.example", {ROMEO}),
    ],
)
async def test_a_hold_is_on_a_user_or_on_a_host_with_all_below_it(
    subject: str, held: set[str]
) -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)
        await holds.set(hold(subject))

        assert {owner for owner in (ALICE, BOB, ROOM, ROMEO) if holds.is_held(owner)} == held


async def test_what_is_held_is_refused_until_it_is_released() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)
        await holds.set(hold(ALICE))

        with pytest.raises(Conflict):
            holds.refuse_if_held(ALICE)
        await holds.release(ALICE)
        holds.refuse_if_held(ALICE)
        assert holds.all() == await storage.records.holds() == ()


async def test_holds_are_loaded_again() -> None:
    async with open_storage("sqlite::memory:") as storage:
        first, second = Holds(storage.records), Holds(storage.records)
        for subject in (HOST, ALICE):
            await first.set(hold(subject))

        await second.load()

        assert second.all() == (hold(ALICE), hold(HOST))


async def test_a_hold_that_cannot_be_kept_is_in_force_all_the_same() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)
        await storage.close()

        with pytest.raises(Overloaded):
            await holds.set(hold(ALICE))
        assert holds.is_held(ALICE)


async def test_a_hold_that_cannot_be_released_stays() -> None:
    async with open_storage("sqlite::memory:") as storage:
        holds = Holds(storage.records)
        await holds.set(hold(ALICE))
        await storage.close()

        with pytest.raises(Overloaded):
            await holds.release(ALICE)
        assert holds.is_held(ALICE)
