"""Preparing a prepared address changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from component.core.xml.preparation import prepared

LETTERS = st.one_of(
    st.characters(exclude_characters="@/", exclude_categories=("Cs", "Cc")),
    st.characters(categories=("Mn",)),
    st.sampled_from("\u33c6C\u2215kg\u00df\u03a3\u1d2c\u00c5\u0131\u0130\ufb01"),
)
NAMES = st.text(LETTERS, min_size=1, max_size=8)


@given(name=NAMES, resource=NAMES)
def test_prepared_address_is_prepared_unchanged(name: str, resource: str) -> None:
    once = prepared(f"{name}@one.test/{resource}")

    assert prepared(once) == once
