"""Public ids: each has one spelling and is decoded only with its key and its owner."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from storage.sql.messages.ids import ID_CHARACTERS, KEY_BYTES, Ids

KEY = bytes(range(KEY_BYTES))
OWNER, SEQUENCE = 7, 12345
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def ids() -> Ids:
    return Ids(KEY)


def test_id_has_22_characters_that_need_no_escape(ids: Ids) -> None:
    encoded = ids.encode(OWNER, range(1000))

    assert [id for id in encoded if not re.fullmatch(rf"[\w-]{{{ID_CHARACTERS}}}", id, re.A)] == []


def test_ids_are_in_the_order_of_the_sequences(ids: Ids) -> None:
    encoded = ids.encode(OWNER, [3, 1, 2, 1])

    assert [ids.decode(OWNER, id) for id in encoded] == [3, 1, 2, 1]


def test_no_sequences_encode_to_no_ids(ids: Ids) -> None:
    assert ids.encode(OWNER, []) == []


def test_same_key_makes_the_same_ids() -> None:
    assert Ids(KEY).encode(OWNER, [SEQUENCE]) == Ids(KEY).encode(OWNER, [SEQUENCE])


def test_id_of_another_key_is_unknown(ids: Ids) -> None:
    [id] = Ids(bytes(KEY_BYTES)).encode(OWNER, [SEQUENCE])

    assert ids.decode(OWNER, id) is None


def test_id_of_another_owner_is_unknown(ids: Ids) -> None:
    [id] = ids.encode(OWNER, [SEQUENCE])

    assert ids.decode(OWNER + 1, id) is None


@pytest.mark.parametrize("place", range(ID_CHARACTERS))
def test_id_with_one_changed_character_is_unknown(ids: Ids, place: int) -> None:
    [id] = ids.encode(OWNER, [SEQUENCE])
    changed = [id[:place] + c + id[place + 1 :] for c in ALPHABET if c != id[place]]

    assert {ids.decode(OWNER, text) for text in changed} == {None}


@pytest.mark.parametrize("largest", [0, 1, 2**31, 2**63 - 1, 2**64 - 1])
def test_sequences_at_the_ends_of_the_range_have_ids(ids: Ids, largest: int) -> None:
    [id] = ids.encode(largest, [largest])

    assert ids.decode(largest, id) == largest


@pytest.mark.parametrize(
    "text",
    ["", "A", "=" * 22, "A" * 21, "A" * 23, "A" * 44, "ä" * 22, "\0" * 22, "\udfff", "+/" * 11],
)
def test_text_of_another_form_is_unknown(ids: Ids, text: str) -> None:
    assert ids.decode(OWNER, text) is None


def test_ids_of_adjacent_sequences_share_few_characters(ids: Ids) -> None:
    encoded = ids.encode(OWNER, range(100))
    shared = [sum(x == y for x, y in zip(a, b, strict=True)) for a, b in pairwise(encoded)]

    assert max(shared) < ID_CHARACTERS // 2


def test_threads_encode_at_the_same_time(ids: Ids) -> None:
    sequences = range(20_000)
    with ThreadPoolExecutor(4) as threads:
        encoded = list(threads.map(lambda _: ids.encode(OWNER, sequences), range(40)))

    assert encoded == [Ids(KEY).encode(OWNER, sequences)] * 40
