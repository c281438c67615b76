"""Ids decode to their sequence for their owner, and other texts do not decode."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from storage.sql.messages.ids import KEY_BYTES, Ids

NUMBERS = st.integers(0, 2**64 - 1)
KEYS = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)


@given(key=KEYS, owner=NUMBERS, sequences=st.lists(NUMBERS, max_size=20))
def test_ids_decode_to_their_sequences(key: bytes, owner: int, sequences: list[int]) -> None:
    ids = Ids(key)

    assert [ids.decode(owner, id) for id in ids.encode(owner, sequences)] == sequences


@given(key=KEYS, pairs=st.sets(st.tuples(NUMBERS, NUMBERS), max_size=20))
def test_no_two_messages_have_one_id(key: bytes, pairs: set[tuple[int, int]]) -> None:
    distinct = {Ids(key).encode(owner, [sequence])[0] for owner, sequence in pairs}

    assert len(distinct) == len(pairs)


@given(key=KEYS, owner=NUMBERS, other=NUMBERS, sequence=NUMBERS)
def test_id_does_not_decode_for_another_owner(
    key: bytes, owner: int, other: int, sequence: int
) -> None:
    assume(owner != other)
    [id] = Ids(key).encode(owner, [sequence])

    assert Ids(key).decode(other, id) is None


@given(key=KEYS, other=KEYS, owner=NUMBERS, sequence=NUMBERS)
def test_id_does_not_decode_with_another_key(
    key: bytes, other: bytes, owner: int, sequence: int
) -> None:
    assume(key != other)
    [id] = Ids(key).encode(owner, [sequence])

    assert Ids(other).decode(owner, id) is None


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= "


@given(
    key=KEYS,
    owner=NUMBERS,
    text=st.text() | st.text(ALPHABET, min_size=20, max_size=26) | st.text(st.characters()),
)
def test_other_text_does_not_decode(key: bytes, owner: int, text: str) -> None:
    assert Ids(key).decode(owner, text) is None


@given(key=KEYS, owner=NUMBERS, sequence=NUMBERS, data=st.data())
def test_changed_id_does_not_decode(
    key: bytes, owner: int, sequence: int, data: st.DataObject
) -> None:
    [id] = Ids(key).encode(owner, [sequence])
    start = data.draw(st.integers(0, len(id)))
    end = data.draw(st.integers(start, len(id)))
    changed = id[:start] + data.draw(st.text(ALPHABET, max_size=3)) + id[end:]
    assume(changed != id)

    assert Ids(key).decode(owner, changed) is None
