"""Addresses as archives have them: nobody is two users, and no two users are one."""

from __future__ import annotations

import pytest

from component.core.xml.preparation import prepared


@pytest.mark.parametrize(
    ("typed", "kept"),
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
def test_an_address_that_was_typed_is_prepared(typed: str, kept: str) -> None:
    assert prepared(typed) == kept


@pytest.mark.parametrize(
    "address",
    [
        "\u33c6@one.test",  # for ejabberd this is C\u2215kg, and nobody else
        "C\u2215kg@one.test",  # and so it may pass it on
        "x\u33c6y@one.test",
        "e\u0319\u0367\u0dca@one.test",  # marks that ejabberd does not sort
        "\u04c0@one.test",  # folded since Unicode 5.0 only
    ],
)
def test_an_address_that_servers_prepare_differently_stays_as_it_is(address: str) -> None:
    assert prepared(address) == address
