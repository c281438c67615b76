"""Public ids: one spelling each, readable with the right key by the right archive only."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from storage.sqlite.messages.ids import ID_CHARACTERS, KEY_BYTES, Ids

KEY = bytes(range(KEY_BYTES))
OWNER, SEQUENCE = 7, 12345
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def ids() -> Ids:
    return Ids(KEY)


def test_an_id_is_22_characters_that_need_no_escape(ids: Ids) -> None:
    made = ids.encode(OWNER, range(1000))

    assert [id for id in made if not re.fullmatch(rf"[\w-]{{{ID_CHARACTERS}}}", id, re.A)] == []


def test_ids_come_in_the_order_of_their_sequences(ids: Ids) -> None:
    made = ids.encode(OWNER, [3, 1, 2, 1])

    assert [ids.decode(OWNER, id) for id in made] == [3, 1, 2, 1]


def test_no_sequences_are_no_ids(ids: Ids) -> None:
    assert ids.encode(OWNER, []) == []


def test_ids_stay_the_same_while_the_key_does() -> None:
    assert Ids(KEY).encode(OWNER, [SEQUENCE]) == Ids(KEY).encode(OWNER, [SEQUENCE])


def test_another_key_makes_other_ids(ids: Ids) -> None:
    [id] = Ids(bytes(KEY_BYTES)).encode(OWNER, [SEQUENCE])

    assert ids.decode(OWNER, id) is None


def test_an_id_is_unknown_to_another_owner(ids: Ids) -> None:
    [id] = ids.encode(OWNER, [SEQUENCE])

    assert ids.decode(OWNER + 1, id) is None


@pytest.mark.parametrize("place", range(ID_CHARACTERS))
def test_an_id_with_one_other_character_is_unknown(ids: Ids, place: int) -> None:
    [id] = ids.encode(OWNER, [SEQUENCE])
    others = [id[:place] + c + id[place + 1 :] for c in ALPHABET if c != id[place]]

    assert {ids.decode(OWNER, other) for other in others} == {None}


@pytest.mark.parametrize("largest", [0, 1, 2**31, 2**63 - 1, 2**64 - 1])
def test_the_ends_of_the_range_are_ids_too(ids: Ids, largest: int) -> None:
    [id] = ids.encode(largest, [largest])

    assert ids.decode(largest, id) == largest


@pytest.mark.parametrize(
    "text",
    ["", "A", "=" * 22, "A" * 21, "A" * 23, "A" * 44, "ä" * 22, "\0" * 22, "\udfff", "+/" * 11],
)
def test_other_text_is_no_id(ids: Ids, text: str) -> None:
    assert ids.decode(OWNER, text) is None


def test_neighbours_have_nothing_in_common(ids: Ids) -> None:
    made = ids.encode(OWNER, range(100))
    shared = [sum(x == y for x, y in zip(a, b, strict=True)) for a, b in pairwise(made)]

    assert max(shared) < ID_CHARACTERS // 2
