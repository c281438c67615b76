"""The place of a follower of chat, as text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.core.chat.following.place import ROOMS_MAX, TEXT_MAX, Place, digest, parse
from component.core.errors import BadRequest

ROOM, OTHER = "garden@rooms.one.test", "hall@rooms.one.test"


@given(
    journal=st.text("abcXYZ019-_", min_size=1).filter(lambda text: not text.isdigit()),
    rooms=st.dictionaries(st.text(min_size=1), st.integers(0, 2**63 - 1), max_size=20),
)
def test_text_stands_for_its_place(journal: str, rooms: dict[str, int]) -> None:
    place = Place(journal, list_digest=digest("list"))
    for room, event_id in rooms.items():
        place = place.behind(room, event_id)

    assert parse(place.text()) == place


def test_cursor_of_the_journal_is_a_place_that_knows_no_rooms() -> None:
    assert parse("TbVR_3mIfNtBbCi0Dt7HZg") == Place("TbVR_3mIfNtBbCi0Dt7HZg")
    assert parse("42") == Place(42)


def test_place_without_some_rooms() -> None:
    place = Place("x").behind(ROOM, 3).behind(OTHER, 300)

    assert place.only([OTHER]).in_room(ROOM) is None
    assert place.only([OTHER]).in_room(OTHER) == 300


def test_place_in_all_rooms_fits_into_its_greatest_length() -> None:
    place = Place("TbVR_3mIfNtBbCi0Dt7HZg")
    for number in range(ROOMS_MAX):
        place = place.behind(f"{number}@rooms.one.test", 10**9 + number)

    assert len(place.text()) <= TEXT_MAX


@pytest.mark.parametrize("text", ["x.!", "x.\u00e4", "x.AAAAAAAA", "x." + "_" * 40])
def test_text_that_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="no cursor"):
        parse(text)
