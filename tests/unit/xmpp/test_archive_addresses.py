"""Whose archive an address at the component stands for."""

from __future__ import annotations

import pytest

from component.core.errors import ItemNotFound
from component.xmpp.connection.addresses import Addresses
from component.xmpp.queries.archive_addresses import owner_at, unescape

COMPONENT = "archive.example.org"


def test_the_component_itself_stands_for_nobody_else() -> None:
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
def test_an_address_stands_for_the_archive_of_its_local_part(local: str, owner: str) -> None:
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
def test_an_address_of_no_bare_jid_is_nobody(local: str) -> None:
    with pytest.raises(ItemNotFound):
        owner_at(f"{local}@{COMPONENT}", Addresses())


def test_archives_have_no_resources() -> None:
    with pytest.raises(ItemNotFound):
        owner_at(rf"alice\40example.org@{COMPONENT}/phone", Addresses())


def test_the_component_has_no_resources() -> None:
    with pytest.raises(ItemNotFound):
        owner_at(f"{COMPONENT}/x", Addresses())


@pytest.mark.parametrize("text", [r"\2F", r"\3A", r"\41", r"\00", r"\5C", r"\4", "\\", r"\ff"])
def test_nothing_else_is_unescaped(text: str) -> None:
    assert unescape(text) == text


def test_what_was_unescaped_is_not_unescaped_again() -> None:
    assert unescape(r"\5c5c40") == r"\5c40"
