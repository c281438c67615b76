"""Prepared JIDs: one user has one spelling, and two users never share a spelling."""

from __future__ import annotations

import pytest

from component.core.xml.preparation import prepared


@pytest.mark.parametrize(
    ("text", "jid"),
    [
        ("Alice@ONE.Test/Phone", "alice@one.test/Phone"),
        ("\u00dcnal@one.test", "\u00fcnal@one.test"),
        ("U\u0308nal@one.test/U\u0308", "\u00fcnal@one.test/\u00dc"),
        ("gro\u00df@one.test", "gross@one.test"),
        ("\uff21lice@one.test/\uff30hone", "alice@one.test/Phone"),
        ("soft\u00adhyphen@one.test", "softhyphen@one.test"),
        ("one.test", "one.test"),
        ("", ""),
    ],
)
def test_jid_is_prepared_by_its_profiles(text: str, jid: str) -> None:
    assert prepared(text) == jid


@pytest.mark.parametrize(
    "address",
    [
        "\u33c6@one.test",  # only ejabberd prepares it to C\u2215kg
        "C\u2215kg@one.test",  # the form that ejabberd may pass on
        "x\u33c6y@one.test",
        "e\u0319\u0367\u0dca@one.test",  # marks that ejabberd does not sort
        "\u04c0@one.test",  # folded since Unicode 5.0 only
    ],
)
def test_jid_that_servers_prepare_differently_is_unchanged(address: str) -> None:
    assert prepared(address) == address
