"""Addresses at the component and the owners of their archives."""

from __future__ import annotations

import pytest

from component.core.errors import ItemNotFound
from component.xmpp.connection.addresses import Addresses
from component.xmpp.queries.archive_addresses import owner_at, unescape

COMPONENT = "archive.example.org"


def test_address_of_the_component_is_of_no_archive() -> None:
    assert owner_at(COMPONENT, Addresses()) is None


@pytest.mark.parametrize(
    ("local", "owner"),
    [
        (r"alice\40example.org", "alice@example.org"),
        (r"room\40conference.example.org", "room@conference.example.org"),
        (r"ALICE\40Example.ORG", "alice@example.org"),
        (r"d\5c27artagnan\40musketeers.example", r"d\27artagnan@musketeers.example"),
        ("stra\u00dfe\\40b\u00fccher.example", "strasse@b\u00fccher.example"),
        (r"a\\40example.org", "a\\@example.org"),
    ],
)
def test_address_is_of_the_archive_in_its_localpart(local: str, owner: str) -> None:
    assert owner_at(f"{local}@{COMPONENT}", Addresses()) == owner


@pytest.mark.parametrize(
    "local",
    [
        "alice",
        "example.org",
        r"alice\40",
        r"\40example.org",
        r"a\40b\40example.org",
        r"alice\40example.org\2fphone",
        r"example.org\2falice\40example.org",
        r"\20alice\40example.org",
        r"al\22ice\40example.org",
        r"al\26ice\40example.org",
        r"alice\5c40example.org",
        r"alice\4Oexample.org",
        r"alice\4example.org",
        "\\" * 100,
    ],
)
def test_address_without_a_bare_jid_is_not_found(local: str) -> None:
    with pytest.raises(ItemNotFound):
        owner_at(f"{local}@{COMPONENT}", Addresses())


def test_address_of_an_archive_with_a_resource_is_not_found() -> None:
    with pytest.raises(ItemNotFound):
        owner_at(rf"alice\40example.org@{COMPONENT}/phone", Addresses())


def test_address_of_the_component_with_a_resource_is_not_found() -> None:
    with pytest.raises(ItemNotFound):
        owner_at(f"{COMPONENT}/x", Addresses())


@pytest.mark.parametrize("text", [r"\2F", r"\3A", r"\41", r"\00", r"\5C", r"\4", "\\", r"\ff"])
def test_text_without_an_escape_sequence_is_unchanged(text: str) -> None:
    assert unescape(text) == text


def test_unescaped_text_is_not_unescaped_again() -> None:
    assert unescape(r"\5c5c40") == r"\5c40"
