"""Hosts: the addresses of our users and rooms."""

from __future__ import annotations

import pytest

from component.core.hosts import Hosts

HOSTS = Hosts(["b.example", "a.example", "b.example"], ["rooms.a.example"])


def test_hosts_are_unique_in_the_order_of_the_configuration() -> None:
    assert list(HOSTS) == ["b.example", "a.example"]
    assert len(HOSTS) == 2
    assert HOSTS.default == "b.example"
    assert HOSTS.room_services == ("rooms.a.example",)
    assert HOSTS.domains == ("b.example", "a.example", "rooms.a.example")


@pytest.mark.parametrize(
    ("address", "is_user", "is_room"),
    [
        ("alice@a.example", True, False),
        ("alice@b.example/phone", True, False),
        ("a.example", False, False),
        ("a.example/phone", False, False),
        ("alice@c.example", False, False),
        ("alice@sub.a.example", False, False),
        ("room@rooms.a.example", False, True),
        ("room@rooms.a.example/nick", False, True),
        ("rooms.a.example", False, False),
        ("", False, False),
    ],
)
def test_domain_decides_whether_an_address_is_a_user_or_a_room(
    address: str, is_user: bool, is_room: bool
) -> None:
    assert HOSTS.is_user(address) is is_user
    assert HOSTS.is_room(address) is is_room


def test_only_virtual_hosts_are_members() -> None:
    assert "a.example" in HOSTS
    assert "rooms.a.example" not in HOSTS
    assert "alice@a.example" not in HOSTS
