"""Sessions of users, as their presences announce them."""

from __future__ import annotations

import pytest

from component.core.archiving.sessions import RESOURCES_MAX, USERS_MAX, Sessions

BOB = "bob@example.org"
B1, B2 = f"{BOB}/b1", f"{BOB}/b2"


@pytest.mark.parametrize(
    ("priority", "address", "reaches"),
    [(0, BOB, True), (0, B1, True), (0, B2, True), (-1, BOB, False), (-1, B1, True)],
)
def test_message_reaches_its_resource_or_all_of_priority_0_and_above(
    priority: int, address: str, reaches: bool
) -> None:
    sessions = Sessions()
    sessions.available(B1, priority, 5)

    assert (sessions.reaches(address, 5), sessions.reaches(address, 4)) == (reaches, False)


def test_unavailable_session_is_not_reached() -> None:
    sessions = Sessions()
    sessions.available(B1, 0, 1)
    sessions.unavailable(B1, 2)
    sessions.unavailable(B2, 2)

    assert (
        sessions.reaches(BOB, 3),
        sessions.last_presence(B1),
        sessions.last_announced(BOB),
    ) == (False, 2, 0)


def test_second_presence_begins_no_session() -> None:
    sessions = Sessions()
    for at in (1, 9):
        sessions.available(B1, 0, at)

    assert (
        sessions.reaches(BOB, 1),
        sessions.last_presence(B1),
        sessions.last_announced(BOB),
    ) == (True, 9, 9)


def test_remembered_users_and_resources_are_bounded() -> None:
    sessions = Sessions()
    for n in range(RESOURCES_MAX + 1):
        sessions.available(f"{BOB}/{n}", 0, n)
    for n in range(USERS_MAX):
        sessions.available(f"user{n}@example.org/x", 0, n)

    assert sessions.last_presence(f"{BOB}/1") == 0
    assert (
        sessions.last_presence("user0@example.org/x")
        == 0
        < sessions.last_presence("user1@example.org/x")
    )


def test_forget_ends_every_session() -> None:
    sessions = Sessions()
    sessions.available(B1, 0, 1)
    sessions.forget()

    assert not sessions.reaches(BOB, 2)
